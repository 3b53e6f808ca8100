import numpy as np
import pandas as pd
import pytest

from bias_toolkit.analysis import mean_interval, quantile_curve


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n", [200, 217, 1003])
def test_agrees_with_pandas(n, ties):
    rng = np.random.default_rng(n)
    distance = rng.integers(0, 25, n).astype(float) if ties else rng.gamma(2, size=n)
    measure = rng.random(n)
    curve = quantile_curve(distance, measure, resamples=100)
    table = pd.DataFrame({"distance": distance, "measure": measure})
    groups = table.groupby(pd.qcut(distance, 10, duplicates="drop"), observed=True)
    np.testing.assert_array_equal(curve["n"], groups.size())
    np.testing.assert_allclose(curve["x"], groups["distance"].mean())
    np.testing.assert_allclose(curve["value"], groups["measure"].mean())
    assert list(curve["bin"]) == list(range(len(curve)))
    assert curve["n"].sum() == n


def test_edges_hold_the_bins():
    rng = np.random.default_rng(0)
    distance = rng.random(300)
    curve = quantile_curve(distance, rng.random(300), resamples=100)
    assert curve["left"].iloc[0] == distance.min()
    assert curve["right"].iloc[-1] == distance.max()
    np.testing.assert_array_equal(curve["left"].iloc[1:], curve["right"].iloc[:-1])
    assert ((curve["left"] <= curve["x"]) & (curve["x"] <= curve["right"])).all()


def test_interval_is_that_of_the_bins_images():
    distance, measure = np.arange(40.0), np.random.default_rng(0).random(40)
    curve = quantile_curve(distance, measure, 2, resamples=100, seed=5)
    expected = mean_interval(measure[20:], 100, 5)
    assert tuple(curve.iloc[1][["value", "low", "high", "n"]]) == tuple(expected)


@pytest.mark.parametrize(("n", "bins"), [(1000, 10), (200, 10), (199, 9), (40, 2), (39, 1), (5, 1)])
def test_fewer_bins_where_images_are_few(n, bins):
    assert len(quantile_curve(np.arange(float(n)), np.arange(float(n)), resamples=10)) == bins


def test_a_rising_measure_rises():
    distance = np.random.default_rng(0).random(500)
    curve = quantile_curve(distance, distance**2, resamples=100)
    assert curve["value"].is_monotonic_increasing
    assert ((curve["low"] <= curve["value"]) & (curve["value"] <= curve["high"])).all()


def test_equal_distances_are_one_bin():
    curve = quantile_curve(np.full(100, 3.0), np.arange(100.0), resamples=10)
    assert len(curve) == 1
    assert curve.iloc[0][["left", "right", "x", "value", "n"]].tolist() == [3, 3, 3, 49.5, 100]


def test_many_zeros_are_in_the_first_bin():
    distance = np.concatenate([np.zeros(150), np.arange(1.0, 51)])
    curve = quantile_curve(distance, distance, resamples=10)
    assert curve["n"].sum() == 200
    assert curve["n"].iloc[0] >= 150
    assert (curve["n"] > 0).all()


def test_missing_numbers_are_left_out():
    distance, measure = np.arange(60.0), np.arange(60.0)
    distance[0] = measure[1] = np.nan
    assert quantile_curve(distance, measure, resamples=10)["n"].sum() == 58
    assert len(quantile_curve(np.full(9, np.nan), np.arange(9.0))) == 0
