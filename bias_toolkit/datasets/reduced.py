"""Images that were decoded at a fraction of their size, because no more is to be shown of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class ReducedImage(NamedTuple):
    """An image of `width` × `height` pixels, decoded at 1/f of that size.

    `pixels` is uint8, of ceil(height / f) × ceil(width / f) × 3: the pixel in row i and column j covers the rows f·i to
    f·(i + 1) and the columns f·j to f·(j + 1) of the image. f is 1, 2, 4 or 8.
    """

    pixels: np.ndarray
    width: int
    height: int
    factor: int = 1


Reduction = Callable[[int, int], int]
"""From an image's upright width and height to the largest f at which it may be decoded."""
