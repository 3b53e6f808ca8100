"""Every branch of what can be said about framing."""

import numpy as np
import pandas as pd

from bias_toolkit.report.topics.comparison import comparison_findings
from bias_toolkit.report.topics.framing import framing_findings
from bias_toolkit.report.topics.framing.contents import FramedSet, FramingContents
from bias_toolkit.report.words.sentences import ClassNames

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


def findings(train, test=None, names=()):
    source = FramingContents(
        FramedSet("the training set", "training", "train", summary=None if train is None else table(*train)),
        FramedSet("the test set", "test", "test", summary=test and table(*test)),
        names=ClassNames(dict(names)),
    )
    return [*framing_findings(source), *comparison_findings(source)]


def plain(text):
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_centred_training_set():
    first, scale, test = findings([{}])
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


def test_objects_that_keep_away_from_the_centre():
    row = {"centre_bias": -0.1, "centre_bias_low": -0.12, "centre_bias_high": -0.08}
    first = findings([row])[0]
    assert first.kind == "effect"
    assert "keep away from the centre" in first.claim
    assert "10% farther" in first.evidence
    assert "−0.12 to −0.08" in first.evidence


def test_no_centring_says_so_plainly():
    first = findings([{"centre_bias": 0.01, "centre_bias_low": -0.02, "centre_bias_high": 0.03}])[0]
    assert first.kind == "none"
    assert first.claim == "No centring of objects was found in the training set."
    assert "The interval includes 0." in first.evidence


def test_boxes_that_fill_their_images_say_nothing():
    row = {"centre_bias": np.nan, "centre_bias_low": np.nan, "centre_bias_high": np.nan, "p_value": np.nan}
    first = findings([row])[0]
    assert first.kind == "unknown"
    assert "No box could have been elsewhere" in first.evidence


def test_too_few_images_draw_no_conclusion():
    first = findings([{"n_images": 8}])[0]
    assert first.kind == "caution"
    assert "Too few training images" in first.claim


def test_an_estimate_without_an_interval_is_not_judged():
    first = findings([{"centre_bias_low": np.nan, "centre_bias_high": np.nan}])[0]
    assert first.kind == "caution"
    assert "no interval to judge by" in first.claim


def test_no_boxes():
    (finding,) = findings(None)
    assert finding.kind == "unknown"
    assert "no object boxes" in finding.text
    (same,) = findings([{"n_objects": 0, "centre_bias": np.nan}])
    assert same == finding


def test_where_the_border_cuts_many_objects_the_others_are_judged():
    share = {"truncated_share": 0.77, "truncated_share_low": 0.75, "truncated_share_high": 0.79}
    cut = share | {"centre_bias": -0.1, "centre_bias_low": -0.12, "centre_bias_high": -0.08}
    first, second, *_ = findings([cut])
    assert first.kind == "effect"
    assert first.claim == "In the training set, objects that the image's border does not cut are centred."
    assert "Untruncated centre bias 0.50 (95% interval 0.40 to 0.60); p = 0.002; 110 of 120 objects." in plain(
        first.evidence
    )
    assert "Centre bias of all objects, the cut ones among them: −0.10 (95% interval −0.12 to −0.08)." in first.evidence
    assert second.kind == "fact"
    assert second.claim.startswith("77% of the training objects' boxes touch")
    assert "Share 77.0% (95% interval 75.0% to 79.0%)." in second.evidence


def test_the_set_compared_with_has_too_few_images_or_no_boxes():
    last = findings([{}], [{"n_images": 5}])[-1]
    assert last.kind == "caution"
    assert last.claim.startswith("Too few images have boxes to compare the framing of the test set")
    assert "100 images of the training set and 5 images of the test set" in last.evidence


CLASSES = [
    {},
    {"category": "a", "centre_bias": 0.5, "centre_bias_low": 0.4, "centre_bias_high": 0.6, "q_value": 0.002},
    {"category": "b", "centre_bias": 0.1, "centre_bias_low": -0.1, "centre_bias_high": 0.3, "q_value": 0.3},
    {"category": "c", "centre_bias": -0.4, "centre_bias_low": -0.5, "centre_bias_high": -0.3, "q_value": 0.004},
    {
        "category": "d",
        "centre_bias": 0.9,
        "centre_bias_low": 0.8,
        "centre_bias_high": 1,
        "n_images": 9,
        "q_value": 0.01,
    },
]


def test_classes_biased_at_a_false_discovery_rate():
    finding = findings(CLASSES)[2]
    assert finding.kind == "fact"
    assert finding.claim == (
        "2 of 4 training classes are biased towards the centre at a false discovery rate of 5%, and 1 away from it."
    )
    alone = findings([*CLASSES[:2], CLASSES[2]])[2]
    assert alone.claim.startswith("1 of 2 training classes is biased towards the centre")
    assert "away" not in alone.claim


def test_how_much_of_the_ranking_is_chance():
    finding = findings(CLASSES, names={"a": "Ant, emmet"})[3]
    assert finding.kind == "effect"
    assert finding.claim == "The training classes differ in how much they are centred."
    # The class of nine images has no rank.
    assert "highest for “Ant”, 0.50 (0.40 to 0.60) from 120 objects, rank 1 to 1 of 3" in finding.evidence
    assert "lowest for “c”, −0.40 (−0.50 to −0.30) from 120 objects, rank 3 to 3 of 3" in finding.evidence
    assert "98% is more than sampling gives" in finding.evidence or "97% is more" in finding.evidence

    def wide(value, half=0.3):
        return {"centre_bias": value, "centre_bias_low": value - half, "centre_bias_high": value + half, "q_value": 0.5}

    same = [{}, *({"category": name} | wide(value) for name, value in zip("abcd", (0.3, 0.31, 0.29, 0.3), strict=True))]
    none = findings(same)[3]
    assert none.kind == "none"
    assert none.claim == "No difference in centring between the training classes was found."
    mostly = [{}, *({"category": name} | wide(value) for name, value in zip("abcd", (0.5, 0.3, 0.1, 0.2), strict=True))]
    caution = findings(mostly)[3]
    assert caution.kind == "caution"
    assert caution.claim == "The order of the training classes by centring is mostly chance."


def test_a_dataset_of_its_own_is_spoken_of_without_training():
    source = FramingContents(FramedSet("the dataset", "", "dataset", summary=table(*CLASSES)))
    text = " ".join(finding.text for finding in framing_findings(source))
    assert "In the dataset, objects are centred." in text
    assert "The median object's box" in text
    assert "2 of 4 classes are biased" in text
    assert "train" not in text
    assert "test" not in text


def test_a_label_without_a_name_is_shown_whole():
    """A comma parts the synonyms of a name; in the label itself it is a comma."""
    names = ClassNames({"n02119789": "kit fox, Vulpes macrotis", "blank": " "})
    shown = [names.shown(label) for label in ("n02119789", "fox, red", "fox, kit", "blank", None)]
    assert shown == ["kit fox", "fox, red", "fox, kit", "blank", ""]
    assert [names.given(label) for label in ("n02119789", "fox, red", None, float("nan"))] == ["n02119789", "", "", ""]
