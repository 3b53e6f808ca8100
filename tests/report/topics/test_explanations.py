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
    return Explained(summary, IMAGES)


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
    assert isinstance(section.blocks[0], Paragraph)
    assert section.blocks[0].text.startswith("15 images were explained, of which 13 are unstable.")
    assert "no others" in section.blocks[0].text
    rows = [[text_of(cell) for cell in row] for row in tables(section)["Causes among the unstable images"].rows]
    assert rows[0] == ["As they are", "–", "–", "13", "–", "40.0% | 35.0% to 45.0%"]
    assert rows[1][0::5] == ["Controls", "38.0% | 33.0% to 43.0%"]
    assert rows[2] == ["Framed off centre", "7", "8", "13", "2", "12.0% | 8.0% to 16.0%"]
    assert rows[3] == ["Undersampling in the network", "3", "4", "9", "0", "20.0% | too few images for an interval"]
    assert rows[5] == ["Fine detail in the image", "0", "0", "0", "0", "–"]
    assert rows[-1][:2] == ["None found", "2"]
    assert len(rows) == 3 + len(summary.shares)


def test_the_list_of_images_links_to_their_pages(with_explanations):
    rows = tables(explanations_section(with_explanations))["The images that were explained"].rows
    assert [[text_of(cell) for cell in row] for row in rows] == [
        ["test/003.png", "Сова é", "50.0% | 40.0% to 60.0%", "framed off centre", "why?"],
        ["test/<i>.png", "–", "20.0%", "none found", "why?"],
        ["test/005.png", "owl", "1.0% | 0% to 2.0%", "stable", "why?"],
    ]
    assert [row[-1].link for row in rows if isinstance(row[-1], Cell)] == [image.link for image in IMAGES]


def test_the_figure_says_its_numbers(with_explanations):
    (figure,) = [block for block in explanations_section(with_explanations).blocks if isinstance(block, FigureBlock)]
    assert figure.alt.endswith(
        "framed off centre 7, undersampling in the network 3, a coin toss between two classes 1, none found 2."
    )


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
    assert section.blocks[0].text.startswith("3 images were explained, of which none is unstable.")
    assert list(tables(section)) == ["The images that were explained"]
    (finding,) = explanation_findings(changed)
    assert finding.claim == "3 images were explained, of which none is unstable."


def test_finding(with_explanations):
    (finding,) = explanation_findings(with_explanations)
    assert finding.kind == "fact"
    assert finding.claim == (
        "“framed off centre” is the first cause of 7 of the 13 unstable images that were explained."
    )
    assert finding.evidence == (
        "With “framed off centre” taken away (13 images tried), mean P(top-1 change) is 12.0% (95% interval 8.0% to "
        "16.0%); on 2 of them only by a wrong or unrelated answer; as they are, it is 40.0% (95% interval 35.0% to "
        "45.0%) over all the unstable ones, and 38.0% after changes that take no cause away. For 2 no cause was "
        "found. The images were picked, not sampled: the counts are of these images, and of no others."
    )


def share(summary, cause, n_first):
    return dataclasses.replace(next(one for one in summary.shares if one.cause == cause), n_first=n_first)


@pytest.mark.parametrize(
    ("firsts", "n_unstable", "claim"),
    [
        (
            {"off_centre": 4, "scale": 4},
            9,
            "“framed off centre” and “framed too small or too large” are each the first cause of 4 of the 9 unstable "
            "images that were explained.",
        ),
        (
            {"coin_toss": 5},
            5,
            "“a coin toss between two classes” is the first cause of the 5 unstable images",
        ),
        ({"scale": 1}, 1, "“framed too small or too large” is the first cause of the one unstable image that was"),
        ({"scale": 0}, 6, "No cause was found for the 6 unstable images that were explained."),
    ],
)
def test_claims(with_explanations, summary, firsts, n_unstable, claim):
    shares = [share(summary, cause, n) for cause, n in firsts.items()]
    changed = dataclasses.replace(summary, n_unstable=n_unstable, shares=shares)
    (finding,) = explanation_findings(dataclasses.replace(with_explanations, summary=changed))
    assert finding.claim.startswith(claim)
    assert ("study’s sweep" in finding.evidence) == ("coin_toss" in firsts)


def test_what_is_gathered_are_the_explanations(explained_source):
    contents = gather(explained_source)
    assert contents.summary == summarise(list(explained_source.explanations.values()))
    assert [image.image_id for image in contents.images] == list(explained_source.explanations)
    assert [image.link for image in contents.images] == [f"../explanations/{n}/index.html" for n in range(2)]
    last, *_ = reversed(explained_source.explanations)
    explained_source.explanations = {last: explained_source.explanations[last]}
    # The summary is of the least stable images, and the least stable one is not explained now.
    assert gather(explained_source).summary is None


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
    assert [bar.get_width() for bar in ax.patches] == [7, 3, 1, 0, 0, 0, 0, 2]
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names[:2] == ["framed off centre", "undersampling in the network"]
    assert names[-1] == "none found"
