"""Which module of a network runs at present, and one pass over an image that finds out what it calls."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from bias_toolkit.foundation.errors import InputError


@contextmanager
def running_modules(network: nn.Module) -> Iterator[list[str]]:
    """The names of the modules that run at present, the innermost last, whenever the network runs in the block.

    The network itself has the name "".
    """
    running: list[str] = []

    def enter(name: str) -> Callable[..., None]:
        return lambda layer, inputs: running.append(name)

    def leave(layer: nn.Module, inputs: tuple[Any, ...], outputs: Any) -> None:
        running.pop()

    with ExitStack() as hooks:
        for name, layer in network.named_modules():
            hooks.enter_context(layer.register_forward_pre_hook(enter(name)))
            hooks.enter_context(layer.register_forward_hook(leave))
        yield running


@contextmanager
def probing_pass(network: nn.Module, input_size: int) -> Iterator[tuple[list[str], Callable[[], object]]]:
    """A pass, in evaluation mode, over one image (1, 3, `input_size`, `input_size`) of noise, without gradients.

    Yields the list of the running modules and the function that runs the pass. Afterwards every module is in training
    mode or not, as before. An error in the block becomes an InputError that says what could not be found.
    """
    weights = next(network.parameters(), torch.empty(0))
    noise = torch.randn(1, 3, input_size, input_size, generator=torch.Generator().manual_seed(0))
    images = noise.to(device=weights.device, dtype=weights.dtype)
    training = {layer: layer.training for layer in network.modules()}
    try:
        with torch.no_grad(), running_modules(network) as running:
            network.eval()
            yield running, lambda: network(images)
    except Exception as error:
        raise InputError(
            f"The network could not be run on an image of {input_size} × {input_size} pixels "
            f"to find its subsampling layers: {error}"
        ) from error
    finally:
        for layer, mode in training.items():
            layer.training = mode
