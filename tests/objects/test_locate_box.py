import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_toolkit.objects.locate_box import THRESHOLD, activation_box, enlargement


def block(rows, columns, shape=(7, 7), height=1.0):
    activation = np.zeros(shape, np.float32)
    activation[rows, columns] = height
    return activation


@given(
    st.integers(0, 5),
    st.integers(0, 5),
    st.integers(1, 4),
    st.integers(1, 4),
    st.floats(0.05, 0.95),
    st.floats(1e-3, 1e3),
)
@settings(max_examples=60, deadline=None)
def test_box_of_a_block_is_where_the_enlarged_map_falls_to_the_threshold(row, column, high, wide, threshold, height):
    """Between cells the map falls linearly from 1 to 0, so the edge lies where that line is the threshold."""
    side, cells = 224, 7
    activation = block(slice(row, row + high), slice(column, column + wide), height=height)
    high, wide = min(high, cells - row), min(wide, cells - column)
    x0, y0, x1, y1 = activation_box(activation, side, threshold)
    step = side / cells
    for low, top, start, length in ((x0, x1, column, wide), (y0, y1, row, high)):
        expected_low = (start - 0.5 + threshold) * step if start else 0.0
        expected_top = (start + length + 0.5 - threshold) * step if start + length < cells else side
        assert abs(low - expected_low) <= 1.01
        assert abs(top - expected_top) <= 1.01


@given(st.integers(2, 12), st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_enlargement_is_torch_s_bilinear_interpolation(length, factor, seed):
    side = length * factor
    activation = np.random.default_rng(seed).normal(size=(length, length))
    enlarged = enlargement(length, side) @ activation @ enlargement(length, side).T
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(activation)[None, None], size=(side, side), mode="bilinear", align_corners=False
    )
    np.testing.assert_allclose(enlarged, expected[0, 0].numpy(), atol=1e-9)
    assert not enlargement(length, side).flags.writeable


def test_one_cell_covers_the_view():
    assert activation_box(np.full((1, 1), 2.0, np.float32), 64) == (0, 0, 64, 64)


def test_largest_part_is_taken_not_the_strongest():
    activation = block(slice(0, 1), slice(0, 1), (9, 9), 2.0) + block(slice(4, 8), slice(5, 8), (9, 9), 1.0)
    assert activation_box(activation, 9, 0.4) == (5, 4, 8, 8)


def test_parts_that_touch_at_a_corner_are_two():
    activation = np.zeros((8, 8), np.float32)
    activation[:3, :3] = 1
    activation[3:5, 3:5] = 1
    # At 8 pixels a cell is a pixel, so nothing is interpolated.
    assert activation_box(activation, 8, 0.5) == (0, 0, 3, 3)


def test_rows_are_vertical():
    assert activation_box(block(slice(1, 2), slice(3, 6), (8, 8)), 8, 0.5) == (3, 1, 6, 2)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_a_map_that_says_nothing_gives_no_box(value):
    assert activation_box(np.full((4, 4), value, np.float32), 32) is None


def test_a_peak_that_strong_neighbours_swallow_gives_no_box():
    activation = np.full((4, 4), -1e4, np.float32)
    activation[1, 1] = 1e-3
    assert activation_box(activation, 32) is None


def test_what_speaks_against_the_class_does_not_count():
    positive = block(slice(2, 4), slice(2, 4), (8, 8))
    negative = positive - 100 * block(slice(6, 8), slice(6, 8), (8, 8))
    assert activation_box(negative, 8, 0.5) == activation_box(positive, 8, 0.5)


def test_a_higher_threshold_never_gives_a_larger_box_of_one_peak():
    y, x = np.mgrid[:9, :9]
    peak = np.exp(-((x - 5) ** 2 + (y - 3) ** 2) / 6).astype(np.float32)
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (activation_box(peak, 90, t) for t in (0.1, 0.3, 0.6, 0.9))]
    assert areas == sorted(areas, reverse=True)
    assert areas[0] > 2 * areas[-1]


def test_default_threshold_is_the_one_that_was_chosen():
    assert THRESHOLD == 0.3
