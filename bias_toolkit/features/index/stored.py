"""Features in `.npy` files, read piece by piece."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import read_array


class StoredFeatures:
    """The features of several `.npy` files, concatenated, as if they were one float32 array.

    Only requested rows are read, and none stay in memory: a file is memory-mapped while rows are copied out of it.
    Raises InputError if there is no file, a file cannot be read, or the files are not two-dimensional or differ in
    dimension.

    The files at `paths` have the shape (rows, dimension) and any float type; `shape` is that of all files together.
    """

    ndim = 2

    def __init__(self, paths: Sequence[str | os.PathLike]) -> None:
        self.paths = [Path(path) for path in paths]
        shapes = [_mapped(path).shape for path in self.paths]
        if not shapes or any(len(shape) != 2 or shape[1] != shapes[0][-1] for shape in shapes):
            raise InputError(
                f"features must be files of shape (rows, dimension) of one dimension, got {shapes or 'no file'}"
            )
        self._starts = np.cumsum([0, *(rows for rows, _ in shapes)])
        self._first = 0
        self.shape = (int(self._starts[-1]), shapes[0][1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        """A float32 copy of the rows of a slice (of step 1) or of an array of row numbers."""
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(len(self))
            return self._slice(self._first + start, self._first + stop)
        rows = self._first + np.asarray(rows)
        taken = np.empty((len(rows), self.shape[1]), dtype=np.float32)
        files = np.searchsorted(self._starts, rows, side="right") - 1
        for file in np.unique(files):
            here = files == file
            taken[here] = _mapped(self.paths[file])[rows[here] - self._starts[file]]
        return taken

    def part(self, start: int, stop: int) -> StoredFeatures:
        """The features of the rows from `start` to `stop`, as if they were all."""
        made = copy.copy(self)
        made._first = self._first + start
        made.shape = (stop - start, self.shape[1])
        return made

    def _slice(self, start: int, stop: int) -> np.ndarray:
        taken = np.empty((max(stop - start, 0), self.shape[1]), dtype=np.float32)
        for path, first, end in zip(self.paths, self._starts[:-1], self._starts[1:], strict=True):
            low, high = max(start, first), min(stop, end)
            if low < high:
                taken[low - start : high - start] = _mapped(path)[low - first : high - first]
        return taken


def _mapped(path: Path) -> np.ndarray:
    array = read_array(path, mapped=True)
    if not np.issubdtype(array.dtype, np.floating):
        raise InputError(f"{path} holds {array.dtype}; features are float16 or float32")
    return array
