"""Each remedy's prediction, from its definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.invariance import CENTRE, REMEDIES, Sweep, Views, make_views, remedy_of, sweep_picture
from bias_toolkit.invariance.remedies.stable_crop import SCALES, blob_strength, reach, window_corner
from bias_toolkit.invariance.views import resize

SIDE = 56
PATH = np.arange(-CENTRE, CENTRE + 1)[:, None] * np.array([1, 1])


def smooth_noise(side, seed):
    generator = np.random.default_rng(seed)
    coarse = generator.normal(size=(side // 4 + 2, side // 4 + 2, 3))
    return np.clip(128 + 60 * np.kron(coarse, np.ones((4, 4, 1)))[:side, :side], 0, 255).astype(np.uint8)


def picture_of(seed, margin, size=120):
    return sweep_picture(smooth_noise(size, seed), Sweep("crop", "diagonal", 1.0), SIDE, "a", margin)


def test_the_untouched_model_sees_the_views_of_the_sweep():
    image = smooth_noise(90, 3)
    sweep = Sweep("crop", "diagonal", 1.0)
    picture = sweep_picture(image, sweep, SIDE, "a", CENTRE)
    shown = remedy_of("untouched").views(picture, PATH)
    np.testing.assert_array_equal(shown.pixels, make_views(image, sweep, SIDE, "a").pixels)


@pytest.mark.parametrize(("name", "radius"), [("mean-9", 1), ("mean-25", 2), ("mean-81", 4)])
def test_the_mean_over_shifts_is_that_of_the_outputs_view_by_view(name, radius):
    remedy = remedy_of(name)
    assert remedy.passes == (2 * radius + 1) ** 2
    picture = picture_of(1, CENTRE + radius)
    weights = np.random.default_rng(0).normal(size=(SIDE * SIDE * 3, 7))

    def outputs(views):
        scores = views.pixels.reshape(len(views), -1) / 255 @ weights / 30
        exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    found = remedy.predictions(outputs(remedy.views(picture, PATH)), PATH)
    for place, prediction in zip(PATH, found, strict=True):
        shifts = [(place[0] + x, place[1] + y) for x in range(-radius, radius + 1) for y in range(-radius, radius + 1)]
        np.testing.assert_allclose(prediction, outputs(picture.views(np.array(shifts))).mean(axis=0), atol=1e-12)


def test_no_view_is_evaluated_twice_for_a_mean():
    shown = remedy_of("mean-81").views(picture_of(2, CENTRE + 4), PATH)
    # Nine squares of 9 × 9 shifts along a diagonal: each but the first adds a row and a column, 17 shifts.
    assert len(shown) == 81 + 8 * 17


@pytest.mark.parametrize("deviation", [1, 2])
def test_the_blur_takes_away_what_a_gaussian_takes_away(deviation):
    # A wave of f cycles a pixel keeps exp(−2π²σ²f²) of its amplitude.
    picture = picture_of(0, CENTRE)
    side, frequency = len(picture.pixels), 1 / 8
    wave = 128 + 100 * np.cos(2 * np.pi * frequency * np.arange(side))
    picture.pixels[...] = np.rint(wave)[None, :, None]
    shown = remedy_of(f"blur-{deviation}").views(picture, PATH[:1]).pixels[0][:, 8:-8].astype(float)
    expected = 100 * np.exp(-2 * (np.pi * deviation * frequency) ** 2)
    assert abs((shown.max() - shown.min()) / 2 - expected) < 1.5


def test_a_blurred_view_that_is_shifted_is_a_slice_of_the_same_picture():
    shown = remedy_of("blur-2").views(picture_of(5, CENTRE), PATH).pixels
    np.testing.assert_array_equal(shown[0][1:, 1:], shown[1][:-1, :-1])


def test_a_stable_crop_follows_a_blob_that_stands_out():
    picture = picture_of(0, CENTRE)
    picture.pixels[...] = 100
    middle = len(picture.pixels) // 2
    picture.pixels[middle - 1 : middle + 2, middle - 2 : middle + 1] = 255
    # The blob stays within reach of the centre of the middle views, so all of them show the same window.
    steps = PATH[np.abs(PATH).max(axis=1) < reach(SIDE) - 1]
    shown = remedy_of("stable-crop").views(picture, steps).pixels
    assert len(steps) > 2
    assert (shown == shown[0]).all()
    at = np.argwhere(shown[0][..., 0] > 200).mean(axis=0)
    # The window's centre is the blob's, to within a pixel.
    assert np.abs(at - (SIDE - 1) / 2).max() <= 1.5


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10_000))
def test_a_stable_crop_shows_the_window_about_the_strongest_blob_of_the_view(seed):
    picture = picture_of(seed, CENTRE)
    views = picture.views(PATH)
    shown = remedy_of("stable-crop").views(picture, PATH)
    inner = SIDE - 2 * reach(SIDE)
    for number in (0, CENTRE, 2 * CENTRE):
        windows = [
            resize(views.pixels[number][y : y + inner, x : x + inner], SIDE)
            for y in range(2 * reach(SIDE) + 1)
            for x in range(2 * reach(SIDE) + 1)
        ]
        assert any((window == shown.pixels[number]).all() for window in windows)


def test_the_strength_of_a_blob_is_the_difference_of_two_gaussians():
    side, middle = 61, 30
    pixels = np.zeros((side, side, 3), np.uint8)
    pixels[middle, middle] = 250
    y, x = np.mgrid[:side, :side] - middle
    narrow, wide = (np.exp(-(x**2 + y**2) / 2 / s**2) / (2 * np.pi * s**2) for s in SCALES)
    np.testing.assert_allclose(blob_strength(pixels), 250 * np.abs(narrow - wide), atol=0.02)


def test_of_equal_blobs_the_first_in_reading_order_counts():
    assert window_corner(np.zeros((SIDE, SIDE))) == (0, 0)


def test_names_are_different_and_unknown_ones_are_refused():
    assert len({remedy.name for remedy in REMEDIES}) == len(REMEDIES)
    with pytest.raises(InputError, match="blur-3 is no remedy; it has to be one of untouched"):
        remedy_of("blur-3")


def test_views_of_a_canvas_keep_what_is_outside():
    image = smooth_noise(40, 1)
    picture = sweep_picture(image, Sweep("embed", "diagonal", 2.0), SIDE, "a", CENTRE)
    shown = remedy_of("stable-crop").views(picture, PATH)
    assert isinstance(shown, Views)
    assert shown.fill == "mean"
    assert shown.outside.any()
    assert not shown.outside.all()
