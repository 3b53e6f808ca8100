"""The embed protocol (A): the whole image, made small, moves over a canvas or grows on it."""

from __future__ import annotations

import math

import numpy as np

from bias_toolkit.datasets import ReducedImage
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.invariance.inpaint import inpaint
from bias_toolkit.invariance.sweep import CENTRE, STEPS, Sweep
from bias_toolkit.invariance.views import Views, cut, path, resize_box, size_of

MEAN_GREY = 128
"""What a person is shown where the model sees its mean."""


def embed_views(image: np.ndarray | ReducedImage, sweep: Sweep, input_size: int, image_id: str) -> Views:
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
    image : uint8, shape (height, width, 3), or reduced

    Raises
    ------
    InputError
        If nothing would be left of the image at this size.
    """
    side = embedded_side(sweep, input_size)
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


def embedded_side(sweep: Sweep, input_size: int) -> int:
    """Side m in pixels of the square that the image becomes on the canvas; of `scale`, at the centre view."""
    return math.floor(input_size / sweep.size)


def embedded_corner(side: int, input_size: int) -> int:
    """c0: where in the centre view, in both coordinates, the square of side m begins."""
    return (input_size - side - 1) // 2


def embedded_canvas(
    image: np.ndarray | ReducedImage, side: int, input_size: int, fill: str
) -> tuple[np.ndarray, np.ndarray]:
    """The canvas with a margin of 4 pixels around the centre view, and where it is outside the image.

    Shapes (W + 8, W + 8, 3), uint8, and (W + 8, W + 8), bool.
    """
    start = embedded_corner(side, input_size) + CENTRE
    canvas_side = input_size + 2 * CENTRE
    outside = np.ones((canvas_side, canvas_side), dtype=bool)
    # The border of the canvas cuts an image that is nearly as large.
    outside[start : start + side, start : start + side] = False
    canvas = np.zeros((canvas_side, canvas_side, 3), dtype=np.uint8)
    canvas[start : start + side, start : start + side] = resize_box(image, (0, 0, *size_of(image)), side)
    return filled(canvas, outside, fill), outside


def filled(canvas: np.ndarray, outside: np.ndarray, fill: str) -> np.ndarray:
    """The canvas (height, width, 3) with what it shows where there is no image, of one of the fills."""
    if fill == "inpaint":
        return inpaint(canvas, outside)
    return np.where(outside[..., None], np.uint8(MEAN_GREY if fill == "mean" else 0), canvas)


def _slices(
    image: np.ndarray | ReducedImage, side: int, input_size: int, fill: str, corners: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Windows of the canvas with a margin, and where they are outside the image."""
    canvas, outside = embedded_canvas(image, side, input_size, fill)
    return cut(canvas, corners, input_size), cut(outside, corners, input_size)
