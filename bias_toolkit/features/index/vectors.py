"""The prepared training vectors, held in memory or read in blocks."""

from __future__ import annotations

import numpy as np

from bias_toolkit.features.index.metric import prepare
from bias_toolkit.features.index.stored import StoredFeatures
from bias_toolkit.foundation.files import shard_slices

LARGEST_BLOCK = 2**29
NAME = "the training features"


class Vectors:
    """Training features as the search needs them: float32, for cosine of unit length.

    The vectors are identical to the bit whether they are held in memory or read again for every use.

    Parameters
    ----------
    features : array (n, d) of any float type, or StoredFeatures.
    metric : euclidean or cosine.
    memory : bytes that the search may use; one block is an eighth of it.
    prepared : whether the features are already prepared vectors.
    """

    def __init__(
        self, features: np.ndarray | StoredFeatures, metric: str, memory: int, *, prepared: bool = False
    ) -> None:
        self.rows, self.dimension = features.shape
        self.metric = metric
        self.memory = memory
        self.features = features
        self.prepared = prepared
        self._held: np.ndarray | None = None

    @property
    def is_stored(self) -> bool:
        """Whether the features are in files."""
        return isinstance(self.features, StoredFeatures)

    @property
    def block_rows(self) -> int:
        """The number of rows in a block of at most an eighth of the memory."""
        return max(1, min(self.memory // 8, LARGEST_BLOCK) // (4 * self.dimension))

    def part(self, start: int, stop: int) -> Vectors:
        """The vectors of the rows from `start` to `stop`; they are not held."""
        features = self.features.part(start, stop) if self.is_stored else self.features[start:stop]
        return Vectors(features, self.metric, self.memory, prepared=self.prepared)

    def hold(self) -> None:
        """Keep all vectors in memory from now on."""
        if self._held is None:
            if self.is_stored:
                held = np.empty((self.rows, self.dimension), dtype=np.float32)
                for part in shard_slices(self.rows, self.block_rows):
                    held[part] = self.read(part)
            else:
                held = self.read(slice(0, self.rows))
            self._held = held

    def blocks(self, gathering: bool = False) -> list[slice]:
        """The rows, in slices that are searched at once: one slice if they are held in memory.

        With `gathering`, rows will be copied out of the blocks, so these are small in any case.
        """
        whole = self._held is not None and not gathering
        return shard_slices(self.rows, self.rows if whole else self.block_rows)

    def read(self, part: slice) -> np.ndarray:
        """Consecutive vectors, (rows, d)."""
        if self._held is not None:
            return self._held[part]
        return self._prepare(self.features[part], range(part.start, part.stop))

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The vectors of any rows, (rows, d)."""
        if self._held is not None:
            return self._held[rows]
        return self._prepare(self.features[rows], rows)

    def _prepare(self, features: np.ndarray, numbers: range | np.ndarray) -> np.ndarray:
        metric = "euclidean" if self.prepared else self.metric
        return prepare(features, metric, NAME, numbers)
