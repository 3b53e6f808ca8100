import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bias_toolkit.foundation.intervals import (
    SHARE,
    Interval,
    clopper_pearson,
    difference_limits,
    expanded_confidence,
    mean_bound,
    mean_interval,
    paired_difference,
    share_interval,
)
from bias_toolkit.foundation.resampling import percentile_interval, resample_counts


def test_tends_to_the_confidence_asked_for():
    found = [expanded_confidence(n) for n in (2, 5, 20, 100, 10**7)]
    assert found == sorted(found, reverse=True)
    assert found[-1] == pytest.approx(0.95, abs=1e-6)
    assert found[0] > 0.999


def test_gives_the_width_of_students_interval():
    n = 12
    values = np.random.default_rng(0).normal(size=n)
    # A normal bootstrap distribution with the variance that resampling gives, in place of the bootstrap itself.
    means = stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000, values.mean(), values.std(ddof=0) / np.sqrt(n))
    student = stats.t.interval(0.95, n - 1, values.mean(), stats.sem(values))
    assert percentile_interval(means, expanded_confidence(n)) == pytest.approx(student, rel=1e-3)


def test_holds_the_mean_of_few_images():
    rng = np.random.default_rng(1)
    plain, expanded = [], []
    for _ in range(500):
        values = rng.normal(size=12)
        means = np.concatenate([counts @ values for counts in resample_counts([12], 300, rng)]) / 12
        for held, confidence in ((plain, 0.95), (expanded, expanded_confidence(12))):
            low, high = percentile_interval(means, confidence)
            held.append(low <= 0 <= high)
    assert np.mean(plain) < 0.92
    assert 0.92 <= np.mean(expanded) <= 0.975


def test_a_share_of_independent_objects_has_wilson_s_interval():
    n, share = 100_000, 0.03
    expected = stats.binomtest(round(n * share), n).proportion_ci(method="wilson")
    found = share_interval(share, np.sqrt(share * (1 - share) / n), n)
    assert found == pytest.approx((expected.low, expected.high), rel=1e-4)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_of_none_or_all_has_an_interval_too(share):
    low, high = share_interval(share, 0.0, 50)
    assert 0 <= low <= share <= high <= 1
    assert 0.05 < high - low < 0.1


@pytest.mark.parametrize("share", [0.03, 0.2])
def test_holds_the_share_among_objects_that_are_alike_in_an_image(share):
    rng = np.random.default_rng(0)
    held = []
    for _ in range(600):
        # Half of the images have objects that are all alike.
        alike = rng.random(60) < 0.5
        shared = rng.random(60) < share
        values = np.where(alike[:, None], shared[:, None], rng.random((60, 2)) < share).mean(axis=1)
        low, high = share_interval(values.mean(), values.std(ddof=1) / np.sqrt(60), 60)
        held.append(low <= share <= high)
    assert 0.92 <= np.mean(held) <= 0.985


VALUES = st.lists(st.integers(0, 8).map(lambda changed: changed / 8), min_size=5, max_size=60)


@settings(deadline=None, max_examples=25)
@given(VALUES)
def test_an_interval_has_a_width_and_stays_in_the_range(values):
    mean = mean_interval(values, 100, limits=SHARE)
    assert 0 <= mean.low < mean.high <= 1
    assert mean.low <= mean.value <= mean.high


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 60), st.integers(5, 60), st.floats(0.5, 0.999))
def test_the_bound_of_a_share_holds_that_of_clopper_and_pearson(count, n, confidence):
    count = min(count, n)
    exact, bound = clopper_pearson(count, n, confidence), mean_bound(count / n, n, SHARE, confidence)
    assert bound[0] <= exact[0] + 1e-9
    assert exact[1] <= bound[1] + 1e-9
    if count in (0, n):
        assert bound == pytest.approx(exact, abs=1e-9)


def test_the_bound_of_other_limits():
    low, high = mean_bound(-0.5, 30, (-1.0, 1.0))
    assert (low, high) == pytest.approx(tuple(2 * end - 1 for end in mean_bound(0.25, 30)))


@pytest.mark.parametrize("mean", [0.002, 0.01])
@pytest.mark.parametrize("n", [20, 50, 200])
def test_rare_changes_are_held(mean, n):
    rng = np.random.default_rng(n)
    some = mean / 0.5625
    values = np.where(rng.random((400, n)) < some, rng.integers(1, 9, (400, n)) / 8, 0.0)
    found = [mean_interval(each, 200, limits=SHARE) for each in values]
    assert np.mean([each.low <= mean <= each.high for each in found]) >= 0.93
    assert np.mean([each.high for each in found]) < mean + 8 / n


def test_a_difference_of_two_means():
    one, other = Interval(0.5, 0.4, 0.7, 50), Interval(0.2, 0.15, 0.25, 80)
    low, high = difference_limits(one, other)
    assert (low, high) == pytest.approx((0.3 - np.hypot(0.1, 0.05), 0.3 + np.hypot(0.2, 0.05)))


@pytest.mark.parametrize(("rise", "fall"), [(0.01, 0.01), (0.05, 0.0), (0.03, 0.08)])
def test_the_interval_of_a_difference_in_few_images_holds_it(rise, fall):
    """Of 60 images, few change, by one ninth or more; the interval holds the true mean in at least 95% of the draws."""
    generator, held, widths = np.random.default_rng(0), 0, []
    for _ in range(300):
        size = generator.integers(1, 10, 60) / 9
        drawn = generator.random(60)
        values = np.where(drawn < rise, size, np.where(drawn > 1 - fall, -size, 0.0))
        found = paired_difference(values, 200)
        held += found.low <= (rise - fall) * 5 / 9 <= found.high
        widths.append(found.high - found.low)
        assert -1 <= found.low < found.high <= 1
    assert held >= 285
    # A bound for any values in [−1, 1] is about 0.9 wide.
    assert np.mean(widths) < 0.35


def test_the_interval_of_a_difference_of_nothing_is_exact():
    # No image of 60 rises or falls: each has at most 1 − 0.0125^(1/60).
    most = 1 - 0.0125 ** (1 / 60)
    found = paired_difference(np.zeros(60))
    assert found[:3] == pytest.approx((0, -most, most))


def test_values_that_differ_by_the_rounding_of_float32_have_no_interval():
    values = 0.075 * (1 + 1e-8 * np.random.default_rng(0).normal(size=60))
    assert np.isnan([mean_interval(values).low, mean_interval(values).high]).all()
    assert mean_interval(values + np.linspace(0, 1e-3, 60)).low < values.mean() + 1e-3
