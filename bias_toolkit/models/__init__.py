"""Classifiers: loading one with its preprocessing and class names, and running it."""

from importlib import import_module
from typing import Any

_HOMES = {
    "LabelMatch": "labels",
    "Model": "model",
    "Preprocessing": "preprocessing",
    "choose_runtime": "runtime",
    "full_float32": "precision",
    "load_model": "load",
    "low_pass": "lowpass",
    "match_labels": "labels",
    "names_code": "specs",
    "read_checkpoint": "checkpoint",
    "resolve_device": "load",
    "subsampling_layers": "lowpass",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    # torch takes seconds to import, and checking a model's name does not need it.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
