"""The demo's four small classifiers of 64 × 64 images, with weights that ship with the package.

There are two architectures. Both subsample by strides and max-pooling without any low-pass filter, like the networks of
A, so a one-pixel shift matters. They differ in their heads (A, section 4). One reads the feature map with a fully
connected layer, like VGG, and so knows the position of a pattern in the image. The other averages the feature map over
the image, like ResNet, and discards the position.

Each is trained twice, in the same way: on digits that are framed as photographers frame their subjects, and, as a
control, on digits at any position and scale. The control differs from the first in its training images only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file
from torch import nn

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models.preprocessing import Preprocessing
from bias_toolkit.models.specs import VARIED

DEMO_INPUT_SIZE = 64
DEMO_CLASS_NAMES: tuple[str, ...] = tuple("0123456789")
DEMO_PREPROCESSING = Preprocessing(
    mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), interpolation="bicubic", crop_fraction=1.0
)
WEIGHTS = Path(__file__).parent / "weights"


def load_demo_network(name: str) -> tuple[nn.Module, Path]:
    """One of `DEMO_NETWORKS`, trained and in eval mode, and the file of its weights.

    It takes images N × 3 × 64 × 64, normalised by `DEMO_PREPROCESSING`, and returns logits N × 10. Raises InputError if
    there is no demo network of that name.
    """
    network = build_demo_network(name)
    path = WEIGHTS / demo_weights_file(name)
    network.load_state_dict(load_file(path))
    return network.eval(), path


def build_demo_network(name: str) -> nn.Module:
    """The same network untrained, with random weights from torch's global generator."""
    return _network(name).build()


def demo_training_set(name: str) -> str:
    """The demo dataset on which a network was trained."""
    return _network(name).training_set


def demo_weights_file(name: str) -> str:
    """The name of a network's weights file."""
    return f"demo-{name}.safetensors"


def _convolution(channels_in: int, channels_out: int, size: int = 3, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(channels_in, channels_out, size, stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    ]


def _fully_connected() -> nn.Module:
    """65,594 parameters; feature map of 48 × 4 × 4, feature of 32."""
    return nn.Sequential(
        *_convolution(3, 16, size=5, stride=2),
        *_convolution(16, 32),
        nn.MaxPool2d(2),
        *_convolution(32, 48),
        nn.MaxPool2d(2),
        *_convolution(48, 48),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(48 * 4 * 4, 32),
        nn.ReLU(),
        nn.Linear(32, 10),
    )


def _global_pooling() -> nn.Module:
    """151,298 parameters; feature map of 144 × 8 × 8, feature of 144."""
    return nn.Sequential(
        *_convolution(3, 24, stride=2),
        *_convolution(24, 48),
        nn.MaxPool2d(2),
        *_convolution(48, 80),
        nn.MaxPool2d(2),
        *_convolution(80, 144),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(144, 10),
    )


@dataclass(frozen=True)
class _Network:
    """An architecture, and the demo dataset on which it is trained."""

    build: Callable[[], nn.Module]
    training_set: str


_NETWORKS = {
    f"{name}{ending}": _Network(build, training_set)
    for ending, training_set in (("", "train"), (VARIED, f"train{VARIED}"))
    for name, build in (("fully-connected", _fully_connected), ("global-pooling", _global_pooling))
}

DEMO_NETWORKS: tuple[str, ...] = tuple(_NETWORKS)
"""The networks of the demo. Those with the ending `VARIED` are the controls."""


def _network(name: str) -> _Network:
    if name not in _NETWORKS:
        raise InputError(f"There is no demo network {name!r}; there are {', '.join(DEMO_NETWORKS)}.")
    return _NETWORKS[name]
