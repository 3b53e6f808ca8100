"""Names of classes, images, models and studies that would do something if they were not only shown."""

import dataclasses
import re
import warnings
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from bias_toolkit.explain.explanation import notebook_html
from bias_toolkit.report import Page, write_page
from bias_toolkit.report.explanation.figures import effects_plot, response_curves
from bias_toolkit.report.page import page, publish
from bias_toolkit.report.page.style import save_figure
from bias_toolkit.report.topic import Draft
from bias_toolkit.report.topics import classes, files, images, left_out, method
from bias_toolkit.report.topics.classes import class_ranking

SCRIPT = "<script>alert(1)</script>"
BREAKOUT = "\"'><img src=x onerror=alert(1)>"
NAMES = {"owl": "$\\frac{", SCRIPT: SCRIPT, 'said "no" & left': "_[/red] $x_$"}
MATHS = ["$\\frac{", "$x_$", "a $x$ b", "\\$", "$$", "\\alpha {", "$\\undefined$", "_under", "a\nb", "[red]", "%s {0}"]
ODD = "#a?b=1&c %41 \"'<i>\n=.png"


class Attributes(HTMLParser):
    """Collects a page's tags, and its attributes that name an address."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.addresses, self.policies, self.handlers = set(), [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        attrs = dict(attrs)
        self.addresses += [
            attrs[name] for name in ("href", "src", "srcset", "action", "data", "poster") if name in attrs
        ]
        self.handlers += [name for name in attrs if name.startswith("on")]
        if attrs.get("http-equiv") == "Content-Security-Policy":
            self.policies.append(attrs["content"])


def looks_harmless(html):
    found = Attributes(html)
    # Nothing but the page's own scripts, which its policy names, is a script.
    scripts = re.findall("<script>(.*?)</script>", html, re.DOTALL)
    viewer = page._template("moves.js") + page._template("viewer.js")
    assert {viewer, page._template("photographs.js")}.issuperset(scripts)
    assert ("script" in found.tags) == bool(scripts)
    assert not found.policies or found.policies == [page.policy_of(scripts)]
    assert not {"iframe", "object", "embed", "base", "form", "link"} & found.tags
    assert not found.handlers
    assert not [
        each for each in found.addresses if re.match(r"\s*(\w+:|//)", each) and not each.startswith("data:image")
    ]
    assert "@import" not in html
    assert not re.search(r"url\(\s*['\"]?\s*(https?:)?//", html)
    return found


@pytest.fixture(scope="module")
def hostile(shared_source):
    """The study with everything, with names that would do something; tests must not change it."""
    source = shared_source
    tables = {
        name: getattr(source, name).assign(image_id=lambda table: table["image_id"] + ODD)
        for name in ("per_image", "test_framing", "distances", "neighbours", "test_images")
    }
    skipped = pd.DataFrame({"split": "test", "step": "images", "image_id": [ODD, BREAKOUT], "reason": ["=1+1", SCRIPT]})
    return dataclasses.replace(
        source,
        **tables,
        folder=Path(SCRIPT.replace("/", "")),
        roots={"train": "/data/train", "test": BREAKOUT},
        model=f"{BREAKOUT} {SCRIPT}",
        class_names=NAMES,
        skipped_images=skipped,
        versions={SCRIPT: BREAKOUT},
        settings=type(source.settings)(label_map=BREAKOUT),
    )


@pytest.fixture(scope="module")
def written(hostile, tmp_path_factory):
    """A page with such names; tests must not change it."""
    folder = tmp_path_factory.mktemp("hostile") / "page"
    topics = [topic.TOPIC for topic in (images, classes, left_out, method, files)]
    sections = [topic.section(topic.gather(hostile), Draft(folder)) for topic in topics]
    of = [("Model", hostile.model, BREAKOUT), ("Test set", BREAKOUT, SCRIPT)]
    tiles = [(SCRIPT, BREAKOUT, SCRIPT)]
    return write_page(Page(SCRIPT, of, [], sections, tiles, kicker=SCRIPT), folder)


def test_a_page_shows_them_as_text(written, open_in_browser):
    looks_harmless(written.read_text(encoding="utf-8"))
    shown = open_in_browser(written)
    assert shown.missing == []
    assert len(shown.images) > 20
    for name in (SCRIPT, BREAKOUT, *NAMES.values()):
        assert name in shown.text
    assert ODD.replace("\n", " ") in shown.text


def test_a_page_asks_no_other_machine_and_runs_nothing(written):
    html = written.read_text(encoding="utf-8")
    (policy,) = looks_harmless(html).policies
    assert policy == page.POLICY
    assert policy.startswith("default-src 'none';")
    assert "script-src" not in policy
    assert "http" not in policy


def test_a_browser_keeps_to_the_page_s_policy(written, browser):
    """A script that had found its way into a page would not run."""
    html = written.read_text(encoding="utf-8")
    script = "<script>document.body.innerHTML = 'it ran'</script>"
    for policy, runs in ((True, False), (False, True)):
        text = html if policy else re.sub(r"<meta http-equiv=[^>]*>", "", html)
        changed = written.with_name(f"policy-{policy}.html")
        changed.write_text(text.replace("</body>", f"{script}</body>"), encoding="utf-8")
        with browser.new_context(offline=True) as context:
            shown = context.new_page()
            shown.goto(changed.as_uri())
            assert (shown.inner_text("body") == "it ran") is runs


def test_the_pages_of_a_study_are_harmless(report, explained, unstable):
    for html in (report.html, explained(image_id=BREAKOUT, label_name=SCRIPT, model=BREAKOUT).read_text("utf-8")):
        assert looks_harmless(html).policies
    looks_harmless(publish._UNFINISHED)
    for path in report.folder.rglob("*.svg"):
        text = path.read_text(encoding="utf-8")
        assert "<script" not in text
        assert not re.search(r'(href|src)="(?!#|data:image)', text)


def test_a_notebook_shows_them_as_text(unstable):
    html = notebook_html(dataclasses.replace(unstable, image_id=BREAKOUT, label_name=SCRIPT))
    looks_harmless(html)
    assert "&lt;script&gt;" in html


def test_figures_draw_them_as_they_are(unstable, tmp_path):
    """What matplotlib takes for TeX is neither set as such nor an error, and nothing is left out of a legend."""
    n = len(MATHS)
    labels = [str(place) for place in range(n)]
    values = {"p_top1_change": 0.3, "p_top1_change_low": 0.2, "p_top1_change_high": 0.4}
    classes = pd.DataFrame({"label": labels, "n": 30, **values})
    curves = [
        dataclasses.replace(unstable.response.curves[0], class_index=place, name=name)
        for place, name in enumerate(MATHS)
    ]
    response = dataclasses.replace(unstable.response, curves=curves, names=MATHS[:1] * 9)
    lines = [dataclasses.replace(unstable.lines[0], intervention=name) for name in MATHS[:3]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = [
            class_ranking(classes, class_name=lambda label: MATHS[int(label)]).figure,
            response_curves(response, {}),
            effects_plot(dataclasses.replace(unstable, lines=lines, remedies=[])).figure,
        ]
        for figure in drawn:
            save_figure(figure, tmp_path / "figure.svg")
    assert {tick.get_text() for tick in drawn[0].axes[0].get_yticklabels()} == set(MATHS)
    legend = [text.get_text().lstrip("\N{THIN SPACE}") for text in drawn[1].legends[0].get_texts()]
    assert legend[:n] == MATHS
    for figure in drawn:
        texts = figure.findobj(lambda each: hasattr(each, "get_parse_math"))
        assert texts
        assert not any(text.get_parse_math() for text in texts)


def test_a_page_keeps_names_from_acting_on_what_is_around_them(tmp_path):
    steering, seen = "\x1b[2J \u202egnp.exe", r"\x1b[2J \u202egnp.exe"
    tiles, of = [(steering, steering, steering)], [("Model", steering, steering)]
    path = write_page(Page(steering, of, [], [], tiles, kicker=steering), tmp_path / "page")
    html = path.read_text(encoding="utf-8")
    assert html.count(seen) >= 6
    assert not set(steering[:1] + "\u202e") & set(html)
    assert publish.GENERATOR in html


def test_a_notebook_keeps_names_from_acting_on_what_is_around_them(unstable):
    html = notebook_html(dataclasses.replace(unstable, image_id="a \u202egnp.exe"))
    assert r"a \u202egnp.exe" in html
    assert "\u202e" not in html


def test_a_figure_of_names_that_no_font_or_xml_has_is_drawn_quietly(tmp_path):
    names = ["\x1b[31mred", "\ufffe", "\U00012000 --> ]]> &amp;"]
    classes = pd.DataFrame({"label": names, "n": 30, "p_top1_change": 0.3})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_figure(class_ranking(classes), tmp_path / "a.svg", tmp_path / "a.png", tmp_path / "a.pdf")
    assert ElementTree.parse(tmp_path / "a.svg").getroot().tag.endswith("svg")
