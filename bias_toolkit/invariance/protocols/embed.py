"""The embed protocol (A): the whole image, shrunk, moves or grows on a canvas."""

import math

import numpy as np

from bias_toolkit.datasets import ReducedImage
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.invariance.inpaint import filled
from bias_toolkit.invariance.protocols.protocol import Box, Protocol, Settings
from bias_toolkit.invariance.transforms import CENTRE, SCALE, SHIFTS, STEPS, transform_of
from bias_toolkit.invariance.views import Views, cut, resize_box, size_of
from bias_toolkit.invariance.window import Window


class Embed(Protocol):
    """Embed (A): the whole image, resized to a square, on a W × W canvas.

    The square's side is m = floor(W / size). Its top-left corner moves through c0 − 4, …, c0 + 4 with c0 = floor((W −
    m − 1) / 2), in both coordinates for `diagonal` and in one for `horizontal` and `vertical`. For `scale`, the image
    stays centred by the same rule while its side grows from m − 4 to m + 4. The centre view is the same for all four.
    If the image is nearly as large as the canvas, the canvas's border cuts it.

    For the three shifts, the image is pasted and the canvas filled only once, on a canvas with a margin of 4 pixels.
    Each view is a slice of it. So a step also moves the filled pixels by one pixel, and changes none of them.
    """

    name = "embed"
    label = "Embed"
    definition = "The whole image moves over a canvas; size is the canvas's side in image sides (A)."
    transforms = (*SHIFTS, SCALE)
    default_size = 2.0
    own_sizes = "sizes above 1"
    size_rule = "where it is the canvas's side over the image's, at least 1"
    curve_sizes = (1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9)
    has_canvas = True

    def allows_size(self, size: float) -> bool:
        return 1 <= size < math.inf

    def owns_size(self, size: float) -> bool:
        return size > 1

    def image_side(self, size: float) -> float:
        return 1 / size

    def own_settings(self, *, fill: str, sampling: str, draws: int, seed: int) -> dict[str, object]:
        return {"fill": fill}

    def own_name(self, sweep: Settings) -> str:
        return f"{super().own_name(sweep)}-{sweep.fill}"

    def views(self, image: np.ndarray | ReducedImage, sweep: Settings, input_size: int, image_id: str) -> Views:
        """The views of one image; raises InputError if this size would leave nothing of the image."""
        transform = transform_of(sweep.transform)
        side = _side(sweep, input_size)
        sides = side + transform.growths()
        if min(sides) < 1:
            raise InputError(
                f"--size {sweep.size:g} leaves nothing of an image on the model's input of {input_size} pixels; "
                f"take a size of at most {input_size / (1 + side - min(sides)):g}."
            )
        # The image moves right and down if the window over the larger canvas moves left and up.
        corners = transform.path()[::-1]
        if transform.growth:
            views = [
                _slices(image, int(sides[k]), input_size, sweep.fill, corners[k : k + 1]) for k in range(STEPS + 1)
            ]
            pixels, outside = (np.concatenate(parts) for parts in zip(*views, strict=True))
        else:
            pixels, outside = _slices(image, side, input_size, sweep.fill, corners)
        return Views(pixels, outside, sweep.fill)

    def resized(self, width: int, height: int, sweep: Settings, input_size: int, image_id: str) -> tuple[Box, int]:
        largest = _side(sweep, input_size) + int(max(transform_of(sweep.transform).growths()))
        return (0, 0, width, height), largest

    def window(self, width: int, height: int, sweep: Settings, input_size: int, image_id: str) -> Window:
        side = _side(sweep, input_size)
        corner = _corner(side, input_size)
        step_x, step_y = width / side, height / side
        return Window(-corner * step_x, -corner * step_y, step_x, step_y, input_size)

    def picture(self, image: np.ndarray | ReducedImage, sweep: Settings, input_size: int, image_id: str) -> np.ndarray:
        return _canvas(image, _side(sweep, input_size), input_size, sweep.fill)[0]


EMBED = Embed()


def _side(sweep: Settings, input_size: int) -> int:
    """Side m, in pixels, of the square that the image becomes on the canvas; for `scale`, at the centre view."""
    return math.floor(input_size / sweep.size)


def _corner(side: int, input_size: int) -> int:
    """c0: both coordinates of the top-left corner, in the centre view, of the square of side m."""
    return (input_size - side - 1) // 2


def _canvas(image: np.ndarray | ReducedImage, side: int, input_size: int, fill: str) -> tuple[np.ndarray, np.ndarray]:
    """The canvas with a margin of 4 pixels around the centre view, uint8 (W + 8, W + 8, 3), and whether each pixel is
    outside the image, bool (W + 8, W + 8).
    """
    start = _corner(side, input_size) + CENTRE
    canvas_side = input_size + 2 * CENTRE
    outside = np.ones((canvas_side, canvas_side), dtype=bool)
    # The canvas's border cuts an image that is nearly as large.
    outside[start : start + side, start : start + side] = False
    canvas = np.zeros((canvas_side, canvas_side, 3), dtype=np.uint8)
    canvas[start : start + side, start : start + side] = resize_box(image, (0, 0, *size_of(image)), side)
    return filled(canvas, outside, fill), outside


def _slices(
    image: np.ndarray | ReducedImage, side: int, input_size: int, fill: str, corners: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Windows of the canvas with a margin, and whether each pixel is outside the image."""
    canvas, outside = _canvas(image, side, input_size, fill)
    return cut(canvas, corners, input_size), cut(outside, corners, input_size)
