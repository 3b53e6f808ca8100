"""Over many draws of a known law, 95% intervals hold the truth about so often, and p-values are uniform without effect.

`benchmarks/coverage_relations.py` does the same with more draws and more laws.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bias_toolkit.analysis import mean_interval, partial_spearman, spearman
from bias_toolkit.analysis.binomial_fit import fit_binomial, fit_within_classes
from bias_toolkit.analysis.correlation import rank_correlations
from bias_toolkit.analysis.factors import differences, margin_strata

DRAWS = 50
OF_DISTANCE = 0.4


def held(intervals, truth):
    low, high = np.asarray(intervals).T
    return np.mean((low <= truth) & (truth <= high))


def are_as_wide_as_they_say(found, truth):
    """Of estimates with their 95% intervals, (draws, 3), neither of half the width nor twice as wide."""
    # Of 50 intervals that hold the truth with a chance of 95%, fewer than 84% do once in 1,300 times; 84% of intervals
    # of half the width, which hold it with a chance of 67%, do once in 150 times.
    assert held(found[:, 1:], truth) >= 0.84
    # The scatter of 50 estimates is known to a tenth.
    assert 0.7 < (found[:, 2] - found[:, 1]).mean() / 2 / (1.96 * found[:, 0].std(ddof=1)) < 1.5


@pytest.mark.parametrize(("fit", "intercepts"), [(fit_binomial, 0.0), (fit_within_classes, 0.7)])
def test_odds_ratios(draw, fit, intercepts):
    """20 classes of 50 images, steps and images of a class alike; distance has an effect and centre_distance none."""
    rng = np.random.default_rng(0)
    sizes = [50] * 20
    found, by_image = [], []
    for _ in range(DRAWS):
        images = draw(rng, sizes, intercepts=intercepts, alike=0.0 if intercepts else 0.5)
        x = images[["nn_distance", "centre_distance", "margin"]].to_numpy()
        changed, steps = images["p_top1_change"].to_numpy(float) * 8, np.full(1000, 8.0)
        classes = np.repeat(np.arange(20), sizes)
        tells = (np.bincount(classes, weights=changed) > 0)[classes]
        fitted = fit(x[tells], changed[tells], steps[tells], np.unique(classes[tells], return_inverse=True)[1])
        found.append([fitted.odds_ratio(at) for at in (0, 1)])
        if not intercepts and len(by_image) < 25:
            by_image.append(fit_binomial(x, changed, steps, np.arange(1000)).odds_ratio(1))
    found = np.array(found)
    are_as_wide_as_they_say(np.log(found[:, 0, :3]), OF_DISTANCE)
    are_as_wide_as_they_say(np.log(found[:, 1, :3]), 0.0)
    assert stats.kstest(found[:, 1, 3], "uniform").pvalue > 0.001
    if not intercepts:
        # As if images of a class were not alike: the draws can tell.
        assert held(np.array(by_image)[:, 1:3], 1.0) < 0.8


@pytest.mark.parametrize("kind", ["plain", "partial", "within class"])
def test_rank_correlations(draw, kind):
    rng = np.random.default_rng(1)
    sizes = [50] * 4 if kind == "within class" else [1] * 200
    found = []
    for _ in range(DRAWS):
        images = draw(rng, sizes)
        third = {"partial": {"given": images["margin"]}, "within class": {"labels": images["label"]}}.get(kind, {})
        xs, y = images[["nn_distance", "centre_distance"]], images[["p_top1_change"]]
        results = rank_correlations(xs, y, **third, resamples=199, permutations=99)
        found.append([[r.rho, r.low, r.high, r.p_value] for r in results.values()])
    found = np.array(found)
    # What ρ is an estimate of is its mean over draws.
    are_as_wide_as_they_say(found[:, 0, :3], found[:, 0, 0].mean())
    are_as_wide_as_they_say(found[:, 1, :3], 0.0)
    assert stats.kstest(found[:, 1, 3], "uniform").pvalue > 0.001


def test_means_and_factor_differences(draw):
    rng = np.random.default_rng(2)
    found, means = [], []
    for _ in range(DRAWS):
        images = draw(rng, [1] * 300)
        y = images["p_top1_change"].to_numpy(float)
        flags = images[["nn_distance", "centre_distance"]].to_numpy() > 1.0
        strata = margin_strata(images["margin"].to_numpy())
        found.append(differences(y, flags, strata, 199, 99, rng))
        means.append(mean_interval(y, 199))
    found, means = np.array(found), np.array(means)
    are_as_wide_as_they_say(means[:, :3], means[:, 0].mean())
    are_as_wide_as_they_say(found[:, 0, :3], found[:, 0, 0].mean())
    are_as_wide_as_they_say(found[:, 1, :3], 0.0)
    assert found[:, 0, 0].mean() > 0.03
    assert stats.kstest(found[:, 1, 3], "uniform").pvalue > 0.001


def test_distance_that_works_through_the_margin(draw):
    """It is told of rarely once the margin is controlled, and one with an effect of its own often."""
    rng = np.random.default_rng(3)
    told = {}
    for effect in (0.0, 0.6):
        rows = []
        for _ in range(20):
            images = draw(rng, [30] * 10, distance=effect, alike=0.0)
            x = images[["nn_distance", "margin"]].to_numpy()
            changed = images["p_top1_change"].to_numpy(float) * 8
            fitted = fit_binomial(x, changed, np.full(300, 8.0), np.repeat(np.arange(10), 30))
            of_rank = partial_spearman(
                images["nn_distance"], images["p_top1_change"], images["margin"], resamples=199, permutations=9
            )
            plain = spearman(images["nn_distance"], images["p_top1_change"], resamples=199, permutations=9)
            rows.append([fitted.odds_ratio(0)[1] > 1, of_rank.low > 0, plain.low > 0])
        told[effect] = pd.DataFrame(rows, columns=["regression", "partial", "plain"]).mean()
    assert told[0.0]["plain"] > 0.9
    assert told[0.0][["regression", "partial"]].max() <= 0.1
    assert told[0.6].min() > 0.8
