from dataclasses import astuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bias_toolkit.analysis import partial_spearman, spearman, within_class_spearman
from bias_toolkit.analysis.correlation import rank_correlations

FAST = {"resamples": 200, "permutations": 199}
NOTHING = {"resamples": 1, "permutations": 1}


def partial_by_regression(x, y, given):
    design = np.column_stack([np.ones(len(x)), stats.rankdata(given)])
    left = [
        ranks - design @ np.linalg.lstsq(design, ranks, rcond=None)[0]
        for ranks in (stats.rankdata(x), stats.rankdata(y))
    ]
    return np.corrcoef(*left)[0, 1]


def confounded(rng, n):
    given = rng.normal(size=n)
    return given + rng.normal(size=n), given + rng.normal(size=n), given


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_scipy(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=60)
    y = np.round(x + 3 * rng.normal(size=60))
    ours, reference = spearman(x, y), stats.spearmanr(x, y)
    assert ours.rho == pytest.approx(reference.statistic, abs=1e-12)
    assert ours.p_value == pytest.approx(reference.pvalue, abs=0.04)
    assert ours.low < ours.rho < ours.high
    assert ours.n == 60


@pytest.mark.parametrize("seed", range(3))
def test_partial_agrees_with_a_regression_on_ranks(seed):
    x, y, given = confounded(np.random.default_rng(seed), 70)
    y, given = np.round(y), np.round(given, 1)
    ours = partial_spearman(x, y, given)
    expected = partial_by_regression(x, y, given)
    assert ours.rho == pytest.approx(expected, abs=1e-12)
    t = expected * np.sqrt((70 - 3) / (1 - expected**2))
    assert ours.p_value == pytest.approx(2 * stats.t.sf(abs(t), 70 - 3), abs=0.04)


def test_partial_removes_what_only_the_covariate_makes():
    x, y, given = confounded(np.random.default_rng(0), 3000)
    plain, partial = spearman(x, y, **FAST), partial_spearman(x, y, given, **FAST)
    # Of Gaussian variables with Pearson correlation ½.
    assert plain.rho == pytest.approx(6 / np.pi * np.arcsin(0.25), abs=0.05)
    assert plain.p_value == pytest.approx(1 / 200)
    assert abs(partial.rho) < 0.05
    assert partial.low < 0 < partial.high
    assert partial.p_value > 0.05


def test_partial_keeps_what_the_covariate_does_not_make():
    x, y, given = confounded(np.random.default_rng(0), 2000)
    partial = partial_spearman(x, y + x - given, given, **FAST)
    assert partial.low > 0.5


def test_within_class_resolves_simpsons_paradox():
    rng = np.random.default_rng(0)
    labels = np.repeat(["a", "b", "c", "d"], 30)
    level = np.repeat([0.0, 10.0, 20.0, 30.0], 30)
    within = rng.random(120)
    order = rng.permutation(120)
    x, y, labels = (level + within)[order], (within - level)[order], labels[order]
    assert spearman(x, y, **FAST).high < -0.8
    ours = within_class_spearman(x, y, labels, **FAST)
    assert ours.rho == pytest.approx(1)
    assert 0.97 < ours.low < ours.high <= 1
    assert ours.p_value == pytest.approx(1 / 200)
    assert ours.n == 120


def test_within_class_removes_what_only_classes_make():
    rng = np.random.default_rng(1)
    level = 5 * np.repeat(rng.normal(size=20), 30)
    x, y = level + rng.normal(size=600), level + rng.normal(size=600)
    assert spearman(x, y, **FAST).low > 0.8
    ours = within_class_spearman(x, y, np.repeat(np.arange(20), 30), **FAST)
    assert ours.low < 0 < ours.high
    assert ours.p_value > 0.05


def test_within_class_agrees_with_a_slow_implementation():
    rng = np.random.default_rng(2)
    labels = np.array(["a"] * 40 + ["b"] * 5 + ["c"] * 15 + ["alone"] + [None] * 4, dtype=object)
    x, y = rng.integers(0, 12, (2, len(labels))).astype(float)
    x[3] = np.nan
    order = rng.permutation(len(labels))
    ranks = [[], []]
    for label in "abc":
        inside = (labels == label) & ~np.isnan(x)
        for i, values in enumerate((x, y)):
            size = inside.sum()
            ranks[i].extend((stats.rankdata(values[inside]) - (size + 1) / 2) / size)
    ours = within_class_spearman(x[order], y[order], labels[order], **NOTHING)
    assert ours.rho == pytest.approx(np.corrcoef(*ranks)[0, 1], abs=1e-12)
    assert ours.n == 59


def test_one_class_is_the_plain_correlation():
    x, y, _ = confounded(np.random.default_rng(0), 40)
    assert within_class_spearman(x, y, ["a"] * 40, **FAST) == spearman(x, y, **FAST)


@pytest.mark.parametrize(("n", "correlation"), [(40, 0.0), (100, 0.5)])
def test_interval_covers_the_true_value(n, correlation):
    rng = np.random.default_rng(n)
    truth = 6 / np.pi * np.arcsin(correlation / 2)
    found = []
    for _ in range(60):
        x = rng.normal(size=n)
        y = correlation * x + np.sqrt(1 - correlation**2) * rng.normal(size=n)
        ours = spearman(x, y, resamples=200, permutations=1)
        found.append([ours.rho, ours.low, ours.high])
    rho, low, high = np.transpose(found)
    # Of 60 intervals that hold the truth with a chance of 95%, fewer do once in 1,300 times, and of such of half the
    # width as many once in 600 times.
    assert np.sum((low <= truth) & (truth <= high)) >= 51
    # The scatter of 60 estimates is known to a tenth.
    assert 0.7 < (high - low).mean() / 2 / (1.96 * rho.std(ddof=1)) < 1.5


def test_interval_within_classes_is_around_the_estimate():
    # Repeated images pull the resamples' ρ towards 0, in classes of ten by about the interval's width.
    rng = np.random.default_rng(0)
    x = rng.normal(size=10_000)
    y = x + rng.normal(size=10_000)
    ours = within_class_spearman(x, y, np.repeat(np.arange(1000), 10), resamples=200, permutations=1)
    assert ours.low < ours.rho < ours.high
    assert ours.rho - ours.low == pytest.approx(ours.high - ours.rho, rel=0.5)


@pytest.mark.parametrize("kind", ["plain", "partial", "within class"])
def test_p_value_is_uniform_without_a_relation(kind):
    rng = np.random.default_rng(7)
    p_values = []
    for _ in range(100):
        x, y, given = confounded(rng, 30)
        labels = rng.integers(0, 4, 30)
        if kind == "plain":
            ours = spearman(x, rng.permutation(y), resamples=1, permutations=99)
        elif kind == "partial":
            ours = partial_spearman(x, y, given, resamples=1, permutations=99)
        else:
            level = 9.0 * labels
            independent = rng.normal(size=(2, 30))
            ours = within_class_spearman(*(level + independent), labels, resamples=1, permutations=99)
        p_values.append(ours.p_value)
    assert stats.kstest(p_values, "uniform").pvalue > 0.02


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_only_the_order_matters(seed):
    rng = np.random.default_rng(seed)
    x, y, given = np.round(confounded(rng, 40), 1)
    labels = rng.integers(0, 3, 40)
    for function, third in ((spearman, ()), (partial_spearman, (given,)), (within_class_spearman, (labels,))):
        settings_ = {"resamples": 20, "permutations": 19, "seed": seed}
        assert function(np.exp(x), y**3, *third, **settings_) == function(x, y, *third, **settings_)
        turned = function(-x, y, *third, **settings_)
        assert turned.rho == pytest.approx(-function(x, y, *third, **settings_).rho, abs=1e-12)
        swapped = function(y, x, *third, **settings_)
        assert swapped.rho == pytest.approx(function(x, y, *third, **settings_).rho, abs=1e-12)


def test_a_perfect_relation():
    x = np.arange(30.0)
    ours = spearman(x, np.sqrt(x), **FAST)
    assert ours.rho == pytest.approx(1)
    # No resample has another ρ: the interval is that of two rankings in which one pair is exchanged.
    assert 0.99 < ours.low < 0.9999
    assert ours.low < ours.high <= 1
    assert ours.p_value == pytest.approx(1 / 200)
    assert spearman(x, -x, **FAST).rho == pytest.approx(-1)


def test_images_with_a_missing_number_are_left_out():
    x, y, given = confounded(np.random.default_rng(0), 50)
    holed = x.copy()
    holed[[3, 7]] = np.nan
    kept = ~np.isnan(holed)
    assert spearman(holed, y, **FAST) == spearman(x[kept], y[kept], **FAST)
    assert partial_spearman(y, holed, given, **FAST) == partial_spearman(y[kept], x[kept], given[kept], **FAST)


@pytest.mark.parametrize(
    ("arguments", "n"),
    [
        ((np.arange(9.0), np.arange(9.0)), 9),
        ((np.full(20, np.nan), np.arange(20.0)), 0),
        ((np.ones(20), np.arange(20.0)), 20),
        ((np.arange(20.0), np.zeros(20)), 20),
    ],
)
def test_undefined(arguments, n):
    third = np.random.default_rng(0).normal(size=len(arguments[0]))
    for ours in (
        spearman(*arguments, **FAST),
        partial_spearman(*arguments, third, **FAST),
        within_class_spearman(*arguments, ["a"] * len(third), **FAST),
    ):
        assert ours.n == n
        assert np.isnan([ours.rho, ours.low, ours.high, ours.p_value]).all()


def test_undefined_where_the_covariate_determines_a_variable():
    x, y, _ = confounded(np.random.default_rng(0), 50)
    assert np.isnan(partial_spearman(x, y, np.exp(x), **FAST).rho)
    assert np.isnan(partial_spearman(x, y, -y, **FAST).rho)


def test_undefined_without_two_images_in_a_class():
    ours = within_class_spearman(np.arange(20.0), np.arange(20.0), np.arange(20), **FAST)
    assert np.isnan(ours.rho)
    assert ours.n == 0


def test_a_rarely_varying_measure_has_an_interval():
    y = np.zeros(200)
    y[5] = 1.0
    ours = spearman(np.arange(200.0), y, **FAST)
    assert np.isfinite([ours.rho, ours.low, ours.high, ours.p_value]).all()


def test_no_interval_where_no_resample_has_a_correlation():
    y = np.zeros(20)
    y[0] = 1.0
    seeds = [spearman(np.arange(20.0), y, resamples=1, permutations=9, seed=seed) for seed in range(20)]
    without = [np.isnan(ours.low) and np.isnan(ours.high) for ours in seeds]
    assert any(without)
    assert not all(without)
    assert np.isfinite([ours.rho for ours in seeds]).all()


def test_seeds():
    x, y, given = confounded(np.random.default_rng(0), 60)
    first, again, other = (partial_spearman(x, y, given, seed=seed, **FAST) for seed in (0, 0, 1))
    assert first == again
    assert first.rho == other.rho
    assert first.low != other.low


def test_many_pairs_at_once_are_as_each_alone():
    rng = np.random.default_rng(0)
    x, y, given = confounded(rng, 80)
    labels = rng.integers(0, 4, 80)
    xs = pd.DataFrame({"first": x, "constant": 1.0, "rough": np.round(x - y)})
    ys = pd.DataFrame({"one": y, "other": np.round(y + given)})
    for third, function in (
        ({}, spearman),
        ({"given": given}, partial_spearman),
        ({"labels": labels}, within_class_spearman),
    ):
        together = rank_correlations(xs, ys, **third, **FAST)
        assert list(together) == [(a, b) for a in xs for b in ys]
        for (a, b), ours in together.items():
            alone = function(xs[a], ys[b], *third.values(), **FAST)
            np.testing.assert_allclose(astuple(ours), astuple(alone), rtol=0, atol=1e-12)


def test_images_are_left_out_for_all_pairs():
    x, y, _ = confounded(np.random.default_rng(0), 30)
    xs = pd.DataFrame({"whole": x, "holed": np.where(np.arange(30) < 4, np.nan, x)})
    assert {ours.n for ours in rank_correlations(xs, pd.DataFrame({"y": y}), **FAST).values()} == {26}
