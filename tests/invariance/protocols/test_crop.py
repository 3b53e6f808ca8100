import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bias_toolkit.invariance import Sweep, centre_view, make_views
from bias_toolkit.invariance.protocols.crop import central_box, random_box
from bias_toolkit.invariance.views import image_generator

W = 32
STEP = {"diagonal": (1, 1), "horizontal": (1, 0), "vertical": (0, 1)}


def sweep(transform="diagonal", size=1.0, **settings):
    return Sweep("crop", transform, size, **settings)


@pytest.mark.parametrize("transform", STEP)
def test_the_views_of_an_image_of_the_right_size_are_its_own_pixels(transform, numbered_image):
    image = numbered_image(W + 10, W + 10)
    views = make_views(image, sweep(transform), W, "a")
    assert views.pixels.shape == (9, W, W, 3)
    assert views.pixels.dtype == np.uint8
    assert views.outside is None
    assert views.blank is None
    for k, view in enumerate(views.pixels):
        x = 4 if transform == "vertical" else k
        y = 4 if transform == "horizontal" else k
        np.testing.assert_array_equal(view, image[y : y + W, x : x + W])


@pytest.mark.parametrize("transform", STEP)
@pytest.mark.parametrize("sampling", ["centre", "random"])
@pytest.mark.parametrize("size", [0.2, 1.0])
def test_each_view_is_the_next_one_shifted_by_a_pixel(transform, sampling, size, noise_image):
    views = make_views(noise_image(61, 50), sweep(transform, size, sampling=sampling), W, "a").pixels
    dx, dy = STEP[transform]
    for here, there in pairwise(views):
        np.testing.assert_array_equal(here[dy:, dx:], there[: W - dy, : W - dx])


@pytest.mark.parametrize("sampling", ["centre", "random"])
@pytest.mark.parametrize("size", [0.2, 1.0])
def test_the_centre_view_is_the_same_for_every_transform(sampling, size, noise_image):
    image = noise_image(61, 50)
    centres = [make_views(image, sweep(name, size, sampling=sampling), W, "a").pixels[4] for name in STEP]
    np.testing.assert_array_equal(centres[0], centres[1])
    np.testing.assert_array_equal(centres[0], centres[2])
    if sampling == "centre":
        np.testing.assert_array_equal(centres[0], centre_view(image, W, size).pixels[0])


def test_the_centre_view_of_features_is_that_of_size_one(noise_image):
    image = noise_image(61, 50)
    view = centre_view(image, W)
    assert len(view) == 1
    np.testing.assert_array_equal(view.pixels[0], make_views(image, sweep(), W, "a").pixels[4])


def test_the_window_is_resized_by_pillow_and_from_its_own_pixels_only(noise_image):
    image = noise_image(80, 60)
    # √(0.3 · 80 · 60) = 37.9: a square of 38 pixels, from (21, 11).
    window = Image.fromarray(image[11:49, 21:59]).resize((W + 10, W + 10), Image.Resampling.BICUBIC)
    views = make_views(image, sweep(size=0.3), W, "a")
    np.testing.assert_array_equal(views.pixels[8], np.asarray(window)[8 : 8 + W, 8 : 8 + W])


@pytest.mark.parametrize(
    ("width", "height", "size", "box"),
    [
        (100, 100, 1.0, (0, 0, 100, 100)),
        (100, 100, 0.25, (25, 25, 75, 75)),
        (200, 50, 0.25, (75, 0, 125, 50)),  # a square of a quarter of the area fits exactly
        (200, 50, 1.0, (75, 0, 125, 50)),  # one of all of it does not: the largest square
        (50, 200, 0.04, (15, 90, 35, 110)),
        (3, 3, 0.01, (1, 1, 2, 2)),
        (1, 1, 1.0, (0, 0, 1, 1)),
    ],
)
def test_the_central_box(width, height, size, box):
    assert central_box(width, height, size) == box


sides = st.integers(1, 400)
sizes = st.floats(0.01, 1.0)


@settings(deadline=None)
@given(sides, sides, sizes)
def test_the_central_box_is_a_central_square_inside_the_image(width, height, size):
    x0, y0, x1, y1 = central_box(width, height, size)
    assert x1 - x0 == y1 - y0 >= 1
    assert 0 <= x0 <= x1 <= width
    assert 0 <= y0 <= y1 <= height
    assert abs((x0 + x1) - width) <= 1
    assert abs((y0 + y1) - height) <= 1


@settings(deadline=None)
@given(sides, sides, sizes, st.integers(0, 2**32))
def test_the_random_box_is_inside_the_image_and_of_its_aspect_and_area(width, height, size, seed):
    x0, y0, x1, y1 = random_box(width, height, size, np.random.default_rng(seed))
    assert 0 <= x0 < x1 <= width
    assert 0 <= y0 < y1 <= height
    box_width, box_height = x1 - x0, y1 - y0
    # Rounding moves each side by at most half a pixel (a side below one becomes one).
    smallest = (box_width - 0.5) / (box_height + 0.5)
    largest = (box_width + 0.5) / max(box_height - 0.5, 1e-9)
    if min(box_width, box_height) > 1:
        assert smallest <= 4 / 3 + 1e-9
        assert largest >= 3 / 4 - 1e-9
    area = size * width * height
    fits = max(3 / 4, area / height**2) <= min(4 / 3, width**2 / area)
    if fits and min(box_width, box_height) > 1:
        assert (box_width - 0.5) * (box_height - 0.5) <= area * (1 + 1e-9)
        assert (box_width + 0.5) * (box_height + 0.5) >= area * (1 - 1e-9)


def test_random_boxes_cover_the_aspects_and_places_that_fit():
    boxes = np.array([random_box(400, 400, 0.2, np.random.default_rng(seed)) for seed in range(2000)])
    x0, y0, x1, y1 = boxes.T
    log_aspect = np.log((x1 - x0) / (y1 - y0)) / math.log(4 / 3)
    # Uniform over [−1, 1]: mean 0, standard deviation 1/√3; standard errors over 2000 boxes below 0.013.
    assert abs(log_aspect.mean()) < 0.05
    assert abs(log_aspect.std() - 3**-0.5) < 0.04
    for start, end in ((x0, x1), (y0, y1)):
        place = start / (400 - (end - start))
        assert abs(place.mean() - 0.5) < 0.03
        assert place.min() < 0.01
        assert place.max() > 0.99


def test_all_of_an_image_of_admissible_aspect_is_taken_whole():
    assert random_box(120, 100, 1.0, np.random.default_rng(3)) == (0, 0, 120, 100)


def test_an_elongated_image_gives_the_largest_box_of_the_nearest_aspect():
    x0, y0, x1, y1 = random_box(400, 90, 1.0, np.random.default_rng(3))
    assert (x1 - x0, y1 - y0) == (120, 90)


def test_random_sampling_depends_on_the_id_and_the_seed_alone(noise_image):
    image = noise_image(90, 90)
    random = sweep(size=0.2, sampling="random")
    once, again = (make_views(image, random, W, "a").pixels for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert (once != make_views(image, random, W, "b").pixels).any()
    assert (once != make_views(image, replace(random, seed=1), W, "a").pixels).any()


def test_random_sampling_is_the_same_on_every_machine():
    generator = image_generator("train/0001.png", 7)
    expected = np.random.default_rng([7, 2079923974])  # the id's CRC-32
    assert generator.integers(2**32) == expected.integers(2**32)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 3)])
@pytest.mark.parametrize("sampling", ["centre", "random"])
def test_the_smallest_images_have_views(shape, sampling):
    image = np.full((*shape, 3), 77, dtype=np.uint8)
    views = make_views(image, sweep(size=0.5, sampling=sampling), W, "a")
    assert (views.pixels == 77).all()
