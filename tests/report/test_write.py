"""The report's folder: complete, self-contained, escaped, and written whole."""

import csv
import dataclasses
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from bias_toolkit.foundation.words import number
from bias_toolkit.report import write_report
from bias_toolkit.report.page.files import write_tables
from bias_toolkit.report.topics import TOPICS, framing
from bias_toolkit.report.words.definitions import value_form

VOID = {"meta", "img", "link", "br", "input", "hr"}


class Page(HTMLParser):
    """Collects a page's links, pictures, ids and text, and checks that its tags are closed in order."""

    def __init__(self, html):
        super().__init__()
        self.open, self.links, self.sources, self.alts, self.ids, self.words = [], [], [], [], [], []
        self.headings, self.tags = [], set()
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        if "href" in attrs:
            self.links.append(attrs["href"])
        if tag == "img":
            self.sources.append(attrs["src"])
            self.alts.append(attrs.get("alt", ""))
        if "id" in attrs:
            self.ids.append(attrs["id"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="session")
def page(report):
    return Page(report.html)


def test_sections_in_their_order(page):
    assert page.headings == [
        "The answers",
        "Findings",
        "The photographers’ bias: framing of the training set",
        "Are both sets framed alike?",
        "Invariance",
        "Distance from the training set",
        "Framing and invariance",
        "What distance says beside everything else",
        "Most and least stable images",
        "Classes",
        "Numerical noise",
        "What was left out",
        "How this was made",
        "Files",
    ]


def test_every_link_and_picture_is_there(report, page):
    for link in {*page.links, *page.sources}:
        if link.startswith("#"):
            assert link[1:] in page.ids
        elif not link.startswith("../explain/"):
            assert (report.folder / link).is_file(), link
    assert "../explain/3/index.html" in page.links or "test/003.png" not in page.text
    assert len(set(page.ids)) == len(page.ids)


def test_nothing_comes_from_the_network(report, page):
    assert not [link for link in page.links + page.sources if "//" in link]
    assert "@import" not in report.html
    # The page's own script is last; it shows a picture of the report.
    assert report.html.count("<script>") == 1
    assert "url(" not in report.html.partition("<script>")[0]
    assert "fetch" not in report.html.partition("<script>")[2]


def test_pictures_have_words_for_who_cannot_see_them(page):
    assert page.sources
    assert all(page.alts)


def test_names_are_escaped(report, page):
    assert "<script>" not in report.html.partition("</footer>")[0]
    assert "<script>alert(1)</script>" in page.text
    assert 'said "no" & left' in page.text
    assert "Сова é" in page.text
    assert "owls & others <i>" in page.text
    assert "train/<b>.png" in page.text


def test_figures(report):
    names = {path.stem for path in (report.folder / "figures").iterdir()}
    assert {"centres-training", "coverage-training", "sizes", "classes", "distance-mac-given-margin"} <= names


@pytest.mark.usefixtures("no_layout")
def test_every_figure_in_the_formats_that_are_asked_for(bare_source, shared_source, tmp_path):
    source = dataclasses.replace(
        bare_source,
        per_image=shared_source.per_image.drop(columns=["centre_distance", "scale"]),
        analysis=shared_source.analysis,
        reference=shared_source.reference,
        test_images=shared_source.test_images,
        settings=type(bare_source.settings)(figure_formats=("pdf",)),
    )
    folder = write_report(source, tmp_path / "report").parent
    names = {path.stem for path in (folder / "figures").iterdir()}
    assert names == {"sizes", "p-top1-change", "odds-ratios", "classes"}
    links = Page((folder / "index.html").read_text(encoding="utf-8")).links
    for name in names:
        for ending in ("svg", "pdf"):
            assert (folder / "figures" / f"{name}.{ending}").stat().st_size > 1000
            assert f"figures/{name}.{ending}" in links
        assert not (folder / "figures" / f"{name}.png").exists()


def test_tables(report, shared_source):
    with open(report.folder / "tables" / "per_image.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(shared_source.per_image)
    assert rows[1]["label"] == "<script>alert(1)</script>"
    read = pd.read_csv(report.folder / "tables" / "correlations.csv")
    pd.testing.assert_series_equal(read["rho"], shared_source.table("correlations")["rho"].astype(float), rtol=1e-12)


def test_the_page_says_what_was_done(page):
    for words in (
        "Every measure under every sweep",
        "1 box of the training set had no area inside the image and was dropped.",
        "truncated file",
        "Flat: few features.",
        "All 3 labels are classes of the model.",
        "Possible leaks, those whose labels differ first",
        "3 min 20 s",
        "metric cosine",
        "sizes default",
        "Mean distance to the 10 nearest training images (cosine)",
        "P(top-1 change) without a shift 0% (95% interval 0% to 0.7%; 512 images)",
    ):
        assert words in page.text, words


@pytest.mark.usefixtures("empty_figures")
def test_no_plain_correlation_without_the_partial_one(source, tmp_path):
    analysis = source.analysis
    rows = analysis.correlations[~analysis.correlations["kind"].eq("partial")]
    source.analysis = dataclasses.replace(analysis, correlations=rows)
    source.train_framing = source.test_framing = pd.DataFrame()
    text = Page(write_report(source, tmp_path / "r").read_text(encoding="utf-8")).text
    assert "Spearman's ρ 0" not in text
    assert "Distance against invariance: Spearman" not in text
    assert "ρ of distance" not in text
    assert "is not given. It could not be controlled for the margin" in text


def test_nothing_computed_omits_sections_and_says_why(bare_source, tmp_path):
    path = write_report(bare_source, tmp_path / "report")
    page = Page(path.read_text(encoding="utf-8"))
    assert page.headings == ["The answers", "Findings", "What was left out", "How this was made", "Files"]
    framing = ("The photographers’ bias: framing of the training set", "Are both sets framed alike?")
    for title in (*framing, "Invariance", "Distance from the training set", "Classes"):
        assert f"The section “{title}” is left out:" in page.text
    assert not (tmp_path / "report" / "figures").exists()
    assert sorted(item.name for item in path.parent.iterdir()) == ["index.html", "results.json", "tables"]


@pytest.mark.usefixtures("no_layout")
def test_twice_is_the_same(bare_source, source, tmp_path):
    source.train_framing = source.per_image = pd.DataFrame()
    source.reference = None
    for given in (bare_source, source):
        one, other = (write_report(given, tmp_path / given.folder.name[:4] / name).parent for name in "ab")
        files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
        assert files == sorted(path.relative_to(other) for path in other.rglob("*") if path.is_file())
        for file in files:
            assert (one / file).read_bytes() == (other / file).read_bytes(), file


def test_large_tables_are_cut_and_it_says_so(source, tmp_path):
    tables = [table for topic in TOPICS if topic.name == "distance" for table in topic.tables(topic.gather(source))]
    holds = {name: text for _, name, text in write_tables(tables, tmp_path, largest=10)}
    assert "the first 10 of 120" in holds["per_image.csv"]
    assert len(pd.read_csv(tmp_path / "tables" / "per_image.csv")) == 10


@pytest.mark.usefixtures("empty_figures")
def test_only_offsets(source, tmp_path, analysis_of):
    """A study without steps has no figure of steps, and its page does not stumble."""
    offsets = {"protocol": "offsets", "transform": None, "size": 1.0, "n": 9}
    rows = [
        offsets | {"measure": "consistency", "value": 0.9, "low": 0.8, "high": 0.95},
        offsets | {"measure": "accuracy", "value": 0.7, "low": 0.6, "high": 0.8},
    ]
    source.analysis = analysis_of(summary=rows)
    source.noise_floor = source.reference = None
    source.train_framing = pd.DataFrame()
    page = Page(write_report(source, tmp_path / "report").read_text(encoding="utf-8"))
    assert "Pairs that agree 90.0%" in page.text
    assert "Invariance" in page.headings
    assert "Most and least stable images" not in page.headings


def test_the_answer_is_of_the_objects_that_the_frame_does_not_cut(source):
    answer = framing.TOPIC.answer(framing.gather(source))
    assert answer.estimate.name == "centre_bias"
    assert "Of all objects" not in answer.evidence
    cut = {
        "truncated_share": 0.77,
        "centre_bias": -0.1,
        "centre_bias_low": -0.11,
        "centre_bias_high": -0.09,
        "untruncated_centre_bias": 0.24,
        "untruncated_centre_bias_low": 0.22,
        "untruncated_centre_bias_high": 0.25,
    }
    source.train_summary = source.train_summary.assign(**cut)
    answer = framing.TOPIC.answer(framing.gather(source))
    assert answer.estimate.name == "untruncated_centre_bias"
    assert "0.24 (95% interval 0.22 to 0.25;" in answer.estimate.text
    assert "do not touch the border" in answer.claim
    assert "\N{MINUS SIGN}0.10" in answer.evidence


def test_class_and_category_tables_give_intervals(page, shared_source):
    row = shared_source.table("classes").iloc[0]
    # All objects have one size, so scale has no interval.
    for name in ("accuracy", "mac", "nn_distance", "centre_distance"):
        form = value_form(name)
        assert f"{form(row[f'{name}_low'])} to {form(row[f'{name}_high'])}" in page.text
    row = shared_source.train_summary.iloc[1]
    assert f"{number(row['divergence_bits_low'])} to {number(row['divergence_bits_high'])}" in page.text


def test_tables_of_many_columns_stand_closer(report):
    (head,) = re.findall(r'<table class="([^"]*)">\s*<caption>Every measure under every sweep', report.html)
    assert head == "numeric wide"
    (head,) = re.findall(r'<table class="([^"]*)">\s*<caption>Numerical noise floor', report.html)
    assert head == "numeric"
