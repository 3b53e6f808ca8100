"""Calls that subsample a map: two-dimensional convolutions and poolings, and their values at stride 1."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

OPERATIONS = {
    torch.conv2d: "convolution",
    F.avg_pool2d: "average pooling",
    F.max_pool2d: "max pooling",
    torch.max_pool2d: "max pooling",
}


def stride_of(function: Callable, *args: Any, **kwargs: Any) -> tuple[int, int]:
    """The strides, down and across, of a call of one of `OPERATIONS`."""
    return (_convolution_stride if function is torch.conv2d else _pooling_stride)(*args, **kwargs)


def subsamples(function: Callable, *args: Any, **kwargs: Any) -> bool:
    """Whether a call of one of `OPERATIONS` drops positions of its input; pooling over the whole map does not count."""
    if max(stride_of(function, *args, **kwargs)) == 1:
        return False
    return function is torch.conv2d or not _window_covers_map(*args, **kwargs)


def is_low_pass(function: Callable, *args: Any, **kwargs: Any) -> bool:
    """Whether a call is itself a low-pass filter: a convolution with one averaging kernel for all channels."""
    return function is torch.conv2d and _kernel_averages(*args, **kwargs)


def has_patches(function: Callable, *args: Any, **kwargs: Any) -> bool:
    """Whether a call is a patch embedding: a convolution whose stride is its kernel's size."""
    return function is torch.conv2d and _stride_is_kernel(*args, **kwargs)


def at_stride_1(function: Callable, *args: Any, **kwargs: Any) -> Tensor:
    """What a call of one of `OPERATIONS` gives with stride 1, and the same weights and padding.

    Every stride-th position from the first holds the values of the call itself, also of a pooling in ceil mode, whose
    last window reaches beyond the padding.
    """
    if function is torch.conv2d:
        return _dense_convolution(*args, **kwargs)
    return (_dense_average if function is F.avg_pool2d else dense_maximum)(*args, **kwargs)


def windows_are_apart(kernel_size: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> bool:
    """Whether no position of the input is in two windows, along every axis with a stride above 1."""
    return all(
        step == 1 or spacing * (size - 1) < step
        for size, step, spacing in zip(kernel_size, stride, dilation, strict=True)
    )


def pair(value: int | Sequence[int]) -> tuple[int, int]:
    """A number for each of two axes, from one for both or a sequence of one or two."""
    return (value, value) if isinstance(value, int) else tuple(value) * (2 // len(value))


def dense_maximum(
    input: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    **_: Any,
) -> Tensor:
    """A max pooling at stride 1; the arguments are those of the pooling."""
    if ceil_mode:
        rows, columns = _beyond(input, kernel_size, stride or kernel_size, padding, dilation)
        input = F.pad(input, (0, columns, 0, rows), value=-torch.inf)
    return F.max_pool2d(input, kernel_size, 1, padding, dilation)


def _dense_average(
    input: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    if not ceil_mode:
        return F.avg_pool2d(input, kernel_size, 1, padding, False, count_include_pad, divisor_override)
    # Positions beyond the padding are in no window's count.
    (top, left), (rows, columns) = pair(padding), _beyond(input, kernel_size, stride or kernel_size, padding, 1)
    borders, beyond = (left, left, top, top), (0, columns, 0, rows)

    def sums(maps: Tensor) -> Tensor:
        return F.avg_pool2d(F.pad(maps, beyond), kernel_size, 1, divisor_override=1)

    counted = F.pad(torch.ones_like(input[:1, :1]), borders, value=float(count_include_pad))
    return sums(F.pad(input, borders)) / (divisor_override or sums(counted))


def _dense_convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: str | int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    return torch.conv2d(input, weight, bias, 1, padding, dilation, groups)


def _beyond(
    maps: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int],
    padding: int | Sequence[int],
    dilation: int | Sequence[int],
) -> tuple[int, int]:
    """Rows and columns that the last window of a pooling in ceil mode takes beyond the padding."""
    extra = []
    for size, kernel, step, border, spacing in zip(
        maps.shape[-2:], *(pair(each) for each in (kernel_size, stride, padding, dilation)), strict=True
    ):
        room = size + 2 * border - spacing * (kernel - 1) - 1
        last = -(-room // step) * step
        starts_in_map = last < size + border
        extra.append(last - room if starts_in_map else 0)
    return extra[0], extra[1]


def _convolution_stride(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    *args: Any,
    **kwargs: Any,
) -> tuple[int, int]:
    return pair(stride)


def _stride_is_kernel(input: Tensor, weight: Tensor, *args: Any, **kwargs: Any) -> bool:
    return tuple(weight.shape[-2:]) == _convolution_stride(input, weight, *args, **kwargs) != (1, 1)


def _pooling_stride(
    input: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    *args: Any,
    **kwargs: Any,
) -> tuple[int, int]:
    return pair(stride or kernel_size)


def _kernel_averages(input: Tensor, weight: Tensor, *args: Any, **kwargs: Any) -> bool:
    if weight.shape[1] > 1:
        return False
    kernels = weight.flatten(1)
    sums_to_one = torch.allclose(kernels.sum(1), torch.ones_like(kernels[:, 0]))
    in_range = (kernels >= 0) & (kernels < 1)
    return sums_to_one and bool((in_range & (kernels == kernels[:1])).all())


def _window_covers_map(input: Tensor, kernel_size: int | Sequence[int], *args: Any, **kwargs: Any) -> bool:
    return all(window >= size for window, size in zip(pair(kernel_size), input.shape[-2:], strict=True))
