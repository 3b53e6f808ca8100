import numpy as np
import pytest

from bias_toolkit.foundation.intervals import mean_interval
from bias_toolkit.foundation.resampling import (
    enough_resamples,
    means_of_resamples,
    percentile_interval,
    resample_counts,
)


def test_every_resample_has_as_many_images():
    counts = np.concatenate(list(resample_counts([7], 300, np.random.default_rng(0))))
    assert counts.shape == (300, 7)
    assert (counts.sum(axis=1) == 7).all()
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=0.2)
    # Binomial(7, 1/7)
    assert counts.var() == pytest.approx(6 / 7, rel=0.1)


def test_strata_keep_their_sizes():
    counts = np.concatenate(list(resample_counts([2, 5, 1], 400, np.random.default_rng(0))))
    np.testing.assert_array_equal(np.add.reduceat(counts, [0, 2, 7], axis=1), np.tile([2, 5, 1], (400, 1)))
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=0.2)


def test_pieces_are_bounded(monkeypatch):
    monkeypatch.setattr("bias_toolkit.foundation.resampling.CHUNK_ELEMENTS", 100)
    pieces = list(resample_counts([30], 10, np.random.default_rng(0)))
    assert [len(piece) for piece in pieces] == [3, 3, 3, 1]


def test_percentile_interval():
    assert percentile_interval(np.arange(1001.0)) == pytest.approx((25, 975))
    assert percentile_interval(np.arange(1001.0), 0.5) == pytest.approx((250, 750))
    assert percentile_interval(np.array([np.nan, 3.0, np.nan])) == (3.0, 3.0)
    assert np.isnan(percentile_interval(np.array([np.nan]))).all()


@pytest.mark.parametrize("n", [7, 600, 30_000])
def test_a_seed_draws_as_its_generator_does(n):
    values = np.random.default_rng(1).random(n)
    expected = means_of_resamples(values, 100, np.random.default_rng(3))
    for _ in range(2):
        np.testing.assert_array_equal(means_of_resamples(values, 100, 3), expected)


def test_of_many_images_fewer_resamples_are_drawn():
    wanted = {0: 2000, 10_000: 2000, 20_000: 1000, 50_000: 400, 10**6: 400}
    assert {n: enough_resamples(2000, n) for n in wanted} == wanted
    assert enough_resamples(300, 10**6) == 300
    for values in (np.zeros(40_000), np.zeros((40_000, 2))):
        assert means_of_resamples(values, 2000, np.random.default_rng(0)).shape == (500, *values.shape[1:])


def test_the_interval_of_many_images_is_that_of_the_normal_law():
    values = np.random.default_rng(1).exponential(size=100_000)
    found = mean_interval(values, resamples=2000)
    half = 1.96 * values.std() / np.sqrt(len(values))
    # Of 400 resamples, the standard error of an end is 7% of half the width.
    np.testing.assert_allclose([found.low, found.high], [found.value - half, found.value + half], atol=0.25 * half)
