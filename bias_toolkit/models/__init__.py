"""Classifiers: loading one with its preprocessing and class names, and running it."""

from importlib import import_module

_HOMES = {
    "NAMED_MODELS": "specs",
    "Batch": "runtime",
    "FeatureLayer": "feature_layer",
    "LabelMatch": "labels",
    "Model": "model",
    "Outputs": "runtime",
    "Preprocessing": "preprocessing",
    "choose_runtime": "runtime",
    "factory_classifier": "factory",
    "find_feature_layer": "feature_layer",
    "full_float32": "precision",
    "imagenet_classes": "imagenet",
    "load_model": "load",
    "low_pass": "lowpass",
    "match_labels": "labels",
    "names_code": "specs",
    "read_checkpoint": "checkpoint",
    "resolve_device": "load",
    "subsampling_layers": "lowpass",
}

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
    "names_code",
    "read_checkpoint",
    "resolve_device",
    "subsampling_layers",
]


def __getattr__(name: str):
    # torch takes seconds to import, and a model's name can be judged without.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__():
    return sorted([*globals(), *_HOMES])
