"""Extract features, and store them in shards on disk."""

from importlib import import_module
from typing import Any

_HOMES = {
    "FEATURE_ROWS": "store",
    "FeatureStore": "store",
    "TRAINING_DISTANCES": "distances",
    "feature_shards": "extract",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    # pandas takes most of a second to import, and the help of a command does not need it.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
