"""Whether a curve falls and rises again."""

import numpy as np
import pytest

from bias_toolkit.analysis import two_lines

X = np.linspace(-2, 2, 9)


def curve(mean, n=80, noise=0.3, seed=0):
    rng = np.random.default_rng(seed)
    return mean + rng.normal(size=(n, 1)) + noise * rng.normal(size=(n, len(X)))


def is_u_shaped(lines):
    return lines.below.high < 0 < lines.above.low


def test_a_v_has_the_slopes_of_its_sides():
    lines = two_lines(curve(np.where(X < 0, -0.3 * X, 0.5 * X), noise=0.05), X, resamples=300)
    assert lines.lowest == 4
    assert is_u_shaped(lines)
    assert lines.below.value == pytest.approx(-0.3, abs=0.03)
    assert lines.above.value == pytest.approx(0.5, abs=0.03)
    assert lines.below.low < lines.below.value < lines.below.high < 0 < lines.above.low < lines.above.high
    assert lines.below.n == 80


def test_the_order_of_the_places_does_not_matter():
    values, order = curve(X**2), np.random.default_rng(1).permutation(9)
    one, other = two_lines(values, X, resamples=100), two_lines(values[:, order], X[order], resamples=100)
    assert order[other.lowest] == one.lowest
    assert other.below == pytest.approx(one.below)


@pytest.mark.parametrize("slope", [0.4, -0.4])
def test_a_slope_is_no_u(slope):
    lines = two_lines(curve(slope * X), X, resamples=300)
    assert not is_u_shaped(lines)
    assert (lines.above.low > 0) == (slope > 0)
    assert (lines.below.high < 0) == (slope < 0)


def test_an_arch_is_no_u():
    assert not is_u_shaped(two_lines(curve(-(X**2)), X, resamples=300))


@pytest.mark.parametrize("points", [5, 20])
def test_a_flat_curve_has_a_rising_side_in_one_of_twenty_draws(points):
    x = np.linspace(-2, 2, points)
    found = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        lines = two_lines(rng.normal(size=(40, 1)) + rng.normal(size=(40, points)), x, resamples=200, seed=seed)
        found += lines.below.high < 0 or lines.above.low > 0
    # 5%, and twice the standard error of 200 draws.
    assert found / 200 <= 0.08


def test_too_few_images_that_differ_have_no_interval():
    values = np.zeros((60, len(X)))
    values[:4, -1] = 1.0
    lines = two_lines(values, X, resamples=100)
    assert np.isnan([lines.above.low, lines.above.high]).all()
    assert np.isnan(two_lines(np.zeros((60, len(X))), X, resamples=100).above.low)


def test_two_places_make_no_side():
    lines = two_lines(curve(np.abs(X + 1.5)), X, resamples=100)
    assert np.isnan(lines.below).tolist() == [True, True, True, False]
    assert not is_u_shaped(lines)


def test_the_same_seed_gives_the_same():
    values = curve(X**2)
    assert two_lines(values, X, resamples=100, seed=3) == two_lines(values, X, resamples=100, seed=3)
