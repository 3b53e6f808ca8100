"""What a network's output means: which of its tensors are the class scores, and how they become probabilities.

Scores are logits (a softmax makes probabilities of them), probabilities that sum to 1, or independent probabilities,
one for each class, as a sigmoid gives them. One score for each image is that of the second of two classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bias_toolkit.foundation.choices import OUTPUTS
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.models.feature_layer import network_logits

LOGITS, PROBABILITIES, INDEPENDENT = OUTPUTS
MOVES = (
    "View",
    "UnsafeView",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "Clone",
    "Cat",
    "Slice",
    "Select",
    "Permute",
    "TBackward",
)
LINEAR = ("Addmm", "Mm", "Bmm", "Convolution")
"""Operations of torch that only move values, and those that give logits, by the beginning of their gradient's name."""

Place = tuple[int | str, ...]


@dataclass(frozen=True)
class Reading:
    """How a network's output is read. As a forward hook of the network, it makes the output its scores.

    Parameters
    ----------
    outputs : {"logits", "probabilities", "independent"}
    function : {"softmax", "sigmoid", "none"}
        What makes probabilities of the scores.
    place : sequence of int and str
        The indices and keys that lead from the output to the tensor of the scores.
    is_one : bool
        Whether the tensor has one score for each image.
    is_usual : bool
        Whether `network_logits` would read the same.
    notes : sequence of str
        Sentences on what was recognised.
    """

    outputs: str
    function: str
    place: Place = ()
    is_one: bool = False
    is_usual: bool = True
    notes: tuple[str, ...] = ()

    def __call__(self, network: nn.Module, inputs: tuple[Any, ...], output: Any) -> Tensor:
        """The scores, images × classes."""
        scores = _rows(_at(output, self.place))
        if not self.is_one:
            return scores
        return torch.cat([1 - scores if self.function == "none" else torch.zeros_like(scores), scores], dim=1)

    def probabilities(self, scores: Tensor) -> Tensor:
        """The probabilities of scores, images × classes."""
        if self.function == "softmax":
            return torch.softmax(scores, dim=1)
        return torch.sigmoid(scores) if self.function == "sigmoid" else scores

    @property
    def identity(self) -> str | None:
        """What tells it from the usual reading of a network with these weights; None if it is that."""
        if self.is_usual and self.outputs != INDEPENDENT:
            return None
        return " ".join([self.outputs, self.function, *map(str, self.place)])


def reading_of(network: nn.Module) -> Reading | None:
    """The reading that is already a hook of a network, or of the network that it is a copy of."""
    return next((hook for hook in network._forward_hooks.values() if isinstance(hook, Reading)), None)


def find_reading(
    network: nn.Module,
    images: Tensor,
    output: Any,
    others: Callable[[], Tensor],
    outputs: str | None = None,
    n_names: int | None = None,
) -> Reading:
    """Find how a network's output has to be read, from that on images, N × 3 × W × W, and on others if needed.

    `outputs` states what the scores are, `n_names` is the number of the classes' names; None if not known. Raises
    InputError if there are no scores, one row an image, or `outputs` is not one of `OUTPUTS`, or does not fit them.
    """
    if outputs is not None and outputs not in OUTPUTS:
        raise InputError(f"--outputs is {outputs!r}, but must be one of {', '.join(OUTPUTS)}.")
    place, why = _find_place(network, images, output, n_names)
    scores = _rows(_at(output, place))
    is_one = scores.shape[1] == 1

    def are_fractions() -> bool:
        return _are_fractions(scores) and _are_fractions(_rows(_at(network(others()), place)))

    sums_to_1 = not is_one and are_probabilities(scores)
    if outputs is not None:
        kind = outputs
    elif sums_to_1:
        kind = PROBABILITIES
    else:
        kind = INDEPENDENT if _may_be_fractions(network, images, place) and are_fractions() else LOGITS
    if kind == PROBABILITIES and not (sums_to_1 or (is_one and are_fractions())):
        raise InputError("--outputs is probabilities, but the model's outputs are not in 0 … 1 with the sum 1.")
    is_raw = kind == LOGITS or (kind == INDEPENDENT and not sums_to_1 and not are_fractions())
    notes = [why] if why else []
    if is_one:
        # Of two classes, one probability says both.
        kind, function = (LOGITS, "softmax") if is_raw else (PROBABILITIES, "none")
        what = "a logit" if is_raw else "a probability"
        notes.append(f"The model gives one number for each image: {what}, taken as that of the second of two classes.")
    elif kind == INDEPENDENT and is_raw:
        function = "sigmoid"
        notes.append("A sigmoid makes independent probabilities of the model's outputs.")
    else:
        function = "softmax" if is_raw else "none"
        if kind == INDEPENDENT and outputs is None:
            notes.append(
                "The model's outputs are taken as independent probabilities, one for each class: all are in 0 … 1, and "
                "their sum is not 1. If they are logits, give --outputs logits."
            )
    is_usual = not is_one and kind == (PROBABILITIES if sums_to_1 else LOGITS) and _is_read_first(scores, output)
    return Reading(kind, function, place, is_one, is_usual, tuple(notes))


def _find_place(network: nn.Module, images: Tensor, output: Any, n_names: int | None) -> tuple[Place, str | None]:
    """Where the scores are in an output, and a sentence if they could be elsewhere."""
    found = {place: tensor for place, tensor in _places(output) if _is_per_image(tensor, len(images))}
    named = [place for place in found if place and place[-1] == "logits"]
    if not found:
        network_logits(output)
        raise InputError("The model must return logits, one row an image.")
    if len(found) == 1 or named:
        return (named or list(found))[0], None
    fitting = [place for place, tensor in found.items() if _rows(tensor).shape[1] == n_names]
    if len(fitting) == 1:
        place, why = fitting[0], "it has as many numbers as there are names of classes"
    elif len(last := _not_used_further(network, images, list(found))) == 1:
        place, why = last[0], "the others do not depend on it, and it is computed from them"
    else:
        place, why = next(iter(found)), "it is the first; if that is wrong, let the network return the logits alone"
    number = list(found).index(place) + 1
    return place, f"The model gives {len(found)} outputs for each image. Number {number} is taken as the logits: {why}."


def _not_used_further(network: nn.Module, images: Tensor, places: list[Place]) -> list[Place]:
    """The tensors of an output that are computed from all others in it; at most one."""
    with torch.inference_mode(False), torch.enable_grad():
        try:
            output = network(images.clone().requires_grad_())
            tensors = {place: _at(output, place) for place in places}

            def needs(place: Place, other: Place) -> bool:
                (slope,) = torch.autograd.grad(
                    tensors[place].sum(), tensors[other], allow_unused=True, retain_graph=True
                )
                return slope is not None

            return [place for place in places if all(needs(place, other) for other in places if other != place)]
        except RuntimeError:
            # A network that computes without derivatives.
            return []


def _may_be_fractions(network: nn.Module, images: Tensor, place: Place) -> bool:
    """Whether scores are more than the result of a linear operation, as far as torch knows."""
    with torch.inference_mode(False), torch.enable_grad():
        try:
            made = _at(network(images.clone().requires_grad_()), place).grad_fn
        except RuntimeError:
            return True
    while made is not None and type(made).__name__.startswith(MOVES) and made.next_functions:
        made = made.next_functions[0][0]
    return made is None or not type(made).__name__.startswith(LINEAR)


def _places(output: Any, place: Place = ()) -> Iterator[tuple[Place, Tensor]]:
    """The tensors in nested tuples, lists, mappings and objects with fields, and where they are."""
    if isinstance(output, Tensor):
        yield place, output
        return
    if isinstance(output, Mapping):
        items = list(output.items())
    elif isinstance(output, Sequence) and not isinstance(output, str):
        names = getattr(output, "_fields", range(len(output)))
        items = list(zip(names, output, strict=True))
    else:
        items = [] if place else list(getattr(output, "__dict__", {}).items())
    for key, value in items:
        yield from _places(value, (*place, key))


def _at(output: Any, place: Place) -> Tensor:
    for key in place:
        is_field = isinstance(key, str) and not isinstance(output, Mapping)
        output = getattr(output, key) if is_field else output[key]
    return output


def _is_per_image(tensor: Tensor, n: int) -> bool:
    return tensor.ndim > 0 and len(tensor) == n and tensor.numel() == n * (tensor.shape[1] if tensor.ndim > 1 else 1)


def _rows(tensor: Tensor) -> Tensor:
    """The scores as images × classes."""
    return tensor.flatten(1) if tensor.ndim > 1 else tensor[:, None]


def _is_read_first(scores: Tensor, output: Any) -> bool:
    """Whether `network_logits` reads the same scores from an output."""
    try:
        usual = network_logits(output)
    except InputError:
        return False
    return usual.data_ptr() == scores.data_ptr() and usual.shape == scores.shape


def _are_fractions(scores: Tensor) -> bool:
    return bool(((scores >= 0) & (scores <= 1)).all())


def are_probabilities(rows: Tensor) -> bool:
    return bool(
        (rows >= 0).all() and torch.allclose(rows.float().sum(dim=1), torch.ones(len(rows), device=rows.device))
    )
