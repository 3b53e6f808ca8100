"""Views of any part of an image: the position of the centre view, and the picture of which its shifts are slices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from bias_toolkit.datasets import ReducedImage
from bias_toolkit.invariance.inpaint import filled
from bias_toolkit.invariance.views import Views, size_of

# Pixel edges are computed in floating point; smaller differences, in pixels, are rounding errors.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Window:
    """The position of a view in its image."""

    # The view's top-left corner, in pixels of the image; it may lie outside the image.
    left: float
    top: float
    # Image pixels per view pixel.
    step_x: float
    step_y: float
    side: int  # W, the side of the view in its own pixels

    def to_view(self, box: np.ndarray) -> np.ndarray:
        """Boxes (…, 4) of x0, y0, x1, y1 in image pixels, as fractions of the view; outside [0, 1] beyond it."""
        start = np.array([self.left, self.top] * 2)
        return (np.asarray(box, dtype=float) - start) / (np.array([self.step_x, self.step_y] * 2) * self.side)

    def moved(self, x: float, y: float) -> Window:
        """The window moved by pixels of the view, to the right and down."""
        left, top = self.left + x * self.step_x, self.top + y * self.step_y
        return Window(left, top, self.step_x, self.step_y, self.side)

    def zoomed(self, factor: float, x: float, y: float) -> Window:
        """The window zoomed by `factor` around the point (x, y) of the view (fractions), which stays in place."""
        step_x, step_y = self.step_x / factor, self.step_y / factor
        left = self.left + x * self.side * (self.step_x - step_x)
        top = self.top + y * self.side * (self.step_y - step_y)
        return Window(left, top, step_x, step_y, self.side)


@dataclass(frozen=True)
class Picture:
    """A view with a margin on all sides, of which the shifted views are exact slices."""

    pixels: np.ndarray  # (W + 2 margin, W + 2 margin, 3) uint8
    outside: np.ndarray  # (W + 2 margin, W + 2 margin) bool; True where the image has no pixel and one was filled in
    fill: str  # one of the fills of embed
    margin: int  # the largest shift, in pixels

    def views(self, shifts: np.ndarray) -> Views:
        """The views shifted by (V, 2) whole pixels to the right and down."""
        side = len(self.pixels) - 2 * self.margin
        corners = self.margin + np.asarray(shifts)
        if corners.min() < 0 or corners.max() > 2 * self.margin:
            raise ValueError(f"A picture with a margin of {self.margin} pixels has no view beyond it.")
        slices = [(slice(y, y + side), slice(x, x + side)) for x, y in corners]
        return Views(
            np.stack([self.pixels[part] for part in slices]),
            np.stack([self.outside[part] for part in slices]),
            self.fill,
        )


def take_picture(image: np.ndarray | ReducedImage, window: Window, margin: int, fill: str = "inpaint") -> Picture:
    """The picture of a window: the image resized, bicubic with antialiasing, and filled beyond its border.

    Raises ValueError if no whole pixel of the picture lies in the image.

    `image` is uint8 (height, width, 3), or reduced. The window may be partly outside the image. `fill` is "mean",
    "black" or "inpaint".
    """
    width, height = size_of(image)
    columns, x0, x1 = _inside(window.left, window.step_x, width, window.side, margin)
    rows, y0, y1 = _inside(window.top, window.step_y, height, window.side, margin)
    canvas_side = window.side + 2 * margin
    outside = np.ones((canvas_side, canvas_side), dtype=bool)
    outside[rows, columns] = False
    canvas = np.zeros((canvas_side, canvas_side, 3), dtype=np.uint8)
    size = (columns.stop - columns.start, rows.stop - rows.start)
    pixels, factor = (image.pixels, image.factor) if isinstance(image, ReducedImage) else (image, 1)
    box = (x0 / factor, y0 / factor, x1 / factor, y1 / factor)
    shown = Image.fromarray(np.ascontiguousarray(pixels))
    canvas[rows, columns] = np.asarray(shown.resize(size, Image.Resampling.BICUBIC, box=box))
    if outside.any():
        canvas = filled(canvas, outside, fill)
    return Picture(canvas, outside, fill, margin)


def _inside(start: float, step: float, length: int, side: int, margin: int) -> tuple[slice, float, float]:
    """The pixels along one axis of a picture that lie wholly in the image, and the part of the image they show."""
    edges = start + (np.arange(side + 2 * margin + 1) - margin) * step
    tolerance = ROUNDING * step
    whole = np.flatnonzero((edges[:-1] >= -tolerance) & (edges[1:] <= length + tolerance))
    if not len(whole):
        raise ValueError("The window lies outside the image.")
    first, last = int(whole[0]), int(whole[-1]) + 1
    return slice(first, last), max(edges[first], 0.0), min(edges[last], float(length))
