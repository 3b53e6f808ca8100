"""What the margin lets expect, on images whose P(top-1 change) follows from their margin by a known law."""

import numpy as np
import pytest

from bias_toolkit.explain.causes import expected_from_margin
from bias_toolkit.foundation.intervals import clopper_pearson


def law(n):
    """Margins evenly over 0 to 1 in no order, and P(top-1 change) that falls from 0.5 to 0 with them."""
    margins = np.random.default_rng(n).permutation((np.arange(n) + 0.5) / n)
    return margins, 0.5 * (1 - margins)


@pytest.mark.parametrize(
    ("images", "taken"), [(20, 20), (99, 20), (209, 20), (210, 21), (500, 50), (1009, 100), (3000, 100)]
)
def test_a_tenth_of_the_images_within_limits(images, taken):
    margins, changes = law(images)
    expected, n, reach = expected_from_margin(0.5, margins, changes)
    assert n == taken
    nearest = sorted(range(images), key=lambda image: abs(margins[image] - 0.5))[:taken]
    assert expected.value == pytest.approx(np.mean([changes[image] for image in nearest]), abs=0.5 / images)
    assert reach == pytest.approx((margins[nearest].min(), margins[nearest].max()), abs=1.01 / images)


@pytest.mark.parametrize("margin", [0.1, 0.4, 0.82])
def test_the_value_follows_the_law(margin):
    """The 100 nearest of 1,000 lie evenly around the margin, so their mean is the law's value there."""
    expected, *_ = expected_from_margin(margin, *law(1000))
    assert expected.value == pytest.approx(0.5 * (1 - margin), abs=1e-9)
    assert expected.low < expected.value < expected.high


def test_at_the_ends_the_nearest_lie_on_one_side():
    low, *_ = expected_from_margin(0.0, *law(1000))
    high, *_ = expected_from_margin(1.0, *law(1000))
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


def test_the_interval_holds_at_any_number_of_images():
    """Twenty images none of which changes: at most 17% would change, as for 0 of 20 coin tosses."""
    margins = np.linspace(0, 1, 25)
    expected, n, _ = expected_from_margin(0.5, margins, np.zeros(25))
    assert (n, expected.value, expected.low) == (20, 0, 0)
    assert expected.high == pytest.approx(clopper_pearson(0, 20)[1])
    rng = np.random.default_rng(0)
    found = [expected_from_margin(0.5, margins, rng.binomial(8, 0.02, 25) / 8)[0] for _ in range(200)]
    assert np.mean([one.low <= 0.02 <= one.high for one in found]) >= 0.95
