"""The crop protocol (A): a window slides over a part of the image."""

import math

import numpy as np

from bias_toolkit.datasets import ReducedImage, Reduction
from bias_toolkit.invariance.protocols.protocol import Box, Protocol, Settings
from bias_toolkit.invariance.transforms import CENTRE, SHIFTS, transform_of
from bias_toolkit.invariance.views import Views, cut, image_generator, largest_factor, resize_box, size_of
from bias_toolkit.invariance.window import Window

SAMPLINGS = ("centre", "random")

MARGIN = 10
"""Difference between the sides of the resized window and the model's input (A: 234 for an input of 224)."""

ASPECTS = (3 / 4, 4 / 3)
"""Smallest and largest aspect, width over height, of a random window (A)."""


class Crop(Protocol):
    """Crop (A): one window of the image, resized once, over which the model's window slides.

    The image's window is resized to a square of side W + 10 (W is the model's input size), whatever its aspect. View k
    is the W × W slice whose top-left corner is number k of the transform's path.
    """

    name = "crop"
    label = "Crop"
    definition = (
        "The view slides over the central window of the image; size is the window's share of the image's area (A)."
    )
    transforms = SHIFTS
    default_size = 1.0
    own_sizes = "sizes up to 1"
    size_rule = "where it is the window's share of the image's area, above 0 and at most 1"
    curve_sizes = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    has_sampling = True

    def allows_size(self, size: float) -> bool:
        return 0 < size <= 1

    def owns_size(self, size: float) -> bool:
        return size <= 1

    def own_settings(self, *, fill: str, sampling: str, draws: int, seed: int) -> dict[str, object]:
        return {"sampling": sampling, "seed": seed if sampling == "random" else 0}

    def own_name(self, sweep: Settings) -> str:
        return super().own_name(sweep) + ("-random" if sweep.sampling == "random" else "")

    def views(self, image: np.ndarray | ReducedImage, sweep: Settings, input_size: int, image_id: str) -> Views:
        picture = self.picture(image, sweep, input_size, image_id)
        return Views(cut(picture, transform_of(sweep.transform).path(), input_size))

    def resized(self, width: int, height: int, sweep: Settings, input_size: int, image_id: str) -> tuple[Box, int]:
        return _box(width, height, sweep, image_id), input_size + MARGIN

    def window(self, width: int, height: int, sweep: Settings, input_size: int, image_id: str) -> Window:
        (x0, y0, x1, y1), side = self.resized(width, height, sweep, input_size, image_id)
        step_x, step_y = (x1 - x0) / side, (y1 - y0) / side
        return Window(x0 + CENTRE * step_x, y0 + CENTRE * step_y, step_x, step_y, input_size)

    def picture(self, image: np.ndarray | ReducedImage, sweep: Settings, input_size: int, image_id: str) -> np.ndarray:
        return resize_box(image, *self.resized(*size_of(image), sweep, input_size, image_id))


CROP = Crop()


def centre_view(image: np.ndarray | ReducedImage, input_size: int, size: float = 1.0) -> Views:
    """The centre view of crop alone (V = 1), from which features of training and test set are extracted.

    Parameters
    ----------
    image : (height, width, 3) uint8, or reduced
    input_size : side W of the model's input, in pixels.
    size : the window's area as a fraction of the image's.
    """
    width, height = size_of(image)
    picture = resize_box(image, central_box(width, height, size), input_size + MARGIN)
    return Views(cut(picture, np.array([[CENTRE, CENTRE]]), input_size))


def centre_reduction(input_size: int, size: float) -> Reduction:
    """The largest factor at which an image may be decoded for the centre view of crop."""
    return lambda width, height: largest_factor(central_box(width, height, size), input_size + MARGIN)


def central_box(width: int, height: int, size: float) -> Box:
    """The central square (x0, y0, x1, y1), in whole pixels, whose area is `size` times the image's.

    If that square does not fit (size 1 in an image that is not square), it is the largest square that fits.
    """
    side = max(1, min(round(math.sqrt(size * width * height)), width, height))
    x0, y0 = (width - side) // 2, (height - side) // 2
    return x0, y0, x0 + side, y0 + side


def random_box(width: int, height: int, size: float, generator: np.random.Generator) -> Box:
    """A box (x0, y0, x1, y1) at a random position, whose area is `size` times the image's.

    It is sampled as in A: the aspect is log-uniform over the values in [3/4, 4/3] for which the box fits; the position
    is uniform over all whole pixels at which the box lies inside the image. If the box fits at no such aspect, it is
    the largest box with the aspect nearest to the image's.
    """
    area = size * width * height
    low = max(math.log(ASPECTS[0]), math.log(area / height**2))
    high = min(math.log(ASPECTS[1]), math.log(width**2 / area))
    if low <= high:
        aspect = math.exp(generator.uniform(low, high))
    else:
        aspect = min(max(width / height, ASPECTS[0]), ASPECTS[1])
        area = min(width**2 / aspect, height**2 * aspect)
    box_width = max(1, min(round(math.sqrt(area * aspect)), width))
    box_height = max(1, min(round(math.sqrt(area / aspect)), height))
    x0 = int(generator.integers(width - box_width + 1))
    y0 = int(generator.integers(height - box_height + 1))
    return x0, y0, x0 + box_width, y0 + box_height


def _box(width: int, height: int, sweep: Settings, image_id: str) -> Box:
    """The box (x0, y0, x1, y1) of the image, in whole pixels, from which a sweep takes its views."""
    if sweep.sampling == "random":
        return random_box(width, height, sweep.size, image_generator(image_id, sweep.seed))
    return central_box(width, height, sweep.size)
