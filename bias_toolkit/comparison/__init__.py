"""Studies side by side: which model is more stable, at what accuracy, and on which images."""

from bias_toolkit.comparison.contents import Comparison
from bias_toolkit.comparison.page import compare

__all__ = ["Comparison", "compare"]


def __dir__() -> list[str]:
    return sorted(__all__)
