"""The two metrics: how vectors are prepared for Faiss, and their exact distance.

Faiss computes |x|² + |y|² − 2xy in float32, which loses what is small beside |x|²: a duplicate of a training
image may come out at a distance of its own noise. So Faiss proposes candidates, and their distances are
computed again from the differences, in float64.
"""

from __future__ import annotations

import faiss
import numpy as np

from bias_toolkit.errors import InputError

METRICS = ("euclidean", "cosine")
LARGEST_SQUARE = float(np.finfo(np.float32).max) / 16
BLOCK_BYTES = 2**26


def check_metric(metric: str) -> None:
    """Raise InputError unless `metric` is one of `METRICS`."""
    if metric not in METRICS:
        raise InputError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")


def flat_index(metric: str, dimension: int) -> faiss.IndexFlat:
    """An empty exact Faiss index for prepared vectors."""
    return faiss.IndexFlatL2(dimension) if metric == "euclidean" else faiss.IndexFlatIP(dimension)


def prepare(vectors: np.ndarray, metric: str, name: str, first_row: int = 0) -> np.ndarray:
    """Vectors (n, d) as contiguous float32; for cosine of unit length, except that a zero vector stays zero.

    Raises
    ------
    InputError
        Naming `name` and the row, counted from `first_row`, if a number is not finite or too large to square
        in float32.
    """
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    squares = _squared_lengths(vectors)
    fine = squares < LARGEST_SQUARE
    if not fine.all():
        raise InputError(
            f"row {first_row + int(np.argmin(fine))} of {name} holds NaN or numbers too large for "
            "float32 distances; features must be finite"
        )
    if metric == "cosine":
        lengths = np.sqrt(squares)
        vectors = (vectors / np.where(lengths > 0, lengths, 1)[:, None]).astype(np.float32)
    return vectors


def exact_distances(queries: np.ndarray, vectors: np.ndarray, rows: np.ndarray, metric: str) -> np.ndarray:
    """The distances (q, m) float32 from prepared queries (q, d) to the vectors at `rows` (q, m).

    Euclidean, or 1 − cos as half the squared distance of unit vectors, which is never below 0. The cosine
    with a zero vector is taken as 0, so its distance to everything, also to another zero vector, is 1.
    """
    distances = np.empty(rows.shape, dtype=np.float32)
    step = max(1, BLOCK_BYTES // (8 * max(1, rows.shape[1] * queries.shape[1])))
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        found = vectors[rows[part]].astype(np.float64)
        wanted = queries[part, None].astype(np.float64)
        squares = np.square(found - wanted).sum(axis=2)
        if metric == "euclidean":
            distances[part] = np.sqrt(squares)
        else:
            zero = ~(found.any(axis=2) & wanted.any(axis=2))
            distances[part] = np.where(zero, 1, squares / 2)
    return distances


def faiss_bounds(queries: np.ndarray, distances: np.ndarray, metric: str) -> np.ndarray:
    """The largest value (q,) that Faiss may give vectors within `distances` (q,) of the queries.

    Values are Faiss's squares, or 1 − its inner products. The rounding of a sum of d float32 products is
    taken as 4 √d units in the last place of |x|² + |y|², with |y| ≤ |x| + distance.
    """
    slack = 4 * np.finfo(np.float32).eps * np.sqrt(queries.shape[1])
    distances = distances.astype(np.float64)
    if metric == "cosine":
        return distances + 2 * slack
    lengths = np.sqrt(_squared_lengths(queries))
    return distances**2 + slack * (lengths**2 + (lengths + distances) ** 2)


def _squared_lengths(vectors: np.ndarray) -> np.ndarray:
    return np.square(vectors, dtype=np.float64).sum(axis=1)
