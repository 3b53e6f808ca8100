"""Find the layer that holds the feature by running the network, without a list of names."""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bias_toolkit.foundation.errors import InputError

PROBE_IMAGES = 2
MOST_CLASSIFIERS = 8  # heads side by side
MOST_TRIES = 40  # modules to try, from the last, if no classifier is found


@dataclass(frozen=True)
class Tap:
    """A point in a network: a module, its input or its output, and the axis of the channels."""

    module_name: str
    side: str  # "input" or "output"
    channel_axis: int

    def pool(self, activation: Tensor) -> Tensor:
        """The mean over all axes except images and channels: float32, images × channels, always a copy."""
        # A copy, because networks overwrite activations in place.
        places = [axis for axis in range(1, activation.ndim) if axis != self.channel_axis]
        return activation.float().mean(dim=places) if places else activation.float().clone()


@dataclass(frozen=True)
class FeatureLayer:
    """Where the feature is taken: the pooled activations at `taps`, concatenated."""

    taps: tuple[Tap, ...]

    @property
    def name(self) -> str:
        """Its name in reports, such as "input of classifier.6" or "features.28"."""
        names = ", ".join(tap.module_name for tap in self.taps)
        return f"input of {names}" if self.taps[0].side == "input" else names

    @contextmanager
    def capture(self, network: nn.Module) -> Iterator[Callable[[], Tensor]]:
        """Watch the network in the block; the yielded function returns the last feature, float32 (images, D)."""
        pooled: dict[str, Tensor] = {}

        def hook_for(tap: Tap) -> Callable[..., None]:
            def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
                activation = first_tensor((args, kwargs)) if tap.side == "input" else first_tensor(output)
                pooled[tap.module_name] = tap.pool(activation)

            return hook

        modules = dict(network.named_modules())
        with ExitStack() as hooks:
            for tap in self.taps:
                handle = modules[tap.module_name].register_forward_hook(hook_for(tap), with_kwargs=True)
                hooks.enter_context(handle)
            yield lambda: torch.cat([pooled[tap.module_name] for tap in self.taps], dim=1)


def find_feature_layer(
    network: nn.Module, images: Tensor, layer: str | None = None, *, one_output: bool = False
) -> FeatureLayer:
    """Find the penultimate activation of any classifier in eval mode, or the output of the named layer.

    The network is run once on two different normalised images, 2 × 3 × W × W, with every module watched. The classifier
    is the last module that holds a weight matrix, outputs one value per class, and alone determines the logits: if its
    output is replaced by zeros, the logits no longer depend on the image. Several parallel modules whose outputs are
    averaged count as one classifier. The feature is the classifier's input. If no module is the classifier (its weights
    belong to a container), the feature is the output of the last module that determines the logits. `one_output` says
    that the classifier has one output for two classes. Raises InputError if the layer does not exist or has no output
    per image, or if no classifier is found.
    """
    runs, output = run_watched(network, images)
    if layer is not None:
        return FeatureLayer((_named_tap(network, runs, layer),))
    logits = network_logits(output)
    shape = torch.Size([len(logits), 1]) if one_output else logits.shape
    classifiers = _classifiers(network, images, runs, shape)
    if classifiers:
        return FeatureLayer(tuple(Tap(run.name, "input", run.input_channel_axis) for run in classifiers))
    others = [run for run in runs if run.is_leaf and run.is_per_image and run.output_shape != shape]
    for run in reversed(others[-MOST_TRIES:]):
        if decide_logits(network, images, [run]):
            return FeatureLayer((Tap(run.name, "output", run.output_channel_axis),))
    raise InputError(
        "No layer of the model was found whose output alone decides the logits; name the layer to take "
        f"features from with --feature ({_some_names([run.name for run in runs])})."
    )


def network_logits(output: object) -> Tensor:
    """The logits, images × classes, from the network's output: a tensor, or one inside a container.

    From a mapping or an object with fields, the entry `logits` is used, otherwise the first tensor. Raises InputError
    if there is no tensor of that shape.
    """
    logits = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", None)
    if not isinstance(logits, Tensor):
        logits = first_tensor(output)
    if logits is None:
        raise InputError(f"The model must return a tensor of logits; it returned {type(output).__name__}.")
    if logits.ndim > 2 and logits.numel() == logits.shape[0] * logits.shape[1]:
        logits = logits.flatten(1)
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise InputError(
            "The model must return logits of shape images × classes with at least two classes; "
            f"it returned a tensor of shape {tuple(logits.shape)}."
        )
    return logits


def first_tensor(value: object) -> Tensor | None:
    """The first tensor in nested tuples, lists and mappings, or None."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            tensor = first_tensor(item)
            if tensor is not None:
                return tensor
    return None


@dataclass(frozen=True)
class Run:
    """A module's inputs and outputs in the probing pass."""

    name: str
    module: nn.Module
    input_shape: torch.Size | None
    output_shape: torch.Size

    @property
    def is_leaf(self) -> bool:
        return next(self.module.children(), None) is None

    @property
    def is_per_image(self) -> bool:
        return len(self.output_shape) >= 2 and self.output_shape[0] == PROBE_IMAGES

    @property
    def holds_matrix(self) -> bool:
        weight = getattr(self.module, "weight", None)
        own = [*self.module.parameters(recurse=False), *([weight] if isinstance(weight, Tensor) else [])]
        return any(parameter.ndim >= 2 for parameter in own)

    @property
    def input_channel_axis(self) -> int:
        return _channel_axis(self.module, self.input_shape)

    @property
    def output_channel_axis(self) -> int:
        return _channel_axis(self.module, self.output_shape)


def _channel_axis(module: nn.Module, shape: torch.Size) -> int:
    """Channels are last for vectors, token sequences and linear layers, and first for convolutions.

    In other maps, the two equal sides are the spatial axes, because inputs are square.
    """
    last = len(shape) - 1
    if last == 1 or isinstance(module, nn.Linear):
        return last
    if isinstance(module, nn.modules.conv._ConvNd | nn.modules.batchnorm._BatchNorm):
        return 1
    if last == 3 and shape[1] == shape[2] and shape[3] != shape[1]:
        return last
    return 1 if last >= 3 else last


def run_watched(network: nn.Module, images: Tensor) -> tuple[list[Run], Any]:
    """Run the network; returns its modules but itself, in the order in which they last finished, and its output."""
    seen: dict[str, Run] = {}

    def hook_for(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            given, made = first_tensor((args, kwargs)), first_tensor(output)
            if made is not None:
                seen.pop(name, None)
                seen[name] = Run(name, module, None if given is None else given.shape, made.shape)

        return hook

    with ExitStack() as hooks:
        for name, module in network.named_modules():
            if name:
                hooks.enter_context(module.register_forward_hook(hook_for(name), with_kwargs=True))
        output = network(images)
    return list(seen.values()), output


def _classifiers(network: nn.Module, images: Tensor, runs: list[Run], shape: torch.Size) -> list[Run]:
    n_classes = shape[1]
    candidates = [
        run
        for run in runs
        if run.holds_matrix
        and n_classes in run.output_shape[1:]
        and run.input_shape is not None
        and run.input_shape[0] == run.output_shape[0] == PROBE_IMAGES
    ]
    if decide_logits(network, images, candidates[-1:]):
        return candidates[-1:]
    needed = [run for run in candidates if run.output_shape == shape][-MOST_CLASSIFIERS:]
    if not decide_logits(network, images, needed):
        return []
    for run in needed:
        rest = [other for other in needed if other is not run]
        if decide_logits(network, images, rest):
            needed = rest
    return needed


def decide_logits(network: nn.Module, images: Tensor, runs: list[Run]) -> bool:
    """Whether the logits are the same for every image if the modules' outputs are replaced by zeros."""
    if not runs:
        return False
    with ExitStack() as hooks:
        for run in runs:
            hooks.enter_context(run.module.register_forward_hook(_zero_output))
        logits = network_logits(network(images))
    return bool(torch.allclose(logits[:1], logits[1:], rtol=1e-6, atol=1e-7, equal_nan=True))


def _zero_output(module: nn.Module, args: tuple, output: object) -> object:
    if isinstance(output, Tensor):
        return torch.zeros_like(output)
    if isinstance(output, tuple | list):
        return type(output)(_zero_output(module, args, item) for item in output)
    return output


def _named_tap(network: nn.Module, runs: list[Run], layer: str) -> Tap:
    by_name = {run.name: run for run in runs}
    if layer not in by_name:
        raise InputError(f"The model has no layer {layer!r} that runs ({_some_names(list(by_name), layer)}).")
    run = by_name[layer]
    if not run.is_per_image:
        raise InputError(
            f"The layer {layer!r} gives {tuple(run.output_shape)} for {PROBE_IMAGES} images, not one row per image; "
            f"name another with --feature ({_some_names(list(by_name))})."
        )
    return Tap(layer, "output", run.output_channel_axis)


def _some_names(names: list[str], near: str | None = None) -> str:
    close = difflib.get_close_matches(near, names, n=5, cutoff=0.5) if near else []
    if close:
        return f"near it: {', '.join(close)}"
    return f"it has, among others, {', '.join(names[-6:])}" if names else "none was seen to run"
