"""Candidates from the GPUs, where the vectors are kept as float16."""

from itertools import pairwise

import faiss
import numpy as np

from bias_toolkit.features.index.vectors import Vectors

# Faiss selects at most this many on a GPU.
MOST_CANDIDATES = 2048
# Half of float16's largest number, so that no rounded difference of two overflows.
LARGEST = 32_752.0


class GpuProposer:
    """A float16 copy of the vectors, split contiguously over the GPUs, that proposes candidates.

    Raises RuntimeError if a GPU refuses, or the numbers are too large for float16. The vectors are read in blocks, so
    that main memory never holds a second copy.
    """

    most = MOST_CANDIDATES

    def __init__(self, vectors: Vectors) -> None:
        self._metric = vectors.metric
        # The resources own the GPU's memory, and Faiss's index does not keep them alive.
        self._resources: list[faiss.StandardGpuResources] = []
        devices = faiss.get_num_gpus()
        ends = np.linspace(0, vectors.rows, devices + 1).astype(int)
        parts = [
            self._part(vectors, device, start, end) for device, (start, end) in enumerate(pairwise(ends)) if start < end
        ]
        self._index = parts[0] if len(parts) == 1 else faiss.IndexShards(vectors.dimension, True, True)
        self._parts = parts
        if len(parts) > 1:
            for part in parts:
                self._index.add_shard(part)

    def _part(self, vectors: Vectors, device: int, start: int, end: int) -> faiss.Index:
        resources = faiss.StandardGpuResources()
        self._resources.append(resources)
        config = faiss.GpuIndexFlatConfig()
        config.useFloat16, config.device = True, device
        kind = faiss.GpuIndexFlatL2 if self._metric == "euclidean" else faiss.GpuIndexFlatIP
        index = kind(resources, vectors.dimension, config)
        for first in range(start, end, vectors.block_rows):
            block = vectors.read(slice(first, min(first + vectors.block_rows, end)))
            if np.abs(block).max() > LARGEST:
                raise RuntimeError("the features have numbers too large for float16")
            index.add(block)
        return index

    def __call__(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Faiss's values, of vectors rounded to float16, and the rows (q, count)."""
        # A query too large for float16 is moved to the border of the box that contains all vectors. It gets nearer to
        # each of them, so no value exceeds the largest value possible for a near vector.
        values, rows = self._index.search(np.clip(queries, -LARGEST, LARGEST), count)
        return (values if self._metric == "euclidean" else 1 - values), rows
