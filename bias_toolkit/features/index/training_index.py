"""The index of the training features: build, search, save, load."""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bias_toolkit.features.distances import CLASS_SAMPLE
from bias_toolkit.features.index.approximate import EXACT, ApproximateIndex
from bias_toolkit.features.index.exact import SPARE, Groups, nearest, nearest_in_and_out, rank
from bias_toolkit.features.index.gpu import GpuProposer
from bias_toolkit.features.index.metric import METRICS, check_metric, prepare
from bias_toolkit.features.index.placement import choose_placement
from bias_toolkit.features.index.stored import StoredFeatures
from bias_toolkit.features.index.vectors import Vectors
from bias_toolkit.features.store import FEATURE_ROWS
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import read_table, shard_slices, write_array, write_table, write_text
from bias_toolkit.foundation.memory import AUTO, memory_bytes
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.foundation.resampling import named_generator
from bias_toolkit.foundation.untrusted import inside, parse_json, read_regular

CHUNK = 4096
LARGEST_RECORD = 64 * 2**20
INDEX_FILE, ROWS_FILE, RECORD_FILE, VECTORS_FILE = "index.faiss", "index.parquet", "index.json", "vectors.npy"


class IndexRecord(BaseModel):
    """`index.json`: the index's settings, and the paths of the feature files relative to the index's folder."""

    model_config = ConfigDict(extra="forbid", strict=True)

    metric: Literal[METRICS]
    index: Annotated[str, Field(min_length=1, max_length=200)]
    features: Annotated[list[Annotated[str, Field(max_length=1000)]], Field(min_length=1, max_length=1_000_000)]
    prepared: bool


class TrainingIndex:
    """An index of training features, exact unless built otherwise; made by `build` or `load`.

    An exact index is the feature store itself, searched in memory, in blocks or by the GPU, depending on its size. The
    results are identical to the bit.

    Attributes
    ----------
    image_ids : list of str, one per row.
    metric : `euclidean` or `cosine`.
    index : `exact`, or Faiss's factory string.
    rows, dimension : int.
    reason : a sentence on how and where it is searched, and why.
    """

    def __init__(self, vectors: Vectors, image_ids: list[str], approximate: ApproximateIndex | None = None) -> None:
        self.image_ids = image_ids
        self.metric = vectors.metric
        self.rows, self.dimension = vectors.rows, vectors.dimension
        self.index = EXACT if approximate is None else approximate.index
        self._vectors = vectors
        self._approximate = approximate
        placement = choose_placement(self.rows, self.dimension, vectors.memory, on_disk=vectors.is_stored)
        self._on_gpu, self._in_memory = placement.on_gpu, placement.in_memory
        self._proposer: GpuProposer | None = None
        self.reason = placement.reason if approximate is None else approximate.reason

    @classmethod
    def build(
        cls,
        features: np.ndarray | StoredFeatures,
        image_ids: Sequence[str],
        metric: str = "euclidean",
        *,
        index: str = EXACT,
        memory: str = AUTO,
        seed: int = 0,
        progress: Progress = silent,
    ) -> TrainingIndex:
        """Index features.

        Raises InputError if there are no features, they are not two-dimensional or not finite, their number differs
        from that of the ids, the metric is unknown, or Faiss cannot build the index.

        Parameters
        ----------
        features : (n, d), an array of any float type, or StoredFeatures. A float32 array is not copied, and must not
            be changed afterwards.
        image_ids : the n image ids.
        metric : `euclidean` or `cosine`.
        index : `exact`, or a faiss.index_factory string, optionally followed by a space and search parameters
            (nprobe=64).
        memory : limit for exact search, e.g. 4GB; `auto` is half of the available memory. It changes no result.
        seed : of the sample on which an approximate index is trained.
        progress : counts training images as they are indexed.
        """
        check_metric(metric)
        image_ids = list(image_ids)
        if features.ndim != 2 or 0 in features.shape:
            raise InputError(f"training features must have shape (images, dimension), got {features.shape}")
        if len(image_ids) != len(features):
            raise InputError(f"{len(features)} training features do not fit {len(image_ids)} image ids")
        vectors = Vectors(features, metric, memory_bytes(memory))
        approximate = None
        if index != EXACT:
            with progress("Indexing", total=len(image_ids)) as advance:
                approximate = ApproximateIndex.build(vectors, index, seed, advance)
        built = cls(vectors, image_ids, approximate)
        if approximate is None:
            built._place()
        return built

    @classmethod
    def load(
        cls, folder: str | os.PathLike, memory: str = AUTO, root: str | os.PathLike | None = None
    ) -> TrainingIndex:
        """Read an index that `save` wrote, with its features; raises InputError if there is no complete one.

        Parameters
        ----------
        folder : the folder given to `save`. Features of a feature store must still be at the same relative path.
        memory : as for `build`.
        root : the folder that must contain the index and the features; by default the one that contains `folder`.
        """
        folder = Path(folder).absolute()
        root = folder.parent if root is None else Path(root).absolute()
        try:
            record = _read_record(folder / RECORD_FILE)
            image_ids = read_table(folder / ROWS_FILE)["image_id"].tolist()
            own = folder.relative_to(root).as_posix()
            # The paths begin with the way out of the index's folder. They must not lead out of the root.
            paths = [inside(root, posixpath.normpath(posixpath.join(own, name))) for name in record.features]
            stored = StoredFeatures(paths)
            vectors = Vectors(stored, record.metric, memory_bytes(memory), prepared=record.prepared)
            approximate = None
            if record.index != EXACT:
                approximate = ApproximateIndex.load(folder / INDEX_FILE, record.index, record.metric)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, pa.ArrowException) as error:
            raise InputError(f"{folder} holds no whole index of training features: {error}") from error
        if len({len(image_ids), vectors.rows, approximate.rows if approximate else vectors.rows}) > 1:
            raise InputError(
                f"{folder / ROWS_FILE} names {len(image_ids):,} images, and the index beside it has other features "
                "than theirs; build it again"
            )
        return cls(vectors, image_ids, approximate)

    def save(self, folder: str | os.PathLike) -> None:
        """Write `index.parquet`, `index.faiss` where the index is not exact, and last `index.json`.

        Stored features are not copied: only their files' paths, relative to the folder, are written. Other features
        are kept in `vectors.npy` in the folder.
        """
        folder = Path(folder)
        (folder / RECORD_FILE).unlink(missing_ok=True)
        if self._approximate is not None:
            self._approximate.save(folder / INDEX_FILE)
        write_table(pd.DataFrame({"image_id": pd.Series(self.image_ids, dtype=str)}), folder / ROWS_FILE, FEATURE_ROWS)
        if self._vectors.is_stored:
            root = folder.resolve()
            paths = [Path(os.path.relpath(path.resolve(), root)).as_posix() for path in self._vectors.features.paths]
        else:
            write_array(self._vectors.read(slice(0, self.rows)), folder / VECTORS_FILE)
            paths = [VECTORS_FILE]
        record = {
            "metric": self.metric,
            "index": self.index,
            "features": paths,
            "prepared": self._vectors.prepared or not self._vectors.is_stored,
        }
        write_text(json.dumps(record) + "\n", folder / RECORD_FILE)

    def search(
        self,
        queries: np.ndarray | StoredFeatures,
        k: int,
        *,
        own_rows: np.ndarray | None = None,
        groups: Groups | None = None,
        exact: bool = False,
        progress: Progress = silent,
        task: str = "Searching the training features",
    ) -> tuple[np.ndarray, np.ndarray]:
        """The nearest training features of each query, nearest first, equal distances in the order of rows.

        Raises InputError if the shapes do not fit, a query is not finite, k is below 1, or an own row is out of range.

        Parameters
        ----------
        queries : (m, d), an array of any float type, or StoredFeatures.
        k : number of neighbours; all training images if there are fewer.
        own_rows : (m,) int, the row to leave out for each query because it is the same image, or -1.
        groups : if given, the search is exact, and each query finds only rows of its own group.
        exact : search exactly even if the index is approximate.
        progress, task : counts queries.

        Returns
        -------
        distances : (m, min(k, rows)) float32, Euclidean or 1 − cos (0 to 2; 1 where a vector is zero). They are exact
            for the returned rows, even if the index is approximate.
        rows : the same shape, int64. Missing neighbours have distance NaN and row -1.
        """
        own_rows = self._check(queries, own_rows)
        if groups is not None and (len(groups.queries), len(groups.rows)) != (len(queries), self.rows):
            raise InputError(
                f"groups of {len(groups.queries)} queries and {len(groups.rows)} rows do not fit {len(queries)} and "
                f"{self.rows}"
            )

        def chunk(part: slice) -> np.ndarray:
            return prepare(queries[part], self.metric, "the searched features", range(part.start, part.stop))

        return self._search(chunk, k, own_rows, groups, exact, progress, task)

    def features_at(self, rows: np.ndarray) -> np.ndarray:
        """The features (m, d) float32 at `rows` (m,), as they were given or stored."""
        return self._vectors.features[rows]

    def part(self, start: int, stop: int) -> TrainingIndex:
        """An exact index of the rows from `start` to `stop`."""
        return TrainingIndex(self._vectors.part(start, stop), self.image_ids[start:stop])

    def search_rows(
        self, rows: np.ndarray, k: int, *, progress: Progress = silent, task: str = "Searching the training features"
    ) -> tuple[np.ndarray, np.ndarray]:
        """The nearest other training features of those at `rows` (m,), each leaving out itself; as `search`."""
        rows = np.asarray(rows, dtype=np.int64)
        return self._search(lambda part: self._vectors.take(rows[part]), k, rows, None, False, progress, task)

    def class_distances(
        self, queries: np.ndarray, classes: np.ndarray, row_classes: np.ndarray, own_rows: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The distance of each query to the nearest training image of its class, and of any other class.

        Both (m,) float32, infinity where there is no such image. The search is exact, in one pass over the vectors; of
        more than 100,000 training images, the same random sample of 100,000 is always searched.
        `queries` and `own_rows` are as for `search`; `classes` (m,) and `row_classes` (rows,) are whole numbers.
        """
        own_rows = self._check(queries, own_rows)
        prepared = prepare(queries, self.metric, "the searched features", range(len(queries)))
        among = np.sort(named_generator(0, "class distances").permutation(self.rows)[:CLASS_SAMPLE])
        return nearest_in_and_out(self._vectors, prepared, own_rows, Groups(classes, row_classes), among)

    def _search(
        self,
        chunk: Callable[[slice], np.ndarray],
        k: int,
        own_rows: np.ndarray,
        groups: Groups | None,
        exact: bool,
        progress: Progress,
        task: str,
    ) -> tuple[np.ndarray, np.ndarray]:
        if k < 1:
            raise InputError(f"k, the number of neighbours, must be at least 1, got {k}")
        k = min(k, self.rows)
        exact = exact or groups is not None or self._approximate is None
        if exact:
            self._place()
        distances = np.empty((len(own_rows), k), dtype=np.float32)
        rows = np.empty((len(own_rows), k), dtype=np.int64)
        with progress(task, total=len(own_rows)) as advance:
            for part in shard_slices(len(own_rows), self._chunk_rows):
                queries, own = chunk(part), own_rows[part]
                if exact:
                    some = None if groups is None else groups.of(part)
                    distances[part], rows[part] = self._exact(queries, k, own, some, advance)
                else:
                    distances[part], rows[part] = self._approximately(queries, k, own)
                    advance(len(queries))
        return distances, rows

    @property
    def _chunk_rows(self) -> int:
        """The number of queries searched at once: each such chunk reads the vectors from the disk again."""
        if self._in_memory:
            return CHUNK
        return max(CHUNK, self._vectors.memory // (32 * self.dimension))

    def _exact(
        self, queries: np.ndarray, k: int, own: np.ndarray, groups: Groups | None, advance: Callable[[int], None]
    ) -> tuple[np.ndarray, np.ndarray]:
        searched = reported = 0

        def pass_on(rows: int) -> None:
            nonlocal searched, reported
            searched += rows
            done = len(queries) * searched // self.rows
            if done > reported:
                advance(done - reported)
            reported = done

        proposer = self._proposer if groups is None else None
        return nearest(self._vectors, queries, k, own, groups=groups, proposer=proposer, advance=pass_on)

    def _approximately(self, queries: np.ndarray, k: int, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest of the index's candidates; an exact search for queries with too few candidates."""
        candidates = self._approximate.candidates(queries, k + SPARE)
        # With values of 0, no candidate is skipped: all distances are computed.
        values = np.where(candidates < 0, np.inf, 0).astype(np.float32)
        distances, rows, _ = rank(self._vectors, queries, k, own, values, candidates, half=False)
        few = np.flatnonzero(np.isinf(distances).any(axis=1))
        if few.size:
            self._place()
            distances[few], rows[few] = nearest(self._vectors, queries[few], k, own[few])
        return distances, rows

    def _check(self, queries: np.ndarray | StoredFeatures, own_rows: np.ndarray | None) -> np.ndarray:
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

    def _place(self) -> None:
        """Load the vectors into memory and copy them to the GPU, if that was chosen and is not done yet."""
        if self._in_memory:
            self._vectors.hold()
        if self._on_gpu and self._proposer is None:
            try:
                self._proposer = GpuProposer(self._vectors)
            except RuntimeError as error:
                self._on_gpu = False
                self.reason = f"Exact flat search on the CPU; copying the vectors to the GPU failed: {error}"


def _read_record(path: Path) -> IndexRecord:
    try:
        return IndexRecord.model_validate(parse_json(read_regular(path, LARGEST_RECORD), path))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "it"
        raise InputError(f"{path} is no record of an index: {place}: {first['msg']}.") from error
