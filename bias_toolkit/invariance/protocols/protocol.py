"""The interface of a protocol: its settings, its views, and its descriptions."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from bias_toolkit.datasets import ReducedImage
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.invariance.transforms import STEPS, Transform
from bias_toolkit.invariance.views import Views
from bias_toolkit.invariance.window import Window

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in whole pixels of an image."""


@dataclass(frozen=True)
class Settings:
    """The settings of a sweep; `bias_toolkit.invariance.Sweep` checks and documents them."""

    protocol: str
    transform: str
    size: float
    fill: str = "mean"
    sampling: str = "centre"
    draws: int = 8
    seed: int = 0


class Compared(StrEnum):
    """What two compared views are: one step of a shift, a pair of random offsets, or consecutive frames."""

    STEPS = "steps"
    PAIRS = "pairs"
    FRAMES = "frames"


class Protocol(ABC):
    """How views are made. Each protocol is one object in `PROTOCOLS`."""

    name: str  # in settings, tables and names of sweeps
    label: str  # the heading on a page
    definition: str  # a one-line definition for a page
    transforms: tuple[Transform, ...]  # the first is the default
    default_size: float
    own_sizes: str = ""  # describes its sizes where several protocols are requested; empty if there is only one size
    size_rule: str  # describes the allowed sizes, as the end of an error message
    curve_sizes: tuple[float, ...] = ()  # on the curve of invariance over view size (A), the largest object first
    compares: Compared = Compared.STEPS
    has_canvas: bool = False  # whether the image is on a canvas, which `fill` fills
    has_sampling: bool = False  # whether `sampling` sets its window's position

    @property
    def moves_by_steps(self) -> bool:
        """Whether each view is one step from the last, and there is a centre view."""
        return self.compares is Compared.STEPS

    @abstractmethod
    def allows_size(self, size: float) -> bool:
        """Whether the protocol allows a size."""

    @abstractmethod
    def owns_size(self, size: float) -> bool:
        """Whether a size belongs to it if several protocols are requested; at most one protocol owns a size."""

    def image_side(self, size: float) -> float:
        """Side of the image in the view, as a multiple of the view's side: above 1 for crop, below 1 on a canvas."""
        return 1 / math.sqrt(size)

    @abstractmethod
    def views(self, image: np.ndarray | ReducedImage, sweep: Settings, input_size: int, image_id: str) -> Views:
        """The views of one image, in order."""

    @abstractmethod
    def resized(self, width: int, height: int, sweep: Settings, input_size: int, image_id: str) -> tuple[Box, int]:
        """The box of an image that is resized, and the largest side in pixels to which it is resized."""

    @abstractmethod
    def own_settings(self, *, fill: str, sampling: str, draws: int, seed: int) -> dict[str, object]:
        """The settings that affect its views. A sweep without random draws has no seed, so it is the same for all."""

    def own_name(self, sweep: Settings) -> str:
        """The name of a sweep, without spaces."""
        return "-".join([self.name, str(float(sweep.size)).removesuffix(".0"), sweep.transform])

    def n_views(self, sweep: Settings) -> int:
        """The number of views per image."""
        return STEPS + 1

    def compared(self, sweep: Settings) -> tuple[np.ndarray, np.ndarray]:
        """The indices of the compared views: the first and the second of each pair."""
        first = np.arange(STEPS)
        return first, first + 1

    def window(self, width: int, height: int, sweep: Settings, input_size: int, image_id: str) -> Window:
        """The position of the centre view in an image of this width and height."""
        raise ValueError(f"{self.label} has no centre view.")

    def picture(self, image: np.ndarray | ReducedImage, sweep: Settings, input_size: int, image_id: str) -> np.ndarray:
        """The picture, uint8, of which the views are slices; the centre view's corner is number CENTRE."""
        raise ValueError(f"{self.label} has no centre view.")

    def check_size(self, size: float) -> None:
        """Raise InputError if the protocol does not allow a size."""
        if not self.allows_size(size):
            raise InputError(f"--size {size:g} does not fit --protocol {self.name}, {self.size_rule}.")

    def check_transform(self, transform: str) -> None:
        """Raise InputError if the protocol does not have a transform."""
        known = [each.name for each in self.transforms]
        if transform not in known:
            raise InputError(
                f"--transform {transform} is not a transform of --protocol {self.name}, which has {', '.join(known)}."
            )
