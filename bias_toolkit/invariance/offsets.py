"""The offsets protocol (Z): pairs of windows of one image, at independent random offsets."""

from __future__ import annotations

import numpy as np

from bias_toolkit.datasets import ReducedImage
from bias_toolkit.invariance.crop import central_box
from bias_toolkit.invariance.sweep import Sweep
from bias_toolkit.invariance.views import Views, cut, image_generator, resize_box, size_of

RANGE = 32
"""Offsets are whole pixels from 0 up to, and without, this number (Z, classification consistency)."""


def offset_views(image: np.ndarray | ReducedImage, sweep: Sweep, input_size: int, image_id: str) -> Views:
    """The views of offsets (Z): `sweep.draws` pairs, views 2d and 2d + 1 being pair d.

    The image's largest central square is resized to a side of W + 32, W the model's input size; a view is its
    W × W slice at an offset (x, y) that is uniform over [0, 32)², each independent of the others.

    Parameters
    ----------
    image : uint8, shape (height, width, 3), or reduced
    """
    picture = resize_box(image, central_box(*size_of(image), sweep.size), input_size + RANGE)
    corners = image_generator(image_id, sweep.seed).integers(RANGE, size=(sweep.n_views, 2))
    return Views(cut(picture, corners, input_size))
