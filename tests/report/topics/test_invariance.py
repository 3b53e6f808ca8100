"""Every branch of what can be said about invariance."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from bias_toolkit.foundation.intervals import clopper_pearson
from bias_toolkit.foundation.resampling import simultaneous_margin
from bias_toolkit.report import topic_findings
from bias_toolkit.report.topics.invariance.findings import (
    NoiseFloor,
    gather,
    noise_finding,
    size_finding,
    stability_answer,
)
from bias_toolkit.report.words.sentences import image_size, share_in_words, sweep_name


def row(measure, value, low, high, n=1000, protocol="crop", size=1.0, transform="diagonal"):
    return {
        "protocol": protocol,
        "transform": transform,
        "size": size,
        "measure": measure,
        "value": value,
        "low": low,
        "high": high,
        "n": n,
    }


CHANGE = row("p_top1_change", 0.15, 0.139, 0.161)


def findings(source, analysis_of, *rows, reference=("crop", "diagonal", 1.0), changed=450, n=1000):
    """The findings of a study in which the class changes on `changed` of `n` images."""
    sweep = dict(zip(("protocol", "transform", "size"), reference or (), strict=reference is not None))
    any_change = row("any_change", changed / n, *clopper_pearson(changed, n), n=n, **sweep)
    changes = {"analysis": analysis_of(summary=[*rows, any_change]), "reference": reference}
    return topic_findings(dataclasses.replace(source, **changes), "invariance")


def test_one_pixel_changes_the_class(bare_source, analysis_of):
    first = findings(bare_source, analysis_of, CHANGE, row("mac", 0.057, 0.05, 0.06))[0]
    assert first.kind == "effect"
    assert first.claim == "On more than two fifths of the images, at least one of the shifts changes the top-1 class."
    assert first.estimate.text == (
        "Images on which some shift changes the top-1 class 45.0% (95% interval 41.9% to 48.1%; 1,000 images)"
    )
    assert first.evidence.startswith("The sweep is crop, diagonal, size 1.")
    assert "0.0570 (95% interval 0.0500 to 0.0600) a step" in first.evidence


def test_nothing_changes(bare_source, analysis_of):
    first = findings(bare_source, analysis_of, row("p_top1_change", 0.0, 0.0, 0.0), changed=0)[0]
    assert first.kind == "none"
    assert "never changed" in first.claim
    assert (first.estimate.value, first.estimate.low, first.estimate.direction) == (0, 0, 0)
    assert first.estimate.high == pytest.approx(1 - 0.025 ** (1 / 1000))


@pytest.mark.parametrize(("n", "kind"), [(4, "caution"), (5, "effect"), (30, "effect")])
def test_too_few_images(bare_source, analysis_of, n, kind):
    first = findings(bare_source, analysis_of, row("p_top1_change", 0.15, 0.1, 0.2, n=n), changed=4, n=n)[0]
    assert first.kind == kind
    assert ("So few images" in first.evidence) == (kind == "caution")


def test_nothing_measured(bare_source):
    (finding,) = topic_findings(bare_source, "invariance")
    assert finding.kind == "unknown"


def test_offsets_alone_have_their_consistency(bare_source, analysis_of):
    offsets = row("consistency", 0.9, 0.88, 0.92, protocol="offsets", transform=None)
    unknown, consistency = findings(bare_source, analysis_of, offsets, reference=None)
    assert unknown.kind == "unknown"
    assert consistency.claim == (
        "Two views at random offsets get the same top-1 class in about nine tenths of the pairs."
    )
    assert consistency.estimate.text == "Pairs that agree 90.0% (95% interval 88.0% to 92.0%; 1,000 images)"


def test_labels_and_their_absence(bare_source, analysis_of):
    assert findings(bare_source, analysis_of, CHANGE)[-1].kind == "unknown"
    last = findings(bare_source, analysis_of, CHANGE, row("accuracy", 0.75, 0.74, 0.76, n=900))[-1]
    assert last.kind == "fact"
    assert last.claim == "The model is right on about three quarters of the views."
    assert last.estimate.text == "Accuracy 75.0% (95% interval 74.0% to 76.0%; 900 images)"


@pytest.mark.parametrize(("high", "is_low"), [(0.399, True), (0.5, False)])
def test_a_low_accuracy_is_said_once(bare_source, analysis_of, high, is_low):
    """In the answer at the top of the page or, if it is not low, as a finding; with the number of classes."""
    rows = CHANGE, row("accuracy", 0.372, 0.345, high)
    found = [each for each in findings(bare_source, analysis_of, *rows) if "is right on" in each.claim]
    told = answer(bare_source, analysis_of, *rows).evidence
    choice = "The model chooses among 10 classes; the test set has 0."
    assert [each.evidence for each in found] == ([] if is_low else [choice])
    assert ("answers on these views are wrong" in told) == told.endswith(choice) == is_low


def test_as_many_classes_as_the_test_set_has_need_no_word(bare_source, analysis_of):
    labels = of_sides(*[64] * 10).assign(label=list("abcdefghij"))
    source = dataclasses.replace(bare_source, test_images=labels)
    assert findings(source, analysis_of, CHANGE, row("accuracy", 0.75, 0.74, 0.76))[-1].evidence == ""


def test_the_reference_sweep_is_the_one_told(bare_source, analysis_of):
    other = row("p_top1_change", 0.3, 0.2, 0.4, protocol="embed", size=2.0, transform="scale")
    first = findings(bare_source, analysis_of, CHANGE, other, reference=("embed", "scale", 2.0))[0]
    assert "embed, scale, size 2" in first.evidence


NOISE = {
    "far below": (NoiseFloor(0.0, 512, 0, 0.0, 0.0072), "fact", "does not explain", None),
    "up to a tenth": (NoiseFloor(0.009, 1000, 9, 0.004, 0.015), "fact", "does not explain", None),
    "perhaps over a tenth": (NoiseFloor(0.015, 1000, 15, 0.009, 0.025), "caution", "Too few images", 80),
    "over a tenth": (NoiseFloor(0.016, 1000, 16, 0.009, 0.026), "caution", "change without any shift", 10),
    "too few": (NoiseFloor(0.0, 9, 0, 0.0, 0.33), "caution", "Too few images", 10),
    "not measured": (None, "unknown", "not known", 110),
}


@pytest.mark.parametrize(("floor", "kind", "words", "rank"), NOISE.values(), ids=NOISE)
def test_noise(floor, kind, words, rank):
    finding = noise_finding(floor, CHANGE)
    assert (finding.kind, finding.rank) == (kind, rank)
    assert words in finding.claim
    if floor is not None:
        assert finding.estimate.name == "noise_floor"
        assert finding.estimate.text.startswith(
            f"P(top-1 change) without a shift {100 * floor.value:.1f}".removesuffix(".0")
        )
        assert f"{floor.n_images:,} images)" in finding.estimate.text
        assert "in 15.0% (95% interval 13.9% to 16.1%) of the steps" in finding.evidence


def test_noise_where_nothing_changes():
    still = row("p_top1_change", 0.0, 0.0, 0.0)
    assert noise_finding(NoiseFloor(0.0, 512, 0, 0.0, 0.0072), still).kind == "fact"
    assert noise_finding(NoiseFloor(0.01, 100, 1, 0.0, 0.05), still).kind == "caution"


def answer(source, analysis_of, *rows, **changes):
    return stability_answer(gather(dataclasses.replace(source, analysis=analysis_of(summary=rows), **CROP | changes)))


CROP = {"reference": ("crop", "diagonal", 1.0)}


@pytest.mark.parametrize(
    ("change", "kind", "claim"),
    [
        (CHANGE, "effect", "More than an eighth of the shifts by one pixel change the top-1 class."),
        (row("p_top1_change", 0.0, 0.0, 0.004), "none", "No shift by one pixel changed the model’s top-1 class."),
        (
            row("p_top1_change", 0.15, 0.1, 0.2, n=5),
            "effect",
            "About a sixth of the shifts by one pixel change the top-1 class.",
        ),
    ],
)
def test_the_answer(bare_source, analysis_of, change, kind, claim):
    told = answer(bare_source, analysis_of, change)
    assert (told.kind, told.claim, told.evidence) == (kind, claim, "")
    assert (told.estimate.value, told.estimate.low, told.estimate.high) == (
        change["value"],
        change["low"],
        change["high"],
    )


def test_no_answer_without_steps(bare_source):
    assert stability_answer(gather(bare_source)).kind == "unknown"


def noise(n_changed, n_images=1000):
    interval = clopper_pearson(n_changed, n_images)
    values = {"value": n_changed / n_images, "n_images": n_images, "n_changed": n_changed, "interval": interval}
    return {"noise_floor": values}


@pytest.mark.parametrize(("n_changed", "is_said"), [(0, False), (15, False), (16, True), (610, True)])
def test_noise_over_a_tenth_of_what_is_measured_is_the_headline(bare_source, analysis_of, n_changed, is_said):
    told = answer(bare_source, analysis_of, CHANGE, **noise(n_changed))
    assert (told.kind == "caution") == is_said
    assert ("change without any shift" in told.claim) == is_said
    assert ("P(top-1 change) without a shift" in told.evidence) == is_said
    assert told.estimate.value == 0.15


def test_nothing_changed_is_no_finding_and_of_few_images_says_little(bare_source, analysis_of):
    still = row("p_top1_change", 0.0, 0.0, 0.004)
    assert answer(bare_source, analysis_of, still).estimate.direction == 0
    assert answer(bare_source, analysis_of, still | {"n": 4}).kind == "caution"
    few = answer(bare_source, analysis_of, CHANGE | {"n": 4})
    assert (few.kind, few.estimate.low, few.estimate.high) == ("caution", None, None)


@pytest.mark.parametrize(
    ("n_images", "measured", "kind", "said"),
    [
        (512, 0.0717, "caution", "A larger --noise-images would tell."),
        (512, 0.0718, "fact", ""),
        # The settings ask for 512 images, so these are all images of the test set.
        (511, 0.05, "caution", "The test set has no more images."),
    ],
)
def test_how_many_images_show_that_noise_is_far_below(bare_source, analysis_of, n_images, measured, kind, said):
    source = dataclasses.replace(bare_source, analysis=analysis_of(), **noise(0, n_images))
    finding = noise_finding(gather(source).noise_floor, row("p_top1_change", measured, measured - 0.01, 0.2))
    assert finding.kind == kind
    assert finding.evidence.endswith(f"of the steps. {said}".strip())


def of_sides(*sides):
    return pd.DataFrame(
        {"image_id": [str(i) for i in range(len(sides))], "label": "a", "width": sides, "height": sides}
    )


# The model's input has 64 pixels, the picture over which it slides 74, and the image on the canvas of size 2, 32.
@pytest.mark.parametrize(
    ("reference", "sides", "said"),
    [
        (("crop", "diagonal", 1.0), [20, 20, 74], "one step is 0.27 of a pixel of the median image"),
        (("crop", "diagonal", 1.0), [59], "one step is 0.80 of a pixel"),
        (("crop", "diagonal", 1.0), [60], None),
        (("crop", "diagonal", 1.0), [20, 74, 500], None),
        (("crop", "diagonal", 0.25), [74], "one step is 0.50 of a pixel"),
        (("embed", "diagonal", 2.0), [16], "one step is 0.50 of a pixel"),
        (("embed", "scale", 2.0), [64], None),
    ],
)
def test_enlarged_images_are_said_beside_the_headline(bare_source, analysis_of, reference, sides, said):
    protocol, transform, size = reference
    change = row("p_top1_change", 0.15, 0.139, 0.161, protocol=protocol, transform=transform, size=size)
    told = answer(bare_source, analysis_of, change, reference=reference, test_images=of_sides(*sides))
    assert ("enlarged" in told.evidence) == (said is not None)
    assert (said or "") in told.evidence


@pytest.mark.parametrize(
    ("accuracy", "is_said"),
    [
        (row("accuracy", 0.372, 0.345, 0.399), True),
        (row("accuracy", 0.47, 0.44, 0.499), True),
        (row("accuracy", 0.47, 0.44, 0.5), False),
        (row("accuracy", 0.75, 0.73, 0.77), False),
        (row("accuracy", 0.1, 0.0, 0.3, n=4), False),
    ],
)
def test_low_accuracy_is_said_beside_the_headline(bare_source, analysis_of, accuracy, is_said):
    told = answer(bare_source, analysis_of, CHANGE, accuracy)
    assert ("Most of the model’s answers on these views are wrong: accuracy " in told.evidence) == is_said
    assert told.kind == "effect"


SWEEPS = {"smaller": ("embed", 2.0), "as it is": ("crop", 1.0), "larger": ("crop", 0.25)}


def of_sizes(source, **values):
    """The finding on sizes, from the values of the same images at each."""
    tables = [
        pd.DataFrame(
            {
                "image_id": [str(i) for i in range(len(column))],
                "protocol": protocol,
                "transform": "diagonal",
                "size": size,
                "p_top1_change": np.asarray(column, np.float32),
            }
        )
        for (protocol, size), column in zip(SWEEPS.values(), values.values(), strict=True)
    ]
    measures = pd.concat(tables, ignore_index=True)
    return size_finding(gather(dataclasses.replace(source, measures=measures, reference=("crop", "diagonal", 1.0))))


def noisy(mean, seed, n=200):
    return np.random.default_rng(seed).normal(mean, 0.05, n)


def test_u_shape(bare_source):
    finding = of_sizes(bare_source, smaller=noisy(0.3, 0), same=noisy(0.1, 1), larger=noisy(0.2, 2))
    assert finding.kind == "effect"
    assert "U-shaped" in finding.claim
    # Of the two sides, the weaker one.
    assert finding.estimate.label == "P(top-1 change) at crop size 0.25 minus that at crop size 1"
    assert finding.estimate.value == pytest.approx(0.1, abs=0.02)
    assert finding.estimate.direction == 1
    assert (finding.estimate.n, finding.rank, finding.figure) == (200, 25, "sizes")


@pytest.mark.parametrize(
    ("smaller", "same", "larger", "claim"),
    [
        (0.3, 0.11, 0.1, "The model is less stable when the image is shown smaller."),
        (0.1, 0.11, 0.3, "The model is less stable when the image is shown larger."),
        (0.1, 0.3, 0.1, "The model is less stable at some sizes of the image than at others."),
    ],
)
def test_other_shapes(bare_source, smaller, same, larger, claim):
    finding = of_sizes(bare_source, smaller=noisy(smaller, 0), same=noisy(same, 1), larger=noisy(larger, 2))
    assert (finding.kind, finding.claim, finding.estimate.direction) == ("effect", claim, 1)


def test_no_dependence_on_size(bare_source):
    finding = of_sizes(bare_source, smaller=noisy(0.1, 0), same=noisy(0.1, 1), larger=noisy(0.1, 2))
    assert finding.kind == "none"
    assert finding.claim.startswith("No dependence")
    assert (finding.estimate.direction, finding.rank) == (0, 125)
    assert "chosen after looking" in finding.evidence


def test_sizes_are_compared_image_by_image(bare_source):
    spread = np.random.default_rng(0).uniform(0, 0.9, 200)
    finding = of_sizes(bare_source, smaller=spread + noisy(0.04, 1), same=spread, larger=spread + noisy(0.0, 2))
    assert finding.kind == "effect"
    assert "shown smaller" in finding.claim


def test_choosing_the_pair_after_looking_is_paid_for():
    generator = np.random.default_rng(0)
    draws = [generator.normal(size=(60, 6)) for _ in range(200)]
    found = np.mean(
        [np.ptp(draw.mean(axis=0)) > simultaneous_margin(draw, 300, np.random.default_rng(0)) for draw in draws]
    )
    assert 0.0 < found < 0.12


def test_too_few_images_or_sizes_for_a_comparison(bare_source):
    few = of_sizes(bare_source, smaller=[0.3] * 12, same=[0.1] * 12, larger=[0.2] * 12)
    assert few.kind == "caution"
    assert few.evidence == "12 images were measured at every size."
    assert size_finding(gather(bare_source)) is None


def test_no_interval_of_very_few_images(bare_source, analysis_of):
    three = {"value": 0.125, "low": 0.125, "high": 0.125, "n": 3}
    rows = [row(name, **three) for name in ("p_top1_change", "mac", "accuracy")]
    rows.append(row("consistency", **three, protocol="offsets", transform=None))
    found = findings(bare_source, analysis_of, *rows, changed=1, n=3)
    assert found[0].claim == "On some of the images, at least one of the shifts changes the top-1 class."
    assert not any("95% interval" in finding.text for finding in found)
    assert sum("too few images, or too alike, for an interval" in finding.text for finding in found) == 3


def test_size_in_view_sides():
    assert image_size("crop", 1.0) == 1
    assert image_size("crop", 0.25) == 2
    assert image_size("embed", 4.0) == 0.25


def test_sweep_name():
    assert sweep_name("crop", "diagonal", 0.5) == "crop, diagonal, size 0.5"
    assert sweep_name("offsets", None, float("nan")) == "offsets"


@pytest.mark.parametrize(
    ("value", "low", "high", "words"),
    [
        (0.372, 0.345, 0.399, "more than a third"),
        (0.34, 0.31, 0.37, "about a third"),
        (0.166, 0.153, 0.18, "about a sixth"),
        (0.35, 0.1, 0.9, "about a third"),
        (0.0005, 0.0002, 0.0009, "less than a thousandth"),
        (0.99, 0.97, 0.999, "more than nine tenths"),
        (0.0, 0.0, 0.3, "none"),
        (1.0, 0.9, 1.0, "all"),
        (0.3, None, None, "some"),
    ],
)
def test_a_share_in_words(value, low, high, words):
    assert share_in_words(value, low, high) == words
