"""The computation of a low-pass filtered subsampling layer: the filter, and its position in the layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from math import comb
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from bias_toolkit.models.strided import (
    OPERATIONS,
    dense_maximum,
    is_low_pass,
    pair,
    subsamples,
    windows_are_apart,
)

Watch = Callable[[nn.Module, Tensor, tuple[int, int], Callable[[Tensor], Tensor], Tensor], None]
"""Gets a layer, maps before its filter, its stride, the filter at stride 1, and the filtered, subsampled maps."""

_WATCH: ContextVar[Watch | None] = ContextVar("watch", default=None)
_IS_FILTERED: ContextVar[bool] = ContextVar("is_filtered", default=False)

_BEFORE_THE_FILTER = {
    *(F.batch_norm, F.group_norm, F.instance_norm),
    *(F.celu, F.elu, F.gelu, F.hardsigmoid, F.hardswish, F.hardtanh, F.leaky_relu, F.mish, F.prelu),
    *(F.relu, F.relu6, F.selu, F.sigmoid, F.silu, F.softplus, F.softsign, F.tanh),
    *(torch.clamp, torch.relu, torch.relu_, torch.sigmoid, torch.tanh),
    *(Tensor.clamp, Tensor.clamp_, Tensor.relu, Tensor.relu_, Tensor.sigmoid, Tensor.sigmoid_),
    *(Tensor.tanh, Tensor.tanh_),
}
_QUESTIONS = {
    *(Tensor.dim, Tensor.ndim.__get__, Tensor.dtype.__get__, Tensor.device.__get__, Tensor.is_cuda.__get__),
    *(Tensor.is_floating_point, Tensor.requires_grad.__get__),
}


def binomial_filter(size: int) -> list[float]:
    """The filter's weights along one axis: row `size` − 1 of Pascal's triangle over its sum (Z, section 3).

    Size 2 is [1, 1] / 2, size 3 [1, 2, 1] / 4, size 5 [1, 4, 6, 4, 1] / 16. The weights sum to 1.
    """
    return [comb(size - 1, k) / 2 ** (size - 1) for k in range(size)]


def low_pass_maps(maps: Tensor, filter_size: int, stride: tuple[int, int], *, subsample: bool) -> Tensor:
    """Filter maps (N, C, H, W) or (C, H, W), each channel separately, along the axes whose stride is above 1.

    With `subsample` the result holds every stride-th position from the first, otherwise all positions.
    """
    shape = tuple(filter_size if step > 1 else 1 for step in stride)
    borders: dict[str, list[int]] = {}
    for axis, size in enumerate(shape):
        mode = "reflect" if size // 2 < maps.shape[axis - 2] else "replicate"
        borders.setdefault(mode, [0] * 4)[2 - 2 * axis : 4 - 2 * axis] = (size - 1) // 2, size // 2
    # One pass over the maps where both axes have the same border.
    for mode, border in borders.items():
        maps = F.pad(maps, border, mode=mode)
    channels = maps.shape[-3]
    rows, columns = (maps.new_tensor(binomial_filter(size)) for size in shape)
    kernel = torch.outer(rows, columns).expand(channels, 1, *shape)
    return F.conv2d(maps, kernel, stride=stride if subsample else 1, groups=channels)


def filters_input(layer: nn.Module) -> bool:
    """Whether a layer's input is filtered, before its padding: a convolution without overlap, or an average pooling.

    Such layers are linear, and evaluating them at stride 1 is not worth its cost.
    """
    if isinstance(layer, nn.Conv2d):
        return windows_are_apart(layer.kernel_size, layer.stride, layer.dilation)
    return isinstance(layer, nn.AvgPool2d)


def forward_with_filtered_input(layer: nn.Conv2d | nn.AvgPool2d, filter_size: int, maps: Tensor) -> Tensor:
    """A layer's own forward, on filtered maps."""
    maps = low_pass_maps(plain(maps), filter_size, pair(layer.stride), subsample=False)
    with _already_filtered():
        return type(layer).forward(layer, maps)


def forward_with_filtered_calls(
    layer: nn.Module, filter_size: int, operations: set[str], *inputs: Any, **keywords: Any
) -> Any:
    """A layer's own forward, with those of the given operations that subsample filtered."""
    with _FilteredCalls(layer, filter_size, operations):
        return type(layer).forward(layer, *inputs, **keywords)


def lacks_filter(function: Callable, *args: Any, **kwargs: Any) -> bool:
    """Whether a call of one of `OPERATIONS` drops positions of its input without a low-pass filter."""
    return subsamples(function, *args, **kwargs) and not is_low_pass(function, *args, **kwargs)


@contextmanager
def watched_filters(watch: Watch) -> Iterator[None]:
    """Call `watch` in the block for each map that a filter has subsampled, in any layer made by `low_pass`."""
    token = _WATCH.set(watch)
    try:
        yield
    finally:
        _WATCH.reset(token)


def plain(value: Any) -> Any:
    """The value with dense maps replaced by subsampled ones, also inside lists, tuples and dictionaries."""
    if isinstance(value, _DenseMaps):
        return value.subsample()
    if type(value) in (list, tuple):
        return type(value)(plain(item) for item in value)
    if type(value) is dict:
        return {key: plain(item) for key, item in value.items()}
    return value


def forward_with_plain_output(forward: Callable, *inputs: Any, **keywords: Any) -> Any:
    """A whole network's forward, whose output has no pending filter."""
    return plain(forward(*inputs, **keywords))


class _FilteredCalls(TorchFunctionMode):
    """Filters those of the given operations that subsample."""

    def __init__(self, layer: nn.Module, filter_size: int, operations: set[str]) -> None:
        super().__init__()
        self.layer = layer
        self.filter_size = filter_size
        self.operations = operations

    def __torch_function__(
        self, func: Callable, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        operation = OPERATIONS.get(func)
        if operation not in self.operations or _IS_FILTERED.get():
            return func(*args, **kwargs)
        args, kwargs = plain(args), plain(kwargs)
        if not lacks_filter(func, *args, **kwargs):
            return func(*args, **kwargs)
        with _already_filtered():
            if operation == "max pooling":
                return _filtered_max_pool(self.layer, self.filter_size, *args, **kwargs)
            if operation == "average pooling":
                return _filtered_avg_pool(self.filter_size, *args, **kwargs)
            return _filtered_convolution(self.layer, self.filter_size, *args, **kwargs)


@contextmanager
def _already_filtered() -> Iterator[None]:
    """In the block, a filtered block around this one does not filter the same call again."""
    token = _IS_FILTERED.set(True)
    try:
        yield
    finally:
        _IS_FILTERED.reset(token)


class _DenseMaps(Tensor):
    """A strided convolution's output at stride 1, which is filtered and subsampled when it is used.

    Normalisations and activations keep it dense. Every other use, even asking for its size, gets the subsampled maps,
    which it represents from then on.
    """

    layer: nn.Module
    filter_size: int
    stride: tuple[int, int]
    subsampled: Tensor | None

    @classmethod
    def of(cls, dense: Tensor, layer: nn.Module, filter_size: int, stride: tuple[int, int]) -> _DenseMaps:
        maps = dense.as_subclass(cls)
        maps.layer, maps.filter_size, maps.stride, maps.subsampled = layer, filter_size, stride, None
        return maps

    @classmethod
    def __torch_function__(
        cls, func: Callable, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        maps = args[0] if args and isinstance(args[0], cls) else None
        with torch._C.DisableTorchFunctionSubclass():
            if maps is not None and func in _QUESTIONS:
                return func(*args, **kwargs)
            if maps is not None and maps.subsampled is None and func in _BEFORE_THE_FILTER:
                return cls.of(func(*args, **kwargs), maps.layer, maps.filter_size, maps.stride)
            return func(*plain(args), **plain(kwargs))

    def subsample(self) -> Tensor:
        with torch._C.DisableTorchFunctionSubclass():
            if self.subsampled is None:
                self.subsampled = _subsampled(self.as_subclass(Tensor), self.layer, self.filter_size, self.stride)
            return self.subsampled


def _subsampled(dense: Tensor, layer: nn.Module, filter_size: int, stride: tuple[int, int]) -> Tensor:
    """Maps of a layer at stride 1, filtered and subsampled, in view of whoever watches."""
    # Whoever watches is told of the whole, and need not see the convolution with the filter.
    with torch._C.DisableTorchFunction():
        maps = low_pass_maps(dense, filter_size, stride, subsample=True)
        if (watch := _WATCH.get()) is not None:
            watch(layer, dense, stride, lambda some: low_pass_maps(some, filter_size, stride, subsample=False), maps)
    return maps


def _filtered_convolution(
    layer: nn.Module,
    filter_size: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: str | int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    if windows_are_apart(weight.shape[-2:], pair(stride), pair(dilation)):
        filtered = low_pass_maps(input, filter_size, pair(stride), subsample=False)
        return torch.conv2d(filtered, weight, bias, stride, padding, dilation, groups)
    dense = torch.conv2d(input, weight, bias, 1, padding, dilation, groups)
    return _DenseMaps.of(dense, layer, filter_size, pair(stride))


def _filtered_avg_pool(
    filter_size: int,
    input: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    *args: Any,
    **kwargs: Any,
) -> Tensor:
    stride = pair(stride or kernel_size)
    filtered = low_pass_maps(input, filter_size, stride, subsample=False)
    return F.avg_pool2d(filtered, kernel_size, stride, *args, **kwargs)


def _filtered_max_pool(
    layer: nn.Module,
    filter_size: int,
    input: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    *args: Any,
    **kwargs: Any,
) -> Tensor:
    stride = pair(stride or kernel_size)
    dense = dense_maximum(input, kernel_size, stride, *args, **kwargs)
    return _subsampled(dense, layer, filter_size, stride)
