"""Every branch of what can be said about how two sets' framing differs."""

import dataclasses
import math

import pandas as pd
import pytest

from bias_toolkit.objects import FramingComparison, TwoSampleTest
from bias_toolkit.report.topics.comparison import comparison_findings
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


def plain(text):
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_no_difference_says_how_large_one_could_have_been_missed():
    verdict, centring, none = findings(test=ALIKE)
    assert verdict.kind == "none"
    assert verdict.claim == "No difference in framing between the test set and the training set was found."
    assert "with probability 0.49 (95% interval 0.45 to 0.53)" in verdict.evidence
    assert "p = 0.70" in plain(verdict.evidence)
    assert "reach 0.53 at most" in verdict.evidence
    assert centring.kind == none.kind == "none"
    assert "position across, position down, scale, aspect, truncation or objects an image" in none.claim
    assert "position across by −0.010 to 0.010 of the frame's width" in none.evidence
    assert "scale by a factor of 0.99 to 1.01" in none.evidence
    assert "truncation by −1.0 to 1.0 percentage points" in none.evidence


def test_the_classifier_tells_the_sets_apart():
    verdict = findings()[0]
    assert verdict.kind == "effect"
    assert verdict.claim == "The test set is framed otherwise than the training set."
    assert "0.80 (95% interval 0.75 to 0.85)" in verdict.evidence
    assert "p < 0.001, 100 and 80 images" in plain(verdict.evidence)


def test_one_variable_is_enough_for_a_difference():
    assert findings(row("cx", 0.08, q=0.01), test=ALIKE)[0].kind == "effect"
    assert findings(row("cx", 0.08, q=0.2), test=ALIKE)[0].kind == "none"


@pytest.mark.parametrize(
    ("name", "difference", "half", "words"),
    [
        ("cx", -0.08, 0.01, "Objects of the test set lie 0.080 of the frame's width farther left (0.070 to 0.090)"),
        ("cx", 0.08, 0.01, "farther right (0.070 to 0.090)"),
        ("cy", 0.08, 0.01, "lie 0.080 of the frame's height farther down"),
        ("cy", -0.08, 0.01, "farther up"),
        ("log_scale", -math.log(1.7), 0.03, "are 1.7 times smaller (1.6 to 1.8) than those of the training set."),
        ("log_scale", math.log(1.2), 0.03, "are 1.20 times larger (1.16 to 1.24)"),
        ("log_aspect", math.log(2), 0.1, "Boxes of the test set are 2.0 times wider for their height (1.8 to 2.2)"),
        ("log_aspect", -math.log(2), 0.1, "2.0 times narrower for their height (1.8 to 2.2)"),
        ("truncated", 0.2, 0.05, "The border cuts objects of the test set more often"),
        ("truncated", -0.2, 0.05, "less often than those of the training set."),
        ("objects_per_image", -0.4, 0.1, "An image of the test set has 0.40 objects fewer (0.30 to 0.50)"),
        ("objects_per_image", 0.4, 0.1, "0.40 objects more"),
    ],
)
def test_differences_in_words_to_act_on(name, difference, half, words):
    finding = findings(row(name, difference, half, q=0.003))[1]
    assert finding.kind == "effect"
    assert words in finding.claim


def test_the_share_of_truncated_objects_has_its_numbers():
    finding = findings(row("truncated", 0.2, 0.05, q=0.003))[1]
    assert finding.evidence == "70.0% of them against 50.0%: 20.0 (15.0 to 25.0) percentage points."


def test_how_far_distributions_are_apart_and_by_chance():
    finding = findings(row("log_scale", math.log(1.7), 0.03, q=0.003))[1]
    assert "moved by a factor of 1.72 on average (95% interval 1.70 to 1.73)" in finding.evidence
    assert "two random parts of all images together are a factor of 1.012 apart" in finding.evidence


def test_a_spread_that_differs_without_the_mean():
    finding = findings(row("cx", 0.0, q=0.003, wasserstein=0.13))[1]
    assert finding.claim == (
        "Objects of the test set differ from those of the training set in how their position across is spread."
    )
    assert "The mean is not found to differ (by −0.010 to 0.010 of the frame's width)." in finding.evidence
    assert "0.130 of the frame's width" in finding.evidence
    assert "The median" in findings(row("log_scale", 0.0, q=0.003))[1].evidence


def test_what_differs_is_not_among_what_does_not():
    last = findings(row("cx", 0.08, q=0.01), row("objects_per_image", p_value=math.nan, q_value=math.nan))[-1]
    assert "position across" not in last.claim
    # All images have one object: nothing was tested.
    assert "objects an image" not in last.text
    assert "position down" in last.claim


@pytest.mark.parametrize(
    ("difference", "q", "kind", "words"),
    [
        (-0.2, 0.01, "effect", "Objects of the test set are less centred than those of the training set."),
        (0.2, 0.01, "effect", "more centred"),
        (0.2, 0.2, "none", "No difference in centring was found"),
        (0.0, 0.01, "none", "No difference in centring was found"),
        (math.nan, math.nan, "unknown", "cannot be compared"),
    ],
)
def test_centring(difference, q, kind, words):
    finding = findings(row("centre_bias", difference, q=q), test=ALIKE)[1]
    assert finding.kind == kind
    assert words in finding.claim


def test_the_difference_of_centring_has_an_interval():
    finding = findings(row("centre_bias", -0.2, 0.05, q=0.01), second={"centre_bias": 0.21})[1]
    assert "difference −0.20 (95% interval −0.25 to −0.15)" in finding.evidence
    assert "against 0.41 (0.39 to 0.43)" in finding.evidence


def test_where_many_objects_are_cut_the_others_are_compared():
    train = {"truncated_share": 0.5}
    cut = row("untruncated_centre_bias", -0.2, 0.05, q=0.01)
    finding = findings(cut, train=train)[1]
    assert finding.claim.startswith("Objects that the border does not cut of the test set are less centred")


def test_nothing_to_compare():
    first = FramedSet("the dataset", "", "dataset", summary=pd.DataFrame([SUMMARY]))
    assert comparison_findings(FramingContents(first)) == []
    (finding,) = comparison_findings(FramingContents(first, FramedSet("the other dataset", "other", "other")))
    assert finding.kind == "unknown"
    assert "no object boxes" in finding.claim
    (few,) = findings(second={"n_images": 20})
    assert few.kind == "caution"
