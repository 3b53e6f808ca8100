"""Every operation of a network's forward pass that subsamples a map, with its values before and after.

An operation computes a value at every position, and then keeps every s-th position, down and across. Here it is found
where it happens, in one forward pass: strided convolutions and poolings, patch embeddings, patch merging and slices
with a step, low-pass filters, and those that `low_pass` has put in. Its result F is captured with u, its result at
stride 1 with the same weights and padding: F is every s-th position of u.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from bias_toolkit.models.lowpass_layers import plain, watched_filters
from bias_toolkit.models.rearrangement import REARRANGING, Found, Rearrangement, Rearrangements, tensors_in
from bias_toolkit.models.running import probing_pass, running_modules
from bias_toolkit.models.strided import (
    OPERATIONS,
    at_stride_1,
    has_patches,
    is_low_pass,
    stride_of,
    subsamples,
)

TOLERANCE = 1e-5
"""The largest difference between F and the samples of u, relative to the largest value of F."""

OTHERS = {
    F.adaptive_avg_pool2d: "adaptive average pooling",
    F.adaptive_max_pool2d: "adaptive max pooling",
    F.adaptive_max_pool2d_with_indices: "adaptive max pooling",
    F.fractional_max_pool2d: "fractional max pooling",
    F.fractional_max_pool2d_with_indices: "fractional max pooling",
    F.grid_sample: "grid sampling",
    F.interpolate: "interpolation",
    F.lp_pool2d: "power-average pooling",
    F.max_pool2d_with_indices: "max pooling with indices",
    F.unfold: "unfolding",
    Tensor.unfold: "unfolding",
    F.avg_pool1d: "one-dimensional average pooling",
    F.avg_pool3d: "three-dimensional average pooling",
    F.max_pool1d: "one-dimensional max pooling",
    F.max_pool3d: "three-dimensional max pooling",
    torch.conv1d: "one-dimensional convolution",
    torch.conv3d: "three-dimensional convolution",
}
"""Calls that may subsample, but have no result at stride 1 here."""

STRIDE_PLACES = {
    torch.conv1d: (3, "stride"),
    torch.conv3d: (3, "stride"),
    F.unfold: (4, "stride"),
    Tensor.unfold: (3, "step"),
}
"""The argument of some of them that holds the stride; the others subsample if their result is smaller."""

STRIDED, REARRANGED, OTHER = "strided", "rearranged", "other"
LOW_PASS, PATCHES = "low-pass filter", "patch embedding"

See = Callable[["Operation", Tensor, Callable[[slice], Tensor]], None]
"""Gets an operation, its result F (N, C, h, w), and a function from a slice of the images to u (n, C, H, W)."""


@dataclass(frozen=True)
class Operation:
    """An operation that keeps every `stride`-th position of its result, down and across.

    Parameters
    ----------
    name : str
        The path of the module that calls it; with #1, #2, … where the module has several. The network itself is
        `network`.
    kind : str
        `convolution`, `patch embedding` (a convolution whose stride is its kernel's size), `low-pass filter`, `max
        pooling`, `average pooling`, `patch merging` (no value of the map is lost) or `slicing`.
    stride : int
        s.
    total_stride : int
        S: the product of the strides up to and including this one. That of its input is the one, among those before,
        that is nearest to the ratio of the sides of the image and of the input.
    """

    name: str
    kind: str
    stride: int
    total_stride: int


@dataclass(frozen=True)
class Unmeasured:
    """A call that subsamples, or may do so, and that is not among the operations, with the reason in words."""

    name: str
    kind: str
    reason: str


@dataclass(frozen=True, eq=False)
class Subsampling:
    """The operations of a network, in the order of the forward pass, and what cannot be measured."""

    operations: tuple[Operation, ...]
    unmeasured: tuple[Unmeasured, ...]
    _calls: dict[_Call, Operation]
    _rearranged: dict[_Call, Found]


class _Call(NamedTuple):
    """Names a call in a pass by its sort, its module, and its number among the calls of both."""

    sort: str
    module: str
    number: int


@dataclass(frozen=True)
class _Seen:
    """What the probing pass has seen of a call."""

    call: _Call
    kind: str
    strides: tuple[int, int]
    side: int
    reason: str = ""


def find_subsampling(network: nn.Module, input_size: int = 224) -> Subsampling:
    """The operations that subsample in a pass over one image of `input_size` pixels, in evaluation mode.

    Each call counts, so a module that is called twice has two operations. Pooling over the whole map does not count.
    An operation of which the samples of u are not F, to 1e-5 of its largest value, is unmeasured. Raises InputError if
    the network cannot be run on such an image.
    """
    seen: list[_Seen] = []
    rearrangements = Rearrangements()
    maps: dict[_Call, Tensor] = {}

    def see(call: _Call, kind: str, strides: tuple[int, int], side: int, made: Tensor, dense: Callable) -> None:
        reason = ""
        if strides[0] != strides[1]:
            reason = f"its stride is {strides[0]} down and {strides[1]} across"
        elif not _samples_are(made, dense(slice(None)), strides[0]):
            reason = "samples of its result at stride 1 are not its result"
        seen.append(_Seen(call, kind, strides, side, reason))

    def other(call: _Call, kind: str, strides: tuple[int, int], side: int) -> None:
        seen.append(_Seen(call, kind, strides, side, "it has no result at stride 1"))

    def rearranged(call: _Call, function: Callable, args: tuple, kwargs: dict[str, Any], made: Any) -> None:
        maps[call] = next(tensors_in((args, kwargs)), None)
        rearrangements.follow(call, function, args, kwargs, made)
        if call in rearrangements.found:
            found = rearrangements.found[call]
            kind, strides = _kind(found.rearrangement), (found.rearrangement.stride,) * 2
            made = found.rearrangement.result(made)
            see(call, kind, strides, found.side, made, lambda part: found.rearrangement.dense(maps[found.first][part]))

    with (
        probing_pass(network, input_size) as (running, run),
        _watching(network, running, see, other, rearranged),
    ):
        run()
    seen = [each for each in seen if each.call.sort != REARRANGED or each.call in rearrangements.found]
    return _plan(seen, rearrangements.found, input_size)


def watch_subsampling(network: nn.Module, plan: Subsampling, images: Tensor, see: See) -> Any:
    """Run a network on images (N, 3, W, W), and call `see` for each operation of its plan when it has run.

    The plan is of the same network, from `find_subsampling`. The maps are not kept: u is computed when `see` calls for
    it, of the images it names. Returns the network's output.
    """
    maps: dict[_Call, Tensor] = {}
    starts = {found.first for found in plan._rearranged.values()}

    def measure(call: _Call, kind: str, strides: tuple[int, int], side: int, made: Tensor, dense: Callable) -> None:
        if call in plan._calls:
            see(plan._calls[call], made, dense)

    def rearranged(call: _Call, function: Callable, args: tuple, kwargs: dict[str, Any], made: Any) -> None:
        if call in starts:
            maps[call] = next(tensors_in((args, kwargs)))
        if (operation := plan._calls.get(call)) is not None:
            found = plan._rearranged[call]
            source = maps[found.first]
            result = found.rearrangement.result(made)
            see(operation, result, lambda part: found.rearrangement.dense(source[part]))

    with (
        running_modules(network) as running,
        _watching(network, running, measure, lambda *_: None, rearranged),
    ):
        return network(images)


@contextmanager
def _watching(
    network: nn.Module, running: Sequence[str], strided: Callable, other: Callable, rearranged: Callable
) -> Iterator[None]:
    """Call the three functions in the block for the calls of their sort."""
    watch = _Watch(network, running, strided, other, rearranged)
    with watched_filters(watch.see_filter), watch:
        yield


class _Watch(TorchFunctionMode):
    """Gives each call of interest, with its name in the pass, to the function for its sort."""

    def __init__(
        self, network: nn.Module, running: Sequence[str], strided: Callable, other: Callable, rearranged: Callable
    ) -> None:
        super().__init__()
        self._names = {layer: name for name, layer in network.named_modules()}
        self._running = running
        self._strided, self._other, self._rearranged = strided, other, rearranged
        self._counts: Counter[tuple[str, str]] = Counter()

    def __torch_function__(
        self, func: Callable, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        made = func(*args, **kwargs)
        if not (func in OPERATIONS or func in OTHERS or func in REARRANGING):
            return made
        # What is computed here is not a part of the network.
        with torch._C.DisableTorchFunction():
            args, kwargs = plain(args), plain(kwargs)
            if func in OPERATIONS:
                self._see_strided(func, args, kwargs, made)
            elif func in REARRANGING:
                self._rearranged(self._call(REARRANGED, self._running[-1]), func, args, kwargs, made)
            elif (ratio := _ratio(func, args, kwargs, made)) is not None:
                call = self._call(OTHER, self._running[-1])
                self._other(call, OTHERS[func], (ratio, ratio), next(tensors_in((args, kwargs))).shape[-1])
        return made

    def _see_strided(self, function: Callable, args: tuple, kwargs: dict[str, Any], made: Tensor) -> None:
        if not subsamples(function, *args, **kwargs):
            return
        kind = OPERATIONS[function]
        if is_low_pass(function, *args, **kwargs):
            kind = LOW_PASS
        elif has_patches(function, *args, **kwargs):
            kind = PATCHES
        maps = args[0] if args else kwargs["input"]
        rest = {name: value for name, value in kwargs.items() if name != "input"}
        self._strided(
            self._call(STRIDED, self._running[-1]),
            kind,
            stride_of(function, *args, **kwargs),
            maps.shape[-1],
            made,
            lambda part: at_stride_1(function, maps[part], *args[1:], **rest),
        )

    def see_filter(
        self, layer: nn.Module, maps: Tensor, strides: tuple[int, int], dense: Callable[[Tensor], Tensor], made: Tensor
    ) -> None:
        """Take note of what a filter of `low_pass` has subsampled; see `watched_filters`."""
        call = self._call(STRIDED, self._names[layer])
        self._strided(call, LOW_PASS, strides, maps.shape[-1], made, lambda part: dense(maps[part]))

    def _call(self, sort: str, module: str) -> _Call:
        self._counts[sort, module] += 1
        return _Call(sort, module, self._counts[sort, module])


def _ratio(function: Callable, args: tuple, kwargs: dict[str, Any], made: Any) -> int | None:
    """By how much a call of one of `OTHERS` subsamples, rounded; None if it does not, or pools over the whole map."""
    maps, result = next(tensors_in((args, kwargs))), next(tensors_in(made))
    if function in STRIDE_PLACES:
        place, name = STRIDE_PLACES[function]
        stride = args[place] if len(args) > place else kwargs.get(name, 1)
        ratio = max(stride) if isinstance(stride, Sequence) else stride
        return ratio if ratio > 1 else None
    sides = list(zip(maps.shape[2:], result.shape[2:], strict=False))
    if all(made == 1 for _, made in sides) or all(made >= given for given, made in sides):
        return None
    return round(max(given / made for given, made in sides))


def _samples_are(made: Tensor, dense: Tensor, stride: int) -> bool:
    samples = dense[..., ::stride, ::stride]
    return samples.shape == made.shape and bool((samples - made).abs().max() <= TOLERANCE * made.abs().max())


def _kind(rearrangement: Rearrangement) -> str:
    return "patch merging" if rearrangement.keeps_all else "slicing"


def _plan(seen: Sequence[_Seen], rearranged: dict[_Call, Found], input_size: int) -> Subsampling:
    """Name what was seen, and find its total stride."""
    several = Counter(each.call.module for each in seen)
    counts: Counter[str] = Counter()
    operations, unmeasured, strides = {}, [], [1]
    for each in seen:
        module = each.call.module
        counts[module] += 1
        name = (module or "network") + (f"#{counts[module]}" if several[module] > 1 else "")
        at_input = min(strides, key=lambda stride: abs(math.log(input_size / each.side / stride)))
        strides.append(at_input * max(each.strides))
        if each.reason:
            unmeasured.append(Unmeasured(name, each.kind, each.reason))
        else:
            operations[each.call] = Operation(name, each.kind, each.strides[0], strides[-1])
    used = {call: found for call, found in rearranged.items() if call in operations}
    return Subsampling(tuple(operations.values()), tuple(unmeasured), operations, used)
