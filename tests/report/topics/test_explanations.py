"""The report's section and finding on the images that were explained."""

import dataclasses
import json
import re

import pandas as pd
import pytest

from bias_toolkit.explain.summary import summarise
from bias_toolkit.report import topic_findings, write_report
from bias_toolkit.report.page.blocks import Cell, FigureBlock, Omitted, Paragraph, TableBlock
from bias_toolkit.report.topics.explanations import (
    TOPIC,
    Explained,
    ExplainedImage,
    cause_bars,
    explanation_findings,
    explanations_section,
    gather,
)

IMAGES = (
    ExplainedImage(
        "test/003.png",
        "Сова é",
        0.5,
        0.4,
        {"framed off centre": 0.05, "fine detail in the image": 0.1},
        "../explanations/3/index.html",
    ),
    ExplainedImage("test/<i>.png", "", 0.2, 0.25, {}, "../explanations/4/index.html"),
    ExplainedImage("test/005.png", "owl", 0.01, None, {}, "../explanations/5/index.html", True),
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
    assert first == (
        "Of the 15 most unstable test images, chosen for that, 13 are unstable over steps in all directions. So this "
        "says nothing about other images, and there is no interval."
    )
    assert margin == (
        "That the image changes more often than other test images of the same margin was not found for 9 of 12 "
        "unstable images (an association)."
    )
    rows = [[text_of(cell) for cell in row] for row in tables(section)["Causes among the unstable images"].rows]
    assert rows[0] == ["Framed off centre", "8", "7", "13", "3", "2"]
    assert rows[1] == ["Undersampling in the network", "4", "3", "4", "0", "0"]
    assert rows[2] == ["Fine detail in the image", *["0"] * 5]
    assert rows[-1] == ["None found", "3", *["–"] * 4]
    assert len(rows) == 1 + len(summary.shares)
    # Images that were chosen have no population that an interval would be of.
    assert not [cell for row in rows for cell in row if " to " in cell]
    header = tables(section)["Causes among the unstable images"].header
    assert {len(row) for row in rows} == {len(header)}


def test_the_lists_of_images_link_to_their_pages_and_say_which_are_counted(with_explanations):
    shown = tables(explanations_section(with_explanations))
    counted = shown["The most unstable images"].rows
    others = shown["Other explained images, which are not counted above"].rows
    assert [[text_of(cell) for cell in row] for row in [*counted, *others]] == [
        [
            "test/003.png",
            "Сова é",
            "50.0%",
            "40.0%",
            "framed off centre 5.0%; fine detail in the image 10.0%",
            "why?",
        ],
        ["test/<i>.png", "–", "20.0%", "25.0%", "none found", "why?"],
        ["test/005.png", "owl", "1.0%", "–", "stable", "why?"],
    ]
    links = [row[-1].link for row in [*counted, *others] if isinstance(row[-1], Cell)]
    assert links == [image.link for image in IMAGES]
    alone = explanations_section(dataclasses.replace(with_explanations, others=()))
    assert "Other explained images, which are not counted above" not in tables(alone)


def test_the_figure_says_its_numbers(with_explanations):
    (figure,) = [block for block in explanations_section(with_explanations).blocks if isinstance(block, FigureBlock)]
    assert figure.alt.endswith("framed off centre 8, undersampling in the network 4, none found 3.")
    assert "the 13 unstable ones of the 15 most unstable test images, chosen for that" in figure.caption


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
    assert section.blocks[0].text.startswith("Of the 3 most unstable test images, chosen for that, none is unstable ")
    assert next(iter(tables(section))) == "The most unstable images"
    (finding,) = explanation_findings(changed)
    assert (finding.kind, finding.estimate) == ("fact", None)
    assert finding.claim == (
        "None of the most unstable images, chosen for that, is unstable over one-pixel steps in all directions."
    )


@pytest.mark.parametrize(
    ("n_unexplained", "whom", "found"),
    [(3, "some", "10 of the 13 unstable"), (12, "one", "1 of the 13 unstable"), (0, "each unstable one", "13 of the")],
)
def test_a_finding_says_for_how_many_a_cause_was_found(with_explanations, summary, n_unexplained, whom, found):
    changed = dataclasses.replace(summary, n_unexplained=n_unexplained)
    (finding,) = explanation_findings(dataclasses.replace(with_explanations, summary=changed))
    assert (finding.kind, finding.rank, finding.estimate) == ("fact", 40, None)
    assert finding.claim == f"A cause was found for {whom} of the most unstable images, chosen for that."
    assert finding.evidence.startswith(f"A cause was found for {found}")
    assert finding.evidence.endswith(
        "ones of the 15 most unstable test images, chosen for that. “framed off centre” is a cause of 8, more than any "
        "other. So this says nothing about other images, and there is no interval."
    )


def share(summary, cause, n_cause):
    return dataclasses.replace(next(one for one in summary.shares if one.cause == cause), n_cause=n_cause)


@pytest.mark.parametrize(
    ("causes", "n_unstable", "words"),
    [
        (
            {"off_centre": 4, "scale": 4},
            9,
            "A cause was found for 6 of the 9 unstable ones of the 15 most unstable test images, chosen for that. "
            "“framed off centre” and “framed too small or too large” are each a cause of 4, more than any other.",
        ),
        (
            {"scale": 6},
            15,
            "A cause was found for 12 of the 15 most unstable test images, chosen for that. “framed too small or too "
            "large” is a cause of 6, more than any other.",
        ),
        ({"scale": 1}, 4, "A cause was found for 1 of the 4 unstable ones of the 15 most"),
    ],
)
def test_evidence(with_explanations, summary, causes, n_unstable, words):
    shares = [share(summary, cause, n) for cause, n in causes.items()]
    changed = dataclasses.replace(summary, n_unstable=n_unstable, shares=shares)
    (finding,) = explanation_findings(dataclasses.replace(with_explanations, summary=changed))
    assert finding.evidence.startswith(words)


@pytest.mark.parametrize(
    ("n_images", "unstable"), [(1, "the most unstable test image"), (2, "the unstable one of the 2")]
)
def test_one_unstable_image(with_explanations, summary, n_images, unstable):
    shares = [share(summary, "scale", 1)]
    one = dataclasses.replace(summary, n_images=n_images, n_unstable=1, n_unexplained=0, shares=shares)
    (finding,) = explanation_findings(dataclasses.replace(with_explanations, summary=one))
    assert finding.evidence.startswith(f"A cause was found for 1 of {unstable}")


def test_no_cause_was_found(with_explanations, summary):
    shares = [share(summary, each.cause, 0) for each in summary.shares]
    changed = dataclasses.replace(summary, shares=shares, n_unexplained=13)
    (finding,) = explanation_findings(dataclasses.replace(with_explanations, summary=changed))
    assert (finding.kind, finding.estimate, finding.rank) == ("none", None, 140)
    assert finding.claim == "No cause was found for any of the most unstable images, chosen for that."


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
    place = headings.index("Why the most unstable images are unstable")
    assert headings[place - 1 : place + 2] == ["Most and least stable images", headings[place], "Classes"]
    assert "../explanations/0/index.html" in html
    assert (path.parent / "figures" / "causes.svg").is_file()
    saved = json.loads((path.parent / "results.json").read_text(encoding="utf-8"))["explained"]
    assert saved["summary"]["n_unstable"] == 2
    assert saved["images"][1]["causes"] == {"framed off centre": 0.06}


def test_bars_of_causes(summary):
    ax = cause_bars(summary)
    assert [bar.get_width() for bar in ax.patches] == [8, 4, 0, 0, 0, 0, 3]
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names[:2] == ["framed off centre", "undersampling in the network"]
    assert names[-1] == "none found"
