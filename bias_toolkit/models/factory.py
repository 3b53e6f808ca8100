"""A user's own network: from memory, or from a function that builds it."""

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from difflib import get_close_matches

import torch
from torch import Tensor, nn

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models.checkpoint import Weights, assign_weights
from bias_toolkit.models.model import Model
from bias_toolkit.models.preprocessing import Blueprint, Preprocessing
from bias_toolkit.models.specs import split_spec

DEFAULT_INPUT_SIZE = 224
PREPROCESSING_ATTRIBUTES = ("mean", "std", "interpolation", "crop_fraction")


def factory_classifier(spec: str, weights: Weights | None = None, *, search_current_folder: bool = False) -> Blueprint:
    """The network that `package.module:factory`, called without arguments, returns.

    The module is imported from Python's path and, if requested, from the current folder. The network may have the
    attributes (with their defaults) `input_size` (224), `mean` and `std` (three numbers; ImageNet's), `interpolation`
    ("bilinear"), `crop_fraction` (0.875), `class_names` and `class_ids`. The factory may also return a `Model`, which
    has its own settings. Raises InputError if the factory cannot be imported, fails, ends the program, or returns
    something else, if an attribute has the wrong type, or if a weights file does not fit.
    """
    made = _call(spec, search_current_folder)
    if isinstance(made, Model):
        blueprint = Blueprint(
            made.module, made.input_size, made.preprocessing, made.class_names, made.class_ids, made.feature
        )
    elif isinstance(made, nn.Module):
        blueprint = described(f"of {spec}", made)
    else:
        raise InputError(f"The factory {spec} must return a torch.nn.Module, not {type(made).__name__}.")
    if weights is not None:
        return replace(blueprint, notes=tuple(assign_weights(blueprint.network, weights)))
    return blueprint


def described(
    whose: str, network: nn.Module, input_size: int | None = None, preprocessing: Preprocessing | None = None
) -> Blueprint:
    """A network with the settings in its attributes (see `factory_classifier`), unless others are given.

    `whose` says whose network it is, for sentences. Raises InputError if an attribute has the wrong type.
    """
    if isinstance(network, torch.jit.ScriptModule):
        raise InputError(
            f"The network {whose} is TorchScript, whose layers cannot be watched: give the torch.nn.Module that it was "
            "made of, or in Python a function that calls it."
        )
    input_size = getattr(network, "input_size", DEFAULT_INPUT_SIZE) if input_size is None else input_size
    if not isinstance(input_size, int) or input_size < 1:
        raise InputError(
            f"The network {whose} has input_size {input_size!r}; it must be its side in pixels, such as 224."
        )
    if preprocessing is None:
        given = {name: getattr(network, name) for name in PREPROCESSING_ATTRIBUTES if hasattr(network, name)}
        for name in ("mean", "std"):
            # A tensor here is the network's own normalisation; using it would normalise twice.
            if isinstance(given.get(name), Tensor | nn.Module) or callable(given.get(name)):
                raise InputError(
                    f"The network {whose} has a {name} that is not three numbers; where it normalises its input "
                    "itself, rename that and set mean = (0, 0, 0) and std = (1, 1, 1)."
                )
        preprocessing = Preprocessing(**given)
    return Blueprint(
        network,
        input_size,
        preprocessing,
        class_names=getattr(network, "class_names", None),
        class_ids=getattr(network, "class_ids", None),
    )


def _call(spec: str, search_current_folder: bool) -> object:
    factory = _import(spec, search_current_folder)
    try:
        return factory()
    except SystemExit as error:
        raise InputError(f"The factory {spec} ended the program instead of returning a network.") from error
    except Exception as error:
        raise InputError(f"The factory {spec} failed: {_error_text(error)}.") from error


def _import(spec: str, search_current_folder: bool) -> Callable[[], object]:
    module_name, factory_name = split_spec(spec)
    try:
        with _current_folder_on_path() if search_current_folder else nullcontext():
            module = importlib.import_module(module_name)
    except SystemExit as error:
        raise InputError(f"The module {module_name!r} of the model {spec} ended the program when imported.") from error
    except Exception as error:
        raise InputError(
            f"The module {module_name!r} of the model {spec} cannot be imported: {_error_text(error)}."
        ) from error
    factory = getattr(module, factory_name, None)
    if not callable(factory):
        close = get_close_matches(factory_name, [name for name in vars(module) if not name.startswith("_")], n=3)
        hint = f"; near it are {', '.join(close)}" if close else ""
        raise InputError(f"The module {module_name!r} has no function {factory_name!r}{hint}.")
    return factory


@contextmanager
def _current_folder_on_path() -> Iterator[None]:
    folder = os.getcwd()
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        with suppress(ValueError):
            sys.path.remove(folder)


def _error_text(error: Exception) -> str:
    """An error's type and message on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(".: ")
