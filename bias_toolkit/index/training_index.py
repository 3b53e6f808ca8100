"""The Faiss index of the training features: build, search, save, load."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import faiss
import numpy as np
import pandas as pd
import pyarrow as pa

from bias_toolkit.errors import InputError
from bias_toolkit.index.metric import check_metric, exact_distances, faiss_bounds, flat_index, prepare
from bias_toolkit.index.placement import choose_placement
from bias_toolkit.index.schema import INDEX_ROWS
from bias_toolkit.progress import Progress, silent
from bias_toolkit.storage import atomic_path, read_table, shard_slices, write_table, write_text

CHUNK = 1024
PREPARED_ROWS = 4096
SPARE = 16
MOST_CANDIDATES = 1024
GPU_MOST_CANDIDATES = 2048

INDEX_FILE, ROWS_FILE, METRIC_FILE = "index.faiss", "index.parquet", "index.json"


class TrainingIndex:
    """An exact index of training features; made by `build`, `load` or `subset`.

    Attributes
    ----------
    image_ids : list of str, one a row.
    metric : `euclidean` or `cosine`.
    rows, dimension : int.
    reason : a sentence that says where it is searched, and why.
    """

    def __init__(self, flat: faiss.IndexFlat, image_ids: list[str], metric: str, *, cpu_only: bool = False):
        self.image_ids = image_ids
        self.metric = metric
        self.rows: int = flat.ntotal
        self.dimension: int = flat.d
        self._flat = flat
        self._on_gpu = None
        self.reason = "Exact flat search on the CPU." if cpu_only else self._place()

    @classmethod
    def build(cls, features: np.ndarray, image_ids: Sequence[str], metric: str = "euclidean") -> TrainingIndex:
        """Index features (n, d); any float type, also memory-mapped.

        Raises
        ------
        InputError
            If there are no features, they are not two-dimensional or not finite, their number is not that of
            the ids, or the metric is unknown.
        """
        check_metric(metric)
        image_ids = list(image_ids)
        if features.ndim != 2 or 0 in features.shape:
            raise InputError(f"training features must have shape (images, dimension), got {features.shape}")
        if len(image_ids) != len(features):
            raise InputError(f"{len(features)} training features do not fit {len(image_ids)} image ids")
        flat = flat_index(metric, features.shape[1])
        flat.add(np.ascontiguousarray(features, dtype=np.float32))
        stored = _stored(flat)
        for part in shard_slices(len(stored), PREPARED_ROWS):
            stored[part] = prepare(stored[part], metric, "the training features", part.start)
        return cls(flat, image_ids, metric)

    @classmethod
    def load(cls, folder: str | os.PathLike) -> TrainingIndex:
        """Read an index that `save` wrote; InputError if the folder does not hold a whole one."""
        folder = Path(folder)
        try:
            metric = json.loads((folder / METRIC_FILE).read_text(encoding="utf-8"))["metric"]
            image_ids = read_table(folder / ROWS_FILE)["image_id"].tolist()
            flat = faiss.read_index(str(folder / INDEX_FILE))
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, pa.ArrowException) as error:
            raise InputError(f"{folder} holds no whole index of training features: {error}") from error
        check_metric(metric)
        if type(flat) is not type(flat_index(metric, 1)) or flat.ntotal != len(image_ids):
            raise InputError(
                f"{folder / INDEX_FILE} is no flat {metric} index of the {len(image_ids)} images beside it"
            )
        return cls(flat, image_ids, metric)

    def save(self, folder: str | os.PathLike) -> None:
        """Write `index.faiss`, `index.parquet` and, last, `index.json`, which marks the index as whole."""
        folder = Path(folder)
        (folder / METRIC_FILE).unlink(missing_ok=True)
        with atomic_path(folder / INDEX_FILE) as temporary:
            faiss.write_index(self._flat, str(temporary))
        ids = pd.DataFrame({"image_id": pd.Series(self.image_ids, dtype=str)})
        write_table(ids, folder / ROWS_FILE, INDEX_ROWS)
        write_text(json.dumps({"metric": self.metric}) + "\n", folder / METRIC_FILE)

    def subset(self, rows: np.ndarray) -> TrainingIndex:
        """An index, on the CPU, of some of the rows, with the very same vectors."""
        flat = flat_index(self.metric, self.dimension)
        flat.add(_stored(self._flat)[rows])
        return TrainingIndex(flat, [self.image_ids[row] for row in rows], self.metric, cpu_only=True)

    def search(
        self,
        queries: np.ndarray,
        k: int,
        *,
        own_rows: np.ndarray | None = None,
        progress: Progress = silent,
        task: str = "Searching the training features",
    ) -> tuple[np.ndarray, np.ndarray]:
        """The nearest training features of each query, nearest first, equal distances in the order of rows.

        Parameters
        ----------
        queries : (m, d), any float type.
        k : how many; where there are fewer training images than that, all of them.
        own_rows : (m,) int, the row to leave out for each query because it is the same image, or -1.
        progress, task : counts queries.

        Returns
        -------
        distances : (m, min(k, rows)) float32, Euclidean or 1 − cos (0 to 2; 1 where a vector is zero).
        rows : the same shape, int64. Where a query's own row was left out and nothing is left to fill the
            last place, that has distance NaN and row -1.

        Raises
        ------
        InputError
            If the shapes do not fit, a query is not finite, k is below 1, or an own row is out of range.
        """
        own_rows = self._check(queries, own_rows)

        def chunk(part: slice) -> np.ndarray:
            return prepare(queries[part], self.metric, "the searched features", part.start)

        return self._search(chunk, k, own_rows, progress, task)

    def search_rows(
        self,
        rows: np.ndarray,
        k: int,
        *,
        progress: Progress = silent,
        task: str = "Searching the training features",
    ) -> tuple[np.ndarray, np.ndarray]:
        """The nearest other training features of those at `rows` (m,), each itself left out; as `search`."""
        rows = np.asarray(rows, dtype=np.int64)
        return self._search(lambda part: _stored(self._flat)[rows[part]], k, rows, progress, task)

    def _search(
        self,
        chunk: Callable[[slice], np.ndarray],
        k: int,
        own_rows: np.ndarray,
        progress: Progress,
        task: str,
    ) -> tuple[np.ndarray, np.ndarray]:
        if k < 1:
            raise InputError(f"k, the number of neighbours, must be at least 1, got {k}")
        k = min(k, self.rows)
        distances = np.empty((len(own_rows), k), dtype=np.float32)
        rows = np.empty((len(own_rows), k), dtype=np.int64)
        with progress(task, total=len(own_rows)) as advance:
            for part in shard_slices(len(own_rows), CHUNK):
                distances[part], rows[part] = self._nearest(chunk(part), k, own_rows[part])
                advance(part.stop - part.start)
        return distances, rows

    def _check(self, queries: np.ndarray, own_rows: np.ndarray | None) -> np.ndarray:
        if queries.ndim != 2 or queries.shape[1] != self.dimension:
            raise InputError(
                f"features of shape {queries.shape} do not fit an index of dimension {self.dimension}; "
                "training and test features must come from the same model and layer"
            )
        if own_rows is None:
            return np.full(len(queries), -1, dtype=np.int64)
        own_rows = np.asarray(own_rows, dtype=np.int64)
        if own_rows.shape != (len(queries),) or (own_rows < -1).any() or (own_rows >= self.rows).any():
            raise InputError(
                f"own_rows must give a row from 0 to {self.rows - 1}, or -1, for each of {len(queries)} queries"
            )
        return own_rows

    def _nearest(self, queries: np.ndarray, k: int, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ask Faiss for ever more candidates until none that it left out can be among the k nearest.

        Where more than `MOST_CANDIDATES` are as near as rounding can tell, those it found must do.
        """
        most = min(max(MOST_CANDIDATES, k + SPARE), self.rows)
        count = min(k + SPARE, most)
        distances = np.empty((len(queries), k), dtype=np.float32)
        rows = np.empty((len(queries), k), dtype=np.int64)
        left = np.arange(len(queries))
        while left.size:
            values, found = self._candidates(queries[left], count)
            exact = exact_distances(queries[left], _stored(self._flat), found, self.metric)
            exact[found == own[left, None]] = np.inf
            order = np.lexsort((found, exact))[:, :k]
            distances[left] = np.take_along_axis(exact, order, axis=1)
            rows[left] = np.take_along_axis(found, order, axis=1)
            if count == most:
                break
            bounds = faiss_bounds(queries[left], distances[left, -1], self.metric)
            left = left[~(bounds < values[:, -1])]
            count = min(4 * count, most)
        missing = np.isinf(distances)
        distances[missing], rows[missing] = np.nan, -1
        return distances, rows

    def _candidates(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        use_gpu = self._on_gpu is not None and count <= GPU_MOST_CANDIDATES
        values, rows = (self._on_gpu if use_gpu else self._flat).search(queries, count)
        return (values if self.metric == "euclidean" else 1 - values), rows

    def _place(self) -> str:
        placement = choose_placement(self.rows, self.dimension)
        if placement.on_gpu:
            try:
                self._on_gpu = faiss.index_cpu_to_all_gpus(self._flat)
            except RuntimeError as error:
                return f"Exact flat search on the CPU; copying the vectors to the GPU failed: {error}"
        return placement.reason


def _stored(flat: faiss.IndexFlat) -> np.ndarray:
    """The indexed vectors (rows, dimension) float32 in the index's own memory, good only while it lives."""
    return faiss.rev_swig_ptr(flat.get_xb(), flat.ntotal * flat.d).reshape(flat.ntotal, flat.d)
