"""How far an image may be decoded at reduced size without its views changing beyond rounding."""

from __future__ import annotations

FACTORS = (8, 4, 2)
PIXELS_A_PIXEL = 4
"""Pixels of the reduced image, along a side, for each pixel of a view.

At 4 a view of a photograph differs from the one made of the whole image by 0.2 to 0.35 of 255 levels on average, as
much as rounding its values to whole levels does, and by more than one level in at most 1% of them (by 0.42 and in 3% at
most where colours are subsampled 4:2:2); at 2 by 0.4 to 0.9, and by more than one level in 5% to 20%.
"""


def largest_factor(box: tuple[int, int, int, int], side: int) -> int:
    """The largest f in 1, 2, 4, 8 that leaves a box (x0, y0, x1, y1) enough pixels for a view of side `side`."""
    x0, y0, x1, y1 = box
    shorter = min(x1 - x0, y1 - y0)
    return next((factor for factor in FACTORS if shorter >= factor * PIXELS_A_PIXEL * side), 1)
