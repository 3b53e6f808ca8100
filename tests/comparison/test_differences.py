"""Differences between studies, against slow implementations and data of a known law."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from bias_toolkit.comparison import compare
from bias_toolkit.comparison.differences import (
    LIKE_MARGIN,
    MEASURES,
    at_like_margin,
    class_differences,
    framing_differences,
    measure_differences,
)
from bias_toolkit.invariance import CENTRE

RESAMPLES = 3000


def slow_family(rows):
    """Intervals of (value, low, high, n) adjusted for their number, one by one."""
    p_values = []
    for value, low, high, n in rows:
        reach = value - low if value > 0 else high - value
        p_values.append(2 * t.sf(abs(value) / reach * t.ppf(0.975, n - 1), n - 1))
    found = max((k for k, p in enumerate(sorted(p_values), 1) if p < 0.05 * k / len(rows)), default=1)
    factors = [t.ppf(1 - 0.05 * found / len(rows) / 2, n - 1) / t.ppf(0.975, n - 1) for *_, n in rows]
    return [(v - f * (v - low), v + f * (high - v)) for (v, low, high, _), f in zip(rows, factors, strict=True)]


def slow_bootstrap(estimate, n, rng, resamples=RESAMPLES):
    """The percentiles of an estimate over resampled images."""
    return np.percentile([estimate(rng.integers(0, n, n)) for _ in range(resamples)], [2.5, 97.5])


def slow_like_margin(second, first, drawn):
    """The difference at like margin, tenth by tenth."""
    pooled = sorted([*first["margin"], *second["margin"]])
    edges = [np.quantile(pooled, k / 10) for k in range(1, 10)]
    total = weight = 0.0
    columns = [[table[name].to_numpy()[drawn] for name in ("margin", "p_top1_change")] for table in (second, first)]
    for low, high in zip([-1, *edges], [*edges, 2], strict=True):
        parts = [change[(margin > low) & (margin <= high)] for margin, change in columns]
        if len(parts[0]) and len(parts[1]):
            n = len(parts[0]) + len(parts[1])
            total, weight = total + n * (parts[0].mean() - parts[1].mean()), weight + n
    return total / weight


def test_the_tables_of_two_studies_give_the_same_means_and_intervals_to_a_slow_script(finished, pooled, tmp_path):
    comparison = compare([finished, pooled], resamples=RESAMPLES)
    table = comparison.differences.set_index("measure")
    own, base = (
        pd.read_parquet(study.folder / "analysis" / "per_image.parquet").set_index("image_id")
        for study in (pooled, finished)
    )
    right = pd.Series(True, own.index)
    for study in (pooled, finished):
        for path in sorted((study.folder / "responses").glob("*/responses-*.parquet")):
            for row in pd.read_parquet(path).itertuples():
                right[row.image_id] &= row.top1[CENTRE] == row.label_index
    rng, rows, means = np.random.default_rng(1), [], []
    for name in MEASURES:
        column = "p_top1_change" if name.startswith("p_top1_change") else name
        pairs = [(own.loc[i, column], base.loc[i, column]) for i in own.index if name != MEASURES[5] or right[i]]
        each = np.array([a - b for a, b in pairs])
        if name == LIKE_MARGIN:
            value = slow_like_margin(own, base, np.arange(len(own)))
            ends = slow_bootstrap(lambda drawn: slow_like_margin(own, base, drawn), len(own), rng, 400)
        else:
            value, ends = each.mean(), slow_bootstrap(lambda drawn, each=each: each[drawn].mean(), len(each), rng)
            assert table.loc[name, ["value", "first"]].tolist() == pytest.approx(np.mean(pairs, axis=0), abs=1e-6)
        means.append(value)
        rows.append((value, *ends, len(each)))
    assert list(table.index) == list(MEASURES)
    assert table["difference"].to_numpy() == pytest.approx(means, abs=1e-5)
    assert table["n"].tolist() == [row[-1] for row in rows]
    for name, (low, high), (*_, n) in zip(MEASURES, slow_family(rows), rows, strict=True):
        ends, wide = table.loc[name, ["difference_low", "difference_high"]], high - low
        assert n == 70 or name == MEASURES[5]
        # The error of a bootstrap; the few images that both get right have the wider interval of few that differ.
        error = 0.07 if n == 70 else 0.3
        assert ends.tolist() == pytest.approx([low, high], abs=error * wide), name


def test_difference_at_like_margin_is_none_if_the_margin_alone_decides():
    rng = np.random.default_rng(2)
    margins = rng.random(4000), rng.random(4000) ** 2
    first, second = (
        pd.DataFrame({"margin": margin, "p_top1_change": rng.binomial(8, 0.5 * (1 - margin)) / 8}) for margin in margins
    )
    value, base, difference, low, high, n = at_like_margin(second, first, True, 500, 0)
    assert second["p_top1_change"].mean() - first["p_top1_change"].mean() > 0.07
    assert low < 0 < high
    assert abs(difference) < 0.015
    assert (value - base, n) == (pytest.approx(difference), 4000)


def test_difference_at_like_margin_by_hand():
    # Of the low margins, 6 of one study and 8 of the other; of the high ones, 4 and 2.
    first = pd.DataFrame({"margin": [0.2] * 6 + [0.8] * 4, "p_top1_change": [0.5] * 6 + [0.25] * 4})
    second = pd.DataFrame({"margin": [0.2] * 8 + [0.8] * 2, "p_top1_change": [0.25] * 8 + [0.125] * 2})
    value, base, difference, *_ = at_like_margin(second, first, False, 50, 0)
    assert value == pytest.approx((14 * 0.25 + 6 * 0.125) / 20)
    assert base == pytest.approx((14 * 0.5 + 6 * 0.25) / 20)
    assert difference == pytest.approx(value - base)
    apart = first.assign(margin=0.9), second.assign(margin=0.1)
    assert np.isnan(at_like_margin(*apart, False, 50, 0)[2])


def test_studies_of_many_images_may_have_unlike_numbers_of_them():
    rng = np.random.default_rng(0)

    def images(n, rate):
        return pd.DataFrame({"margin": rng.random(n), "p_top1_change": rng.binomial(8, rate, n) / 8})

    _, _, difference, low, high, n = at_like_margin(images(12_000, 0.3), images(20_000, 0.2), False, 2000, 0)
    half = 1.96 * np.sqrt(0.3 * 0.7 / 8 / 12_000 + 0.2 * 0.8 / 8 / 20_000)
    assert n == 32_000
    np.testing.assert_allclose([difference, low, high], [0.1, 0.1 - half, 0.1 + half], atol=half)
    assert high - low == pytest.approx(2 * half, rel=0.2)


def test_no_interval_at_like_margin_if_few_images_change(rates, draw_images):
    rng = np.random.default_rng(3)
    first, second = (draw_images(np.zeros(300), rng) for _ in range(2))
    second.iloc[:5, second.columns.get_loc("p_top1_change")] = 0.5
    assert np.isnan(at_like_margin(second, first, True, 100, 0)[3:5]).all()


def found(table):
    return (table["difference_low"] > 0) | (table["difference_high"] < 0)


@pytest.mark.parametrize("is_paired", [True, False])
def test_two_studies_of_one_model_differ_in_nothing_but_by_chance(rates, is_paired, draw_images, make_pair):
    rng = np.random.default_rng(4)
    draws = []
    for _ in range(20):
        pair = make_pair(draw_images(rates, rng), draw_images(rates, rng), is_paired=is_paired)
        draws.append(found(measure_differences([pair], 200, 0)).any())
    # 95% of many draws; of 20, at most 4 with a probability of 0.997.
    assert sum(draws) <= 4


@pytest.mark.parametrize("is_paired", [True, False])
def test_a_known_difference_is_found(rates, is_paired, draw_images, make_pair):
    rng = np.random.default_rng(5)
    second, first = draw_images(rates * 0.5, rng), draw_images(rates, rng)
    table = measure_differences([make_pair(second, first, is_paired=is_paired)], 300, 0).set_index("measure")
    row = table.loc["p_top1_change"]
    assert row["difference_low"] < -0.5 * rates.mean() < row["difference_high"] < 0
    assert row["n"] == (300 if is_paired else 600)
    assert table.loc["accuracy", "difference_low"] > 0


def test_rounding_in_other_batches_is_no_difference(rates, draw_images, make_pair):
    first = draw_images(rates, np.random.default_rng(6))
    second = first.assign(mac=first["mac"] + 1e-7)
    row = measure_differences([make_pair(second, first)], 200, 0).set_index("measure").loc["mac"]
    assert row["difference"] == 0
    assert row["difference_low"] < 0 < row["difference_high"]


def test_a_family_of_many_pairs_has_wider_intervals(rates, draw_images, make_pair):
    rng = np.random.default_rng(7)
    pair = make_pair(draw_images(rates, rng), draw_images(rates, rng))
    one, many = (measure_differences([pair] * n, 200, 0).iloc[0] for n in (1, 20))
    assert many["difference_low"] < one["difference_low"]
    assert many["difference_high"] > one["difference_high"]


def test_a_difference_in_one_class_and_one_scale_is_found_there(draw_images, make_pair):
    rng = np.random.default_rng(8)
    base = np.full(600, 0.3)
    first, second = draw_images(base, rng), draw_images(base, rng)
    at = second["label"].eq("class 2")
    second.loc[at, "p_top1_change"] = rng.binomial(8, 0.02, at.sum()) / 8
    by_class = class_differences([make_pair(second, first)], 300, 0).set_index("label")
    assert by_class.index[found(by_class)].tolist() == ["class 2"]
    assert by_class["n"].tolist() == [150] * 4
    small = second["scale"] < second["scale"].quantile(0.25)
    third = draw_images(base, rng)
    third.loc[small, "p_top1_change"] = rng.binomial(8, 0.02, small.sum()) / 8
    rows = framing_differences([make_pair(third, first)], 300, 0).set_index(["variable", "bin"])
    # The object of the smallest quarter is also the one farthest from the centre, by this law.
    assert rows.index[found(rows)].tolist() == [("centre_distance", 3), ("scale", 0)]
    assert rows["n"].between(149, 151).all()


def test_without_labels_accuracy_has_no_row(rates, draw_images, make_pair):
    rng = np.random.default_rng(9)
    first, second = (
        draw_images(rates, rng).assign(accuracy=np.nan, worst_accuracy=np.nan, right=np.nan, label=None)
        for _ in range(2)
    )
    for is_paired in (True, False):
        table = measure_differences([make_pair(second, first, is_paired=is_paired)], 200, 0)
        assert table["measure"].tolist() == ["p_top1_change", "mac", "any_change", LIKE_MARGIN]
    assert class_differences([make_pair(second, first)], 100, 0).empty
