"""Read a weights file without running code from it, and load it into a network."""

import argparse
import codecs
import pickle
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models.weight_names import first_of, fit_names
from bias_toolkit.models.weights_file import MISMATCHED, check_weights_file

WRAPPERS = {"state_dict", "model_state_dict", "model", "net", "network"}
AVERAGED = re.compile(r"(^|[_.])(ema|swa|averaged?)([_.]|$)")
"""Of the names under which files keep averages of the weights over the training."""
DEEPEST_SET = 3
OF_LIKE_SIZE = 0.9
# Inference does not use this counter, and files from before torch 0.4.1 lack it.
UNREAD = "num_batches_tracked"
MOST_SHARED = 4
WEB_PAGE = (b"<!doctype", b"<html", b"<?xml", b"<head")
LFS_POINTER = b"version https://git-lfs"
# This byte follows the eight bytes of the header's length; torch writes a different one there.
SAFETENSORS_HEADER = b"{"

VALUES = (
    *(f"numpy{core}.multiarray.{name}" for core in (".core", "._core") for name in ("scalar", "_reconstruct")),
    *("numpy.dtype", "numpy.ndarray", "numpy.bool_", "numpy.float64", "numpy.float32", "numpy.int64"),
    *(f"numpy.dtypes.{kind}DType" for kind in ("Float64", "Float32", "Int64", "Int32", "UInt32", "UInt8", "Bool")),
    *(f"{module}.{kind}Path" for module in ("pathlib", "pathlib._local") for kind in ("Posix", "Windows")),
    *(f"{module}.Pure{kind}Path" for module in ("pathlib", "pathlib._local") for kind in ("Posix", "Windows")),
    *("datetime.datetime", "datetime.date", "datetime.timedelta"),
)
"""What training scripts store beside weights: numpy's values, paths and times."""


class _Ignored:
    """Takes the place of one of `VALUES`, which are not needed, so that nothing of theirs is executed."""

    def __new__(cls, *args: Any) -> "_Ignored":
        return super().__new__(cls)

    def __init__(self, *args: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


@dataclass(frozen=True)
class Weights:
    """The tensors of a weights file by name, and sentences on how it was read."""

    path: Path
    tensors: dict[str, Tensor]
    notes: list[str] = field(default_factory=list)


class Fitted(NamedTuple):
    """A network with the weights of a file, its number of classes, and sentences on how the file was read."""

    network: nn.Module
    n_classes: int
    notes: list[str]


def read_checkpoint(path: str | Path, key: str | None = None) -> dict[str, Tensor]:
    """The tensors of a weights file by name; see `read_weights`."""
    return read_weights(path, key).tensors


def read_weights(path: str | Path, key: str | None = None) -> Weights:
    """Read the tensors of a state dict from `.pt`, `.pth` (or any torch file) or `.safetensors`.

    A training checkpoint's wrapper, such as `{"state_dict": …, "optimizer": …}`, is removed. `key` says which of
    several sets of weights is read: its name in the file (`model_ema`, or `a.b` for one inside another), or how the
    names of its tensors begin. By default, weights are preferred to their averages over the training. No code in the
    file is executed: a file that holds more than tensors and plain values is refused. Raises InputError if the file is
    missing, damaged, needs code to be executed, holds no such weights, or would take more memory than is free or than
    its size.
    """
    path = Path(path)
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise _fault(path, f"{what}; give a .pt, .pth or .safetensors state dict")
    start = _start_of(path)
    is_safetensors = path.suffix.lower() == ".safetensors" or start[8:9] == SAFETENSORS_HEADER
    check_weights_file(path, start, is_safetensors=is_safetensors)
    content = _read_safetensors(path) if is_safetensors else _read_torch(path)
    weights = _chosen(path, _sets(content, set()), key)
    # A tensor can repeat one value, and tensors can share values.
    described = sum(tensor.numel() * tensor.itemsize for tensor in weights.tensors.values())
    size = path.stat().st_size
    if described > MOST_SHARED * size + 2**26:
        what = f"holds tensors of {described:,} bytes in a file of {size:,}; save them whole"
        raise _fault(path, f"{what} with torch.save(model.state_dict(), FILE)")
    return weights


def _sets(content: object, seen: set[int], depth: int = 0) -> dict[str, dict[str, Tensor]]:
    """The tensors of each dictionary in a file, by the keys that lead to it, as `model.state_dict`."""
    if not isinstance(content, Mapping) or id(content) in seen or depth > DEEPEST_SET:
        return {}
    seen.add(id(content))
    direct = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    found = {"": direct} if direct else {}
    for key, value in content.items():
        if isinstance(key, str):
            inner = _sets(value, seen, depth + 1)
            found |= {f"{key}.{name}".rstrip("."): tensors for name, tensors in inner.items()}
    return found


def _chosen(path: Path, sets: Mapping[str, dict[str, Tensor]], key: str | None) -> Weights:
    """The set of weights that is read, with a sentence if it could have been another."""
    if not sets:
        what = "holds no state dict (names and tensors); save one with torch.save(model.state_dict(), FILE)"
        raise _fault(path, what)
    if key in sets:
        return Weights(path, sets[key])

    def order(name: str) -> tuple[bool, int, int]:
        is_wrapper = bool(name) and WRAPPERS.issuperset(name.split("."))
        return bool(AVERAGED.search(name)), 0 if is_wrapper else 1 if not name else 2, -len(sets[name])

    taken = min(sets, key=order)
    tensors = sets[taken]
    if key is not None:
        start = key.rstrip(".") + "."
        if not (of_key := {name.removeprefix(start): each for name, each in tensors.items() if name.startswith(start)}):
            has = first_of(sorted({name for name in sets if name} | {name.partition(".")[0] for name in tensors}))
            raise _fault(path, f"has no weights under the name {key!r} of --weights-key; it has {has}")
        return Weights(path, of_key)
    notes = []
    if others := [name for name in sets if name != taken and len(sets[name]) >= OF_LIKE_SIZE * len(tensors)]:
        notes.append(
            f"The weights file {path.name} holds {1 + len(others)} sets of weights; {taken or 'the outermost'} was "
            f"taken. --weights-key takes another: {first_of(others)}."
        )
    elif AVERAGED.search(taken):
        notes.append(f"The weights are those that the file {path.name} names {taken}: averages over the training.")
    return Weights(path, tensors, notes)


def _fault(path: str | Path, what: str) -> InputError:
    return InputError(f"The weights file {path} {what}.")


def classifier_with_weights(
    build: Callable[[int], nn.Module], weights: Weights, usual_classes: int, unused: Sequence[str] = ()
) -> Fitted:
    """Build a classifier with as many classes as a file's classifier has, and load the file into it.

    `build` makes a network for a number of classes; `usual_classes` is tried first. Tensors whose names start with one
    of `unused` are left out. Raises InputError as `assign_weights` does.
    """
    network = build(usual_classes)
    tensors = fit_names(weights.tensors, network, weights.path.name, unused).tensors
    n_classes = _classes_in(tensors, network, usual_classes)
    notes = []
    if n_classes != usual_classes:
        network = build(n_classes)
        notes = [
            f"The classifier in the weights file {weights.path.name} has {n_classes:,} classes, not the "
            f"{usual_classes:,} of the published one, so their names are not known; --label-map says which is which."
        ]
    return Fitted(network, n_classes, [*assign_weights(network, weights, unused), *notes])


def assign_weights(network: nn.Module, weights: Weights, unused: Sequence[str] = ()) -> list[str]:
    """Copy a file's tensors into the network's own by name (see `fit_names`); returns sentences on how it was read.

    Raises InputError if tensors are missing, unexpected, not finite or of a different shape; the network is then
    unchanged.
    """
    tensors, notes = fit_names(weights.tensors, network, weights.path.name, unused)
    expected = {name: tensor for name, tensor in network.state_dict().items() if isinstance(tensor, Tensor)}
    lacking = [
        f"{name!r} {_shape(expected[name])}" for name in expected if name not in tensors and not name.endswith(UNREAD)
    ]
    unexpected = [f"{name!r} {_shape(tensors[name])}" for name in tensors if name not in expected]
    differing = [name for name in expected if name in tensors and tensors[name].shape != expected[name].shape]
    others = [f"{name!r} {_shape(tensors[name])} where the model has {_shape(expected[name])}" for name in differing]
    misfits = [
        f"it {says} {'tensors' if len(names) > 1 else 'tensor'} {first_of(names)}"
        for says, names in (("lacks the", lacking), ("has the unknown", unexpected), ("has other shapes: the", others))
        if names
    ]
    if len(misfits) == 1 and (head := _other_head(tensors, expected, differing)):
        misfits.append(head)
    if misfits:
        raise _fault(weights.path, f"does not fit the model: {'; '.join(misfits)}")
    _copy(network, {name: tensors[name] for name in expected if name in tensors}, weights.path)
    return [*weights.notes, *notes]


def _other_head(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], differing: Sequence[str]) -> str | None:
    """What to do if the shapes differ in one length of the first axis only, as those of a layer for other classes."""
    lengths = {(len(tensors[name]), len(expected[name])) for name in differing if tensors[name].ndim}
    if len(lengths) != 1 or any(tensors[name].shape[1:] != expected[name].shape[1:] for name in differing):
        return None
    ((given, own),) = lengths
    return f"its last layer is for {given:,} classes and the model's for {own:,}, so build the model for {given:,}"


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
        raise _fault(path, f"does not fit the model: {first_of(misfits)}")
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
    known = [argparse.Namespace, *((_Ignored, name) for name in VALUES)]
    with torch.serialization.safe_globals(known), warnings.catch_warnings():
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
