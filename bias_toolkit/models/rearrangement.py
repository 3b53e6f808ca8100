"""Find where a network subsamples a map by rearranging its values, as patch merging (Liu et al., ICCV 2021) does.

A map is cut into s × s blocks, and the values of each block become channels: by slices with a step that are
concatenated, by `pixel_unshuffle`, or by reshaping and permuting. Slices with a step alone keep a part of the values.
All such calls only move values. So they are called again on the values' numbers, from which it is read where each
value of the result came from.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

REARRANGING = {
    *(F.pixel_unshuffle, torch.pixel_unshuffle),
    *(torch.cat, torch.concat, torch.concatenate, torch.stack, torch.flatten, torch.permute, torch.reshape),
    *(torch.transpose, torch.movedim, torch.swapaxes, torch.unflatten, torch.squeeze, torch.unsqueeze),
    *(torch.chunk, torch.split, torch.unbind),
    *(Tensor.__getitem__, Tensor.flatten, Tensor.permute, Tensor.reshape, Tensor.view, Tensor.transpose),
    *(Tensor.movedim, Tensor.swapaxes, Tensor.unflatten, Tensor.squeeze, Tensor.unsqueeze, Tensor.contiguous),
    *(Tensor.chunk, Tensor.split, Tensor.unbind),
}
CHANNELS_FIRST, CHANNELS_LAST = 1, 3


@dataclass(frozen=True, eq=False)
class Rearrangement:
    """Which values of a map a rearrangement keeps: value (a, b) of channel c is that at (s a + i_c, s b + j_c) of k_c.

    Parameters
    ----------
    stride : s.
    rows, columns, channels : i, j and k, each (C,), int64.
    from_axis : the axis of the channels in the map: 1 for (N, C, H, W), 3 for (N, H, W, C).
    to_axis : that in the result, or 2 for tokens (N, H W, C).
    keeps_all : whether no value of the map is lost.
    """

    stride: int
    rows: Tensor
    columns: Tensor
    channels: Tensor
    from_axis: int
    to_axis: int
    keeps_all: bool

    def dense(self, maps: Tensor) -> Tensor:
        """The result at stride 1, (N, C, H', W'), of which every s-th position from the first is the result."""
        maps = maps.movedim(self.from_axis, 1)
        height, width = (
            size - int(offset.max()) for size, offset in zip(maps.shape[-2:], (self.rows, self.columns), strict=True)
        )
        places = zip(self.channels.tolist(), self.rows.tolist(), self.columns.tolist(), strict=True)
        return torch.stack([maps[:, k, i : i + height, j : j + width] for k, i, j in places], dim=1)

    def result(self, made: Tensor) -> Tensor:
        """The result as maps (N, C, H, W)."""
        return _as_maps(made, self.to_axis)


@dataclass(eq=False)
class _Source:
    """A map that is rearranged, with the first call that does so."""

    shape: torch.Size
    first: Hashable


@dataclass(eq=False)
class _Moved:
    """Where the values of a tensor came from, and the rearrangements that it was made by."""

    source: _Source
    numbers: Tensor
    through: set[Hashable] = field(default_factory=set)


@dataclass(frozen=True)
class Found:
    """A rearrangement that subsamples; `first` is the call that has the map as its first argument."""

    first: Hashable
    rearrangement: Rearrangement
    side: int  # of the map


class Rearrangements:
    """Follows the values of maps through the calls of a forward pass over one image.

    Attributes
    ----------
    found : dict
        From the last call of each rearrangement that subsamples to the `Found`. A rearrangement of several calls
        counts once.
    """

    def __init__(self) -> None:
        self.found: dict[Hashable, Found] = {}
        self._moved = WeakIdKeyDictionary()

    def follow(self, call: Hashable, function: Callable, args: tuple, kwargs: dict[str, Any], made: Any) -> None:
        """Take note of a call of one of `REARRANGING`, with what it has made; `call` names it."""
        given = [self._moved_of(tensor, call) for tensor in tensors_in((args, kwargs))]
        if not given or None in given or len({each.source for each in given}) > 1:
            return
        with suppress(RuntimeError, TypeError, IndexError):
            function = Tensor.reshape if function is Tensor.view else function
            numbers = function(*self._numbers_in(args), **self._numbers_in(kwargs))
            for tensor, of_tensor in zip(tensors_in(made), tensors_in(numbers), strict=True):
                self._note(call, tensor, _Moved(given[0].source, of_tensor, set().union(*(m.through for m in given))))

    def _moved_of(self, tensor: Tensor, call: Hashable) -> _Moved | None:
        if tensor not in self._moved and tensor.ndim == 4 and tensor.is_floating_point():
            numbers = torch.arange(tensor.numel()).reshape(tensor.shape)
            self._moved[tensor] = _Moved(_Source(tensor.shape, call), numbers)
        return self._moved.get(tensor)

    def _numbers_in(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return self._moved[value].numbers
        if isinstance(value, list | tuple):
            return type(value)(self._numbers_in(item) for item in value)
        return {key: self._numbers_in(item) for key, item in value.items()} if isinstance(value, dict) else value

    def _note(self, call: Hashable, tensor: Tensor, moved: _Moved) -> None:
        rearrangement = _rearrangement(moved.numbers, moved.source.shape)
        if rearrangement is not None:
            for part in moved.through:
                self.found.pop(part, None)
            side = moved.source.shape[2 if rearrangement.from_axis == CHANNELS_FIRST else 1]
            self.found[call] = Found(moved.source.first, rearrangement, side)
            moved.through = {call}
        self._moved[tensor] = moved


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors in nested lists, tuples and dictionaries."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))


def _as_maps(made: Tensor, axis: int) -> Tensor:
    if made.ndim == 3:
        side = round(made.shape[1] ** 0.5)
        made = made.unflatten(1, (side, side))
    return made.movedim(-1 if axis != CHANNELS_FIRST else 1, 1)


def _rearrangement(numbers: Tensor, shape: torch.Size) -> Rearrangement | None:
    """The rearrangement that gives values with these numbers in a map of this shape; None if it is not one."""
    for to_axis in {3: (2,), 4: (CHANNELS_FIRST, CHANNELS_LAST)}.get(numbers.ndim, ()):
        if numbers.shape[0] != shape[0] or (to_axis == 2 and round(numbers.shape[1] ** 0.5) ** 2 != numbers.shape[1]):
            continue
        at = _as_maps(numbers, to_axis)
        for from_axis in (CHANNELS_FIRST, CHANNELS_LAST):
            sides = [size for axis, size in enumerate(shape) if axis not in (0, from_axis)]
            if any(n < 2 or 2 * (n - 1) >= size for n, size in zip(at.shape[-2:], sides, strict=True)):
                continue
            coordinates = list(torch.unravel_index(at, shape))
            image, channels = coordinates.pop(0), coordinates.pop(from_axis - 1)
            stride = int(coordinates[0][0, 0, 1, 0] - coordinates[0][0, 0, 0, 0])
            rows, columns, k = first = [each[0, :, 0, 0] for each in (*coordinates, channels)]
            reach = [(n - 1) * stride + int(each.min()) for n, each in zip(at.shape[-2:], first, strict=False)]
            is_whole = all(last + stride >= size for last, size in zip(reach, sides, strict=True))
            if stride > 1 and is_whole and _is_regular(stride, image, *coordinates, channels, first):
                keeps_all = numbers.unique().numel() == shape.numel()
                return Rearrangement(stride, rows, columns, k, from_axis, to_axis, keeps_all)
    return None


def _is_regular(
    stride: int, image: Tensor, rows: Tensor, columns: Tensor, channels: Tensor, first: list[Tensor]
) -> bool:
    """Whether every channel takes every stride-th position, down and across, of one channel of the same image."""
    down, across = (stride * torch.arange(size) for size in rows.shape[-2:])
    i, j, k = (each.view(-1, 1, 1) for each in first)
    return bool(
        (rows == i + down.view(-1, 1)).all()
        and (columns == j + across).all()
        and (channels == k).all()
        and (image == torch.arange(len(image)).view(-1, 1, 1, 1)).all()
    )
