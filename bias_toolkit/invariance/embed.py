"""The embed protocol (A): the whole image, made small, moves over a canvas or grows on it."""

from __future__ import annotations

import math

import numpy as np

from bias_toolkit.errors import InputError
from bias_toolkit.invariance.inpaint import inpaint
from bias_toolkit.invariance.sweep import CENTRE, STEPS, Sweep
from bias_toolkit.invariance.views import Views, cut, path, resize

MEAN_GREY = 128
"""What a person is shown where the model sees its mean."""


def embed_views(image: np.ndarray, sweep: Sweep, input_size: int, image_id: str) -> Views:
    """The views of embed (A): the whole image, resized to a square, on a W × W canvas.

    The square's side is m = floor(W / size), and its top-left corner passes through c0 − 4, …, c0 + 4 with
    c0 = floor((W − m − 1) / 2), in both coordinates for `diagonal`, in one of them for `horizontal` and
    `vertical`. For `scale` the image stays centred by the same rule while its side grows from m − 4 to m + 4.
    The centre view is the same for all four. Where the image is nearly as large as the canvas, the canvas's
    border cuts it.

    For the three shifts, the image is pasted, and the canvas filled, only once: on a canvas with a margin of
    4 pixels, of which each view is a slice. So a step moves the made-up pixels by one pixel too, and changes
    none of them.

    Parameters
    ----------
    image : uint8, shape (height, width, 3)

    Raises
    ------
    InputError
        If nothing would be left of the image at this size.
    """
    side = math.floor(input_size / sweep.size)
    smallest = side - CENTRE if sweep.transform == "scale" else side
    if smallest < 1:
        raise InputError(
            f"--size {sweep.size:g} leaves nothing of an image on the model's input of {input_size} pixels; "
            f"take a size of at most {input_size / (1 + side - smallest):g}."
        )
    if sweep.transform == "scale":
        centre = np.array([[CENTRE, CENTRE]])
        views = [_slices(image, side - CENTRE + k, input_size, sweep.fill, centre) for k in range(STEPS + 1)]
        pixels, outside = (np.concatenate(parts) for parts in zip(*views, strict=True))
    else:
        # The image moves right and down where the window over the larger canvas moves left and up.
        pixels, outside = _slices(image, side, input_size, sweep.fill, path(sweep.transform)[::-1])
    return Views(pixels, outside, sweep.fill)


def _slices(
    image: np.ndarray, side: int, input_size: int, fill: str, corners: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Windows of the canvas with a margin, and where they are outside the image."""
    start = (input_size - side - 1) // 2 + CENTRE
    inside = slice(start, start + side)
    canvas_side = input_size + 2 * CENTRE
    outside = np.ones((canvas_side, canvas_side), dtype=bool)
    outside[inside, inside] = False
    canvas = np.full((canvas_side, canvas_side, 3), MEAN_GREY if fill == "mean" else 0, dtype=np.uint8)
    canvas[inside, inside] = resize(image, side)
    if fill == "inpaint":
        canvas = inpaint(canvas, outside)
    return cut(canvas, corners, input_size), cut(outside, corners, input_size)
