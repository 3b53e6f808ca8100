"""Views: the model's inputs, as exact slices of one picture, also for an image that was decoded at reduced size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from bias_toolkit.datasets import ReducedImage
from bias_toolkit.foundation.resampling import named_generator

FACTORS = (8, 4, 2)
PIXELS_A_PIXEL = 4
"""Pixels of the reduced image, along a side, per pixel of a view.

At 4, a photograph's view differs from the one made from the whole image by 0.2 to 0.35 of 255 levels on average, which
is the size of the rounding error of its values. At most 1% of values differ by more than one level. (With 4:2:2 colour
subsampling, the limits are 0.42 and 3%.) At 2, the difference is 0.4 to 0.9, and 5% to 20% exceed one level.
"""


@dataclass(frozen=True)
class Views:
    """The views of one image, in order."""

    pixels: np.ndarray  # (V, W, W, 3) uint8; RGB for display
    # (V, W, W) bool; True where a pixel is canvas and not from the image. None where every pixel is from the image.
    outside: np.ndarray | None = None
    fill: str | None = None  # the canvas's fill, one of those of embed; None without a canvas

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, part: slice) -> Views:
        return Views(self.pixels[part], None if self.outside is None else self.outside[part], self.fill)

    @property
    def blank(self) -> np.ndarray | None:
        """Where the model's normalised input must be exactly 0: the canvas if its fill is `mean`, else None.

        Shape (V, W, W), for the model's `evaluate(pixels, blank)`. Other fills are in the pixels.
        """
        return self.outside if self.fill == "mean" else None


def cut(picture: np.ndarray, corners: np.ndarray, side: int) -> np.ndarray:
    """Cut a side × side window from a picture at each corner (x, y): shape (V, side, side, …)."""
    return np.stack([picture[y : y + side, x : x + side] for x, y in corners])


def resize(image: np.ndarray, side: int) -> np.ndarray:
    """Resize a uint8 image (height, width, 3) to a square, bicubic with antialiasing; the identity at its own size."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize((side, side), Image.Resampling.BICUBIC))


def size_of(image: np.ndarray | ReducedImage) -> tuple[int, int]:
    """Width and height in pixels; for a reduced image, those of the original."""
    return (image.width, image.height) if isinstance(image, ReducedImage) else image.shape[1::-1]


def resize_box(image: np.ndarray | ReducedImage, box: tuple[int, int, int, int], side: int) -> np.ndarray:
    """Resize the box (x0, y0, x1, y1) of an image, in whole pixels of the original, to a square like `resize`."""
    x0, y0, x1, y1 = box
    if not isinstance(image, ReducedImage):
        return resize(image[y0:y1, x0:x1], side)
    factor = image.factor
    left, upper = x0 // factor, y0 // factor
    part = image.pixels[upper : -(-y1 // factor), left : -(-x1 // factor)]
    inside = (x0 / factor - left, y0 / factor - upper, x1 / factor - left, y1 / factor - upper)
    picture = Image.fromarray(np.ascontiguousarray(part))
    return np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC, box=inside))


def largest_factor(box: tuple[int, int, int, int], side: int) -> int:
    """The largest f in 1, 2, 4, 8 that leaves a box (x0, y0, x1, y1) enough pixels for a view of side `side`."""
    x0, y0, x1, y1 = box
    shorter = min(x1 - x0, y1 - y0)
    return next((factor for factor in FACTORS if shorter >= factor * PIXELS_A_PIXEL * side), 1)


def image_generator(image_id: str, seed: int) -> np.random.Generator:
    """The random generator of one image: the same on every run, independent of the other images."""
    return named_generator(seed, image_id)
