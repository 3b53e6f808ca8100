"""Show an image's object at a chosen position and scale: the cells of a framing map, and their windows.

Test photographs have the same framing as the training photographs, so position and scale hardly vary among them. Here
both are varied on purpose, for the same objects. Moving and shrinking an image on a canvas is the idea of A (section 2,
embedded images); placing its object by position and scale is the toolkit's own.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.invariance.inpaint import FILLS
from bias_toolkit.invariance.transforms import CENTRE, check_name
from bias_toolkit.invariance.window import Picture, Window, take_picture

REAL = "real"
SURROUNDINGS = (*FILLS, REAL)
"""What surrounds the object: a fill of the embed protocol beyond the image's border, or the real image only."""

POSITIONS = (0.25, 0.5, 0.75)
SCALES = (0.15, 0.2, 0.27, 0.36, 0.48, 0.64, 0.8)
MOST_CELLS = 10_000
# An embedded image moves by whole pixels, which may cut off this much of a pixel of an object at the border.
ROUNDING = 0.75
TOLERANCE = 1e-6


@dataclass(frozen=True)
class FramingCell:
    """An object's position and scale in the view: `cx`, `cy` and `scale` as fractions of the view."""

    cx: float
    cy: float
    scale: float


@dataclass(frozen=True)
class FramingGrid:
    """The positions and scales of a framing map.

    Raises InputError if there are none, a value is repeated or out of range, or there are more than 10,000 cells.
    """

    positions: tuple[float, ...] = POSITIONS  # both of cx and of cy, in (0, 1)
    scales: tuple[float, ...] = SCALES  # in (0, 1]

    def __post_init__(self) -> None:
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
        if len(self.positions) ** 2 * len(self.scales) > MOST_CELLS:
            raise InputError(
                f"--position and --scale have {len(self.positions)} and {len(self.scales)} values, which is more than "
                f"{MOST_CELLS:,} cells; each position is taken across and down."
            )

    @property
    def cells(self) -> list[FramingCell]:
        """Every cell that a square object fits into, in ascending order of scale, then cy, then cx."""
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
    """The window that shows an object at a cell's position and scale.

    With a fill, the whole image is resized to a square, as in embed, so that the object has the cell's scale. It is
    moved by whole pixels of the view until the object's centre is nearest to the cell's position. With `real`, the
    window is a square of the image; the image must extend 4 pixels of the view beyond it on every side, so that every
    pixel of a sweep is real. Returns None where the object would not be wholly inside the view, or the image does not
    extend far enough.

    Parameters
    ----------
    box : x0, y0, x1, y1 of the object in pixels of the image; without an object, the image's own edges.
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
    """An image's object as shown in a cell."""

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
    box : x0, y0, x1, y1 of the object in pixels; None for the whole image.
    surroundings : {"mean", "black", "inpaint", "real"}
    input_size : side W of the model's input, in pixels.
    margin : of the pictures, in pixels of the view.
    """
    check_name("--surroundings", surroundings, SURROUNDINGS)
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
    """Example views of a framing map: the image's object in the centre, at each scale.

    Returns, by surroundings, (scale, uint8 pixels (W, W, 3)) pairs for the scales at which the image can be shown.

    `image`, `box` and `input_size` are as for `framed_pictures`; `surroundings` are from `SURROUNDINGS`.
    """
    cells = [FramingCell(0.5, 0.5, scale) for scale in scales]
    return {
        each: [(cell.scale, shown.pixels) for cell, _, shown in framed_pictures(image, box, cells, each, input_size, 0)]
        for each in surroundings
    }
