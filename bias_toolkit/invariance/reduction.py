"""How far an image may be decoded at reduced size without its views changing beyond rounding."""

from __future__ import annotations

from bias_toolkit.datasets import Reduction
from bias_toolkit.invariance.crop import MARGIN, central_box, crop_box
from bias_toolkit.invariance.embed import embedded_side
from bias_toolkit.invariance.offsets import RANGE
from bias_toolkit.invariance.sweep import CENTRE, Sweep

FACTORS = (8, 4, 2)
PIXELS_A_PIXEL = 4
"""Pixels of the reduced image, along a side, for each pixel of a view.

At 4 a view of a photograph differs from the one made of the whole image by 0.2 to 0.35 of 255 levels on average, as
much as rounding its values to whole levels does, and by more than one level in at most 1% of them (by 0.42 and in 3% at
most where colours are subsampled 4:2:2); at 2 by 0.4 to 0.9, and by more than one level in 5% to 20%.
"""


def sweep_reduction(sweep: Sweep, input_size: int, image_id: str) -> Reduction:
    """The largest factor at which an image may be decoded for a sweep with a model of input side W."""

    def allowed(width: int, height: int) -> int:
        if sweep.protocol == "embed":
            largest = embedded_side(sweep, input_size) + (CENTRE if sweep.transform == "scale" else 0)
            return largest_factor((0, 0, width, height), largest)
        if sweep.protocol == "offsets":
            return largest_factor(central_box(width, height, sweep.size), input_size + RANGE)
        return largest_factor(crop_box(width, height, sweep, image_id), input_size + MARGIN)

    return allowed


def centre_reduction(input_size: int, size: float) -> Reduction:
    """The largest factor at which an image may be decoded for the centre view of crop."""
    return lambda width, height: largest_factor(central_box(width, height, size), input_size + MARGIN)


def largest_factor(box: tuple[int, int, int, int], side: int) -> int:
    """The largest f in 1, 2, 4, 8 that leaves a box (x0, y0, x1, y1) enough pixels for a view of side `side`."""
    x0, y0, x1, y1 = box
    shorter = min(x1 - x0, y1 - y0)
    return next((factor for factor in FACTORS if shorter >= factor * PIXELS_A_PIXEL * side), 1)
