"""Classifiers: loading one with its preprocessing and class names, and running it."""

from bias_toolkit.foundation.lazy import lazy_names

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

# torch takes seconds to import, and checking a model's name does not need it.
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
