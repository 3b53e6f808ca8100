"""Every branch of what can be said about framing."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from bias_toolkit.report.findings_framing import framing_findings

ROW = {
    "category": "",
    "n_images": 100,
    "n_objects": 120,
    "centre_bias": 0.41,
    "centre_bias_low": 0.39,
    "centre_bias_high": 0.43,
    "p_value": 0.0005,
    "n_untruncated": 110,
    "untruncated_centre_bias": 0.5,
    "untruncated_centre_bias_low": 0.4,
    "untruncated_centre_bias_high": 0.6,
    "untruncated_p_value": 0.002,
    "median_scale": 0.6,
    "median_scale_low": 0.55,
    "median_scale_high": 0.65,
    "truncated_share": 0.02,
    "truncated_share_low": 0.01,
    "truncated_share_high": 0.04,
}


def table(*rows):
    return pd.DataFrame([ROW | row for row in rows])


def findings(contents, train, test=None):
    return framing_findings(
        dataclasses.replace(contents, train_summary=table(*train), test_summary=test and table(*test))
    )


def plain(text):
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_centred_training_set(bare_contents):
    first, scale, test = findings(bare_contents, [{}])
    assert first.kind == "effect"
    assert first.claim == "In the training set, objects are centred."
    assert "41% nearer" in first.evidence
    assert "Centre bias 0.41 (95% interval 0.39 to 0.43); p < 0.001; 120 objects in 100 images." in plain(
        first.evidence
    )
    assert scale.kind == "fact"
    assert "covers 36% of its image" in scale.claim
    assert test.kind == "unknown"
    assert "no object boxes" in test.claim


def test_objects_that_keep_away_from_the_centre(bare_contents):
    row = {"centre_bias": -0.1, "centre_bias_low": -0.12, "centre_bias_high": -0.08}
    first = findings(bare_contents, [row])[0]
    assert first.kind == "effect"
    assert "keep away from the centre" in first.claim
    assert "10% farther" in first.evidence
    assert "−0.12 to −0.08" in first.evidence


def test_no_centring_says_so_plainly(bare_contents):
    first = findings(bare_contents, [{"centre_bias": 0.01, "centre_bias_low": -0.02, "centre_bias_high": 0.03}])[0]
    assert first.kind == "none"
    assert first.claim == "No centring of objects was found in the training set."
    assert "The interval includes 0." in first.evidence


def test_boxes_that_fill_their_images_say_nothing(bare_contents):
    row = {"centre_bias": np.nan, "centre_bias_low": np.nan, "centre_bias_high": np.nan, "p_value": np.nan}
    first = findings(bare_contents, [row])[0]
    assert first.kind == "unknown"
    assert "No box could have been elsewhere" in first.evidence


def test_too_few_images_draw_no_conclusion(bare_contents):
    first = findings(bare_contents, [{"n_images": 8}])[0]
    assert first.kind == "caution"
    assert "Too few training images" in first.claim


def test_an_estimate_without_an_interval_is_not_judged(bare_contents):
    first = findings(bare_contents, [{"centre_bias_low": np.nan, "centre_bias_high": np.nan}])[0]
    assert first.kind == "caution"
    assert "no interval to judge by" in first.claim


def test_no_boxes(bare_contents):
    (finding,) = framing_findings(bare_contents)
    assert finding.kind == "unknown"
    assert "no object boxes" in finding.text
    (same,) = findings(bare_contents, [{"n_objects": 0, "centre_bias": np.nan}])
    assert same == finding


def test_where_the_border_cuts_many_objects_the_others_are_judged(bare_contents):
    share = {"truncated_share": 0.77, "truncated_share_low": 0.75, "truncated_share_high": 0.79}
    cut = share | {"centre_bias": -0.1, "centre_bias_low": -0.12, "centre_bias_high": -0.08}
    first, second, *_ = findings(bare_contents, [cut])
    assert first.kind == "effect"
    assert first.claim == "In the training set, objects that the image's border does not cut are centred."
    assert "Untruncated centre bias 0.50 (95% interval 0.40 to 0.60); p = 0.002; 110 of 120 objects." in plain(
        first.evidence
    )
    assert "Centre bias of all objects, the cut ones among them: −0.10 (95% interval −0.12 to −0.08)." in first.evidence
    assert second.kind == "fact"
    assert second.claim.startswith("77% of the training objects' boxes touch")
    assert "Share 77.0% (95% interval 75.0% to 79.0%)." in second.evidence


@pytest.mark.parametrize(
    ("low", "high", "kind", "words"),
    [(0.1, 0.2, "effect", "less centred"), (0.5, 0.6, "effect", "more centred"), (0.3, 0.4, "none", "No difference")],
)
def test_comparison_of_the_two_sets(bare_contents, low, high, kind, words):
    test = {"centre_bias": (low + high) / 2, "centre_bias_low": low, "centre_bias_high": high}
    last = findings(bare_contents, [{}], [test])[-1]
    assert last.kind == kind
    assert words in last.claim
    assert f"{low:.2f} to {high:.2f}" in last.evidence
    assert "0.41 (0.39 to 0.43)" in last.evidence


def test_comparison_with_too_few_test_images(bare_contents):
    last = findings(bare_contents, [{}], [{"n_images": 5}])[-1]
    assert last.kind == "caution"
    assert "Too few test images" in last.claim


def test_comparison_where_one_is_not_defined(bare_contents):
    last = findings(bare_contents, [{}], [{"centre_bias": np.nan}])[-1]
    assert last.kind == "unknown"


def test_categories(bare_contents):
    contents = dataclasses.replace(bare_contents, class_names={"a": "Ant, emmet"})
    rows = [
        {},
        {"category": "a", "centre_bias": 0.5, "centre_bias_low": 0.4, "centre_bias_high": 0.6},
        {"category": "b", "centre_bias": 0.1, "centre_bias_low": -0.1, "centre_bias_high": 0.3},
        {"category": "c", "centre_bias": 0.9, "n_objects": 19},
    ]
    finding = findings(contents, rows)[2]
    assert finding.claim.startswith("Centring holds in 1 of the 2 training categories that have 20 objects")
    assert "highest for “Ant”, 0.50 (0.40 to 0.60), and lowest for “b”, 0.10 (−0.10 to 0.30)" in finding.evidence
