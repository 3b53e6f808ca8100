"""What is known of one image beside its rows in the tables.

Neither pandas nor PyArrow is imported here: the process that decodes one image is a new one for each.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Header(NamedTuple):
    """Size of an image as stored, in pixels, and its EXIF orientation (1 to 8)."""

    width: int
    height: int
    orientation: int = 1


@dataclass(frozen=True)
class Note:
    """Something in a dataset that a reader left out, guessed or took in another sense.

    `text` is a sentence with a count and an example. `warns` says that boxes or labels may be wrong because of it.
    """

    text: str
    warns: bool = False


class ReducedImage(NamedTuple):
    """An image of `width` × `height` pixels, decoded at 1/f of that size.

    `pixels` is uint8, ceil(height / f) × ceil(width / f) × 3. The pixel in row i and column j covers the rows f·i to
    f·(i + 1) and the columns f·j to f·(j + 1) of the image. f is 1, 2, 4 or 8.
    """

    pixels: np.ndarray
    width: int
    height: int
    factor: int = 1


Reduction = Callable[[int, int], int]
"""From an image's upright width and height to the largest f at which it may be decoded."""
