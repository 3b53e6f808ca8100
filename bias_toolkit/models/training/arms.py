"""The arms of an experiment in which a network is trained further, with a remedy and without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bias_toolkit.foundation.errors import InputError

if TYPE_CHECKING:
    from torch import nn

FILTER_SIZE = 3


@dataclass(frozen=True)
class Arm:
    """One way to train a network; all arms have the same number of steps and the same order of images.

    An augmented arm sees random parts of the images (`bias_toolkit.models.training.views`). An antialiased one has a
    low-pass filter at each subsampling operation (`bias_toolkit.models.low_pass`).
    """

    name: str
    label: str
    subject: str  # in a sentence, as its subject
    definition: str  # one line
    augmented: bool = False
    antialiased: bool = False

    @property
    def filter_size(self) -> int:
        """The size of its low-pass filters; 1 for none."""
        return FILTER_SIZE if self.antialiased else 1

    def network(self, module: nn.Module, input_size: int) -> nn.Module:
        """A copy of a network as this arm trains it, in training mode; InputError if it has nothing to filter."""
        from bias_toolkit.models.lowpass import low_pass

        return low_pass(module, self.filter_size, input_size=input_size).train().requires_grad_(True)


ARMS = (
    Arm(
        "trained",
        "Trained further",
        "Training further",
        "The network is trained further on the centre views of the training images.",
    ),
    Arm(
        "augmented",
        "Trained with augmentation",
        "Training with more augmentation",
        "The same, on random parts of the images, from 8% of the area, and at random places on a canvas.",
        augmented=True,
    ),
    Arm(
        "antialiased",
        "Trained with low-pass filters",
        "Training with low-pass filters",
        "The same as the first, with a low-pass filter at each subsampling operation of the network.",
        antialiased=True,
    ),
    Arm(
        "both",
        "Trained with both",
        "Training with both remedies",
        "Both more augmentation and low-pass filters.",
        augmented=True,
        antialiased=True,
    ),
)
"""Training alone changes stability, so the first arm has neither remedy."""


def arm_of(name: str) -> Arm:
    """The arm with this name; raises InputError if there is none."""
    by_name = {arm.name: arm for arm in ARMS}
    if name not in by_name:
        raise InputError(f"{name} is no arm of a training; it has to be one of {', '.join(by_name)}.")
    return by_name[name]
