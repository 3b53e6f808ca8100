"""Showing an image's object at a chosen position and scale: the cells of a framing map, and the windows that do it.

Test photographs share the training photographs' framing, so that position and scale hardly vary among them. Here they
are varied on purpose, with the same objects throughout. The idea of moving and shrinking an image on a canvas is that
of A (section 2, embedded images); to place its object by position and scale is the toolkit's own.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.invariance.inpaint import FILLS
from bias_toolkit.invariance.transforms import CENTRE
from bias_toolkit.invariance.window import Picture, Window, take_picture

REAL = "real"
SURROUNDINGS = (*FILLS, REAL)
"""What is around the object: a fill of the embed protocol, where the image ends, or nothing but the image."""

POSITIONS = (0.25, 0.5, 0.75)
SCALES = (0.15, 0.2, 0.27, 0.36, 0.48, 0.64, 0.8)
# Whole pixels, to which an embedded image is moved, may cut this much of a pixel off an object at the border.
ROUNDING = 0.75
TOLERANCE = 1e-6


@dataclass(frozen=True)
class FramingCell:
    """A position and scale that an object is given in the view: `cx`, `cy` and `scale` as fractions of the view."""

    cx: float
    cy: float
    scale: float


@dataclass(frozen=True)
class FramingGrid:
    """The positions and scales of a framing map.

    Raises InputError if there is none, or one is out of range or there twice.
    """

    positions: tuple[float, ...] = POSITIONS  # of cx and of cy alike, in (0, 1)
    scales: tuple[float, ...] = SCALES  # in (0, 1]

    def __post_init__(self):
        for option, values, highest in (
            ("--position", self.positions, "below 1"),
            ("--scale", self.scales, "at most 1"),
        ):
            right = all(0 < value < 1 or (value == 1 and option == "--scale") for value in values)
            if not values or not right or len(set(values)) < len(values):
                raise InputError(
                    f"{option} is {', '.join(f'{value:g}' for value in values) or 'empty'}, but must be different "
                    f"fractions of the view, above 0 and {highest}."
                )

    @property
    def cells(self) -> list[FramingCell]:
        """Every cell that an object as wide as it is high fits into: by scale, then cy, then cx, all rising."""
        return [
            FramingCell(cx, cy, scale)
            for scale in sorted(self.scales)
            for cy in sorted(self.positions)
            for cx in sorted(self.positions)
            if _fits(cx, scale) and _fits(cy, scale)
        ]


def _fits(position: float, length: float) -> bool:
    return length / 2 <= min(position, 1 - position) + 1e-9


def framed_window(
    box: Sequence[float], width: int, height: int, cell: FramingCell, input_size: int, surroundings: str
) -> Window | None:
    """The window through which an object is seen at a cell's position and scale.

    With a fill, the whole image is resized to a square, as embed does, of the side at which the object has the cell's
    scale, and moved by whole pixels of the view until the object's centre is nearest to the cell's position. With
    `real`, the window is a square of the image, and is there only where the image reaches 4 pixels of the view beyond
    it on every side, so that no pixel of a sweep is made up. Returns None where the object would not be wholly inside
    the view, or the image does not reach far enough.

    Parameters
    ----------
    box : x0, y0, x1, y1 of the object in pixels of the image; of an image without one, the image's own edges.
    width, height : of the image.
    input_size : W, in pixels.
    surroundings : {"mean", "black", "inpaint", "real"}
    """
    x0, y0, x1, y1 = box
    length = math.sqrt((x1 - x0) * (y1 - y0))
    if surroundings == REAL:
        step_x = step_y = length / (cell.scale * input_size)
        left = (x0 + x1) / 2 - cell.cx * input_size * step_x
        top = (y0 + y1) / 2 - cell.cy * input_size * step_y
    else:
        side = max(1, round(cell.scale * input_size * math.sqrt(width * height) / length))
        step_x, step_y = width / side, height / side
        left = round((x0 + x1) / 2 / step_x - cell.cx * input_size) * step_x
        top = round((y0 + y1) / 2 / step_y - cell.cy * input_size) * step_y
    window = Window(left, top, step_x, step_y, input_size)
    edges = window.to_view(box) * input_size
    if edges.min() < -ROUNDING or edges.max() > input_size + ROUNDING:
        return None
    if surroundings == REAL and not _inside(
        window.moved(-CENTRE, -CENTRE), window.moved(CENTRE, CENTRE), width, height
    ):
        return None
    return window


def _inside(first: Window, last: Window, width: int, height: int) -> bool:
    """Whether the image holds every pixel from the first window's top-left to the last window's bottom-right corner."""
    tolerance = 1e-6
    right, bottom = last.left + last.side * last.step_x, last.top + last.side * last.step_y
    return min(first.left, first.top) >= -tolerance and right <= width + tolerance and bottom <= height + tolerance


class Framed(NamedTuple):
    """An image's object shown in a cell."""

    cell: FramingCell
    window: Window
    picture: Picture


def framed_pictures(
    image: np.ndarray,
    box: Sequence[float] | None,
    cells: Iterable[FramingCell],
    surroundings: str,
    input_size: int,
    margin: int,
) -> list[Framed]:
    """An image's object in every cell that it fits into.

    Parameters
    ----------
    image : (height, width, 3) uint8
    box : x0, y0, x1, y1 of the object in pixels; the whole image where there is none.
    surroundings : {"mean", "black", "inpaint", "real"}
    input_size : side W of the model's input, in pixels.
    margin : of the pictures, in pixels of the view.
    """
    height, width = image.shape[:2]
    box = (0.0, 0.0, float(width), float(height)) if box is None else box
    windows = [(cell, framed_window(box, width, height, cell, input_size, surroundings)) for cell in cells]
    fill = FILLS[0] if surroundings == REAL else surroundings
    return [Framed(cell, window, take_picture(image, window, margin, fill)) for cell, window in windows if window]


def framing_views(
    image: np.ndarray,
    box: Sequence[float] | None,
    scales: Sequence[float],
    surroundings: Sequence[str],
    input_size: int,
) -> dict[str, list[tuple[float, np.ndarray]]]:
    """What a model is shown of an image in a framing map: its object in the middle, at each scale.

    Returns surroundings to (scale, uint8 pixels (W, W, 3)) pairs, of the scales at which the image can be shown.

    `image`, `box` and `input_size` are as for `framed_pictures`; `surroundings` are of `SURROUNDINGS`.
    """
    cells = [FramingCell(0.5, 0.5, scale) for scale in scales]
    return {
        each: [(cell.scale, shown.pixels) for cell, _, shown in framed_pictures(image, box, cells, each, input_size, 0)]
        for each in surroundings
    }
