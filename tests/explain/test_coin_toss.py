"""What the margin lets expect, on images whose P(top-1 change) follows from their margin by a known law."""

import numpy as np
import pytest

from bias_toolkit.analysis import mean_interval
from bias_toolkit.explain.causes import expected_from_margin


def law(n):
    """Margins evenly over 0 to 1 in no order, and P(top-1 change) that falls from 0.5 to 0 with them."""
    margins = np.random.default_rng(n).permutation((np.arange(n) + 0.5) / n)
    return margins, 0.5 * (1 - margins)


@pytest.mark.parametrize(
    ("images", "taken"), [(20, 20), (99, 20), (209, 20), (210, 21), (500, 50), (1009, 100), (3000, 100)]
)
def test_a_tenth_of_the_images_within_limits(images, taken):
    margins, changes = law(images)
    expected, n = expected_from_margin(0.5, margins, changes)
    assert n == taken
    nearest = sorted(range(images), key=lambda image: abs(margins[image] - 0.5))[:taken]
    assert expected.value == pytest.approx(np.mean([changes[image] for image in nearest]), abs=0.5 / images)


@pytest.mark.parametrize("margin", [0.1, 0.4, 0.82])
def test_the_value_follows_the_law(margin):
    """The 100 nearest of 1,000 lie evenly around the margin, so their mean is the law's value there."""
    expected, _ = expected_from_margin(margin, *law(1000))
    assert expected.value == pytest.approx(0.5 * (1 - margin), abs=1e-9)
    # 100 values, evenly over a width of 0.05: their standard deviation is 0.05 / √12.
    half = 1.96 * 0.05 / 12**0.5 / 10
    assert expected.low == pytest.approx(expected.value - half, rel=0.01)
    assert expected.high == pytest.approx(expected.value + half, rel=0.01)


def test_at_the_ends_the_nearest_lie_on_one_side():
    low, _ = expected_from_margin(0.0, *law(1000))
    high, _ = expected_from_margin(1.0, *law(1000))
    assert low.value == pytest.approx(0.5 * (1 - 0.05))
    assert high.value == pytest.approx(0.5 * 0.05)


def test_too_few_images():
    assert expected_from_margin(0.5, *law(19)) is None
    assert expected_from_margin(0.5, np.array([]), np.array([])) is None


def test_images_without_a_value_do_not_count():
    margins, changes = law(200)
    with_gaps = np.concatenate([margins, [0.5] * 15, [np.nan] * 15])
    also = np.concatenate([changes, [np.nan] * 15, [0.9] * 15])
    assert expected_from_margin(0.5, with_gaps, also) == expected_from_margin(0.5, margins, changes)
    margins, changes = law(19)
    assert expected_from_margin(0.5, np.append(margins, [0.5, np.nan]), np.append(changes, [np.nan, 0.5])) is None


def test_the_interval_is_over_the_images_that_were_taken():
    margins, changes = law(250)
    nearest = np.argsort(np.abs(margins - 0.301))[:25]
    for seed in (0, 4):
        expected, _ = expected_from_margin(0.301, margins, changes, seed)
        again = mean_interval(changes[nearest], seed=seed)
        assert (expected.value, expected.low, expected.high) == pytest.approx(again[:3])
    assert expected_from_margin(0.301, margins, changes, 1) != expected_from_margin(0.301, margins, changes, 2)
