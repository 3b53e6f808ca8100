"""Convert an image's intensities and size to a model's input."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import nn

from bias_toolkit.foundation.errors import InputError

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "box", "hamming", "lanczos")
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocessing:
    """What a model expects of its input. Raises InputError if a value is out of range."""

    # Per channel (red, green, blue), of intensities scaled to 0..1: the input is (pixels / 255 − mean) / std.
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    interpolation: str = "bilinear"  # of the model's own evaluation; one of `INTERPOLATIONS`
    crop_fraction: float = 0.875  # side of the central crop over the side that the image is resized to, in (0, 1]

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", _three_floats("mean", self.mean))
        object.__setattr__(self, "std", _three_floats("std", self.std))
        object.__setattr__(self, "crop_fraction", _fraction("crop_fraction", self.crop_fraction))
        if min(self.std) <= 0:
            raise InputError(f"A model's std must be positive in each channel, not {self.std}.")
        if self.interpolation not in INTERPOLATIONS:
            raise InputError(
                f"A model's interpolation must be one of {', '.join(INTERPOLATIONS)}, not {self.interpolation!r}."
            )


def _three_floats(name: str, values: Iterable[float]) -> tuple[float, float, float]:
    try:
        floats = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        floats = ()
    if len(floats) != 3 or not all(map(math.isfinite, floats)):
        raise InputError(f"A model's {name} must be three numbers (red, green, blue), not {values!r}.")
    return floats


def _fraction(name: str, value: float) -> float:
    try:
        fraction = float(value)
    except (TypeError, ValueError):
        fraction = math.nan
    if not 0 < fraction <= 1:
        raise InputError(f"A model's {name} must be above 0 and at most 1, not {value!r}.")
    return fraction


@dataclass(frozen=True)
class Blueprint:
    """A network with its weights, input settings and class names, before it is probed on a device."""

    network: nn.Module
    input_size: int
    preprocessing: Preprocessing
    class_names: Sequence[str] | None = None
    class_ids: Sequence[str] | None = None
    feature: str | None = None
    notes: tuple[str, ...] = ()  # sentences on how the weights were read
