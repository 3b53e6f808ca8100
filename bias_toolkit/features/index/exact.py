"""Exact search: Faiss proposes candidates, whose distances are computed exactly until none can have been missed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import faiss
import numpy as np

from bias_toolkit.features.index.gpu import GpuProposer
from bias_toolkit.features.index.metric import faiss_metric, largest_values, paired_distances
from bias_toolkit.features.index.vectors import Vectors
from bias_toolkit.foundation.files import shard_slices

SPARE = 16
PAIR_BYTES = 2**22
TILE_QUERIES, TILE_ROWS = 256, 16_384


class Groups(NamedTuple):
    """Restricts queries to rows of their own group. Group numbers of queries (q,) and rows (n,); −1 matches nothing."""

    queries: np.ndarray
    rows: np.ndarray

    def of(self, part: slice) -> Groups:
        """The groups for some of the queries."""
        return Groups(self.queries[part], self.rows)


def nearest(
    vectors: Vectors,
    queries: np.ndarray,
    k: int,
    own: np.ndarray,
    *,
    groups: Groups | None = None,
    proposer: GpuProposer | None = None,
    advance: Callable[[int], None] = lambda rows: None,
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest vectors of each query, by exact distance and then by row.

    Returns distances (q, k) float32 and rows (q, k) int64; NaN and −1 where there is no such row.

    Parameters
    ----------
    vectors : the training vectors.
    queries : (q, d) prepared.
    k : at most the number of vectors.
    own : (q,) each query's own row, or −1.
    groups : if given, each query finds only rows of its group.
    proposer : source of the candidates, if not the vectors themselves.
    advance : called with the number of vectors, after each block of them.
    """
    count = min(k + SPARE, vectors.rows)
    if proposer is None or k > proposer.most - SPARE:
        values, rows = _candidates(vectors, queries, count, groups, advance)
        distances, best, missed = rank(vectors, queries, k, own, values, rows, half=False)
    else:
        distances, best, missed = _by_proposer(vectors, queries, k, own, proposer, count)
        advance(vectors.rows)
    if missed.size:
        some = None if groups is None else groups.of(missed)
        within = largest_values(queries[missed], distances[missed, -1], vectors.metric)
        distances[missed], best[missed] = _scan(vectors, queries[missed], k, own[missed], within, some)
    nothing = np.isinf(distances)
    distances[nothing], best[nothing] = np.nan, -1
    return distances, best


def rank(
    vectors: Vectors, queries: np.ndarray, k: int, own: np.ndarray, values: np.ndarray, rows: np.ndarray, *, half: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The k nearest of the candidates, and the queries that may have a nearer vector that was not proposed.

    The distances to the first k candidates by Faiss's value are computed exactly. Other candidates are skipped if
    Faiss's value exceeds the largest value possible for a vector within the k-th of those distances.

    `values` and `rows` (q, m) are Faiss's values and the rows; infinity and −1 where all existing rows were proposed.
    `half` says whether the values are of vectors rounded to float16. Returns the distances and rows (q, k), infinity
    where there are fewer, and the queries whose candidates are not sufficient.
    """
    last = values.max(axis=1)
    values = np.where((rows == own[:, None]) | (rows < 0), np.inf, values)
    order = np.argsort(values, axis=1, kind="stable")
    values, rows = np.take_along_axis(values, order, axis=1), np.take_along_axis(rows, order, axis=1)
    distances = np.full(values.shape, np.inf, dtype=np.float32)
    _measure(distances, vectors, queries, rows, np.isfinite(values[:, :k]))
    within = np.full(len(queries), np.inf)
    full = np.isfinite(distances[:, :k]).all(axis=1)
    within[full] = largest_values(queries[full], distances[full, :k].max(axis=1), vectors.metric, half=half)
    near = np.isfinite(values) & (values <= within[:, None])
    near[:, :k] = False
    _measure(distances, vectors, queries, rows, near)
    order = np.lexsort((rows, distances))[:, :k]
    return (
        np.take_along_axis(distances, order, axis=1),
        np.take_along_axis(rows, order, axis=1),
        np.flatnonzero(np.isfinite(last) & ~(within < last)) if values.shape[1] < vectors.rows else np.empty(0, int),
    )


def _measure(
    distances: np.ndarray, vectors: Vectors, queries: np.ndarray, rows: np.ndarray, chosen: np.ndarray
) -> None:
    """Write the exact distances of the chosen pairs of query and row into the left columns of `distances`."""
    which, place = np.nonzero(chosen)
    wanted = rows[which, place]
    order = np.argsort(wanted, kind="stable")
    for part in shard_slices(len(order), max(1, PAIR_BYTES // (8 * vectors.dimension))):
        pairs = order[part]
        measured = paired_distances(queries[which[pairs]], vectors.take(wanted[pairs]), vectors.metric)
        distances[which[pairs], place[pairs]] = measured


def nearest_in_and_out(
    vectors: Vectors, queries: np.ndarray, own: np.ndarray, groups: Groups, among: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The distance of each query to the nearest vector of its group, and to the nearest vector of any other group.

    Both (q,) float32, infinity where there is no such vector. The distance is exact for the vector whose value, in
    float32, is the least. `among` are the rows that are searched, int64; the other arguments are those of `nearest`.
    """
    # Sorted by group, those of one group are neighbours: a group is then a part of a tile, and needs no mask.
    among = among[np.argsort(groups.rows[among], kind="stable")]
    place_of = {row: place for place, row in enumerate(among.tolist())}
    own_places = np.array([place_of.get(row, -1) for row in own.tolist()])
    rows = np.full((2, len(queries)), -1, dtype=np.int64)
    least = np.full(rows.shape, np.inf, dtype=np.float32)

    def keep(side: int, which: np.ndarray, values: np.ndarray, first: int) -> None:
        at = values.argmin(axis=1)
        value = values[np.arange(len(at)), at]
        better = value < least[side, which]
        least[side, which[better]] = value[better]
        rows[side, which[better]] = among[first + at[better]]

    for part in shard_slices(len(among), vectors.block_rows):
        block = vectors.take(among[part])
        for some in shard_slices(len(queries), TILE_QUERIES):
            which, wanted = np.arange(some.start, some.stop), groups.queries[some]
            for tile in shard_slices(len(block), TILE_ROWS):
                first = part.start + tile.start
                values = _values(queries[some], block[tile], vectors.metric)
                own_in_tile = own_places[some] - first
                has_own = (own_in_tile >= 0) & (own_in_tile < values.shape[1])
                values[has_own, own_in_tile[has_own]] = np.inf
                group_of = groups.rows[among[first : first + values.shape[1]]]
                for group in np.intersect1d(group_of, wanted):
                    inside = slice(*np.searchsorted(group_of, (group, group + 1)))
                    same = np.flatnonzero(wanted == group)
                    keep(0, which[same], values[same, inside], first + inside.start)
                    values[same, inside] = np.inf
                keep(1, which, values, first)
    distances = np.full(rows.shape, np.inf, dtype=np.float32)
    for side, found in enumerate(rows >= 0):
        for some in shard_slices(int(found.sum()), vectors.block_rows):
            asked = np.flatnonzero(found)[some]
            near = vectors.take(rows[side, asked])
            distances[side, asked] = paired_distances(queries[asked], near, vectors.metric)
    return distances[0], distances[1]


def _candidates(
    vectors: Vectors, queries: np.ndarray, count: int, groups: Groups | None, advance: Callable[[int], None]
) -> tuple[np.ndarray, np.ndarray]:
    """The `count` rows with the smallest values, from one pass over the blocks."""
    values = np.full((len(queries), count), np.inf, dtype=np.float32)
    rows = np.full((len(queries), count), -1, dtype=np.int64)
    for part in vectors.blocks(gathering=groups is not None):
        block = vectors.read(part)
        for which, members in _matches(groups, part):
            chosen = block if members is None else block[members]
            near, places = faiss.knn(
                queries[which], chosen, min(count, len(chosen)), metric=faiss_metric(vectors.metric)
            )
            near = near if vectors.metric == "euclidean" else 1 - near
            places = part.start + (places if members is None else members[places])
            both = np.concatenate([values[which], near], axis=1)
            least = np.argpartition(both, count - 1, axis=1)[:, :count]
            values[which] = np.take_along_axis(both, least, axis=1)
            rows[which] = np.take_along_axis(np.concatenate([rows[which], places], axis=1), least, axis=1)
        advance(part.stop - part.start)
    return values, rows


def _by_proposer(
    vectors: Vectors, queries: np.ndarray, k: int, own: np.ndarray, proposer: GpuProposer, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    distances = np.full((len(queries), k), np.inf, dtype=np.float32)
    best = np.full((len(queries), k), -1, dtype=np.int64)
    left = np.arange(len(queries))
    while left.size:
        values, rows = proposer(queries[left], min(count, proposer.most))
        distances[left], best[left], missed = rank(vectors, queries[left], k, own[left], values, rows, half=True)
        left = left[missed]
        if count >= min(proposer.most, vectors.rows):
            break
        count = min(4 * count, vectors.rows)
    return distances, best, left


def _scan(
    vectors: Vectors, queries: np.ndarray, k: int, own: np.ndarray, within: np.ndarray, groups: Groups | None
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of all vectors whose value is at most `within` (q,); infinity where there are fewer."""
    best = _Best(len(queries), k)
    for part in vectors.blocks(gathering=True):
        block = vectors.read(part)
        for which, members in _matches(groups, part):
            asked = np.arange(len(queries))[which]
            places = np.arange(len(block)) if members is None else members
            for some in shard_slices(len(asked), TILE_QUERIES):
                for tile in shard_slices(len(places), TILE_ROWS):
                    chosen = block[places[tile]]
                    near = _values(queries[asked[some]], chosen, vectors.metric) <= within[asked[some], None]
                    query, place = np.nonzero(near)
                    query, row = asked[some][query], part.start + places[tile][place]
                    other = row != own[query]
                    query, row, place = query[other], row[other], place[other]
                    for pairs in shard_slices(len(query), max(1, PAIR_BYTES // (8 * vectors.dimension))):
                        measured = paired_distances(queries[query[pairs]], chosen[place[pairs]], vectors.metric)
                        best.add(query[pairs], row[pairs], measured)
    return best.tables()


class _Best:
    """The k best pairs per query so far, as flat arrays."""

    def __init__(self, queries: int, k: int) -> None:
        self._shape = (queries, k)
        self._query = np.empty(0, dtype=np.int64)
        self._row = np.empty(0, dtype=np.int64)
        self._distance = np.empty(0, dtype=np.float32)

    def add(self, query: np.ndarray, row: np.ndarray, distance: np.ndarray) -> None:
        query = np.concatenate([self._query, query])
        row = np.concatenate([self._row, row])
        distance = np.concatenate([self._distance, distance])
        order = np.lexsort((row, distance, query))
        query = query[order]
        kept = np.arange(len(query)) - np.searchsorted(query, query) < self._shape[1]
        self._query, self._row, self._distance = query[kept], row[order][kept], distance[order][kept]

    def tables(self) -> tuple[np.ndarray, np.ndarray]:
        distances = np.full(self._shape, np.inf, dtype=np.float32)
        rows = np.full(self._shape, -1, dtype=np.int64)
        place = np.arange(len(self._query)) - np.searchsorted(self._query, self._query)
        distances[self._query, place], rows[self._query, place] = self._distance, self._row
        return distances, rows


def _matches(groups: Groups | None, part: slice) -> Iterator[tuple[slice | np.ndarray, np.ndarray | None]]:
    """Pairs of queries and the rows of a block that they may find; None means all rows."""
    if groups is None:
        yield slice(None), None
        return
    numbers = groups.rows[part]
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    asking = np.argsort(groups.queries, kind="stable")
    asked = groups.queries[asking]
    for number in np.intersect1d(ordered, asked):
        if number >= 0:
            yield (
                asking[slice(*np.searchsorted(asked, [number, number + 1]))],
                order[slice(*np.searchsorted(ordered, [number, number + 1]))],
            )


def _values(queries: np.ndarray, vectors: np.ndarray, metric: str) -> np.ndarray:
    products = queries @ vectors.T
    if metric == "cosine":
        return 1 - products
    squares = [np.einsum("ij,ij->i", each, each) for each in (queries, vectors)]
    return squares[0][:, None] + squares[1] - 2 * products
