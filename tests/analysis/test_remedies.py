"""Remedies against the untouched model, on tables of known truth."""

import numpy as np
import pandas as pd
import pytest

from bias_toolkit import analysis

ROWS = ["image_id", "remedy", "label_index", "top1", "p_top1_change", "mac", "accuracy", "any_change"]


def compare_remedies(tables, distances):
    return analysis.compare_remedies(tables, distances, resamples=500)


def table(remedy, changes, right, labelled=True):
    """REMEDIED rows: P(top-1 change) of each image, and whether the centre view is right."""
    n = len(changes)
    return pd.DataFrame(
        {
            "image_id": [f"i{k}" for k in range(n)],
            "remedy": remedy,
            "label_index": 1.0 if labelled else np.nan,
            "top1": np.where(right, 1, 0),
            "p_top1_change": changes,
            "mac": np.asarray(changes) / 2,
            "accuracy": np.asarray(right, float) if labelled else np.nan,
            "any_change": (np.asarray(changes) > 0).astype(float),
        },
        columns=ROWS,
    )


def distances(n, seed=0):
    return pd.DataFrame({"image_id": [f"i{k}" for k in range(n)], "nn_distance": np.random.default_rng(seed).random(n)})


def of(result, measure, remedy, against="untouched"):
    rows = result.effects
    return rows[rows["measure"].eq(measure) & rows["remedy"].eq(remedy) & rows["against"].eq(against)].iloc[0]


@pytest.fixture
def drawn():
    generator = np.random.default_rng(1)
    n = 400
    base = generator.binomial(8, 0.25, n) / 8
    right = generator.random(n) < 0.7
    half = np.minimum(base, generator.binomial(8, 0.25, n) / 8)
    return n, base, right, half


def test_means_and_paired_differences_are_those_of_the_images(drawn):
    n, base, right, half = drawn
    also_right = right & (np.arange(n) % 5 > 0)
    tables = [table("untouched", base, right), table("blur-1", half, also_right)]
    result = compare_remedies(pd.concat(tables), distances(n))
    row = of(result, "p_top1_change", "blur-1")
    assert row["value"] == pytest.approx(half.mean())
    assert row["difference"] == pytest.approx((half - base).mean())
    assert row["difference_low"] < row["difference"] < row["difference_high"] < 0
    assert of(result, "accuracy", "blur-1")["difference"] == pytest.approx(also_right.mean() - right.mean())
    both = of(result, "p_top1_change_if_right", "blur-1")
    assert both["n"] == (right & also_right).sum()
    assert both["difference"] == pytest.approx((half - base)[right & also_right].mean())
    assert np.isnan(of(result, "p_top1_change", "untouched")["difference"])


def test_a_single_remedy_has_the_interval_of_a_plain_bootstrap(drawn):
    n, base, right, half = drawn
    result = compare_remedies(pd.concat([table("untouched", base, right), table("blur-1", half, right)]), distances(n))
    row = of(result, "p_top1_change", "blur-1")
    generator = np.random.default_rng(5)
    means = [(half - base)[generator.integers(0, n, n)].mean() for _ in range(4000)]
    np.testing.assert_allclose(
        [row["difference_low"], row["difference_high"]], np.quantile(means, [0.025, 0.975]), atol=0.003
    )


def test_intervals_are_wider_in_a_family_in_which_little_is_found(drawn):
    n, base, right, _ = drawn
    generator = np.random.default_rng(2)
    idle = [table(f"mean-{k}", generator.permutation(base), right) for k in (9, 25, 81)]
    alone = compare_remedies(pd.concat([table("untouched", base, right), idle[0]]), distances(n))
    family = compare_remedies(pd.concat([table("untouched", base, right), *idle]), distances(n))
    one, many = (of(each, "p_top1_change", "mean-9") for each in (alone, family))
    assert many["difference_high"] - many["difference_low"] > one["difference_high"] - one["difference_low"]


def test_shares_of_images_have_exact_intervals():
    # 0 of 20 images change: Clopper & Pearson's upper end is 1 − 0.025^(1/20) = 16.8%.
    tables = [table("untouched", np.zeros(20), np.ones(20, bool))]
    row = of(compare_remedies(pd.concat(tables), distances(20)), "any_change", "untouched")
    assert (row["value"], row["value_low"]) == (0, 0)
    assert row["value_high"] == pytest.approx(1 - 0.025 ** (1 / 20))


def test_without_labels_there_is_no_accuracy_and_no_measure_of_right_images(drawn):
    n, base, right, half = drawn
    tables = [table("untouched", base, right, labelled=False), table("blur-1", half, right, labelled=False)]
    result = compare_remedies(pd.concat(tables), distances(n))
    assert set(result.effects["measure"]) == {"p_top1_change", "mac", "any_change"}


def test_tenths_are_by_distance_and_paired():
    n = 400
    far = np.arange(n) / n
    base = np.where(far > 0.9, 0.5, 0.125)
    helped = np.where(far > 0.9, 0.5, 0.0)
    place = pd.DataFrame({"image_id": [f"i{k}" for k in range(n)], "nn_distance": far})
    tables = [table("untouched", base, np.ones(n, bool)), table("blur-1", helped, np.ones(n, bool))]
    tenths = compare_remedies(pd.concat(tables), place).tenths
    rows = tenths[tenths["remedy"] == "blur-1"]
    assert len(rows) == 10
    assert rows["n"].sum() == n
    np.testing.assert_allclose(rows["difference"].iloc[:9], -0.125, atol=0.01)
    assert rows["difference"].iloc[-1] == pytest.approx(0, abs=0.02)
    assert tenths.loc[tenths["remedy"] == "untouched", "difference"].isna().all()


def test_only_images_that_both_have_are_compared(drawn):
    n, base, right, half = drawn
    tables = [table("untouched", base, right).iloc[10:], table("blur-1", half, right).iloc[:-10]]
    result = compare_remedies(pd.concat(tables), distances(n))
    row = of(result, "p_top1_change", "blur-1")
    assert row["n"] == n - 20
    assert row["difference"] == pytest.approx((half - base)[10:-10].mean())


def test_trained_arms_are_also_compared_with_the_arm_without_a_remedy(drawn):
    n, base, right, half = drawn
    tables = [table("untouched", base, right), table("trained", half, right), table("augmented", half / 2, right)]
    result = compare_remedies(pd.concat(tables), distances(n))
    row = of(result, "p_top1_change", "augmented", "trained")
    assert row["difference"] == pytest.approx((-half / 2).mean())
    assert of(result, "p_top1_change", "augmented")["difference"] == pytest.approx((half / 2 - base).mean())
    assert set(result.effects.loc[result.effects["against"] == "trained", "remedy"]) == {"augmented"}
