"""Packing the views of many images into batches, and handing the outputs back image by image."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from bias_toolkit.invariance.views import Views

if TYPE_CHECKING:
    from bias_toolkit.models import Model


def evaluate_packed(
    model: Model, images: Iterable[tuple[Hashable, Views | None]], batch_size: int
) -> Iterator[tuple[Hashable, np.ndarray | None, np.ndarray | None]]:
    """Run the model on the views of each image, in batches that run on across images.

    The images are asked for ahead of what is yielded, so that the model need not wait. Where None stands in the place
    of views a group of images ends: no batch runs across it, so that what a group gives does not depend on the others.
    Every batch but the last of a group has exactly `batch_size` views.

    Parameters
    ----------
    images : iterable of (key, Views or None)
        All of the same fill.

    Yields
    ------
    key, probabilities (V, C), features (V, D)
        For each image, in order; (key, None, None) for each end of a group, when all before it was yielded.
    """
    waiting: deque[tuple[Hashable, int | None]] = deque()

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        parts: list[Views] = []
        for key, views in images:
            waiting.append((key, None if views is None else len(views)))
            start = 0
            while views is not None and start < len(views):
                parts.append(views[start : start + batch_size - sum(map(len, parts))])
                start += len(parts[-1])
                if sum(map(len, parts)) == batch_size:
                    yield _joined(parts)
                    parts = []
            if views is None and parts:
                yield _joined(parts)
                parts = []
        if parts:
            yield _joined(parts)

    have: tuple[list[np.ndarray], list[np.ndarray]] = [], []

    def finished() -> Iterator[tuple[Hashable, np.ndarray | None, np.ndarray | None]]:
        while waiting and (waiting[0][1] is None or waiting[0][1] <= sum(map(len, have[0]))):
            key, count = waiting.popleft()
            yield (key, None, None) if count is None else (key, *(_take(rows, count) for rows in have))

    for outputs in model.evaluate_batches(batches()):
        for rows, made in zip(have, (outputs.probabilities, outputs.features), strict=True):
            rows.append(made)
        yield from finished()
    yield from finished()


def _joined(parts: list[Views]) -> tuple[np.ndarray, np.ndarray | None]:
    blank = [part.blank for part in parts]
    return np.concatenate([part.pixels for part in parts]), None if blank[0] is None else np.concatenate(blank)


def _take(parts: list[np.ndarray], count: int) -> np.ndarray:
    """The first `count` rows of the parts, which lose them."""
    rows = np.concatenate(parts)
    parts[:] = [rows[count:]]
    # A copy, so that the rows that were taken do not keep the whole batch in memory.
    return rows[:count].copy()
