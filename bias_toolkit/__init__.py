"""bias-toolkit: is a dataset photographed in one way, and is that why a network is brittle?"""

from importlib import import_module
from typing import Any

_HOMES = {
    "Dataset": "bias_toolkit.datasets",
    "Flag": "bias_toolkit.study.flagging",
    "InputError": "bias_toolkit.foundation.errors",
    "Model": "bias_toolkit.models",
    "Settings": "bias_toolkit.study.settings",
    "Study": "bias_toolkit.study",
    "compare": "bias_toolkit.comparison",
    "load_dataset": "bias_toolkit.datasets",
    "load_model": "bias_toolkit.models",
}

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    # torch, faiss and matplotlib take seconds to import, so nothing is imported before it is used.
    if name == "__version__":
        from importlib.metadata import version

        return version("bias-toolkit")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
