from dataclasses import replace

import numpy as np
from PIL import Image

from bias_toolkit.invariance import Sweep, make_views

W = 32
OFFSETS = Sweep("offsets", "random", 1.0)


def corners_of(views):
    """Where windows of a numbered image were cut: its red and green tell x and y."""
    return views.pixels[:, 0, 0, :2].astype(int)


def test_views_are_windows_of_an_image_of_the_right_size(numbered_image):
    image = numbered_image(W + 32, W + 32)
    views = make_views(image, OFFSETS, W, "a")
    assert views.pixels.shape == (16, W, W, 3)
    assert views.blank is None
    for view, (x, y) in zip(views.pixels, corners_of(views), strict=True):
        np.testing.assert_array_equal(view, image[y : y + W, x : x + W])


def test_the_largest_central_square_is_resized(noise_image):
    image = noise_image(100, 50)
    picture = np.asarray(Image.fromarray(image[:, 25:75]).resize((W + 32, W + 32), Image.Resampling.BICUBIC))
    windows = {picture[y : y + W, x : x + W].tobytes() for x in range(32) for y in range(32)}
    views = make_views(image, OFFSETS, W, "a")
    assert all(view.tobytes() in windows for view in views.pixels)


def test_offsets_are_uniform_and_independent(numbered_image):
    image = numbered_image(W + 32, W + 32)
    corners = corners_of(make_views(image, replace(OFFSETS, draws=4000), W, "a"))
    assert corners.min() == 0
    assert corners.max() == 31
    counts = np.stack([np.bincount(axis, minlength=32) for axis in corners.T])
    # 8000 views, 250 expected at each offset: chi-square over 31 degrees of freedom, p = 0.001 at 61.1.
    assert (((counts - 250) ** 2 / 250).sum(axis=1) < 61.1).all()
    pairs = corners.reshape(4000, 4)
    correlations = np.corrcoef(pairs.T)[np.triu_indices(4, 1)]
    assert np.abs(correlations).max() < 0.06  # standard error 0.016


def test_offsets_depend_on_the_id_and_the_seed_alone(numbered_image):
    image = numbered_image(W + 32, W + 32)
    once, again = (corners_of(make_views(image, OFFSETS, W, "a")) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert (once != corners_of(make_views(image, OFFSETS, W, "b"))).any()
    assert (once != corners_of(make_views(image, replace(OFFSETS, seed=1), W, "a"))).any()
