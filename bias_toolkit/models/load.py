"""Load a model from its name, a weights file, or the user's own function."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

import torch

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models import demo
from bias_toolkit.models.checkpoint import assign_weights, read_checkpoint
from bias_toolkit.models.factory import factory_classifier
from bias_toolkit.models.model import Model
from bias_toolkit.models.preprocessing import Blueprint
from bias_toolkit.models.specs import (
    EFFICIENTNET_LITES,
    NAMED_MODELS,
    OTHER_MODELS,
    SUGGESTED_MODELS,
    names_code,
    split_spec,
)


def load_model(
    spec: str,
    *,
    weights: str | Path | None = None,
    feature: str | None = None,
    device: str = "auto",
    runtime: str = "auto",
    batch_size: int | None = None,
    search_current_folder: bool = False,
) -> Model:
    """Load a classifier with its weights, preprocessing and class names.

    Raises InputError if the model is unknown, its weights cannot be obtained or do not fit, or the layer, device or
    runtime does not exist.

    Parameters
    ----------
    spec : str
        `efficientnet-lite0`, `-lite1` or `-lite2`; `demo`, which is `demo:fully-connected`, or another of
        `NAMED_MODELS`; `torchvision:NAME`; `timm:NAME`; or `package.module:factory` (see `factory_classifier`), which
        imports and runs that code (`bias_toolkit.models.specs.names_code` detects it).
    weights : path, optional
        A state dict (.pt, .pth, .safetensors) to use instead of the published weights.
    feature : str, optional
        The layer whose pooled output is the feature; by default the penultimate activation.
    device : str
        "auto" (CUDA if available, else the CPU) or a torch device such as "cpu" or "cuda:1".
    runtime : {"auto", "torch", "openvino"}
        The runtime that executes it (see `choose_runtime`).
    batch_size : int, optional
        Views in one forward pass; the runtime's choice by default.
    search_current_folder : bool
        Whether a factory's module is also searched in the current folder.
    """
    chosen = resolve_device(device)
    weights = None if weights is None else Path(weights)
    with _reproducibly():
        blueprint = _blueprint(spec, weights, search_current_folder)
        return Model(
            spec if weights is None else f"{spec} ({weights.name})",
            blueprint.network,
            input_size=blueprint.input_size,
            preprocessing=blueprint.preprocessing,
            class_names=blueprint.class_names,
            class_ids=blueprint.class_ids,
            feature=feature or blueprint.feature,
            device=chosen,
            runtime=runtime,
            batch_size=batch_size,
        )


def resolve_device(device: str) -> torch.device:
    """The torch device for "auto", "cpu", "cuda:1" …; raises InputError if there is no such device."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen).item()
    except (RuntimeError, AssertionError, TypeError, ImportError) as error:
        raise InputError(
            f"The device {device!r} is not to be had on this machine; --device takes auto, cpu or cuda."
        ) from error
    return chosen


def _blueprint(spec: str, weights: Path | None, search_current_folder: bool) -> Blueprint:
    kind, name = split_spec(spec)
    if kind == "demo" and spec in NAMED_MODELS:
        return _demo(name or "fully-connected", weights)
    if names_code(spec):
        return factory_classifier(spec, weights, search_current_folder=search_current_folder)

    # timm and torchvision take as long to import as torch.
    from bias_toolkit.models import pretrained

    if spec in EFFICIENTNET_LITES:
        return pretrained.efficientnet_lite(spec, weights)
    if kind == "torchvision" and name:
        return pretrained.torchvision_classifier(name, weights)
    if kind == "timm" and name:
        return pretrained.timm_classifier(name, weights)
    meant = get_close_matches(spec.replace("_", "-"), NAMED_MODELS, n=2, cutoff=0.7)
    meant += pretrained.similar_classifiers(spec.rpartition(":")[2])
    hint = f"near it are {', '.join(meant)}" if meant else f"give {', '.join(SUGGESTED_MODELS)}, {OTHER_MODELS}"
    raise InputError(f"There is no model {spec!r}; {hint}.")


def _demo(name: str, weights: Path | None) -> Blueprint:
    if weights is None:
        network, _ = demo.load_demo_network(name)
    else:
        network = demo.build_demo_network(name)
        assign_weights(network, read_checkpoint(weights), weights)
    return Blueprint(network, demo.DEMO_INPUT_SIZE, demo.DEMO_PREPROCESSING, class_names=demo.DEMO_CLASS_NAMES)


@contextmanager
def _reproducibly() -> Iterator[None]:
    """In the block, randomness neither depends on nor changes the caller's generator; warnings are suppressed."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.default_generator.manual_seed(0)
        yield
