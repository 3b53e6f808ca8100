"""The demo's four small classifiers of 64 × 64 images, with weights that ship with the package.

There are two architectures. Both subsample by strides and max-pooling without any low-pass filter, like the networks of
A, so a one-pixel shift matters. They differ in their heads (A, section 4). One reads the feature map with a fully
connected layer, like VGG, and so knows the position of a pattern in the image. The other averages the feature map over
the image, like ResNet, and discards the position.

Each is trained twice, in the same way: on digits that are framed as photographers frame their subjects, and, as a
control, on digits at any position and scale. The control differs from the first in its training images only.

To show what remedies change, each was also trained from scratch on the photographers' digits in the four arms of
`bias_toolkit.models.training.arms`, with three seeds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from safetensors.torch import load_file
from torch import nn

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models.preprocessing import Preprocessing
from bias_toolkit.models.specs import ARM_NETWORKS, DEMO_SEEDS, VARIED, demo_arm
from bias_toolkit.models.training.arms import ARMS, Arm

DEMO_INPUT_SIZE = 64
DEMO_CLASS_NAMES: tuple[str, ...] = tuple("0123456789")
DEMO_PREPROCESSING = Preprocessing(
    mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), interpolation="bicubic", crop_fraction=1.0
)
WEIGHTS = Path(__file__).parent / "weights"


def load_demo_network(name: str) -> tuple[nn.Module, Path]:
    """A network of the demo, trained and in eval mode, and the file of its weights.

    It takes images N × 3 × 64 × 64, normalised by `DEMO_PREPROCESSING`, and returns logits N × 10. `name` is one of
    `DEMO_NETWORKS`, or a `demo_arm`, whose file holds all arms in float16. Raises InputError if there is no demo
    network of that name.
    """
    network, path = build_demo_network(name), WEIGHTS / demo_weights_file(name)
    own = f"{name}." if _network(name).arm else ""
    stored = {key.removeprefix(own): tensor for key, tensor in load_file(path).items() if key.startswith(own)}
    network.load_state_dict(stored)
    return network.eval(), path


def build_demo_network(name: str) -> nn.Module:
    """The same network untrained, with random weights from torch's global generator."""
    described = _network(name)
    network = described.build()
    return described.arm.network(network, DEMO_INPUT_SIZE) if described.arm else network


def demo_training_set(name: str) -> str:
    """The demo dataset on which a network was trained."""
    return _network(name).training_set


def demo_weights_file(name: str) -> str:
    """The name of a network's weights file."""
    return f"demo-{_network(name).file}.safetensors"


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
    """An architecture, the demo dataset and the arm, if any, in which it is trained, and its file."""

    build: Callable[[], nn.Module]
    training_set: str
    file: str
    arm: Arm | None = None


_ARCHITECTURES = {"fully-connected": _fully_connected, "global-pooling": _global_pooling}
_NETWORKS = {
    f"{name}{ending}": _Network(build, f"train{ending}", f"{name}{ending}")
    for ending in ("", VARIED)
    for name, build in _ARCHITECTURES.items()
}
_ARMS = {
    demo_arm(name, arm.name, seed): _Network(_ARCHITECTURES[name], "train", f"{name}-arms", arm)
    for name, arm, seed in product(ARM_NETWORKS, ARMS, DEMO_SEEDS)
}

DEMO_NETWORKS: tuple[str, ...] = tuple(_NETWORKS)
"""The networks of the demo. Those with the ending `VARIED` are the controls."""


def _network(name: str) -> _Network:
    known = _NETWORKS | _ARMS
    if name not in known:
        raise InputError(f"There is no demo network {name!r}; there are {', '.join(DEMO_NETWORKS)}.")
    return known[name]
