"""The main interface: a study, its inputs, settings, record and results, and the steps that compute it."""

from bias_toolkit.foundation.lazy import lazy_names

_HOMES = {"Study": "study"}

__all__ = list(_HOMES)

# The command line's help needs only the steps and settings, and importing pandas is slow.
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
