"""Differences between bins, with intervals that hold for all of them at once."""

import numpy as np
import pytest

from bias_toolkit.analysis import bin_contrasts, clearest, curve_contrasts


def test_every_later_bin_is_compared_with_every_earlier_one():
    groups = [np.linspace(0, 0.2, 10), np.linspace(0.1, 0.3, 10), np.linspace(0.4, 0.6, 10)]
    found = bin_contrasts(groups)
    assert [(each.bin, each.minus) for each in found] == [(1, 0), (2, 0), (2, 1)]
    np.testing.assert_allclose([each.value for each in found], [0.1, 0.4, 0.3])
    assert [each.n for each in found] == [20] * 3
    for each in found:
        assert each.low < each.value < each.high
        assert each.value - each.low == pytest.approx(each.high - each.value)


def test_every_bin_is_compared_with_the_reference():
    groups = [np.full(10, 0.3), np.linspace(0.1, 0.3, 10), np.linspace(0.4, 0.6, 10)]
    assert [(each.bin, each.minus) for each in bin_contrasts(groups, reference=0)] == [(1, 0), (2, 0)]
    # Fewer contrasts are paid for less.
    widths = [bin_contrasts(groups)[0].high - bin_contrasts(groups)[0].value]
    widths.append(bin_contrasts(groups, reference=0)[0].high - bin_contrasts(groups, reference=0)[0].value)
    assert widths[1] < widths[0]


def test_bins_of_few_images_are_left_out():
    groups = [np.linspace(0, 1, 10), np.linspace(0, 1, 4), np.linspace(0, 1, 5)]
    assert [(each.bin, each.minus) for each in bin_contrasts(groups)] == [(2, 0)]
    assert bin_contrasts(groups, reference=1) == []
    assert bin_contrasts(groups[:2]) == []
    assert clearest([]) is None


def test_the_clearest_is_the_one_farthest_outside_its_interval():
    rng = np.random.default_rng(0)
    groups = [rng.normal(0, 0.05, 50), rng.normal(0.3, 0.05, 50), rng.normal(0.35, 0.5, 50)]
    found = clearest(bin_contrasts(groups, reference=0))
    assert found.bin == 1
    assert found.clearness > 1
    assert found.low > 0


@pytest.mark.parametrize("values", [0.0, 0.125, 1.0])
def test_no_interval_of_zero_width(values):
    (found,) = bin_contrasts([np.full(20, values), np.full(30, values)])
    assert found.value == 0
    assert found.low < -0.01
    assert found.high > 0.01
    assert bin_contrasts([np.full(20, values)] * 2, limits=(0.0, np.inf)) == []


@pytest.mark.parametrize(("n", "p"), [(20, 0.01), (40, 0.05), (200, 0.01), (100, 0.3)])
@pytest.mark.parametrize("reference", [None, 0])
def test_among_equal_bins_hardly_ever_one_is_found(n, p, reference):
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(200):
        # Steps of one image are alike.
        groups = rng.binomial(8, rng.beta(0.5 * p, 0.5 * (1 - p), size=(6, n))) / 8
        found += any(abs(each.clearness) > 1 for each in bin_contrasts(list(groups), reference))
    assert found / 200 <= 0.08


def test_contrasts_of_a_curve_are_those_of_its_bins():
    distance = np.arange(100.0)
    measure = np.where(distance < 50, 0.1, 0.5) + distance / 1e4
    (found,) = curve_contrasts(distance, measure, bins=2)
    assert found.value == pytest.approx(0.4 + 50 / 1e4, abs=0.01)
    assert found.n == 100
    assert curve_contrasts([], []) == []
