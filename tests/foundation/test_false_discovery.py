import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bias_toolkit.foundation.false_discovery import compared_with_all, family_intervals, q_values
from bias_toolkit.foundation.intervals import Interval


def test_by_hand():
    assert q_values([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])


def test_a_test_that_could_not_be_made_does_not_count():
    found = q_values([np.nan, 0.01, np.nan, 0.04])
    assert np.isnan(found[[0, 2]]).all()
    assert found[[1, 3]] == pytest.approx([0.02, 0.04])
    assert np.isnan(q_values([np.nan])).all()
    assert len(q_values([])) == 0


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=40))
def test_agrees_with_the_step_up_procedure(p_values):
    p, q = np.sort(p_values), q_values(p_values)
    assert (q >= p_values - np.finfo(float).eps).all()
    for rate in (0.05, 0.2, 0.5):
        below = np.flatnonzero(p <= rate * np.arange(1, len(p) + 1) / len(p) * (1 + 1e-12))
        largest = p[below[-1]] if len(below) else -1.0
        assert ((q <= rate * (1 + 1e-12)) == (np.array(p_values) <= largest)).all()


def test_the_false_discovery_rate_holds():
    rng = np.random.default_rng(0)
    shares, power = [], []
    for _ in range(400):
        real = np.arange(60) < 15
        p = np.where(real, rng.beta(0.1, 4, 60), rng.random(60))
        found = q_values(p) <= 0.05
        shares.append((found & ~real).sum() / max(found.sum(), 1))
        power.append(found[real].mean())
    assert np.mean(shares) < 0.05 * 45 / 60 + 3 * np.std(shares) / 20
    assert np.mean(power) > 0.4


FAMILIES = st.lists(st.tuples(st.floats(-1, 1), st.floats(0.01, 0.6), st.floats(0.01, 0.6)), min_size=1, max_size=15)


@settings(deadline=None, max_examples=50)
@given(FAMILIES, st.integers(5, 500))
def test_found_is_what_benjamini_and_hochberg_find(family, n):
    value, below, above = np.array(family).T
    low, high = family_intervals(value, value - below, value + above, images=n)
    # The p-value of an interval: 1 minus the confidence at which it reaches 0.
    times = np.abs(value) / np.where(value > 0, below, above)
    p_values = 2 * stats.t.sf(times * stats.t.ppf(0.975, n - 1), n - 1)
    rejected = stats.false_discovery_control(p_values) < 0.05
    near = np.abs(stats.false_discovery_control(p_values) - 0.05) < 1e-9
    found = (low > 0) | (high < 0)
    if not near.any():
        np.testing.assert_array_equal(found, rejected)
    assert (low <= value - below + 1e-12).all()
    assert (high >= value + above - 1e-12).all()


def test_a_family_of_one_keeps_its_interval():
    assert family_intervals([0.3], [0.1], [0.6]) == ([0.1], [0.6])


def test_of_many_only_those_that_hold_for_all():
    value, low = np.array([0.5, 0.02, 0.0]), np.array([0.4, 0.001, -0.1])
    ends = family_intervals(value, low, 2 * value - low)
    assert ends[0][0] > 0
    assert ends[0][1] < 0 < ends[1][1]
    nothing = family_intervals([np.nan, 0.1], [np.nan, 0.05], [np.nan, 0.15])
    np.testing.assert_array_equal(nothing[0], [np.nan, 0.05])


def test_the_limits_of_a_quantity_end_its_intervals():
    _, high = family_intervals([0.5, 0.0], [0.1, -0.1], [0.98, 0.1], limits=(-1.0, 1.0))
    assert high[0] == 1


def test_parts_are_compared_with_the_whole():
    whole = Interval(0.2, 0.18, 0.22, 1000)
    low, high = compared_with_all([0.4, 0.21], [0.3, 0.1], [0.5, 0.3], [100, 100], whole, (0.0, 1.0))
    assert low[0] > 0.2
    assert low[1] < 0.2 < high[1]


def test_the_false_coverage_rate_of_the_found():
    """Of 20 estimates of which 5 are not nothing, the found intervals miss the truth in at most 5% on average."""
    rng = np.random.default_rng(0)
    truth = np.repeat([0.0, 2.5], [15, 5])
    missed, false = [], []
    for _ in range(800):
        value = truth + rng.normal(size=20)
        low, high = family_intervals(value, value - 1.96, value + 1.96)
        found = (low > 0) | (high < 0)
        missed.append((found & ((low > truth) | (high < truth))).sum() / max(found.sum(), 1))
        false.append((found & (truth == 0)).sum() / max(found.sum(), 1))
    assert np.mean(missed) <= 0.055
    assert np.mean(false) <= 0.055
