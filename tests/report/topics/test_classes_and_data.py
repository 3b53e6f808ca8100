"""The list of findings as a whole, and those on classes and data."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_toolkit.report import topic_findings
from bias_toolkit.report.page.blocks import TableBlock
from bias_toolkit.report.topics import TOPICS
from bias_toolkit.report.topics.classes import TOPIC, Classes, classes_section
from bias_toolkit.report.topics.classes import class_findings as class_findings_of
from bias_toolkit.report.topics.left_out import data_findings, gather, left_out_section
from bias_toolkit.report.words.sentences import ClassNames

ENDS = ("p_top1_change_low", "p_top1_change_high")


def all_findings(source):
    return topic_findings(source, *(topic.name for topic in TOPICS))


def class_findings(source):
    return topic_findings(source, "classes")


def with_classes(source, analysis_of, values, n=40, half=0.05):
    """Images of classes whose P(top-1 change) has the class's value in the mean."""
    noise = np.resize([-0.1, 0.1], n)
    per_image = pd.concat(
        [pd.DataFrame({"label": label, "p_top1_change": value + noise}) for label, value in values.items()]
    )
    rows = [
        {
            "label": label,
            "n": n,
            "p_top1_change": value,
            "p_top1_change_low": value - half,
            "p_top1_change_high": value + half,
        }
        for label, value in values.items()
    ]
    return dataclasses.replace(
        source,
        per_image=per_image,
        analysis=analysis_of(classes=rows),
        class_names={"b": "Bee, insect"},
        reference=("crop", "diagonal", 1.0),
    )


def test_classes_that_differ(bare_source, analysis_of):
    (finding,) = class_findings(with_classes(bare_source, analysis_of, {"a": 0.2, "b": 0.9, "c": 0.5}))
    assert finding.kind == "association"
    assert finding.claim == "Classes differ in stability: “Bee” is less stable than the mean of all images."
    assert finding.estimate.value == 0.9
    assert finding.estimate.nothing == pytest.approx(1.6 / 3)
    assert finding.evidence.startswith("The mean of all images, those of this class included, is 53.3% (95% interval ")
    assert finding.evidence.endswith("%). Of 3 classes, 1 is less stable than that mean. 1 is more stable.")
    assert finding.rank == 60


def test_classes_that_do_not_differ(bare_source, analysis_of):
    (finding,) = class_findings(with_classes(bare_source, analysis_of, {"a": 0.5, "b": 0.52}))
    assert finding.kind == "none"
    assert finding.claim == "No class was found to be more or less stable than the mean of all images."
    assert finding.estimate.direction == 0
    assert finding.rank == 160
    # All images are always stable.
    still = with_classes(bare_source, analysis_of, {"a": 0.0, "b": 0.0})
    still.per_image["p_top1_change"] = 0.0
    assert class_findings(still)[0].kind == "none"


def test_classes_of_few_images(bare_source, analysis_of):
    (finding,) = class_findings(with_classes(bare_source, analysis_of, {"a": 0.2, "b": 0.9}, n=3, half=np.nan))
    assert finding.kind == "caution"
    assert finding.claim == "Too few images of each class to say whether classes differ in stability."


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(st.floats(0.1, 0.9), st.floats(0.01, 0.1)), min_size=2, max_size=8))
def test_a_class_differs_if_its_line_in_the_figure_leaves_out_the_mean(values):
    per_image = pd.DataFrame({"label": "c", "p_top1_change": np.linspace(0.1, 0.9, 30 * len(values))})
    rows = [
        {"label": f"{i}", "n": 30, "p_top1_change": value} | dict(zip(ENDS, (value - half, value + half), strict=True))
        for i, (value, half) in enumerate(values)
    ]
    contents = Classes(pd.DataFrame(rows), per_image, ClassNames())
    (finding,) = class_findings_of(contents)
    shown, whole = contents.compared()
    differ = shown[ENDS[0]].gt(whole.value).sum() + shown[ENDS[1]].lt(whole.value).sum()
    assert (finding.kind == "association") == (differ > 0) == (finding.estimate.direction != 0)
    if differ:
        side = "less stable" if finding.estimate.direction > 0 else "more stable"
        assert f"is {side} than the mean" in finding.claim


def test_the_table_has_the_interval_of_the_finding(bare_source, analysis_of):
    source = with_classes(bare_source, analysis_of, {"a": 0.2, "b": 0.9, "c": 0.5})
    (finding,) = class_findings(source)
    (table,) = (each for each in classes_section(TOPIC.gather(source)).blocks if isinstance(each, TableBlock))
    first = table.rows[0]
    assert (first[0].text, first[2].text) == ("Bee", "90.0%")
    assert f"95% interval {first[2].detail};" in finding.estimate.text


def test_one_class_or_none(bare_source, analysis_of):
    assert class_findings(with_classes(bare_source, analysis_of, {"a": 0.5})) == []
    assert class_findings(bare_source) == []


def test_data(bare_source):
    contents = gather(bare_source)
    train = dataclasses.replace(contents.datasets["train"], n_images=99, n_skipped=1, dropped_boxes=2)
    test = dataclasses.replace(contents.datasets["test"], n_images=997, n_skipped=3)
    skipped = pd.DataFrame({"split": ["test"] * 3 + ["train"], "image_id": ["a.png", "b.png", "c.png", "u.png"]})
    found = data_findings(dataclasses.replace(contents, datasets={"train": train, "test": test}, skipped=skipped))
    assert [finding.claim for finding in found] == [
        "One image of the training set could not be used and was left out.",
        "Some images of the test set could not be used and were left out.",
        "Some boxes of the training set had no area inside the image.",
    ]
    assert [finding.evidence.partition(". ")[0] for finding in found] == [
        "1 of 100 images was left out (u.png)",
        "3 of 1,000 images were left out (for example a.png)",
        "2 boxes were dropped.",
    ]
    # From one in a hundred images on, it is among the first findings.
    assert [finding.rank for finding in found] == [14, None, None]
    assert {finding.kind for finding in found} == {"caution"}


def test_what_a_reader_notes_is_shown_and_a_warning_is_a_finding(bare_source):
    plain = {"text": "1 column was passed over (such as 'x').", "warns": False}
    warning = {"text": "2 boxes may be wrong (such as of a.png).", "warns": True}
    contents = gather(dataclasses.replace(bare_source, notes={"train": [plain], "test": [plain, warning]}))
    (found,) = data_findings(contents)
    assert (found.kind, found.rank) == ("caution", 14)
    assert found.claim == "Some boxes or labels of the test set may be wrong, as the annotations leave doubt."
    assert found.evidence == warning["text"]
    (shown, _) = left_out_section(contents, []).blocks
    assert [cell.text for cell in shown.items][-3:] == [
        f"Training set: {plain['text']}",
        f"Test set: {warning['text']}",
        f"Test set: {plain['text']}",
    ]


def test_all_findings_of_a_known_law(shared_source):
    by_topic = {}
    for finding in all_findings(shared_source):
        by_topic.setdefault(finding.topic, []).append(finding)
    assert list(by_topic) == [
        "Framing of the subjects",
        "Stability under one-pixel steps",
        "Distance from the training set",
        "Framing and stability",
        "Classes",
        "The data",
    ]
    farther = by_topic["Distance from the training set"][0]
    assert farther.kind == "association"
    assert farther.claim.startswith("The farther an image is from its nearest training image, the higher the")


def test_findings_do_not_depend_on_when_they_are_asked(shared_source):
    assert all_findings(shared_source) == all_findings(shared_source)


def test_nothing_computed_still_has_findings(bare_source):
    assert {finding.kind for finding in all_findings(bare_source)} == {"unknown"}
