"""The main interface: a study, its inputs, settings, record and results, and the steps that compute it."""

from importlib import import_module
from typing import Any

__all__ = ["Study"]


def __getattr__(name: str) -> Any:
    # The command line's help needs only the steps and settings, and importing pandas is slow.
    if name != "Study":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module("bias_toolkit.study.study").Study


def __dir__() -> list[str]:
    return sorted(__all__)
