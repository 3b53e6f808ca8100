"""Searching the training features in parts, such as on several machines, and merging what was found.

Each distance is computed of one pair alone, so the nearest of all are the nearest of those of the parts, to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bias_toolkit.features.index.exact import Groups
from bias_toolkit.features.index.stored import StoredFeatures
from bias_toolkit.features.index.training_index import TrainingIndex
from bias_toolkit.foundation.progress import Progress, silent


@dataclass(frozen=True)
class Search:
    """The arguments of an exact `TrainingIndex.search`; own rows and groups are those of the whole index."""

    queries: np.ndarray | StoredFeatures
    k: int
    own_rows: np.ndarray
    groups: Groups | None = None


def search_part(part: TrainingIndex, start: int, search: Search, *, progress: Progress = silent) -> np.ndarray:
    """What a search finds in a part of an index that begins at the row `start`, float64 (2, m, at most k).

    First the distances, then the rows of the whole index, as `TrainingIndex.search` returns them.
    """
    if not part.rows:
        return np.empty((2, len(search.queries), 0))
    own, groups = search.own_rows - start, search.groups
    own = np.where((own >= 0) & (own < part.rows), own, -1)
    if groups is not None:
        groups = Groups(groups.queries, groups.rows[start : start + part.rows])
    distances, rows = part.search(search.queries, search.k, own_rows=own, groups=groups, progress=progress)
    return np.stack([distances, np.where(rows < 0, rows, rows + start)])


def merge(found: Sequence[np.ndarray], k: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances and rows, as `TrainingIndex.search` returns them, from what was found in all parts of the index."""
    distances, rows = np.concatenate(found, axis=2)
    # NaN, where there is no neighbour, comes last.
    order = np.lexsort((rows, distances))[:, :k]
    nearest = (np.take_along_axis(each, order, axis=1) for each in (distances, rows))
    return tuple(each.astype(kind) for each, kind in zip(nearest, (np.float32, np.int64), strict=True))
