"""The list of findings as a whole, and those on classes and data."""

import dataclasses

import numpy as np
import pandas as pd

from bias_toolkit.report import topic_findings
from bias_toolkit.report.topics import TOPICS
from bias_toolkit.report.topics.left_out import data_findings, gather


def all_findings(source):
    return topic_findings(source, *(topic.name for topic in TOPICS))


def class_findings(source):
    return topic_findings(source, "classes")


def with_classes(source, analysis_of, values):
    """Ten images a class, whose P(top-1 change) has the class's value in the mean."""
    noise = np.array([-0.1, 0.1] * 5)
    per_image = pd.concat(
        [pd.DataFrame({"label": label, "p_top1_change": value + noise}) for label, value in values.items()]
    )
    rows = [
        {
            "label": label,
            "n": 10,
            "p_top1_change": value,
            "p_top1_change_low": value - 0.05,
            "p_top1_change_high": value + 0.05,
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
    assert finding.kind == "effect"
    assert "Kruskal–Wallis" in finding.evidence
    assert "3 classes" in finding.evidence
    assert "highest for “Bee”, 90.0% (85.0% to 95.0%), and lowest for “a”, 20.0% (15.0% to 25.0%)" in finding.evidence


def test_classes_that_do_not_differ(bare_source, analysis_of):
    (finding,) = class_findings(with_classes(bare_source, analysis_of, {"a": 0.5, "b": 0.5}))
    assert finding.kind == "none"
    assert finding.claim == "No difference in stability between classes was found."


def test_one_class_or_none(bare_source, analysis_of):
    assert class_findings(with_classes(bare_source, analysis_of, {"a": 0.5})) == []
    assert class_findings(bare_source) == []


def test_data(bare_source):
    contents = gather(bare_source)
    train = dataclasses.replace(contents.datasets["train"], n_images=99, n_skipped=1, dropped_boxes=2)
    test = dataclasses.replace(contents.datasets["test"], n_images=997, n_skipped=3)
    found = data_findings(dataclasses.replace(contents, datasets={"train": train, "test": test}))
    assert [finding.claim for finding in found] == [
        "Some images of the training set could not be used and were left out.",
        "Some images of the test set could not be used and were left out.",
        "Some boxes of the training set had no area inside the image and were dropped.",
    ]
    assert [finding.evidence.partition(".")[0] for finding in found] == [
        "1 of 100 images was left out",
        "3 of 1,000 images were left out",
        "2 boxes were dropped",
    ]
    # From one in a hundred images on, it is among the first findings.
    assert [finding.rank for finding in found] == [14, None, None]
    assert {finding.kind for finding in found} == {"caution"}


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
    centred = by_topic["Framing of the subjects"][0]
    assert centred.claim == "In the training set, objects are centred."
    farther = by_topic["Distance from the training set"][0]
    assert farther.kind == "effect"
    assert farther.claim.startswith("The farther an image is from its nearest training image, the less stable")


def test_findings_do_not_depend_on_when_they_are_asked(shared_source):
    assert all_findings(shared_source) == all_findings(shared_source)


def test_nothing_computed_still_has_findings(bare_source):
    assert {finding.kind for finding in all_findings(bare_source)} == {"unknown"}
