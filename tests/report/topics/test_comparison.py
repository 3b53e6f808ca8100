"""Every branch of what can be said about how two sets' framing differs."""

import dataclasses
import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_toolkit.objects import FramingComparison, TwoSampleTest
from bias_toolkit.report.topics.comparison import comparison_findings, comparison_section
from bias_toolkit.report.topics.framing.contents import FramedSet, FramingContents

SUMMARY = {
    "category": "",
    "n_images": 100,
    "n_objects": 120,
    "n_untruncated": 110,
    "truncated_share": 0.02,
    "centre_bias": 0.41,
    "centre_bias_low": 0.39,
    "centre_bias_high": 0.43,
    "untruncated_centre_bias": 0.5,
}
ALIKE = TwoSampleTest(0.49, 0.45, 0.53, 0.7, 100, 80, 120, 90, 5)
APART = dataclasses.replace(ALIKE, auc=0.8, auc_low=0.75, auc_high=0.85, p_value=0.0005)
NAMES = ("cx", "cy", "log_scale", "log_aspect", "truncated", "objects_per_image", "centre_bias")


def row(name, difference=0.0, half=0.01, q=0.8, **more):
    values = {
        "variable": name,
        "first": 0.5,
        "second": 0.5 + difference,
        "difference": difference,
        "difference_low": difference - half,
        "difference_high": difference + half,
        "wasserstein": abs(difference) + 0.01,
        "wasserstein_low": abs(difference),
        "wasserstein_high": abs(difference) + 0.02,
        "wasserstein_by_chance": 0.012,
        "wasserstein_by_chance_high": 0.02,
        "p_value": q,
        "q_value": q,
    }
    return values | more


def findings(*differing, test=APART, train=None, second=None):
    rows = {name: row(name) for name in NAMES} | {each["variable"]: each for each in differing}
    source = FramingContents(
        FramedSet("the training set", "training", "train", summary=pd.DataFrame([SUMMARY | (train or {})])),
        FramedSet("the test set", "test", "test", summary=pd.DataFrame([SUMMARY | (second or {})])),
        FramingComparison(pd.DataFrame(list(rows.values())), test),
    )
    return comparison_findings(source)


NUMBERS = "0123456789%"


def of(found, name):
    (finding,) = (finding for finding in found if finding.estimate and finding.estimate.name == name)
    return finding


def test_a_classifier_that_cannot_tell_the_sets_apart():
    verdict, *others = findings(test=ALIKE)
    assert verdict.kind == "none"
    assert verdict.claim == "A classifier was not found to tell the test set from the training set by the framing."
    assert verdict.estimate.text == "Area under the classifier’s ROC curve 0.49 (95% interval 0.45 to 0.53; 180 images)"
    assert verdict.rank == 150
    assert {finding.kind for finding in others} == {"none"}
    below = dataclasses.replace(ALIKE, auc=0.42, auc_low=0.38, auc_high=0.46)
    assert findings(test=below)[0].kind == "none"
    # An interval that starts at guessing includes it.
    assert findings(test=dataclasses.replace(ALIKE, auc=0.55, auc_low=0.5))[0].kind == "none"


def test_a_classifier_that_tells_the_sets_apart():
    verdict = findings()[0]
    assert verdict.kind == "fact"
    assert verdict.claim == "The test set is framed otherwise than the training set: a classifier tells them apart."
    assert verdict.estimate.direction == 1
    assert verdict.rank == 50


@pytest.mark.parametrize(
    ("name", "difference", "half", "claim", "text"),
    [
        ("cx", -0.08, 0.01, "Objects of the test set lie farther left than those of the training set.", "−8.0"),
        ("cx", 0.08, 0.01, "Objects of the test set lie farther right than those of the training set.", "8.0"),
        ("cy", 0.08, 0.01, "Objects of the test set lie farther down than those of the training set.", "8.0"),
        ("cy", -0.08, 0.01, "Objects of the test set lie farther up than those of the training set.", "−8.0"),
        (
            "log_scale",
            -math.log(1.7),
            0.03,
            "Objects of the test set are smaller than those of the training set.",
            "0.59",
        ),
        (
            "log_scale",
            math.log(1.2),
            0.03,
            "Objects of the test set are larger than those of the training set.",
            "1.20",
        ),
        (
            "log_aspect",
            math.log(2),
            0.1,
            "Boxes of the test set are wider for their height than those of the training set.",
            "2.00",
        ),
        (
            "log_aspect",
            -math.log(2),
            0.1,
            "Boxes of the test set are narrower for their height than those of the training set.",
            "0.50",
        ),
        (
            "truncated",
            0.2,
            0.05,
            "Objects of the test set touch the border more often than those of the training set.",
            "20.0",
        ),
        (
            "truncated",
            -0.2,
            0.05,
            "Objects of the test set touch the border less often than those of the training set.",
            "−20",
        ),
        (
            "objects_per_image",
            -0.4,
            0.1,
            "An image of the test set has fewer objects than one of the training set.",
            "−0.40",
        ),
        (
            "objects_per_image",
            0.4,
            0.1,
            "An image of the test set has more objects than one of the training set.",
            "0.40",
        ),
        (
            "centre_bias",
            -0.2,
            0.05,
            "Objects of the test set are less centred than those of the training set.",
            "−0.20",
        ),
        ("centre_bias", 0.2, 0.05, "Objects of the test set are more centred than those of the training set.", "0.20"),
    ],
)
def test_differences_in_words_to_act_on(name, difference, half, claim, text):
    finding = of(findings(row(name, difference, half)), name)
    assert (finding.kind, finding.claim) == ("fact", claim)
    assert f" {text}" in finding.estimate.text
    assert not set(finding.claim) & set(NUMBERS)


def test_differences_that_were_not_found():
    found = findings(test=ALIKE)
    assert (
        of(found, "log_aspect").claim == "No difference in aspect was found between the test set and the training set."
    )
    assert of(found, "centre_bias").claim == (
        "No difference in centring was found between the test set and the training set."
    )
    assert of(found, "log_scale").estimate.nothing == 1
    # All images have one object, so nothing can differ.
    one = row("objects_per_image", difference_low=math.nan, difference_high=math.nan)
    assert not any("objects an image" in finding.claim for finding in findings(one))


def test_one_rule_for_what_is_found_and_what_is_shown():
    """Alone, the interval of the aspect excludes a ratio of 1; among seven variables it does not."""
    barely = row("log_aspect", 0.0105, 0.01, q=0.0001)
    finding = of(findings(barely), "log_aspect")
    assert finding.kind == "none"
    assert finding.estimate.low < 1 < finding.estimate.high
    clear = [row(name, 0.2, 0.01) for name in NAMES if name != "log_aspect"]
    finding = of(findings(barely, *clear), "log_aspect")
    assert finding.kind == "fact"
    assert finding.estimate.low == pytest.approx(math.exp(0.0005))


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(st.floats(-0.5, 0.5), st.floats(0.001, 0.3)), min_size=7, max_size=7))
def test_a_difference_is_found_where_its_interval_says_so(values):
    rows = [row(name, *value) for name, value in zip(NAMES, values, strict=True)]
    for finding in findings(*rows):
        assert (finding.kind == "fact") == (finding.estimate.direction in (1, -1))
        assert (finding.kind == "none") == (finding.estimate.direction == 0)
        larger = [
            word for word in ("right", "down", "larger", "wider", "more", "less", "fewer") if word in finding.claim
        ]
        if finding.kind == "fact" and finding.estimate.name != "auc":
            up = bool(larger) and larger[0] not in ("less", "fewer")
            assert up == (finding.estimate.direction == 1)


def test_centring_that_cannot_be_compared():
    (finding,) = (each for each in findings(row("centre_bias", math.nan)) if each.kind == "unknown")
    assert "cannot be compared: centre bias is not defined for both" in finding.claim


def test_the_biases_themselves():
    second = {"centre_bias": 0.21, "centre_bias_low": 0.18, "centre_bias_high": 0.24}
    finding = of(findings(row("centre_bias", -0.2, 0.05), second=second), "centre_bias")
    assert finding.evidence == (
        "Centre bias is 0.21 (95% interval 0.18 to 0.24) in the test set and 0.41 (95% interval 0.39 to 0.43) in the "
        "training set."
    )


def test_the_values_of_each_set_have_intervals():
    ends = {"median_scale": 0.5, "median_scale_low": 0.4, "median_scale_high": 0.6}
    ends |= {"mean_cx": 0.49, "mean_cx_low": 0.48, "mean_cx_high": 0.505}
    _, table = compared(train=ends)
    cells = {cells[0]: cells[1] for cells in table.rows}
    assert (cells["Position across"].text, cells["Position across"].detail) == ("0.490", "0.480 to 0.505")
    assert (cells["Centre bias"].text, cells["Centre bias"].detail) == ("0.41", "0.39 to 0.43")
    # The natural logarithm, as its difference.
    assert (cells["Scale"].text, cells["Scale"].detail) == ("−0.69", "−0.92 to −0.51")


def test_where_many_objects_are_cut_the_others_are_compared():
    found = findings(row("untruncated_centre_bias", -0.2, 0.05), train={"truncated_share": 0.5})
    finding = of(found, "untruncated_centre_bias")
    assert finding.claim == (
        "Objects of the test set that do not touch the border are less centred than those of the training set."
    )
    assert not any(finding.estimate.name == "centre_bias" for finding in found)


def compared(*differing, test=APART, train=None):
    """The section's paragraph and table."""
    rows = {name: row(name) for name in (*NAMES, "untruncated_centre_bias")}
    rows |= {each["variable"]: each for each in differing}
    source = FramingContents(
        FramedSet("the training set", "training", "train", summary=pd.DataFrame([SUMMARY | (train or {})])),
        FramedSet("the test set", "test", "test", summary=pd.DataFrame([SUMMARY])),
        FramingComparison(pd.DataFrame(list(rows.values())), test),
    )
    paragraph, _, table = comparison_section(source).blocks
    return paragraph.text, table


def test_the_section_says_what_decides():
    text, _ = compared(test=ALIKE)
    assert ": area under the classifier’s ROC curve 0.49 (0.45 to 0.53), where guessing gives 0.5." in text
    assert "A difference is found if this interval leaves out 0.5." in text
    close = dataclasses.replace(ALIKE, auc=0.55, auc_low=0.502, auc_high=0.6)
    assert "0.550 (0.502 to 0.600)" in compared(test=close)[0]


@pytest.mark.parametrize(("share", "first"), [(0.02, "Centre bias"), (0.5, "Centre bias, border not touched")])
def test_each_row_of_the_table_is_defined_and_the_answer_comes_first(share, first):
    alike = row("objects_per_image", difference_low=math.nan, difference_high=math.nan)
    _, table = compared(alike, train={"truncated_share": share})
    labels = [cells[0] for cells in table.rows]
    assert labels == [definition.label for definition in table.definitions]
    assert labels[0] == first
    assert "Objects an image" not in labels
    assert len(labels) == len(NAMES)


def test_a_difference_in_how_often_objects_touch_the_border_that_was_not_found():
    finding = of(findings(row("truncated", 0.01, 0.05)), "truncated")
    assert finding.claim == (
        "No difference in how often objects touch the border was found between the test set and the training set."
    )


def test_nothing_to_compare():
    first = FramedSet("the dataset", "", "dataset", summary=pd.DataFrame([SUMMARY]))
    assert comparison_findings(FramingContents(first)) == []
    (finding,) = comparison_findings(FramingContents(first, FramedSet("the other dataset", "other", "other")))
    assert finding.kind == "unknown"
    assert "no object boxes" in finding.claim
    other = FramedSet("the other dataset", "other", "other", summary=pd.DataFrame([SUMMARY | {"n_images": 4}]))
    (few,) = comparison_findings(FramingContents(first, other))
    assert few.kind == "caution"


def test_the_section_names_the_sets_without_boxes():
    with_boxes = FramedSet("the dataset", "", "dataset", summary=pd.DataFrame([SUMMARY]))
    other = FramedSet("the other dataset", "other", "other")
    assert comparison_section(FramingContents(with_boxes, other)).reason == "the other dataset has no object boxes."
    neither = FramingContents(FramedSet("the dataset", "", "dataset"), other)
    assert comparison_section(neither).reason == "the dataset and the other dataset have no object boxes."
