"""Reading a file of weights without running code from it, and putting them into a network."""

from __future__ import annotations

import argparse
import pickle
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import safetensors
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from bias_toolkit.errors import InputError

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network")
PREFIXES = ("module.", "_orig_mod.", "model.", "network.", "net.")
# Inference does not read the counter, and files from before torch 0.4.1 lack it.
UNREAD = "num_batches_tracked"
OLD_DENSENET_NAME = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")


def read_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """Read the tensors of a state dict from `.pt`, `.pth` (or any torch file) or `.safetensors`.

    A training checkpoint's wrapper, such as `{"state_dict": …, "optimizer": …}`, is opened. Nothing in the
    file is executed: one that holds more than tensors and plain values is refused.

    Raises
    ------
    InputError
        If the file is missing, damaged, needs code to be executed, or holds no state dict.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"The weights file {path} does not exist.")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    for key in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not any(isinstance(value, Tensor) for value in content.values()):
        raise InputError(
            f"The weights file {path} holds no state dict (names and tensors); "
            "save one with torch.save(model.state_dict(), FILE)."
        )
    return {str(name): value for name, value in content.items() if isinstance(value, Tensor)}


def classifier_with_weights(
    build: Callable[[int], nn.Module], path: str | Path, usual_classes: int
) -> tuple[nn.Module, int]:
    """Build a classifier with as many classes as a file's classifier has, and load the file into it.

    Parameters
    ----------
    build : callable
        Makes the network with the given number of classes.
    path : path
        As `read_checkpoint` takes.
    usual_classes : int
        The number of classes to try first.

    Returns
    -------
    The network, and its number of classes.

    Raises
    ------
    InputError
        As `read_checkpoint` and `assign_weights` do.
    """
    tensors = read_checkpoint(path)
    network = build(usual_classes)
    n_classes = _classes_in(_with_names_of(tensors, network), network, usual_classes)
    if n_classes != usual_classes:
        network = build(n_classes)
    assign_weights(network, tensors, path)
    return network, n_classes


def assign_weights(network: nn.Module, tensors: Mapping[str, Tensor], path: str | Path) -> None:
    """Copy tensors into the network's own by name; prefixes such as `module.` are taken off.

    Raises
    ------
    InputError
        Naming the first tensor that is missing, too many, or of another shape; the network is then unchanged.
    """
    tensors = _with_names_of(tensors, network)
    expected = network.state_dict()
    for name, tensor in expected.items():
        if name not in tensors and not name.endswith(UNREAD):
            raise InputError(f"The weights file {path} does not fit the model: it lacks the tensor {name!r}.")
        if name in tensors and tensors[name].shape != tensor.shape:
            raise InputError(
                f"The weights file {path} does not fit the model: its tensor {name!r} has shape "
                f"{tuple(tensors[name].shape)} where the model has {tuple(tensor.shape)}."
            )
    unexpected = next((name for name in tensors if name not in expected), None)
    if unexpected is not None:
        raise InputError(
            f"The weights file {path} does not fit the model: it holds the tensor {unexpected!r}, "
            "which the model has not."
        )
    network.load_state_dict(dict(tensors), strict=False)


def assign_weights_in_order(network: nn.Module, tensors: Mapping[str, Tensor], path: str | Path) -> None:
    """Copy tensors whose names differ from the network's, first to first, last to last.

    Raises
    ------
    InputError
        If their number differs, or naming the first pair whose shapes differ.
    """
    expected = network.state_dict()
    if len(tensors) != len(expected):
        raise InputError(
            f"The weights file {path} does not fit the model: it holds {len(tensors)} tensors, not {len(expected)}."
        )
    for (name, tensor), (given_name, given) in zip(expected.items(), tensors.items(), strict=True):
        if given.shape != tensor.shape:
            raise InputError(
                f"The weights file {path} does not fit the model: its tensor {given_name!r} has shape "
                f"{tuple(given.shape)} where the model's {name!r} has {tuple(tensor.shape)}."
            )
    network.load_state_dict(dict(zip(expected, tensors.values(), strict=True)))


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise InputError(f"The weights file {path} is not a readable safetensors file: {error}.") from error


def _read_torch(path: Path) -> object:
    # Training scripts store their arguments as a Namespace, which holds values and runs nothing.
    with torch.serialization.safe_globals([argparse.Namespace]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise InputError(_why_not_read(path, error)) from error


def _why_not_read(path: Path, error: Exception) -> str:
    needs_code = isinstance(error, pickle.UnpicklingError) or "TorchScript" in str(error)
    if needs_code and "invalid load key" not in str(error):
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"calls for {found[1]}" if found else "holds more than tensors"
        return (
            f"The weights file {path} was not loaded, because it {what}, and loading that could execute code; "
            "save the weights alone with torch.save(model.state_dict(), FILE)."
        )
    return f"The weights file {path} is damaged or is no torch file; give a .pt, .pth or .safetensors state dict."


def _with_names_of(tensors: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    expected = network.state_dict()
    renamed = {OLD_DENSENET_NAME.sub(r"\1\2.", name): tensor for name, tensor in tensors.items()}
    if renamed.keys() == expected.keys():
        return renamed
    stripped = True
    while stripped:
        stripped = False
        for prefix in PREFIXES:
            shared = all(name.startswith(prefix) for name in renamed)
            if shared and not all(name.startswith(prefix) for name in expected):
                renamed = {name.removeprefix(prefix): tensor for name, tensor in renamed.items()}
                stripped = True
    return renamed


def _classes_in(tensors: Mapping[str, Tensor], network: nn.Module, usual_classes: int) -> int:
    """The first axis that the file's tensors have where the network's have its number of classes."""
    found = {
        len(tensors[name])
        for name, tensor in network.state_dict().items()
        if tensor.ndim
        and len(tensor) == usual_classes
        and name in tensors
        and tensors[name].ndim == tensor.ndim
        and tensors[name].shape[1:] == tensor.shape[1:]
    }
    return found.pop() if len(found) == 1 else usual_classes
