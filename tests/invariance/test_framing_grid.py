"""Showing an object at a chosen position and scale."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.invariance import FramingGrid, Sweep, make_views, take_picture
from bias_toolkit.invariance.framing_grid import FramingCell, framed_window

SIDE = 64
fractions = st.floats(0.05, 0.95)


def test_cells_are_those_that_a_square_object_fits_into():
    cells = FramingGrid((0.8, 0.2, 0.5), (0.6, 0.3)).cells
    assert [(cell.cx, cell.cy) for cell in cells if cell.scale == 0.6] == [(0.5, 0.5)]
    assert [(cell.cx, cell.cy) for cell in cells if cell.scale == 0.3] == [
        (x, y) for y in (0.2, 0.5, 0.8) for x in (0.2, 0.5, 0.8)
    ]
    assert [cell.scale for cell in cells] == sorted(cell.scale for cell in cells)


def test_an_object_as_large_as_the_view_fits_in_the_middle():
    assert FramingGrid((0.5,), (1.0,)).cells == [FramingCell(0.5, 0.5, 1.0)]


@pytest.mark.parametrize(
    ("positions", "scales", "named"),
    [
        ((), (0.5,), "--position is empty"),
        ((0.5,), (), "--scale is empty"),
        ((0.0, 0.5), (0.5,), "--position is 0, 0.5"),
        ((1.0,), (0.5,), "--position is 1"),
        ((0.5,), (1.1,), "--scale is 1.1"),
        ((0.5,), (-0.5,), "--scale is -0.5"),
        ((0.5, 0.5), (0.5,), "--position is 0.5, 0.5"),
        ([n / 102 for n in range(1, 102)], (0.5,), "--position and --scale have 101 and 1 values"),
        ((0.5,), (math.nan,), "--scale is nan"),
    ],
)
def test_a_grid_that_is_none_is_refused(positions, scales, named):
    with pytest.raises(InputError, match=named):
        FramingGrid(positions, scales)


@given(
    width=st.integers(20, 400),
    height=st.integers(20, 400),
    left=fractions,
    top=fractions,
    right=fractions,
    bottom=fractions,
    cell=st.builds(FramingCell, fractions, fractions, st.floats(0.05, 1.0)),
    surroundings=st.sampled_from(["mean", "real"]),
)
def test_the_object_is_where_and_as_large_as_it_should_be(width, height, left, top, right, bottom, cell, surroundings):
    box = [
        min(left, right) * width,
        min(top, bottom) * height,
        max(left, right) * width + 1,
        max(top, bottom) * height + 1,
    ]
    window = framed_window(box, width, height, cell, SIDE, surroundings)
    if window is None:
        return
    x0, y0, x1, y1 = window.to_view(box)
    pixel = 1 / SIDE
    # With a canvas the image moves by whole pixels and its side is a whole number of them.
    exact = surroundings == "real"
    assert (x0 + x1) / 2 == pytest.approx(cell.cx, abs=1e-9 if exact else 0.51 * pixel)
    assert (y0 + y1) / 2 == pytest.approx(cell.cy, abs=1e-9 if exact else 0.51 * pixel)
    share = math.sqrt((box[2] - box[0]) * (box[3] - box[1]) / (width * height))
    assert math.sqrt((x1 - x0) * (y1 - y0)) == pytest.approx(cell.scale, abs=1e-9 if exact else 0.51 * pixel * share)
    assert min(x0, y0) >= -pixel
    assert max(x1, y1) <= 1 + pixel
    if exact:
        # Not one pixel of a sweep of 4 pixels to each side is made up, and the image is not stretched.
        assert window.step_x == window.step_y
        image = np.zeros((height, width, 3), np.uint8)
        assert not take_picture(image, window, 4, "mean").outside.any()


def test_real_windows_end_where_the_image_does():
    box, cell = [40, 40, 60, 60], FramingCell(0.5, 0.5, 0.5)
    # The window is 40 pixels long, and 8 of the 64 pixels of the view are 5 of the image: 22.5 on each side are needed.
    assert framed_window(box, 100, 100, cell, SIDE, "real") is not None
    assert framed_window([12.6, 40, 32.6, 60], 100, 100, cell, SIDE, "real") is not None
    assert framed_window([12.4, 40, 32.4, 60], 100, 100, cell, SIDE, "real") is None
    assert framed_window([40, 67.6, 60, 87.6], 100, 100, cell, SIDE, "real") is None
    assert framed_window([12.4, 40, 32.4, 60], 100, 100, cell, SIDE, "mean") is not None


def test_an_object_that_would_leave_the_view_is_not_shown():
    assert framed_window([0, 0, 80, 20], 100, 100, FramingCell(0.2, 0.5, 0.3), SIDE, "mean") is None
    assert framed_window([0, 0, 20, 80], 100, 100, FramingCell(0.2, 0.5, 0.3), SIDE, "mean") is not None
    assert framed_window([0, 0, 20, 80], 100, 100, FramingCell(0.5, 0.2, 0.3), SIDE, "mean") is None


def test_a_whole_image_in_the_middle_is_an_embed(random_image):
    image = random_image(90, 70)
    window = framed_window((0, 0, 90, 70), 90, 70, FramingCell(0.5, 0.5, 0.5), SIDE, "black")
    views = take_picture(image, window, 4, "black").views(np.array([[k, k] for k in range(-4, 5)]))
    embed = make_views(image, Sweep("embed", "diagonal", 2.0, fill="black"), SIDE, "")
    # Embed begins an even square half a pixel before the middle, so all but one of the views are the same.
    np.testing.assert_array_equal(views.pixels[1:], embed.pixels[1:][::-1])


def test_the_embedded_image_is_resized_once_and_pasted(random_image):
    image = random_image(48, 48)
    window = framed_window((12, 12, 36, 36), 48, 48, FramingCell(0.5, 0.5, 0.375), SIDE, "black")
    picture = take_picture(image, window, 0, "black")
    # The object is half the image and is shown on 24 of 64 pixels, so the image is shown on 48, as it is.
    np.testing.assert_array_equal(picture.pixels[8:56, 8:56], image)
    assert picture.outside.sum() == SIDE**2 - 48**2
