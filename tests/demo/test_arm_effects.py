from functools import partial
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from bias_toolkit.analysis.remedies import IF_RIGHT
from bias_toolkit.demo.arm_effects import (
    ARM_LABELS,
    BOTH,
    NEITHER,
    arm_effects,
    arm_findings,
    by_seed,
    left_over,
    per_seed,
    verdict,
    with_seeds,
)
from bias_toolkit.demo.arm_section import arms_by_framing, arms_plane, arms_section, curves
from bias_toolkit.foundation.intervals import DIFFERENCE, Interval, mean_interval, paired_difference
from bias_toolkit.models.specs import ARM_NETWORKS, DEMO_SEEDS
from bias_toolkit.report.words.finding import Kind

IMAGES = 96
FRAMING = pd.DataFrame(
    {
        "image_id": [f"{at:05d}.png" for at in range(IMAGES)],
        "nn_distance": np.arange(IMAGES, dtype=float),
        "centre_distance": np.where(np.arange(IMAGES) % 2, 0.6, 0.05),
        "scale": 0.45,
    }
)


@pytest.fixture(scope="module", autouse=True)
def few_resamples():
    """Intervals over images have tests of their own."""
    with pytest.MonkeyPatch.context() as patch:
        for function in (mean_interval, paired_difference):
            name = f"bias_toolkit.demo.arm_effects.{function.__name__}"
            patch.setattr(name, partial(function, resamples=200))
        yield


def measured(change, *, images=IMAGES, seeds=DEMO_SEEDS):
    """The result of `by_seed` with P(top-1 change) `change(arm, seed, is_varied)` and noise."""
    rng = np.random.default_rng(0)
    parts, ids, right = [], [f"{at:05d}.png" for at in range(images)], np.arange(images) % 3 > 0
    for network, dataset in product(ARM_NETWORKS, ("photographer", "uniform")):
        noise = rng.normal(0, 0.02, images)
        for arm, seed in product(ARM_LABELS, seeds):
            value = change(arm, seed, dataset == "uniform") + noise + rng.normal(0, 0.02, images)
            own = {"dataset": dataset, "image_id": ids, "network": network, "arm": arm, "seed": seed, "right": right}
            value = value.clip(0, 1)
            own |= {"p_top1_change": value, "mac": value / 2, "any_change": value > 0.3, "accuracy": 1 - value}
            parts.append(pd.DataFrame(own))
    return by_seed(pd.concat(parts, ignore_index=True))


def found(table):
    effects = arm_effects(table)
    return effects, arm_findings(effects, left_over(table))


def helps_in_part(arm, seed, is_varied):
    return 0.1 + is_varied * (0.4 - 0.1 * (arm != NEITHER) - 0.1 * (arm == BOTH)) + 0.01 * seed


def test_joined_interval_is_that_of_two_independent_errors():
    images, seeds = Interval(0.1, 0.08, 0.13, 50), np.array([0.09, 0.10, 0.11])
    error = t.ppf(0.975, 2) * 0.01 / np.sqrt(3)
    joined = with_seeds(images, seeds, DIFFERENCE)
    assert joined[:3] == pytest.approx((0.1, 0.1 - np.hypot(0.02, error), 0.1 + np.hypot(0.03, error)))
    assert joined.n == 50
    assert with_seeds(images, [0.1, 0.1, 0.1], DIFFERENCE)[:3] == pytest.approx(images[:3])
    assert np.isnan(with_seeds(images, [0.1], DIFFERENCE).low)
    assert with_seeds(images, [-1.0, 1.0, 0.3], DIFFERENCE)[1:3] == DIFFERENCE


@settings(max_examples=30)
@given(st.lists(st.floats(-1, 1), min_size=3, max_size=3))
def test_interval_leaves_out_0_only_if_three_seeds_agree(seeds):
    value = float(np.mean(seeds))
    joined = with_seeds(Interval(value, value - 1e-9, value + 1e-9, 1000), seeds, DIFFERENCE)
    if joined.low > 0 or joined.high < 0:
        assert len(set(np.sign(seeds))) == 1


def test_interval_holds_the_truth_for_new_images_and_seeds():
    """Per image an effect, per seed an effect, both and noise drawn 300 times."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(300):
        values = 0.05 + rng.normal(0, 0.1, (60, 1)) + rng.normal(0, 0.02, 3) + rng.normal(0, 0.1, (60, 3))
        mean = values.mean(axis=1)
        half = 1.96 * mean.std(ddof=1) / np.sqrt(60)
        joined = with_seeds(
            Interval(mean.mean(), mean.mean() - half, mean.mean() + half, 60), values.mean(0), DIFFERENCE
        )
        held += joined.low <= 0.05 <= joined.high
    assert held >= 280


@pytest.fixture(scope="module")
def helped():
    """The table of remedies that help in part; their effects, and the findings."""
    table = measured(helps_in_part)
    return table, *found(table)


def test_effects_are_paired_by_image_and_seed(helped):
    table, effects, _ = helped
    row = effects.query("network == 'global-pooling' and dataset == 'uniform' and measure == 'p_top1_change'")
    row = row.set_index("arm").loc[BOTH]
    own, base = (per_seed(table, "global-pooling", "uniform", arm, "p_top1_change") for arm in (BOTH, NEITHER))
    assert row["difference"] == pytest.approx((own - base).mean(axis=None))
    assert row["difference_low"] < -0.2 < row["difference_high"] < -0.18
    assert (row["n"], row["n_seeds"]) == (IMAGES, 3)
    assert effects.query("arm == @NEITHER")["difference"].isna().all()


def test_where_both_are_right_only_such_images_count(helped):
    table = helped[0].copy()
    table.loc[table.index.get_level_values("image_id") < "00048.png", ("right", BOTH)] = 0.0
    right = per_seed(table, "global-pooling", "uniform", BOTH, IF_RIGHT)
    assert right.notna().any(axis=1).sum() == 32
    assert (right.dropna().index >= "00048.png").all()


def test_partial_solution(helped):
    *_, findings = helped
    assert [finding.kind for finding in findings] == [Kind.EFFECT] * 4
    claims = [finding.claim for finding in findings]
    assert claims == [
        "Trained with more augmentation and low-pass filters, the fully connected network is more stable on varied "
        "digits than trained with neither.",
        "The fully connected network that was trained with both remedies is still less stable on varied digits than on "
        "digits framed as in training.",
        "Trained with more augmentation and low-pass filters, the pooling network is more stable on varied digits than "
        "trained with neither.",
        "The pooling network that was trained with both remedies is still less stable on varied digits than on digits "
        "framed as in training.",
    ]
    assert [finding.estimate.direction for finding in findings] == [-1, 1, -1, 1]
    assert "With more augmentation alone, P(top-1 change) changes by \N{MINUS SIGN}10" in findings[0].evidence
    assert "With neither remedy, the difference is 40" in findings[1].evidence
    assert verdict(findings)[0] == (
        "In the fully connected network, the help is partial: both remedies together help, and with both it is still "
        "less stable on varied digits than on digits framed as in training."
    )


def test_solution_that_leaves_nothing():
    _, findings = found(measured(lambda arm, seed, is_varied: 0.1 + 0.3 * (is_varied and arm != BOTH)))
    assert [finding.kind for finding in findings] == [Kind.EFFECT, Kind.NONE] * 2
    assert findings[1].claim == (
        "The fully connected network that was trained with both remedies was not found to be less stable on varied "
        "digits than on those as in training."
    )
    assert verdict(findings)[0].startswith(
        "In the fully connected network, a partial help is not visible: both remedies together help, and with both it "
        "was not found to be less stable"
    )


def test_worse_and_more_stable_on_varied_digits():
    _, findings = found(measured(lambda arm, seed, is_varied: 0.5 + 0.2 * (arm == BOTH) - 0.3 * is_varied))
    assert findings[0].claim.endswith("is less stable on varied digits than trained with neither.")
    assert findings[1].claim == (
        "The fully connected network that was trained with both remedies is more stable on varied digits than on "
        "digits framed as in training."
    )
    assert "both remedies together were not found to help" in verdict(findings)[0]


def test_contradictory_seeds_are_nothing_found():
    """Each seed's difference is far from 0 over images, but one has the other sign."""
    _, findings = found(measured(lambda arm, seed, is_varied: 0.5 - (0.2 if seed else -0.1) * (arm == BOTH)))
    assert findings[0].kind == Kind.NONE
    assert findings[0].estimate.direction == 0
    assert findings[0].claim == (
        "Trained with more augmentation and low-pass filters, the fully connected network was not found to be more "
        "stable on varied digits than trained with neither."
    )


@pytest.mark.parametrize(
    ("few", "stays"),
    [
        ({"images": 4}, "few images to say whether the fully connected network that was trained with both remedies"),
        (
            {"seeds": (0,)},
            "few trainings to say whether the fully connected network that was trained with both remedies",
        ),
    ],
)
def test_too_few_images_or_seeds(few, stays):
    _, findings = found(measured(helps_in_part, **few))
    assert [finding.claim for finding in findings[:2]] == [
        "There are too few images or trainings to say what both remedies change in the fully connected network.",
        f"There are too {stays} stays less stable on varied digits.",
    ]
    assert all(finding.kind == Kind.CAUTION for finding in findings)
    assert verdict(findings) == []


def test_section_shows_every_arm_and_seed(helped):
    table, effects, findings = helped
    section = arms_section(table, effects, FRAMING, findings)
    tables = [block for block in section.blocks if block.kind == "table"]
    assert len(tables) == 2
    assert len(tables[0].rows) == 10
    assert [len(row) for row in tables[0].rows] == [5] * 10
    assert tables[0].rows[5][4].detail.startswith("\N{MINUS SIGN}")
    plane = arms_plane(table)
    for ax in plane.axes:
        assert [len(line.get_xdata()) for line in ax.lines] == [3, 1] * 4
    lines = arms_by_framing(curves(table, FRAMING))
    assert [ax.get_title(loc="left") for ax in lines.axes][:2] == [
        "fully-connected, by position",
        "fully-connected, by scale",
    ]
