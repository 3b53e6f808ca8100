"""The runtimes that execute a classifier, the choice of one, and their common interface."""

import importlib.util
import platform
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

import numpy as np
import torch

from bias_toolkit.foundation.choices import PRECISIONS, RUNTIMES
from bias_toolkit.foundation.errors import InputError

X86_64 = ("x86_64", "AMD64")


class Outputs(NamedTuple):
    """A model's outputs for N views."""

    probabilities: np.ndarray  # float32 (N, classes), each row's softmax
    features: np.ndarray  # float32 (N, dimension)


def varied_images(side: int) -> np.ndarray:
    """Six images, uint8 (6, side, side, 3): black, white, a ramp, a disc, white noise, and noise like a photograph."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side] / side
    images = np.zeros((6, side, side, 3))
    images[1] = 1
    images[2] = np.stack([x, y, 1 - x], axis=2)
    images[3] = np.where(np.hypot(x - 0.5, y - 0.4)[..., None] < 0.3, (0.9, 0.6, 0.1), (0.2, 0.4, 0.3))
    images[4] = rng.random((side, side, 3))
    # Photographs have amplitudes proportional to one over the frequency (Field, JOSA A 4(12), 1987).
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    frequency[0, 0] = np.inf
    noise = np.fft.ifft2(np.fft.fft2(rng.normal(size=(side, side, 3)), axes=(0, 1)) / frequency[..., None], axes=(0, 1))
    images[5] = 0.5 + 0.2 * noise.real / max(noise.real.std(), 1e-9)
    return (255 * images.clip(0, 1)).round().astype(np.uint8)


Batch = tuple[np.ndarray, np.ndarray | None]
"""Views evaluated together: pixels uint8 (N, W, W, 3), and where the input is 0, bool (N, W, W) or None."""


class BatchSource:
    """Batches that are requested ahead of the outputs; an error in one is kept until all outputs are returned."""

    def __init__(self, batches: Iterable[Batch]) -> None:
        self._batches = batches
        self._error: BaseException | None = None

    def __iter__(self) -> Iterator[Batch]:
        try:
            yield from self._batches
        except GeneratorExit:
            raise
        except BaseException as error:
            self._error = error

    def end(self) -> None:
        """Raise the error that ended the batches, if one did."""
        if self._error is not None:
            raise self._error


class Runtime(Protocol):
    """Executes one classifier in one precision."""

    name: str  # with its version
    batch_size: int  # number of views per batch that runs fastest
    views_in_pass: int

    def run(self, batches: Iterable[Batch]) -> Iterator[Outputs]:
        """The outputs of each batch, in order; later batches are requested while earlier ones are computed.

        An error in making a batch is raised after the outputs of all earlier batches.
        """


class Choice(NamedTuple):
    """A runtime, `torch` or `openvino`, and the reason for it in words."""

    runtime: str
    reason: str


def choose_runtime(runtime: str, device: torch.device) -> Choice:
    """The runtime that "auto", "torch" or "openvino" means on a device of this machine.

    "auto" is torch on CUDA; on an Intel or AMD CPU OpenVINO if it is installed; torch otherwise. Raises InputError if
    there is no such runtime, or OpenVINO was requested where it cannot run.
    """
    if runtime not in RUNTIMES:
        raise InputError(f"--runtime is {runtime!r}, but must be one of {', '.join(RUNTIMES)}.")
    installed = importlib.util.find_spec("openvino") is not None
    if runtime == "openvino":
        if device.type != "cpu":
            raise InputError(f"--runtime openvino runs on the CPU, not on {device}; give --device cpu or leave it out.")
        if not installed:
            raise InputError("--runtime openvino needs OpenVINO: install bias-toolkit with its extra `openvino`.")
        return Choice("openvino", "asked for")
    if runtime == "torch":
        return Choice("torch", "asked for")
    if device.type != "cpu":
        return Choice("torch", f"it runs on {device}")
    if platform.machine() not in X86_64:
        return Choice("torch", f"the processor is {platform.machine() or 'unknown'}, no Intel or AMD one")
    if not installed:
        return Choice("torch", "OpenVINO, which is faster on this processor, is not installed (extra `openvino`)")
    return Choice("openvino", "it is the fastest on this processor")


def check_precision(precision: str) -> None:
    """Raise InputError unless `precision` is one of `PRECISIONS`."""
    if precision not in PRECISIONS:
        raise InputError(f"--feature-precision is {precision!r}, but must be one of {', '.join(PRECISIONS)}.")
