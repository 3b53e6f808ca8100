"""Classifiers: loading one with its preprocessing and class names, and running it."""

from bias_toolkit.models.checkpoint import read_checkpoint
from bias_toolkit.models.factory import factory_classifier
from bias_toolkit.models.feature_layer import FeatureLayer, find_feature_layer
from bias_toolkit.models.imagenet import imagenet_classes
from bias_toolkit.models.labels import LabelMatch, match_labels
from bias_toolkit.models.load import NAMED_MODELS, load_model, resolve_device
from bias_toolkit.models.lowpass import low_pass, subsampling_layers
from bias_toolkit.models.model import Model
from bias_toolkit.models.precision import full_float32
from bias_toolkit.models.preprocessing import Preprocessing
from bias_toolkit.models.runtime import Batch, Outputs, choose_runtime

__all__ = [
    "NAMED_MODELS",
    "Batch",
    "FeatureLayer",
    "LabelMatch",
    "Model",
    "Outputs",
    "Preprocessing",
    "choose_runtime",
    "factory_classifier",
    "find_feature_layer",
    "full_float32",
    "imagenet_classes",
    "load_model",
    "low_pass",
    "match_labels",
    "read_checkpoint",
    "resolve_device",
    "subsampling_layers",
]
