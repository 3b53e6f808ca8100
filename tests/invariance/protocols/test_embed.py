import math
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.invariance import Sweep, make_views
from bias_toolkit.invariance.inpaint import FILLS

W = 32
SHIFTS = {"diagonal": (1, 1), "horizontal": (1, 0), "vertical": (0, 1)}
TRANSFORMS = [*SHIFTS, "scale"]


def small(image, side):
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))


def embed(image, transform="diagonal", size=2.0, fill="black", input_size=W):
    return make_views(image, Sweep("embed", transform, size, fill=fill), input_size, "a")


@pytest.mark.parametrize("transform", SHIFTS)
@pytest.mark.parametrize("size", [1.01, 1.3, 2.0, 7.0])
@pytest.mark.parametrize("input_size", [32, 33])
def test_the_image_stands_where_it_should(transform, size, input_size, noise_image):
    image = noise_image(50, 70)
    m = math.floor(input_size / size)
    c0 = (input_size - m - 1) // 2
    views = embed(image, transform, size, input_size=input_size)
    for k, (view, outside) in enumerate(zip(views.pixels, views.outside, strict=True)):
        x = c0 if transform == "vertical" else c0 - 4 + k
        y = c0 if transform == "horizontal" else c0 - 4 + k
        # Pasted by Pillow, which lets the canvas's border cut the image.
        canvas, mask = Image.new("RGB", (input_size, input_size)), Image.new("1", (input_size, input_size), 1)
        canvas.paste(Image.fromarray(small(image, m)), (x, y))
        mask.paste(0, (x, y, x + m, y + m))
        np.testing.assert_array_equal(view, np.asarray(canvas))
        np.testing.assert_array_equal(outside, np.asarray(mask))


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("transform", SHIFTS)
def test_each_view_is_the_one_before_shifted_by_a_pixel_canvas_included(transform, fill, noise_image):
    views = embed(noise_image(50, 70), transform, fill=fill)
    dx, dy = SHIFTS[transform]
    for pictures in (views.pixels, views.outside):
        for here, there in pairwise(pictures):
            np.testing.assert_array_equal(there[dy:, dx:], here[: W - dy, : W - dx])


@pytest.mark.parametrize("size", [1.1, 2.0])
def test_the_scale_transform_grows_the_centred_image_by_a_pixel_a_step(size, noise_image):
    image = noise_image(50, 70)
    m = math.floor(W / size)
    views = embed(image, "scale", size)
    for k, view in enumerate(views.pixels):
        side = m - 4 + k
        corner = (W - side - 1) // 2
        canvas = Image.new("RGB", (W, W))
        canvas.paste(Image.fromarray(small(image, side)), (corner, corner))
        np.testing.assert_array_equal(view, np.asarray(canvas))
    if m + 4 <= W:
        assert [W * W - outside.sum() for outside in views.outside] == [(m - 4 + k) ** 2 for k in range(9)]


@pytest.mark.parametrize("fill", FILLS)
def test_the_centre_view_is_the_same_for_every_transform(fill, noise_image):
    image = noise_image(50, 70)
    centres = [embed(image, transform, fill=fill) for transform in TRANSFORMS]
    for views in centres[1:]:
        np.testing.assert_array_equal(views.pixels[4], centres[0].pixels[4])
        np.testing.assert_array_equal(views.outside[4], centres[0].outside[4])


def test_the_fills_differ_on_the_canvas_only(noise_image):
    image = noise_image(50, 70)
    mean, black, inpainted = (embed(image, fill=fill) for fill in ("mean", "black", "inpaint"))
    inside = ~mean.outside
    for views in (mean, black, inpainted):
        np.testing.assert_array_equal(views.outside, mean.outside)
        np.testing.assert_array_equal(views.pixels[inside], mean.pixels[inside])
    assert (black.pixels[~inside] == 0).all()
    assert len(np.unique(mean.pixels[~inside])) == 1
    assert len(np.unique(inpainted.pixels[~inside])) > 50


def test_only_the_mean_fill_blanks_the_input(noise_image):
    image = noise_image(50, 70)
    mean = embed(image, fill="mean")
    np.testing.assert_array_equal(mean.blank, mean.outside)
    assert embed(image, fill="black").blank is None
    assert embed(image, fill="inpaint").blank is None


def test_a_part_of_the_views_keeps_its_masks(noise_image):
    views = embed(noise_image(50, 70), fill="mean")
    part = views[3:5]
    assert len(part) == 2
    np.testing.assert_array_equal(part.pixels, views.pixels[3:5])
    np.testing.assert_array_equal(part.blank, views.outside[3:5])


@pytest.mark.parametrize(("transform", "largest"), [("diagonal", 32), ("scale", 6.4)])
def test_a_size_that_leaves_nothing_of_the_image_is_named_with_the_largest_that_does(transform, largest, noise_image):
    image = noise_image(50, 70)
    assert len(embed(image, transform, largest)) == 9
    with pytest.raises(InputError, match=rf"--size .* at most {largest}\."):
        embed(image, transform, largest + 0.1)
