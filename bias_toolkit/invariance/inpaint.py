"""The canvas around an image: a colour, or the image extended outwards from its border (A)."""

from math import comb

import numpy as np

from bias_toolkit.invariance.transforms import check_name

FILLS = ("mean", "black", "inpaint")

MEAN_GREY = 128
"""The grey that pictures for people show where the model's input is its mean."""

WINDOW = 10
"""Width of the smoothing window in pixels, from its first weight to its last."""

WEIGHTS = np.array([comb(WINDOW, i) for i in range(WINDOW + 1)]) / 2**WINDOW


def filled(canvas: np.ndarray, outside: np.ndarray, fill: str) -> np.ndarray:
    """The canvas (height, width, 3) with the area outside the image filled; InputError if `fill` is none of `FILLS`."""
    check_name("--fill", fill, FILLS)
    if fill == "inpaint":
        return inpaint(canvas, outside)
    return np.where(outside[..., None], np.uint8(MEAN_GREY if fill == "mean" else 0), canvas)


def inpaint(canvas: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Fill the canvas around an image by repeated normalised smoothing, until it is full (A).

    In each round, an empty pixel with known pixels within half a window gets their weighted mean, and then counts as
    known. Known pixels never change. Values stay unrounded until the canvas is full. The weights are binomial, as in A.
    A's window has an even number of weights, which shifts the result by half a pixel per round; this window has an odd
    number and is centred. Returns uint8, shape (height, width, 3).

    `canvas` is uint8 (height, width, 3). `outside`, bool (height, width), is True where the canvas is empty, and must
    not be True everywhere.
    """
    known = ~outside
    if not known.any():
        raise ValueError("The canvas has no known pixel to fill it from.")
    filled = np.where(outside[..., None], 0.0, canvas)
    while not known.all():
        weight = _smooth(known.astype(float))
        reached = ~known & (weight > 0)
        filled[reached] = _smooth(filled)[reached] / weight[reached, None]
        known |= reached
    return np.rint(filled).astype(np.uint8)


def _smooth(values: np.ndarray) -> np.ndarray:
    from scipy.ndimage import correlate1d

    rows = correlate1d(values, WEIGHTS, axis=0, mode="constant")
    return correlate1d(rows, WEIGHTS, axis=1, mode="constant")
