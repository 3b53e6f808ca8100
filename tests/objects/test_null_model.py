import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from bias_toolkit.objects.null_model import (
    mean_distance_from_centre,
    null_centre_distance,
    place_at_random,
    placement_p_value,
    relative_shortfall,
    room,
)

lengths = st.floats(0, 10, allow_subnormal=True)


@pytest.mark.parametrize(("a", "b"), [(1, 1), (0.5, 0.2), (0.01, 3), (2, 1e-6)])
def test_mean_distance_equals_the_integral(a, b):
    integral, _ = integrate.dblquad(lambda y, x: np.hypot(a * x, b * y), 0, 1, 0, 1, epsabs=1e-12)
    assert mean_distance_from_centre(a, b) == pytest.approx(integral, rel=1e-7)


def test_mean_distance_of_the_unit_square_is_the_box_integral():
    assert mean_distance_from_centre(1, 1) == pytest.approx((np.sqrt(2) + np.log(1 + np.sqrt(2))) / 3, rel=1e-14)


def test_mean_distance_of_degenerate_rectangles():
    np.testing.assert_allclose(mean_distance_from_centre([0, 1, 0, 5e-324], [1, 0, 0, 1]), [0.5, 0.5, 0, 0.5])


@settings(max_examples=100, deadline=None)
@given(a=lengths, b=lengths, factor=st.floats(0.1, 10))
def test_mean_distance_laws(a, b, factor):
    mean = mean_distance_from_centre(a, b)
    assert mean == mean_distance_from_centre(b, a)
    assert max(a, b) / 2 * (1 - 1e-12) <= mean <= np.hypot(a, b)
    assert mean_distance_from_centre(factor * a, factor * b) == pytest.approx(factor * mean, rel=1e-9, abs=1e-300)


def test_expected_distance_agrees_with_boxes_placed_in_pixels(make_framing):
    rng = np.random.default_rng(0)
    width, height, box_width, box_height = 300, 120, 90, 100
    x0, y0 = (rng.uniform(0, side - box, 200_000) for side, box in ((width, box_width), (height, box_height)))
    framing, _ = make_framing(np.column_stack([x0, y0, x0 + box_width, y0 + box_height]), width, height)
    exact = null_centre_distance(*room(framing.iloc[:1]))[0]
    standard_error = framing["centre_distance"].std() / np.sqrt(len(framing))
    assert abs(framing["centre_distance"].mean() - exact) < 3 * standard_error


def test_room_of_a_box_with_and_without_a_margin(make_framing):
    framing, _ = make_framing([[0, 0, 100, 100], [0, 0, 40, 80]])
    np.testing.assert_allclose(room(framing), [[0, 0.3], [0, 0.1]], atol=1e-15)
    np.testing.assert_allclose(room(framing, 0.01, 0.02), [[0, 0.29], [0, 0.08]], atol=1e-15)


def test_placements_follow_the_null_model():
    a, b = np.array([0.4, 0.1, 0.0]), np.array([0.3, 0.0, 0.0])
    placed = place_at_random(a, b, 20_000, np.random.default_rng(0))
    assert placed.distances.mean() == pytest.approx(null_centre_distance(a, b).sum(), rel=0.01)
    assert (placed.histograms.sum(axis=(1, 2)) == 3).all()
    rows, columns = np.nonzero(placed.histograms.sum(axis=0))
    # Cells are a ninth wide: the centre of the widest-ranging box stays in [0.1, 0.9] × [0.2, 0.8].
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (0, 8, 1, 7)
    # The second box varies along x only.
    alone = place_at_random(a[1:2], b[1:2], 2000, np.random.default_rng(1))
    np.testing.assert_array_equal(np.nonzero(alone.histograms.sum(axis=(0, 2)))[0], [4])


def test_placements_add_up():
    a, b = np.array([0.4, 0.1]), np.array([0.3, 0.2])
    first, second = (place_at_random(a[i : i + 1], b[i : i + 1], 50, np.random.default_rng(i)) for i in (0, 1))
    both = first + second
    np.testing.assert_array_equal(both.distances, first.distances + second.distances)
    np.testing.assert_array_equal(both.histograms, first.histograms + second.histograms)


def test_placements_differ_from_box_to_box_and_time_to_time():
    placed = place_at_random(np.full(2, 0.4), np.full(2, 0.4), 3000, np.random.default_rng(0))
    one_variance = (2 * (0.4**2 + 0.4**2) / 3) - null_centre_distance(0.4, 0.4) ** 2
    assert placed.distances.var() == pytest.approx(2 * one_variance, rel=0.1)


def test_relative_shortfall():
    np.testing.assert_allclose(relative_shortfall([0, 1, 2, 3, 0], [2, 2, 2, 2, 0]), [1, 0.5, 0, -0.5, np.nan])


def test_p_value_counts_placements_as_far_on_either_side():
    placed = np.array([1.0, 4.0, 5.0, 6.0, 9.5])
    assert placement_p_value(1.5, 5, placed) == pytest.approx((1 + 2) / 6)
    assert placement_p_value(8.5, 5, placed) == pytest.approx((1 + 2) / 6)
    assert placement_p_value(0.0, 5, placed) == pytest.approx(1 / 6)
    assert placement_p_value(5.0, 5, placed) == 1
    assert np.isnan(placement_p_value(0.0, 0.0, placed))


def test_p_value_is_uniform_where_the_null_model_holds():
    rng = np.random.default_rng(3)
    p_values = []
    for _ in range(300):
        a, b = rng.uniform(0, 0.5, (2, 8))
        observed = place_at_random(a, b, 1, rng).distances[0]
        expected = null_centre_distance(a, b).sum()
        p_values.append(placement_p_value(observed, expected, place_at_random(a, b, 199, rng).distances))
    assert stats.kstest(p_values, "uniform").pvalue > 0.05
