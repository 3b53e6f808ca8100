"""Decoding ahead of the model: an ordered map over threads that holds only a bounded number of results."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def default_workers() -> int:
    """Threads used for decoding: one a core, at most 16."""
    return min(os.cpu_count() or 1, 16)


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int | None = None, ahead: int = 64
) -> Iterator[Result]:
    """Yield `function(item)` for each item, in order, computed in threads at most `ahead` items ahead.

    An exception that `function` raises is raised here, at the item's place.
    """
    pool = ThreadPoolExecutor(max_workers=workers or default_workers())
    pending = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
