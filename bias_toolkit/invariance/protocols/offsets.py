"""The offsets protocol (Z): pairs of windows of one image, at independent random offsets."""

import numpy as np

from bias_toolkit.datasets import ReducedImage
from bias_toolkit.invariance.protocols.crop import central_box
from bias_toolkit.invariance.protocols.protocol import Box, Compared, Protocol, Settings
from bias_toolkit.invariance.transforms import RANDOM
from bias_toolkit.invariance.views import Views, cut, image_generator, resize_box, size_of

RANGE = 32
"""Offsets are whole pixels from 0 to this number, exclusive (Z, classification consistency)."""


class Offsets(Protocol):
    """Offsets (Z): `draws` pairs of views; pair d is views 2d and 2d + 1.

    The image's largest central square is resized to a side of W + 32 (W is the model's input size). A view is its W × W
    slice at an offset (x, y). Offsets are independent and uniform over [0, 32)².
    """

    name = "offsets"
    label = "Offsets"
    definition = "Pairs of views at random places of the image (Z)."
    transforms = (RANDOM,)
    default_size = 1.0
    size_rule = "which always has size 1"
    compares = Compared.PAIRS

    def allows_size(self, size: float) -> bool:
        return size == 1

    def owns_size(self, size: float) -> bool:
        return False

    def own_settings(self, *, fill: str, sampling: str, draws: int, seed: int) -> dict[str, object]:
        return {"draws": draws, "seed": seed}

    def own_name(self, sweep: Settings) -> str:
        return f"{self.name}-{sweep.draws}"

    def n_views(self, sweep: Settings) -> int:
        return 2 * sweep.draws

    def compared(self, sweep: Settings) -> tuple[np.ndarray, np.ndarray]:
        first = np.arange(0, 2 * sweep.draws, 2)
        return first, first + 1

    def views(self, image: np.ndarray | ReducedImage, sweep: Settings, input_size: int, image_id: str) -> Views:
        picture = resize_box(image, *self.resized(*size_of(image), sweep, input_size, image_id))
        corners = image_generator(image_id, sweep.seed).integers(RANGE, size=(self.n_views(sweep), 2))
        return Views(cut(picture, corners, input_size))

    def resized(self, width: int, height: int, sweep: Settings, input_size: int, image_id: str) -> tuple[Box, int]:
        return central_box(width, height, sweep.size), input_size + RANGE


OFFSETS = Offsets()
