"""Windows and pictures: the sweep's own views are slices of the picture, and everything else is where it should be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bias_toolkit.invariance import Sweep, Window, make_views, sweep_picture, sweep_window, take_picture

SIDE = 32
SWEEPS = [
    Sweep("crop", "diagonal", 1.0),
    Sweep("crop", "horizontal", 0.5),
    Sweep("crop", "vertical", 0.7, sampling="random", seed=3),
    Sweep("embed", "diagonal", 1.5),
    Sweep("embed", "vertical", 2.0, fill="black"),
    Sweep("embed", "horizontal", 1.3, fill="inpaint"),
]
PATHS = {"diagonal": (1, 1), "horizontal": (1, 0), "vertical": (0, 1)}


@pytest.mark.parametrize("size", [(40, 40), (61, 40), (40, 90)], ids=str)
@pytest.mark.parametrize("sweep", SWEEPS, ids=lambda sweep: sweep.name)
@pytest.mark.parametrize("margin", [4, 8])
def test_the_sweeps_own_views_are_slices_of_its_picture(random_image, sweep, size, margin):
    image = random_image(*size)
    views = make_views(image, sweep, SIDE, "an image")
    # An image on a canvas moves against the window.
    direction = 1 if sweep.protocol == "crop" else -1
    shifts = direction * np.outer(np.arange(-4, 5), PATHS[sweep.transform])
    cut = sweep_picture(image, sweep, SIDE, "an image", margin).views(shifts)
    np.testing.assert_array_equal(cut.pixels, views.pixels)
    np.testing.assert_array_equal(cut.outside, np.zeros_like(cut.outside) if views.outside is None else views.outside)
    assert (cut.blank is None) == (views.blank is None)


def test_a_margin_within_the_image_is_the_images(random_image):
    """A window of half the image in each direction: the margin around it shows real pixels."""
    image = random_image(80, 80)
    picture = take_picture(image, Window(20, 24, 1.0, 1.0, 32), margin=8)
    assert not picture.outside.any()
    np.testing.assert_array_equal(picture.pixels, image[16 : 24 + 32 + 8, 12 : 20 + 32 + 8])


def test_shifts_go_right_and_down(random_image):
    image = random_image(80, 80)
    picture = take_picture(image, Window(20, 24, 1.0, 1.0, 32), margin=8)
    view = picture.views([(5, -3)]).pixels[0]
    np.testing.assert_array_equal(view, image[21 : 21 + 32, 25 : 25 + 32])
    with pytest.raises(ValueError, match="margin of 8"):
        picture.views([(9, 0)])


def test_what_lies_outside_is_marked_and_filled(random_image):
    image = random_image(40, 40)
    window = Window(-10, 0, 1.0, 1.0, 32)
    for fill, value in (("mean", 128), ("black", 0)):
        picture = take_picture(image, window, 0, fill)
        assert picture.outside[:, :10].all()
        assert not picture.outside[:, 10:].any()
        assert (picture.pixels[:, :10] == value).all()
        np.testing.assert_array_equal(picture.pixels[:, 10:], image[:32, :22])
    assert (take_picture(image, window, 0, "mean").views([(0, 0)]).blank == picture.outside).all()
    painted = take_picture(np.full((40, 40, 3), 77, np.uint8), window, 0, "inpaint")
    assert (painted.pixels == 77).all()
    assert painted.views([(0, 0)]).blank is None


def test_a_window_wholly_outside_is_refused(random_image):
    with pytest.raises(ValueError, match="outside the image"):
        take_picture(random_image(40, 40), Window(100, 0, 1.0, 1.0, 32), 4)


def _disc(cx, cy, radius, side=120):
    y, x = np.mgrid[:side, :side] + 0.5
    inside = np.hypot(x - cx, y - cy) < radius
    return np.repeat(np.where(inside, 255, 0).astype(np.uint8)[..., None], 3, axis=2)


def _where(view):
    """Centre and diameter of the disc in a view, as fractions of it."""
    light = view[..., 0] > 127
    y, x = np.nonzero(light)
    return (x.mean() + 0.5) / SIDE, (y.mean() + 0.5) / SIDE, 2 * np.sqrt(light.sum() / np.pi) / SIDE


@settings(max_examples=40, deadline=None)
@given(
    cx=st.floats(52, 68), cy=st.floats(52, 68), factor=st.floats(0.7, 1.3), x=st.integers(-3, 3), y=st.integers(-3, 3)
)
def test_moving_and_zooming_do_what_they_say_to_an_object(cx, cy, factor, x, y):
    """A disc is found where `to_view` says that its box is, also after the window was moved and zoomed."""
    image, radius = _disc(cx, cy, 18), 18
    start = sweep_window(120, 120, Sweep("crop", "diagonal", 1.0), SIDE, "")
    box = np.array([cx - radius, cy - radius, cx + radius, cy + radius])
    x0, y0, x1, y1 = start.to_view(box)
    middle = (x0 + x1) / 2, (y0 + y1) / 2
    window = start.zoomed(factor, *middle).moved(x, y)
    x0, y0, x1, y1 = window.to_view(box)
    found = _where(take_picture(image, window, 0).views([(0, 0)]).pixels[0])
    np.testing.assert_allclose(found, ((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0), atol=0.035)
    # The point that the zoom is about stays, and the move is in pixels of the view.
    np.testing.assert_allclose(found[:2], (middle[0] - x / SIDE, middle[1] - y / SIDE), atol=0.035)


def test_a_view_of_an_image_that_is_not_square_keeps_its_proportions():
    window = sweep_window(90, 60, Sweep("crop", "diagonal", 1.0), SIDE, "")
    assert window.step_x == window.step_y == 60 / (SIDE + 10)
    # The central square begins at x = 15; the centre view 4 pixels of the view further.
    np.testing.assert_allclose(window.to_view([15, 0, 75, 60]), [-4 / 32, -4 / 32, 38 / 32, 38 / 32])
    squeezed = sweep_window(90, 60, Sweep("embed", "diagonal", 2.0), SIDE, "")
    np.testing.assert_allclose(squeezed.to_view([0, 0, 90, 60]), [7 / 32, 7 / 32, 23 / 32, 23 / 32])


def test_a_whole_image_is_resized_as_pillow_does(random_image):
    image = random_image(50, 50)
    picture = take_picture(image, Window(0, 0, 50 / 32, 50 / 32, 32), 0)
    np.testing.assert_array_equal(picture.pixels, Image.fromarray(image).resize((32, 32), Image.Resampling.BICUBIC))
