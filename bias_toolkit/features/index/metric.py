"""The two metrics: how vectors are prepared for Faiss, and their exact distance.

Faiss computes |x|² + |y|² − 2xy in float32, which loses differences that are small compared with |x|². A duplicate of a
training image may get a distance of the rounding error. So Faiss only proposes candidates, and their distances are
computed again from the differences, in float64.
"""

from collections.abc import Sequence

import faiss
import numpy as np

from bias_toolkit.foundation.choices import METRICS
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import shard_slices

LARGEST_SQUARE = float(np.finfo(np.float32).max) / 16
PREPARED_ROWS = 1024
FLOAT32, FLOAT16 = (float(np.finfo(kind).eps) for kind in (np.float32, np.float16))
SMALLEST_FLOAT16 = float(np.finfo(np.float16).smallest_subnormal)


def check_metric(metric: str) -> None:
    """Raise InputError unless `metric` is one of `METRICS`."""
    if metric not in METRICS:
        raise InputError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")


def faiss_metric(metric: str) -> int:
    """Faiss's constant of the metric that orders prepared vectors as `metric` does."""
    return faiss.METRIC_L2 if metric == "euclidean" else faiss.METRIC_INNER_PRODUCT


def prepare(vectors: np.ndarray, metric: str, name: str, numbers: Sequence[int] | np.ndarray) -> np.ndarray:
    """Vectors (n, d) as contiguous float32; for cosine scaled to unit length, except that a zero vector stays zero.

    Raises InputError, with `name` and the row's number in `numbers` (n,), if a value is not finite or too large to
    square in float32.
    """
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    prepared = vectors if metric == "euclidean" else np.empty_like(vectors)
    for part in shard_slices(len(vectors), PREPARED_ROWS):
        squares = squared_lengths(vectors[part])
        fine = squares < LARGEST_SQUARE
        if not fine.all():
            raise InputError(
                f"row {numbers[part.start + int(np.argmin(fine))]} of {name} holds NaN or numbers too large for "
                "float32 distances; features must be finite"
            )
        if metric == "cosine":
            lengths = np.sqrt(squares)
            prepared[part] = vectors[part] / np.where(lengths > 0, lengths, 1)[:, None]
    return prepared


def paired_distances(queries: np.ndarray, vectors: np.ndarray, metric: str) -> np.ndarray:
    """The distance (n,) float32 from each prepared query (n, d) to the prepared vector (n, d) of its row.

    Euclidean, or 1 − cos as half the squared distance of unit vectors, which is never below 0. The cosine with a zero
    vector is defined as 0, so its distance to everything, including another zero vector, is 1.
    """
    differences = np.subtract(queries, vectors, dtype=np.float64)
    squares = np.einsum("ij,ij->i", differences, differences)
    if metric == "euclidean":
        return np.sqrt(squares).astype(np.float32)
    zero = ~(queries.any(axis=1) & vectors.any(axis=1))
    return np.where(zero, 1, squares / 2).astype(np.float32)


def largest_values(queries: np.ndarray, distances: np.ndarray, metric: str, *, half: bool = False) -> np.ndarray:
    """The largest value (q,) that Faiss may return for vectors within `distances` (q,) of prepared queries (q, d).

    Values are Faiss's squared distances, or 1 − its inner products. The rounding error of a sum of d float32 products
    is assumed to be 4 √d units in the last place of |x|² + |y|², with |y| ≤ |x| + distance. With `half`, both vectors
    were rounded to float16 before. That moves each by up to half a unit in the last place of its length, and by half
    the smallest float16 in every dimension.
    """
    dimension = queries.shape[1]
    slack = 4 * FLOAT32 * np.sqrt(dimension)
    # The distance itself was rounded to float32.
    distances = distances.astype(np.float64) * (1 + FLOAT32)
    lengths = np.sqrt(squared_lengths(queries)) if metric == "euclidean" else np.ones(len(queries))
    others = lengths + distances if metric == "euclidean" else lengths
    moved = (FLOAT16 / 2 * (lengths + others) + np.sqrt(dimension) * SMALLEST_FLOAT16) if half else 0.0
    if metric == "cosine":
        return distances + moved * (1 + FLOAT16) + 2 * slack
    return (distances + moved) ** 2 + slack * ((lengths + moved) ** 2 + (others + moved) ** 2)


def squared_lengths(vectors: np.ndarray) -> np.ndarray:
    """|x|² (n,) float64 of float32 vectors (n, d)."""
    wide = vectors.astype(np.float64)
    return np.einsum("ij,ij->i", wide, wide)
