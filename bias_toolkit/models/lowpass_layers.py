"""The computation of a low-pass filtered subsampling layer: the filter, and its position in the layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import comb
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

OPERATIONS = {
    torch.conv2d: "convolution",
    F.avg_pool2d: "average pooling",
    F.max_pool2d: "max pooling",
    torch.max_pool2d: "max pooling",
}

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
    for axis, size in enumerate(shape):
        before, after = (size - 1) // 2, size // 2
        mode = "reflect" if after < maps.shape[axis - 2] else "replicate"
        border = (0, 0, before, after) if axis == 0 else (before, after, 0, 0)
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
        return _windows_are_apart(layer.kernel_size, layer.stride, layer.dilation)
    return isinstance(layer, nn.AvgPool2d)


def forward_with_filtered_input(layer: nn.Conv2d | nn.AvgPool2d, filter_size: int, maps: Tensor) -> Tensor:
    """A layer's own forward, on filtered maps."""
    maps = low_pass_maps(_plain(maps), filter_size, _pair(layer.stride), subsample=False)
    # A filtered block around this layer must not filter the same call again.
    with torch._C.DisableTorchFunction():
        return type(layer).forward(layer, maps)


def forward_with_filtered_calls(
    layer: nn.Module, filter_size: int, operations: set[str], *inputs: Any, **keywords: Any
) -> Any:
    """A layer's own forward, with those of the given operations that subsample filtered."""
    with _FilteredCalls(filter_size, operations):
        return type(layer).forward(layer, *inputs, **keywords)


def forward_with_plain_output(forward: Callable, *inputs: Any, **keywords: Any) -> Any:
    """A whole network's forward, whose output has no pending filter."""
    return _plain(forward(*inputs, **keywords))


def subsamples(function: Callable, *args: Any, **kwargs: Any) -> bool:
    """Whether a call of one of `OPERATIONS` drops positions of its input without a low-pass filter."""
    if max(_stride(function, *args, **kwargs)) == 1:
        return False
    if function is torch.conv2d:
        return not _kernel_averages(*args, **kwargs)
    return not _window_covers_map(*args, **kwargs)


class _FilteredCalls(TorchFunctionMode):
    """Filters those of the given operations that subsample."""

    def __init__(self, filter_size: int, operations: set[str]) -> None:
        super().__init__()
        self.filter_size = filter_size
        self.operations = operations

    def __torch_function__(
        self, func: Callable, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        operation = OPERATIONS.get(func)
        if operation not in self.operations:
            return func(*args, **kwargs)
        args, kwargs = _plain(args), _plain(kwargs)
        if not subsamples(func, *args, **kwargs):
            return func(*args, **kwargs)
        # A filtered block around this one must not filter the same call again.
        with torch._C.DisableTorchFunction():
            if operation == "max pooling":
                return _filtered_max_pool(self.filter_size, *args, **kwargs)
            if operation == "average pooling":
                return _filtered_avg_pool(self.filter_size, *args, **kwargs)
            return _filtered_convolution(self.filter_size, *args, **kwargs)


class _DenseMaps(Tensor):
    """A strided convolution's output at stride 1, which is filtered and subsampled when it is used.

    Normalisations and activations keep it dense. Every other use, even asking for its size, gets the subsampled maps,
    which it represents from then on.
    """

    filter_size: int
    stride: tuple[int, int]
    subsampled: Tensor | None

    @classmethod
    def of(cls, dense: Tensor, filter_size: int, stride: tuple[int, int]) -> _DenseMaps:
        maps = dense.as_subclass(cls)
        maps.filter_size, maps.stride, maps.subsampled = filter_size, stride, None
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
                return cls.of(func(*args, **kwargs), maps.filter_size, maps.stride)
            return func(*_plain(args), **_plain(kwargs))

    def subsample(self) -> Tensor:
        with torch._C.DisableTorchFunctionSubclass():
            if self.subsampled is None:
                dense = self.as_subclass(Tensor)
                self.subsampled = low_pass_maps(dense, self.filter_size, self.stride, subsample=True)
            return self.subsampled


def _plain(value: Any) -> Any:
    """The value with dense maps replaced by subsampled ones, also inside lists, tuples and dictionaries."""
    if isinstance(value, _DenseMaps):
        return value.subsample()
    if type(value) in (list, tuple):
        return type(value)(_plain(item) for item in value)
    if type(value) is dict:
        return {key: _plain(item) for key, item in value.items()}
    return value


def _filtered_convolution(
    filter_size: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: str | int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    if _windows_are_apart(weight.shape[-2:], _pair(stride), _pair(dilation)):
        filtered = low_pass_maps(input, filter_size, _pair(stride), subsample=False)
        return torch.conv2d(filtered, weight, bias, stride, padding, dilation, groups)
    dense = torch.conv2d(input, weight, bias, 1, padding, dilation, groups)
    return _DenseMaps.of(dense, filter_size, _pair(stride))


def _filtered_avg_pool(
    filter_size: int,
    input: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    *args: Any,
    **kwargs: Any,
) -> Tensor:
    stride = _pair(stride or kernel_size)
    filtered = low_pass_maps(input, filter_size, stride, subsample=False)
    return F.avg_pool2d(filtered, kernel_size, stride, *args, **kwargs)


def _filtered_max_pool(
    filter_size: int,
    input: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    **_: Any,
) -> Tensor:
    stride = _pair(stride or kernel_size)
    if ceil_mode:
        input = _pad_for_ceil_mode(input, _pair(kernel_size), stride, _pair(padding), _pair(dilation))
    dense = F.max_pool2d(input, kernel_size, 1, padding, dilation)
    return low_pass_maps(dense, filter_size, stride, subsample=True)


def _pad_for_ceil_mode(
    maps: Tensor,
    kernel_size: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> Tensor:
    """Extend maps so that the last window of ceil mode lies inside, and rounding down includes it."""
    extra = []
    for axis in (0, 1):
        size = maps.shape[axis - 2]
        room = size + 2 * padding[axis] - dilation[axis] * (kernel_size[axis] - 1) - 1
        last = -(-room // stride[axis]) * stride[axis]
        starts_in_map = last < size + padding[axis]
        extra.append(last - room if starts_in_map else 0)
    return F.pad(maps, (0, extra[1], 0, extra[0]), value=-torch.inf)


def _stride(function: Callable, *args: Any, **kwargs: Any) -> tuple[int, int]:
    if function is torch.conv2d:
        return _convolution_stride(*args, **kwargs)
    return _pooling_stride(*args, **kwargs)


def _convolution_stride(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    *args: Any,
    **kwargs: Any,
) -> tuple[int, int]:
    return _pair(stride)


def _pooling_stride(
    input: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    *args: Any,
    **kwargs: Any,
) -> tuple[int, int]:
    return _pair(stride or kernel_size)


def _windows_are_apart(kernel_size: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> bool:
    return all(
        step == 1 or spacing * (size - 1) < step
        for size, step, spacing in zip(kernel_size, stride, dilation, strict=True)
    )


def _kernel_averages(input: Tensor, weight: Tensor, *args: Any, **kwargs: Any) -> bool:
    """Whether a convolution is itself a low-pass filter: one averaging kernel, the same for all channels."""
    if weight.shape[1] > 1:
        return False
    kernels = weight.flatten(1)
    sums_to_one = torch.allclose(kernels.sum(1), torch.ones_like(kernels[:, 0]))
    in_range = (kernels >= 0) & (kernels < 1)
    return sums_to_one and bool((in_range & (kernels == kernels[:1])).all())


def _window_covers_map(input: Tensor, kernel_size: int | Sequence[int], *args: Any, **kwargs: Any) -> bool:
    return all(window >= size for window, size in zip(_pair(kernel_size), input.shape[-2:], strict=True))


def _pair(value: int | Sequence[int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value) * (2 // len(value))
