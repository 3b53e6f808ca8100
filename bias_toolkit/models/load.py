"""Load a model from its name, a weights file, or the user's own network or function."""

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bias_toolkit.foundation.errors import InputError, first_line
from bias_toolkit.models import demo
from bias_toolkit.models.checkpoint import Weights, assign_weights, read_weights
from bias_toolkit.models.factory import described, factory_classifier
from bias_toolkit.models.function_network import FEATURE, FunctionNetwork
from bias_toolkit.models.model import Model
from bias_toolkit.models.outputs import LOGITS
from bias_toolkit.models.preprocessing import Blueprint, Preprocessing
from bias_toolkit.models.specs import (
    EFFICIENTNET_LITES,
    LIBRARIES,
    NAMED_MODELS,
    OTHER_MODELS,
    SUGGESTED_MODELS,
    name_of,
    names_code,
    split_spec,
)


def load_model(
    spec: str | nn.Module | Callable[[Any], Any],
    *,
    weights: str | Path | None = None,
    weights_key: str | None = None,
    outputs: str | None = None,
    feature: str | None = None,
    device: str = "auto",
    runtime: str = "auto",
    batch_size: int | None = None,
    search_current_folder: bool = False,
    name: str | None = None,
    input_size: int | None = None,
    preprocessing: Preprocessing | None = None,
    class_names: Sequence[str] | None = None,
    class_ids: Sequence[str] | None = None,
    identity: str | None = None,
) -> Model:
    """Load a classifier with its weights, preprocessing and class names.

    Raises InputError if the model is unknown, its weights cannot be obtained or do not fit, or the layer, device or
    runtime does not exist.

    Parameters
    ----------
    spec : str, nn.Module or callable
        `efficientnet-lite0`, `-lite1` or `-lite2`; `demo`, which is `demo:fully-connected`, or another of
        `NAMED_MODELS`; `torchvision:NAME`; `timm:NAME`; or `package.module:factory` (see `factory_classifier`), which
        imports and runs that code (`bias_toolkit.models.specs.names_code` detects it). Or a network, of which a copy is
        used, or a function of a batch of images (see `FunctionNetwork`).
    weights : path, optional
        A state dict (.pt, .pth, .safetensors) to use instead of the published weights.
    weights_key : str, optional
        Which weights are taken of a file that has several (see `read_weights`).
    outputs : {"logits", "probabilities", "independent"}, optional
        What the network returns; by default recognised (see `bias_toolkit.models.outputs`).
    feature : str, optional
        The layer whose pooled output is the feature; by default the penultimate activation.
    device : str
        "auto" (CUDA if available, else the CPU) or a torch device such as "cpu", "cuda:1" or "mps".
    runtime : {"auto", "torch", "openvino"}
        The runtime that executes it (see `choose_runtime`).
    batch_size : int, optional
        Views in one forward pass; the runtime's choice by default.
    search_current_folder : bool
        Whether a factory's module is also searched in the current folder.
    name, input_size, preprocessing, class_names, class_ids : optional
        Of a network or a function: its name in reports, its side in pixels, and the others as `Model` takes them. By
        default a network's own attributes of these names, else 224 pixels and ImageNet's preprocessing.
    identity : str
        Of a function: a text that changes whenever the function computes something else, such as the name and the
        version of its weights. Results under the same identity are taken to be of the same function.

    Examples
    --------
    >>> model = load_model("demo", runtime="torch")
    >>> model.input_size, model.n_classes
    (64, 10)
    >>> import numpy as np
    >>> views = np.zeros((2, 64, 64, 3), np.uint8)
    >>> model.evaluate(views).probabilities.shape
    (2, 10)
    """
    chosen = resolve_device(device)
    if weights is None and weights_key is not None:
        raise InputError("--weights-key is of a file of weights; give the file with --weights, or leave it out.")
    with _reproducibly():
        file = None if weights is None else read_weights(weights, weights_key)
        if isinstance(spec, str):
            given = (name, input_size, preprocessing, class_names, class_ids, identity)
            if any(each is not None for each in given):
                raise InputError(
                    f"The model {spec} has a name, an input size, a preprocessing and classes of its own; give others "
                    "with a network or a function only."
                )
            blueprint = _blueprint(spec, file, search_current_folder)
            name = spec if file is None else f"{spec} ({file.path.name})"
            if split_spec(spec)[0] in LIBRARIES:
                # Their networks give logits; those of SqueezeNet, which end in a ReLU, can look like probabilities.
                outputs = outputs or LOGITS
        else:
            blueprint = _from_memory(spec, file, identity, input_size, preprocessing)
            name = name or name_of(spec)
            runtime = "torch" if isinstance(blueprint.network, FunctionNetwork) and runtime == "auto" else runtime
        model = Model(
            name,
            blueprint.network,
            input_size=blueprint.input_size,
            preprocessing=blueprint.preprocessing,
            class_names=blueprint.class_names if class_names is None else class_names,
            class_ids=blueprint.class_ids if class_ids is None else class_ids,
            feature=feature or blueprint.feature,
            device=chosen,
            runtime=runtime,
            batch_size=batch_size,
            outputs=outputs,
            spec=spec if isinstance(spec, str) else None,
            notes=blueprint.notes,
        )
        if isinstance(model.module, FunctionNetwork) and not model.module.gives_features:
            model.notes += (f"The function {name} gives no features, so distances are between its outputs.",)
        return model


def _from_memory(
    given: nn.Module | Callable[[Any], Any],
    weights: Weights | None,
    identity: str | None,
    input_size: int | None,
    preprocessing: Preprocessing | None,
) -> Blueprint:
    """A copy of a network, or a function, with the settings that are given or that the network has."""
    name = name_of(given)
    if isinstance(given, nn.Module):
        try:
            network = copy.deepcopy(given)
        except Exception as error:
            raise InputError(f"The network {name} cannot be copied ({first_line(error)}).") from error
        blueprint = described(name, network, input_size, preprocessing)
        notes = [] if weights is None else assign_weights(network, weights)
    elif not callable(given):
        raise InputError(f"A model is a name, a torch.nn.Module or a function, not {type(given).__name__}.")
    elif weights is not None:
        raise InputError(f"The function {name} takes no weights from a file; leave --weights out.")
    elif not identity:
        raise InputError(
            f"The function {name} does not show its weights, so say what identifies it: load_model(…, identity=TEXT), "
            "with a text that you change whenever it computes something else."
        )
    else:
        blueprint = described(name, FunctionNetwork(given, identity), input_size, preprocessing)
        blueprint, notes = replace(blueprint, feature=FEATURE), []
    if preprocessing is None and not any(hasattr(given, each) for each in ("mean", "std")):
        notes.append(f"The preprocessing of {name} was not given: ImageNet's mean and standard deviation are used.")
    return replace(blueprint, notes=tuple(notes))


def resolve_device(device: str) -> torch.device:
    """The torch device for "auto", "cpu", "cuda:1" …; raises InputError if there is no such device."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen).item()
    except (RuntimeError, AssertionError, TypeError, ImportError) as error:
        raise InputError(
            f"The device {device!r} is not to be had on this machine; --device takes auto, cpu, cuda or mps."
        ) from error
    return chosen


def _blueprint(spec: str, weights: Weights | None, search_current_folder: bool) -> Blueprint:
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


def _demo(name: str, weights: Weights | None) -> Blueprint:
    notes: list[str] = []
    if weights is None:
        network, _ = demo.load_demo_network(name)
    else:
        network = demo.build_demo_network(name)
        notes = assign_weights(network, weights)
    return Blueprint(
        network,
        demo.DEMO_INPUT_SIZE,
        demo.DEMO_PREPROCESSING,
        class_names=demo.DEMO_CLASS_NAMES,
        notes=tuple(notes),
    )


@contextmanager
def _reproducibly() -> Iterator[None]:
    """In the block, randomness neither depends on nor changes the caller's generator; warnings are suppressed."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.default_generator.manual_seed(0)
        yield
