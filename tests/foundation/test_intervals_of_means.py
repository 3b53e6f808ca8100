import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bias_toolkit.foundation.intervals import SHARE, mean_interval, median_interval


def test_agrees_with_scipy():
    values = np.random.default_rng(0).exponential(size=80)
    interval = mean_interval(values, resamples=5000)
    reference = stats.bootstrap(
        (values,), np.mean, n_resamples=5000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert interval.value == pytest.approx(values.mean())
    assert interval.low == pytest.approx(reference.low, abs=0.02)
    assert interval.high == pytest.approx(reference.high, abs=0.02)


def test_coverage():
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(300):
        interval = mean_interval(rng.random(60), resamples=300)
        covered += interval.low <= 0.5 <= interval.high
    assert 0.90 <= covered / 300 <= 0.985


def test_a_wider_confidence_is_wider():
    values = np.random.default_rng(0).random(50)
    narrow, wide = (mean_interval(values, confidence=confidence) for confidence in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


def test_missing_values_are_left_out():
    values = [1.0, 2.0, 4.0, 3.0, 7.0, 5.0]
    assert mean_interval([*values[:2], np.nan, *values[2:], None]) == mean_interval(values)
    assert mean_interval(pd.Series([1.0, None, 3.0])).n == 2


@pytest.mark.parametrize("n", range(5))
def test_fewer_than_five_images_have_no_interval(n):
    values = np.arange(n) / 4
    for interval in (mean_interval(values, limits=SHARE), median_interval(values)):
        assert interval.n == n
        assert np.isnan([interval.low, interval.high]).all()
        assert np.isnan(interval.value) if n == 0 else interval.value == pytest.approx(values.mean())


def test_equal_values():
    low, high = mean_interval([0.0] * 50, limits=SHARE)[1:3]
    assert (low, high) == pytest.approx((0, 1 - 0.025 ** (1 / 50)))
    low, high = mean_interval([0.1] * 37, limits=SHARE)[1:3]
    assert 0 < low < 0.1 < high < 1
    assert mean_interval([0.1] * 37).value == 0.1
    assert np.isnan(mean_interval([0.1] * 37).low)


def test_same_seed_same_interval():
    values = np.random.default_rng(0).random(50)
    assert mean_interval(values, seed=3) == mean_interval(values, seed=3)
    assert mean_interval(values, seed=3) != mean_interval(values, seed=4)


def test_median_agrees_with_the_exact_bootstrap():
    # The resampled median of 2m − 1 values is at most the k-th where m draws or more are: a binomial probability.
    values = np.random.default_rng(3).permutation(np.arange(1.0, 42.0))
    median = median_interval(np.append(values, np.nan), resamples=20_000)
    at_most = stats.binom.sf(20, 41, np.arange(1, 42) / 41)
    assert median.value == 21
    assert median.n == 41
    for end, share in ((median.low, 0.025), (median.high, 0.975)):
        assert abs(end - (np.searchsorted(at_most, share) + 1)) <= 1


def test_median_of_values_of_which_most_are_equal():
    values = [1.0] * 3 + [2.0] * 30 + [4.0] * 2
    assert median_interval(values)[:3] == (2, 1, 4)
    assert np.isnan(median_interval([2.0] * 30).low)
