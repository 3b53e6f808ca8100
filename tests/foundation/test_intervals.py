import numpy as np
import pytest
from scipy import stats

from bias_toolkit.foundation.intervals import expanded_confidence, share_interval
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
