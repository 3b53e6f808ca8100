"""The frames protocol (A): consecutive frames of a clip; no shift is made."""

from collections.abc import Iterable

import numpy as np

from bias_toolkit.datasets import REACH, ReducedImage
from bias_toolkit.invariance.protocols.crop import CROP, centre_view
from bias_toolkit.invariance.protocols.protocol import Box, Compared, Protocol, Settings
from bias_toolkit.invariance.transforms import TIME
from bias_toolkit.invariance.views import Views


class Frames(Protocol):
    """Frames (A): the frames of a clip from `REACH` before an image to `REACH` after it, in order.

    Each is shown as crop's centre view of size 1. The image has to be one of a dataset of clips.
    """

    name = "frames"
    label = "Frames"
    definition = "The views are consecutive frames of a clip, around the image in their middle; no shift is made (A)."
    transforms = (TIME,)
    default_size = 1.0
    size_rule = "which always has size 1"
    compares = Compared.FRAMES

    def allows_size(self, size: float) -> bool:
        return size == 1

    def owns_size(self, size: float) -> bool:
        return False

    def own_settings(self, *, fill: str, sampling: str, draws: int, seed: int) -> dict[str, object]:
        return {}

    def own_name(self, sweep: Settings) -> str:
        return f"{self.name}-{REACH}"

    def n_views(self, sweep: Settings) -> int:
        return 2 * REACH + 1

    def compared(self, sweep: Settings) -> tuple[np.ndarray, np.ndarray]:
        first = np.arange(2 * REACH)
        return first, first + 1

    def views(
        self, image: np.ndarray | ReducedImage | Iterable[np.ndarray], sweep: Settings, input_size: int, image_id: str
    ) -> Views:
        """The views of a clip's frames; a single image is taken as a clip that stands still."""
        if isinstance(image, np.ndarray | ReducedImage):
            image = [image] * self.n_views(sweep)
        return Views(np.concatenate([centre_view(frame, input_size).pixels for frame in image]))

    def resized(self, width: int, height: int, sweep: Settings, input_size: int, image_id: str) -> tuple[Box, int]:
        return CROP.resized(width, height, sweep, input_size, image_id)


FRAMES = Frames()
