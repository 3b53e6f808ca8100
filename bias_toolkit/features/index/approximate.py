"""An approximate Faiss index by its factory string, which trades accuracy for time.

Source: J. Johnson, M. Douze & H. Jégou, Billion-scale similarity search with GPUs, 2017; the strings are those of
faiss.index_factory, e.g. IVF1024,Flat or HNSW32.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import faiss
import numpy as np

from bias_toolkit.features.index.metric import faiss_metric
from bias_toolkit.features.index.vectors import Vectors
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import atomic_path, shard_slices
from bias_toolkit.foundation.resampling import named_generator
from bias_toolkit.foundation.words import count

EXACT = "exact"
TRAINING_ROWS = 100_000
ADDED_ROWS = 16_384
LISTS_SHARE = 16
# Faiss crashes, or never ends, on indexes of size zero and on graphs with almost no links.
NOTHING, FEW_LINKS = re.compile(r"(?<!\d)0+(?!\d)"), re.compile(r"(HNSW|NSG)[1-3](?!\d)")


def check_index(index: str, dimension: int, rows: int, metric: str = "euclidean") -> None:
    """Refuse an index that Faiss does not understand, or cannot build from so many vectors, without building it.

    Raises InputError if Faiss does not understand the string or its parameters, or they need more training images.

    Parameters
    ----------
    index : exact, or a Faiss factory string, optionally followed by a space and search parameters.
    dimension : of the training features.
    rows : their number.
    metric : euclidean or cosine.
    """
    if index == EXACT:
        return
    needed = _clusters(_make(index, dimension, metric))
    rows = min(rows, TRAINING_ROWS)
    if rows < needed:
        raise InputError(
            f"--index {index!r} needs at least {count(needed, 'image')} to train on, and has {rows:,}; name one with "
            f"fewer clusters, or {EXACT}."
        )


class ApproximateIndex:
    """A Faiss index of prepared vectors; made by `build` or `load`. `reason` is a sentence that describes it."""

    def __init__(self, made: faiss.Index, index: str, metric: str) -> None:
        self.index = index
        self.metric = metric
        self._made = made
        _set_parameters(made, index)
        self.reason = f"Approximate search by the Faiss index {index}, which --index names, on the CPU{_lists(made)}."

    @classmethod
    def build(
        cls, vectors: Vectors, index: str, seed: int, advance: Callable[[int], None] = lambda rows: None
    ) -> ApproximateIndex:
        """Train the index (on a seeded sample of more than 100,000 vectors), and add all vectors.

        Raises InputError as `check_index`, or if the training fails on these vectors.
        """
        check_index(index, vectors.dimension, vectors.rows, vectors.metric)
        made = _make(index, vectors.dimension, vectors.metric)
        try:
            with _quiet():
                if not made.is_trained:
                    made.train(_sample(vectors, seed))
                for part in shard_slices(vectors.rows, min(ADDED_ROWS, vectors.block_rows)):
                    made.add(vectors.read(part))
                    advance(part.stop - part.start)
        except RuntimeError as error:
            raise InputError(f"--index {index!r} cannot be made of these features: {_said(error)}") from error
        return cls(made, index, vectors.metric)

    @classmethod
    def load(cls, path: Path, index: str, metric: str) -> ApproximateIndex:
        """Read an index that `save` wrote; raises RuntimeError if the file is not one."""
        return cls(faiss.read_index(str(path)), index, metric)

    def save(self, path: Path) -> None:
        """Write the index in Faiss's format."""
        with atomic_path(path) as temporary:
            faiss.write_index(self._made, str(temporary))

    @property
    def rows(self) -> int:
        """The number of vectors in the index."""
        return self._made.ntotal

    def candidates(self, queries: np.ndarray, count: int) -> np.ndarray:
        """The rows (q, count) that it returns as nearest to prepared queries; −1 where it returns no more.

        Raises InputError if Faiss cannot search the index.
        """
        try:
            return self._made.search(queries, min(count, self.rows))[1]
        except RuntimeError as error:
            raise InputError(f"--index {self.index!r} cannot be searched: {_said(error)}") from error


def _make(index: str, dimension: int, metric: str) -> faiss.Index:
    factory = index.partition(" ")[0]
    if NOTHING.search(factory):
        raise InputError(f"--index {index!r} has a 0, of which Faiss can make nothing; name one without.")
    if few := FEW_LINKS.search(factory):
        raise InputError(f"--index {index!r} has too few links for each vector; {few[1]} needs 4 or more.")
    try:
        made = faiss.index_factory(dimension, factory, faiss_metric(metric))
        _set_parameters(made, index)
    except RuntimeError as error:
        raise InputError(
            f"--index {index!r} is nothing that Faiss understands for features of {count(dimension, 'dimension')}: "
            f"{_said(error)}"
        ) from error
    lists = faiss.try_extract_index_ivf(made)
    if lists is not None and not 1 <= lists.nprobe <= lists.nlist:
        raise InputError(f"--index {index!r} has {lists.nlist:,} lists; nprobe must be from 1 to that.")
    if isinstance(made, faiss.IndexIDMap | faiss.IndexIDMap2):
        raise InputError(f"--index {index!r} numbers its rows itself; leave out IDMap.")
    return made


def _set_parameters(made: faiss.Index, index: str) -> None:
    """Search a sixteenth of an inverted file's lists, or as the string says after a space."""
    lists = faiss.try_extract_index_ivf(made)
    if lists is not None:
        lists.nprobe = max(1, lists.nlist // LISTS_SHARE)
    parameters = index.partition(" ")[2].strip()
    if parameters:
        faiss.ParameterSpace().set_index_parameters(made, parameters)


def _lists(made: faiss.Index) -> str:
    lists = faiss.try_extract_index_ivf(made)
    return "" if lists is None else f"; it looks into {lists.nprobe:,} of its {lists.nlist:,} lists"


def _clusters(made: faiss.Index) -> int:
    """The largest number of clusters in one k-means of its training, which is the number of vectors Faiss needs."""
    lists = faiss.try_extract_index_ivf(made)
    parts = [made] if lists is None else [faiss.downcast_index(lists), faiss.downcast_index(lists.quantizer)]
    if isinstance(made, faiss.IndexPreTransform):
        parts.append(faiss.downcast_index(made.index))
    needed = [part.pq.ksub for part in parts if hasattr(part, "pq")]
    if lists is not None and not hasattr(parts[1], "pq"):
        needed.append(lists.nlist)
    return max(needed, default=1)


def _sample(vectors: Vectors, seed: int) -> np.ndarray:
    if vectors.rows <= TRAINING_ROWS:
        return vectors.read(slice(0, vectors.rows))
    rng = named_generator(seed, "index")
    rows = np.sort(rng.choice(vectors.rows, TRAINING_ROWS, replace=False))
    sample = np.empty((TRAINING_ROWS, vectors.dimension), dtype=np.float32)
    for part in shard_slices(TRAINING_ROWS, ADDED_ROWS):
        sample[part] = vectors.take(rows[part])
    return sample


def _said(error: RuntimeError) -> str:
    """Faiss's message, without the location in its source."""
    text = str(error).rpartition(".cpp:")[2]
    return text.partition(": ")[2].strip() or str(error)


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress Faiss's own messages, because the index's quality is measured."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as nowhere:
        before = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)
