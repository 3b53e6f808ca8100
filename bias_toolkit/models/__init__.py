"""Classifiers: loading one with its preprocessing and class names, and running it."""

from bias_toolkit.models.checkpoint import read_checkpoint
from bias_toolkit.models.labels import LabelMatch, match_labels
from bias_toolkit.models.load import load_model, resolve_device
from bias_toolkit.models.lowpass import low_pass, subsampling_layers
from bias_toolkit.models.model import Model
from bias_toolkit.models.precision import full_float32
from bias_toolkit.models.preprocessing import Preprocessing
from bias_toolkit.models.runtime import choose_runtime

__all__ = [
    "LabelMatch",
    "Model",
    "Preprocessing",
    "choose_runtime",
    "full_float32",
    "load_model",
    "low_pass",
    "match_labels",
    "read_checkpoint",
    "resolve_device",
    "subsampling_layers",
]
