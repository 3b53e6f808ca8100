"""Read a weights file without running code from it, and load it into a network."""

import argparse
import codecs
import pickle
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import safetensors
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models.weights_file import MISMATCHED, check_weights_file

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network")
PREFIXES = ("module.", "_orig_mod.", "model.", "network.", "net.")
# Inference does not use this counter, and files from before torch 0.4.1 lack it.
UNREAD = "num_batches_tracked"
# Number of tensors named per kind of mismatch.
NAMED = 3
MOST_SHARED = 4
WEB_PAGE = (b"<!doctype", b"<html", b"<?xml", b"<head")
LFS_POINTER = b"version https://git-lfs"
# This byte follows the eight bytes of the header's length; torch writes a different one there.
SAFETENSORS_HEADER = b"{"
OLD_DENSENET_NAME = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")


def read_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """Read the tensors of a state dict from `.pt`, `.pth` (or any torch file) or `.safetensors`.

    A training checkpoint's wrapper, such as `{"state_dict": …, "optimizer": …}`, is removed. No code in the file is
    executed: a file that holds more than tensors and plain values is refused. Raises InputError if the file is missing,
    damaged, needs code to be executed, holds no state dict, or would take more memory than is free or than its size.
    """
    path = Path(path)
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise _fault(path, f"{what}; give a .pt, .pth or .safetensors state dict")
    start = _start_of(path)
    is_safetensors = path.suffix.lower() == ".safetensors" or start[8:9] == SAFETENSORS_HEADER
    check_weights_file(path, start, is_safetensors=is_safetensors)
    content = _read_safetensors(path) if is_safetensors else _read_torch(path)
    # Wrappers can be nested.
    for key in WRAPPERS * 2:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    tensors = content.items() if isinstance(content, Mapping) else ()
    tensors = {str(name): value for name, value in tensors if isinstance(value, Tensor)}
    if not tensors:
        what = "holds no state dict (names and tensors); save one with torch.save(model.state_dict(), FILE)"
        raise _fault(path, what)
    # A tensor can repeat one value, and tensors can share values.
    described = sum(tensor.numel() * tensor.itemsize for tensor in tensors.values())
    size = path.stat().st_size
    if described > MOST_SHARED * size + 2**26:
        what = f"holds tensors of {described:,} bytes in a file of {size:,}; save them whole"
        raise _fault(path, f"{what} with torch.save(model.state_dict(), FILE)")
    return tensors


def _fault(path: str | Path, what: str) -> InputError:
    return InputError(f"The weights file {path} {what}.")


def classifier_with_weights(
    build: Callable[[int], nn.Module], path: str | Path, usual_classes: int
) -> tuple[nn.Module, int]:
    """Build a classifier with as many classes as a file's classifier has, and load the file into it.

    `build` makes a network for a number of classes; `usual_classes` is tried first. Returns the network and its number
    of classes; raises InputError as `read_checkpoint` and `assign_weights` do.
    """
    tensors = read_checkpoint(path)
    network = build(usual_classes)
    n_classes = _classes_in(_with_names_of(tensors, network), network, usual_classes)
    if n_classes != usual_classes:
        network = build(n_classes)
    assign_weights(network, tensors, path)
    return network, n_classes


def assign_weights(network: nn.Module, tensors: Mapping[str, Tensor], path: str | Path) -> None:
    """Copy tensors into the network's own by name; prefixes such as `module.` are removed.

    Raises InputError if tensors are missing, unexpected, not finite or of a different shape; the network is then
    unchanged.
    """
    tensors = _with_names_of(tensors, network)
    expected = {name: tensor for name, tensor in network.state_dict().items() if isinstance(tensor, Tensor)}
    lacking = [
        f"{name!r} {_shape(expected[name])}" for name in expected if name not in tensors and not name.endswith(UNREAD)
    ]
    unexpected = [f"{name!r} {_shape(tensors[name])}" for name in tensors if name not in expected]
    others = [
        f"{name!r} {_shape(tensors[name])} where the model has {_shape(tensor)}"
        for name, tensor in expected.items()
        if name in tensors and tensors[name].shape != tensor.shape
    ]
    misfits = [
        f"it {says} {'tensors' if len(names) > 1 else 'tensor'} {_first(names)}"
        for says, names in (("lacks the", lacking), ("has the unknown", unexpected), ("has other shapes: the", others))
        if names
    ]
    if misfits:
        raise _fault(path, f"does not fit the model: {'; '.join(misfits)}")
    _copy(network, {name: tensors[name] for name in expected if name in tensors}, path)


def assign_weights_in_order(network: nn.Module, tensors: Mapping[str, Tensor], path: str | Path) -> None:
    """Copy tensors into a network with other names, in order.

    Raises InputError if the number or a shape differs, or a tensor is not finite; the network is then unchanged.
    """
    expected = {name: tensor for name, tensor in network.state_dict().items() if isinstance(tensor, Tensor)}
    if len(tensors) != len(expected):
        raise _fault(path, f"does not fit the model: it holds {len(tensors)} tensors, not {len(expected)}")
    misfits = [
        f"its tensor {given_name!r} is {_shape(given)} where the model's {name!r} is {_shape(tensor)}"
        for (name, tensor), (given_name, given) in zip(expected.items(), tensors.items(), strict=True)
        if given.shape != tensor.shape
    ]
    if misfits:
        raise _fault(path, f"does not fit the model: {_first(misfits)}")
    _copy(network, dict(zip(expected, tensors.values(), strict=True)), path)


def non_finite_tensor(network: nn.Module) -> str | None:
    """The name of a network's first tensor that contains NaN, or None."""
    for name, tensor in network.state_dict().items():
        if isinstance(tensor, Tensor) and tensor.is_floating_point() and bool(tensor.isnan().any()):
            return name
    return None


def _copy(network: nn.Module, tensors: Mapping[str, Tensor], path: str | Path) -> None:
    own = network.state_dict()
    for name, tensor in tensors.items():
        is_other = own[name].is_floating_point() and not tensor.is_floating_point()
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta or is_other:
            what = f"holds the tensor {name!r} sparse, quantised, complex or without its values"
            raise _fault(path, f"{what}; save it dense, as floating-point numbers")
        # A mask may be infinite where the network's own mask is.
        wrong = ~_is_finite(tensor) & _is_finite(own[name]).to(tensor.device)
        if wrong.any():
            first = f"{name!r} ({int(wrong.sum()):,} of {tensor.numel():,})"
            what = f"holds NaN or infinite values, first in the tensor {first}"
            raise _fault(path, f"{what}; the training that wrote it has diverged, or the file is damaged")
    network.load_state_dict(dict(tensors), strict=False)


def _is_finite(tensor: Tensor) -> Tensor:
    # 8-bit types do not support isfinite.
    return torch.isfinite(tensor.float() if tensor.is_floating_point() and tensor.itemsize < 2 else tensor)


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "scalar"


def _first(items: Sequence[str]) -> str:
    more = len(items) - NAMED
    return ", ".join(items[:NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _start_of(path: Path) -> bytes:
    """The first bytes of a file; refuses typical downloads that are not weights."""
    try:
        with open(path, "rb") as file:
            start = file.read(200)
    except OSError as error:
        raise _fault(path, f"cannot be read: {error.strerror or error}") from error
    text = start.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    if not text:
        raise _fault(path, "is empty; download or save it again")
    if text.startswith(WEB_PAGE):
        raise _fault(path, "is a web page, as a failed download leaves; download the file itself")
    if text.startswith(LFS_POINTER):
        raise _fault(path, "is a pointer of Git LFS; get what it stands for with `git lfs pull`")
    return start


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise _fault(path, f"is not a readable safetensors file: {error}") from error


def _read_torch(path: Path) -> object:
    # Training scripts store their arguments as a Namespace, which holds values and executes nothing.
    with torch.serialization.safe_globals([argparse.Namespace]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise _fault(path, _why_not_read(error)) from error


def _why_not_read(error: Exception) -> str:
    if not isinstance(error, pickle.UnpicklingError) or "invalid load key" in str(error):
        return MISMATCHED
    call = re.search(r"GLOBAL ([\w.]+)", str(error))
    what = f"calls for {call[1]}" if call else "holds more than tensors"
    return (
        f"was not loaded, because it {what}, and loading that could execute code; "
        "save the weights alone with torch.save(model.state_dict(), FILE)"
    )


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
    """The number of classes in the file's tensors, read from the axes that hold the classes in the network."""
    class_counts = {
        len(tensors[name])
        for name, tensor in network.state_dict().items()
        if tensor.ndim
        and len(tensor) == usual_classes
        and name in tensors
        and tensors[name].ndim == tensor.ndim
        and tensors[name].shape[1:] == tensor.shape[1:]
    }
    return class_counts.pop() if len(class_counts) == 1 else usual_classes
