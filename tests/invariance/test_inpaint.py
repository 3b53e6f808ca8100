from math import factorial

import numpy as np
import pytest

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.invariance import framing_views
from bias_toolkit.invariance.inpaint import filled, inpaint


def slow_inpaint(canvas, outside):
    """One empty pixel at a time: the weighted mean of the known pixels at most five rows and columns away."""
    height, width = outside.shape
    filled, known = canvas.astype(float), ~outside
    while not known.all():
        values, reached = filled.copy(), known.copy()
        for y, x in zip(*np.nonzero(~known), strict=True):
            total, weights = np.zeros(3), 0.0
            for i in range(max(0, y - 5), min(height, y + 6)):
                for j in range(max(0, x - 5), min(width, x + 6)):
                    if known[i, j]:
                        weight = 1.0
                        for distance in (i - y, j - x):
                            weight *= factorial(10) / factorial(5 + distance) / factorial(5 - distance)
                        total += weight * filled[i, j]
                        weights += weight
            if weights > 0:
                values[y, x] = total / weights
                reached[y, x] = True
        filled, known = values, reached
    return np.rint(filled).astype(np.uint8)


def canvas_with(image, side, x, y):
    canvas = np.zeros((side, side, 3), dtype=np.uint8)
    outside = np.ones((side, side), dtype=bool)
    canvas[y : y + image.shape[0], x : x + image.shape[1]] = image
    outside[y : y + image.shape[0], x : x + image.shape[1]] = False
    return canvas, outside


def test_it_agrees_with_filling_pixel_by_pixel(noise_image):
    canvas, outside = canvas_with(noise_image(9, 7), 24, 3, 11)
    np.testing.assert_array_equal(inpaint(canvas, outside), slow_inpaint(canvas, outside))


def test_it_agrees_on_a_canvas_with_holes(noise_image):
    canvas = noise_image(20, 20)
    outside = np.random.default_rng(0).random((20, 20)) < 0.9
    np.testing.assert_array_equal(inpaint(canvas, outside), slow_inpaint(canvas, outside))


def test_the_image_is_untouched_and_what_was_on_the_canvas_is_not_looked_at(noise_image):
    image = noise_image(12, 12)
    canvas, outside = canvas_with(image, 40, 10, 15)
    filled = inpaint(canvas, outside)
    np.testing.assert_array_equal(filled[15:27, 10:22], image)
    canvas[outside] = 255
    np.testing.assert_array_equal(inpaint(canvas, outside), filled)


@pytest.mark.parametrize("value", [0, 1, 127, 254, 255])
def test_a_constant_image_is_continued(value):
    canvas, outside = canvas_with(np.full((3, 5, 3), value, dtype=np.uint8), 60, 50, 2)
    canvas[outside] = 90
    assert (inpaint(canvas, outside) == value).all()


def test_black_pixels_of_the_image_count_as_known():
    image = np.full((10, 10, 3), 200, dtype=np.uint8)
    image[:, :6] = 0
    filled = inpaint(*canvas_with(image, 30, 10, 10))
    assert (filled[10:20, 10:16] == 0).all()
    assert (filled[12:18, :5] == 0).all()
    assert (filled[12:18, -5:] == 200).all()


def test_every_pixel_lies_between_the_darkest_and_the_brightest(noise_image):
    image = noise_image(14, 10) // 4 + 60
    filled = inpaint(*canvas_with(image, 50, 20, 5))
    assert (filled >= image.min(axis=(0, 1))).all()
    assert (filled <= image.max(axis=(0, 1))).all()


def test_it_has_no_direction(noise_image):
    canvas, outside = canvas_with(noise_image(12, 12), 41, 9, 17)
    filled = inpaint(canvas, outside)
    for flip in (np.flipud, np.fliplr):
        np.testing.assert_array_equal(inpaint(flip(canvas), flip(outside)), flip(filled))


def test_an_empty_canvas_cannot_be_filled():
    with pytest.raises(ValueError, match="no known pixel"):
        inpaint(np.zeros((8, 8, 3), dtype=np.uint8), np.ones((8, 8), dtype=bool))


def test_an_unknown_fill_is_refused():
    with pytest.raises(InputError, match="--fill gray is not known; it has to be one of mean, black, inpaint"):
        filled(np.zeros((4, 4, 3), np.uint8), np.ones((4, 4), bool), "gray")


def test_unknown_surroundings_are_refused():
    image = np.zeros((40, 40, 3), np.uint8)
    with pytest.raises(InputError, match="--surroundings fog is not known"):
        framing_views(image, None, [0.5], ["fog"], 32)
