"""The report's section and finding on the images that were explained."""

import dataclasses
import json
import re

import pandas as pd
import pytest

from bias_toolkit.explain.record import Estimate
from bias_toolkit.explain.summary import summarise
from bias_toolkit.report import topic_findings, write_report
from bias_toolkit.report.page.blocks import Cell, FigureBlock, Omitted, Paragraph, TableBlock
from bias_toolkit.report.topics.explanations import (
    TOPIC,
    Explained,
    ExplainedImage,
    explanation_findings,
    explanations_section,
    first_causes,
    gather,
)

IMAGES = (
    ExplainedImage("test/003.png", "Сова é", 0.5, 0.4, 0.6, "framed off centre", "../explanations/3/index.html"),
    ExplainedImage("test/<i>.png", "", 0.2, None, None, None, "../explanations/4/index.html"),
    ExplainedImage("test/005.png", "owl", 0.01, 0.0, 0.02, None, "../explanations/5/index.html", True),
)


@pytest.fixture
def with_explanations(summary):
    return Explained(summary, IMAGES[:2], IMAGES[2:])


@pytest.fixture
def explained_source(source, unstable):
    """The two least stable images are explained."""
    worst = source.per_image.sort_values(["p_top1_change", "mac"], ascending=False)["image_id"].head(2)
    source.explanations = {
        image_id: dataclasses.replace(unstable, image_id=image_id, folder=source.folder / "explanations" / str(place))
        for place, image_id in enumerate(worst)
    }
    return source


def tables(section):
    return {block.caption: block for block in section.blocks if isinstance(block, TableBlock)}


def text_of(cell):
    return cell if isinstance(cell, str) else " | ".join(filter(None, [cell.text, cell.detail]))


def test_the_sections_numbers_are_the_summarys(with_explanations, summary):
    section = explanations_section(with_explanations)
    first, *_, margin = [block.text for block in section.blocks if isinstance(block, Paragraph)]
    assert first.startswith("The 15 least stable images were explained; 13 are unstable. The images were picked")
    assert margin == (
        "9 of 12 unstable images do not clearly change more often than other test images of the same margin (an "
        "association)."
    )
    rows = [[text_of(cell) for cell in row] for row in tables(section)["Causes among the unstable images"].rows]
    assert rows[0] == ["As they are", "–", "–", "13", "–", "–", "40.0% | 35.0% to 45.0%", "–"]
    assert rows[1][0::6] == ["Controls", "38.0% | 33.0% to 43.0%"]
    assert rows[2] == ["Framed off centre", "7", "8", "13", "3", "2", "12.0% | 8.0% to 16.0%", "26.0 | 20.0 to 32.0"]
    few = "too few images, or too alike, for an interval"
    assert rows[3] == ["Undersampling in the network", "3", "4", "4", "0", "0", f"20.0% | {few}", f"18.0 | {few}"]
    assert rows[4] == ["Fine detail in the image", *["0"] * 5, "–", "–"]
    assert rows[-1][:2] == ["None found", "3"]
    assert len(rows) == 3 + len(summary.shares)
    header = tables(section)["Causes among the unstable images"].header
    assert {len(row) for row in rows} == {len(header)}


def test_the_lists_of_images_link_to_their_pages_and_say_which_are_counted(with_explanations):
    shown = tables(explanations_section(with_explanations))
    counted = shown["The least stable images"].rows
    others = shown["Other explained images, which are not counted above"].rows
    assert [[text_of(cell) for cell in row] for row in [*counted, *others]] == [
        ["test/003.png", "Сова é", "50.0% | 40.0% to 60.0%", "framed off centre", "why?"],
        ["test/<i>.png", "–", "20.0%", "none found", "why?"],
        ["test/005.png", "owl", "1.0% | 0% to 2.0%", "stable", "why?"],
    ]
    links = [row[-1].link for row in [*counted, *others] if isinstance(row[-1], Cell)]
    assert links == [image.link for image in IMAGES]
    alone = explanations_section(dataclasses.replace(with_explanations, others=()))
    assert "Other explained images, which are not counted above" not in tables(alone)


def test_the_figure_says_its_numbers(with_explanations):
    (figure,) = [block for block in explanations_section(with_explanations).blocks if isinstance(block, FigureBlock)]
    assert figure.alt.endswith("framed off centre 7, undersampling in the network 3, none found 3.")
    assert "the 13 unstable images among the 15 least stable images" in figure.caption


def test_only_other_images_are_explained(with_explanations):
    """Without the least stable image there is no summary, but a list."""
    contents = Explained(None, (), IMAGES)
    section = explanations_section(contents)
    assert list(tables(section)) == ["Other explained images, which are not counted above"]
    assert len(section.blocks) == 1
    assert explanation_findings(contents) == []
    assert TOPIC.results(contents)["explained"]["summary"] is None


def test_nothing_explained(source):
    source = gather(source)
    omitted = explanations_section(source)
    assert isinstance(omitted, Omitted)
    assert "bias-toolkit explain STUDY --worst 20" in omitted.reason
    assert explanation_findings(source) == []
    assert TOPIC.results(source) == {"explained": None}


def test_no_image_is_unstable(with_explanations, summary):
    none = dataclasses.replace(summary, n_images=3, n_unstable=0, n_unexplained=0)
    changed = dataclasses.replace(with_explanations, summary=none)
    section = explanations_section(changed)
    assert section.blocks[0].text.startswith("The 3 least stable images were explained; none is unstable.")
    assert next(iter(tables(section))) == "The least stable images"
    (finding,) = explanation_findings(changed)
    assert (finding.kind, finding.estimate) == ("fact", None)
    assert finding.claim == "The least stable images are stable over one-pixel steps in all directions."


@pytest.mark.parametrize(
    ("beyond", "kind", "rank", "claim"),
    [
        (
            Estimate(0.26, 0.2, 0.32),
            "effect",
            40,
            "On average, removing “framed off centre” makes the least stable images more stable.",
        ),
        (
            Estimate(0.1, 0.0, 0.2),
            "none",
            140,
            "That removing “framed off centre” makes the least stable images more stable on average was not found.",
        ),
        (
            Estimate(-0.1, -0.2, -0.01),
            "effect",
            40,
            "On average, removing “framed off centre” makes the least stable images less stable.",
        ),
        (
            Estimate(0.26),
            "caution",
            140,
            "Too few of the least stable images were explained to name a cause that they share.",
        ),
    ],
)
def test_a_finding_follows_from_the_interval_that_is_shown(with_explanations, summary, beyond, kind, rank, claim):
    shares = [dataclasses.replace(summary.shares[0], beyond=beyond), *summary.shares[1:]]
    changed = dataclasses.replace(summary, shares=shares)
    (finding,) = explanation_findings(dataclasses.replace(with_explanations, summary=changed))
    assert (finding.kind, finding.rank, finding.claim) == (kind, rank, claim)
    assert not re.search("[0-9]", finding.claim)
    estimate = finding.estimate
    assert (estimate.value, estimate.low, estimate.high, estimate.n) == (beyond.value, beyond.low, beyond.high, 13)
    assert estimate.direction == {"effect": 1 if beyond.value > 0 else -1, "none": 0, "caution": None}[kind]
    # The table has the same numbers.
    row = tables(explanations_section(dataclasses.replace(with_explanations, summary=changed)))
    cell = row["Causes among the unstable images"].rows[2][-1]
    assert estimate.text.startswith(f"P(top-1 change) lower than after changes that remove no cause by {cell.text} ")
    assert finding.evidence.startswith(
        "“framed off centre” is the first cause of 7 of the 13 unstable images among the 15 least stable images. For 3 "
        "no cause was found."
    )


def share(summary, cause, n_first):
    return dataclasses.replace(next(one for one in summary.shares if one.cause == cause), n_first=n_first)


@pytest.mark.parametrize(
    ("firsts", "n_unstable", "words"),
    [
        (
            {"off_centre": 4, "scale": 4},
            9,
            "“framed off centre” and “framed too small or too large” are each the first cause of 4 of the 9 unstable "
            "images among",
        ),
        ({"scale": 6}, 15, "“framed too small or too large” is the first cause of 6 of the 15 least stable images."),
        ({"scale": 1}, 1, "“framed too small or too large” is the first cause of 1 of the 1 unstable image among"),
    ],
)
def test_evidence(with_explanations, summary, firsts, n_unstable, words):
    shares = [share(summary, cause, n) for cause, n in firsts.items()]
    changed = dataclasses.replace(summary, n_unstable=n_unstable, shares=shares)
    (finding,) = explanation_findings(dataclasses.replace(with_explanations, summary=changed))
    assert finding.evidence.startswith(words)


def test_no_cause_was_found(with_explanations, summary):
    shares = [share(summary, each.cause, 0) for each in summary.shares]
    changed = dataclasses.replace(summary, shares=shares, n_unexplained=13)
    (finding,) = explanation_findings(dataclasses.replace(with_explanations, summary=changed))
    assert (finding.kind, finding.estimate, finding.rank) == ("none", None, 140)
    assert finding.claim == "No cause was found for any of the least stable images."


def test_what_is_gathered_are_the_explanations(explained_source):
    contents = gather(explained_source)
    assert contents.summary == summarise(list(explained_source.explanations.values()))
    assert [image.image_id for image in contents.images] == list(explained_source.explanations)
    assert [image.link for image in contents.images] == [f"../explanations/{n}/index.html" for n in range(2)]
    last, *_ = reversed(explained_source.explanations)
    explained_source.explanations = {last: explained_source.explanations[last]}
    # The summary is of the least stable images, and the least stable one is not explained now.
    contents = gather(explained_source)
    assert (contents.summary, contents.images, [image.image_id for image in contents.others]) == (None, [], [last])


def test_the_report_has_it_after_the_images(explained_source, tmp_path, pages_without_figures):
    explained_source.train_framing = pd.DataFrame()
    findings = topic_findings(explained_source, "framing-effect", "explanations", "classes")
    topics = list(dict.fromkeys(finding.topic for finding in findings))
    assert topics.index("Single unstable images") == topics.index("Framing and stability") + 1
    path = write_report(explained_source, tmp_path / "report")
    html = path.read_text(encoding="utf-8")
    headings = re.findall(r"<h2>(.*?)</h2>", html)
    place = headings.index("Why the least stable images are unstable")
    assert headings[place - 1 : place + 2] == ["Most and least stable images", headings[place], "Classes"]
    assert "../explanations/0/index.html" in html
    assert (path.parent / "figures" / "first-causes.svg").is_file()
    saved = json.loads((path.parent / "results.json").read_text(encoding="utf-8"))["explained"]
    assert saved["summary"]["n_unstable"] == 2
    assert saved["images"][1]["first_cause"] == "framed off centre"


def test_bars_of_first_causes(summary):
    ax = first_causes(summary)
    assert [bar.get_width() for bar in ax.patches] == [7, 3, 0, 0, 0, 0, 3]
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names[:2] == ["framed off centre", "undersampling in the network"]
    assert names[-1] == "none found"
