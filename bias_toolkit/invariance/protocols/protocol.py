"""What every protocol has: its settings, its views, and its words."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

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
    """The settings of a sweep; `bias_toolkit.invariance.Sweep` checks them and says what they are."""

    protocol: str
    transform: str
    size: float
    fill: str = "mean"
    sampling: str = "centre"
    draws: int = 8
    seed: int = 0


class Protocol(ABC):
    """How views are made. Each protocol is one object in `PROTOCOLS`."""

    name: str  # in settings, tables and names of sweeps
    label: str  # for a page: the heading
    definition: str  # for a page: one line that says what it is
    transforms: tuple[Transform, ...]  # the first is the default
    default_size: float
    own_sizes: str = ""  # in words which sizes belong to it where several protocols are asked for; empty for one size
    size_rule: str  # which sizes it allows, as the end of an error's sentence
    curve_sizes: tuple[float, ...] = ()  # on the curve of invariance over view size (A), the largest object first
    moves_by_steps: bool = True  # whether each view is one step from the last; if not, views are compared in pairs
    has_canvas: bool = False  # whether the image stands on a canvas, which `fill` fills
    has_sampling: bool = False  # whether `sampling` says where its window lies

    @abstractmethod
    def allows_size(self, size: float) -> bool:
        """Whether the protocol can have a size."""

    @abstractmethod
    def owns_size(self, size: float) -> bool:
        """Whether a size belongs to it where several protocols are asked for; at most one protocol owns a size."""

    def image_side(self, size: float) -> float:
        """Side of the image as the view shows it, in view sides: above 1 a tighter crop, below 1 on a canvas."""
        return 1 / math.sqrt(size)

    @abstractmethod
    def views(self, image: np.ndarray | ReducedImage, sweep: Settings, input_size: int, image_id: str) -> Views:
        """The views of one image, in order."""

    @abstractmethod
    def resized(self, width: int, height: int, sweep: Settings, input_size: int, image_id: str) -> tuple[Box, int]:
        """The box of an image that is resized, and the largest side in pixels it is resized to."""

    @abstractmethod
    def own_settings(self, *, fill: str, sampling: str, draws: int, seed: int) -> dict[str, object]:
        """Those of the settings that decide its views. A sweep that draws nothing has no seed, so that with another
        seed it stays the same sweep.
        """

    def own_name(self, sweep: Settings) -> str:
        """The name of a sweep, without blanks."""
        return "-".join([self.name, str(float(sweep.size)).removesuffix(".0"), sweep.transform])

    def n_views(self, sweep: Settings) -> int:
        """How many views each image has."""
        return STEPS + 1

    def compared(self, sweep: Settings) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of the views that are compared: the first and the second of each pair."""
        first = np.arange(STEPS)
        return first, first + 1

    def window(self, width: int, height: int, sweep: Settings, input_size: int, image_id: str) -> Window:
        """Where the centre view lies in an image of that width and height."""
        raise ValueError(f"{self.label} has no centre view.")

    def picture(self, image: np.ndarray | ReducedImage, sweep: Settings, input_size: int, image_id: str) -> np.ndarray:
        """The picture of which the views are slices, uint8; corner CENTRE is the centre view's."""
        raise ValueError(f"{self.label} has no centre view.")

    def check_size(self, size: float) -> None:
        """Raise InputError if the protocol cannot have a size."""
        if not self.allows_size(size):
            raise InputError(f"--size {size:g} does not fit --protocol {self.name}, {self.size_rule}.")

    def check_transform(self, transform: str) -> None:
        """Raise InputError if the protocol does not have a transform."""
        known = [each.name for each in self.transforms]
        if transform not in known:
            raise InputError(
                f"--transform {transform} is not a transform of --protocol {self.name}, which has {', '.join(known)}."
            )
