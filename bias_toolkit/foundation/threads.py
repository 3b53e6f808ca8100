"""Work in threads: an ordered map that holds only a bounded number of results, for decoding ahead of the model."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from bias_toolkit.foundation.progress import Progress

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_WORKERS = 16


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def decoding_workers() -> int:
    """Threads that decode ahead of a model: one per core but one, which is left to the model, and at most 16."""
    return max(1, min(cores() - 1, MOST_WORKERS))


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int | None = None, ahead: int = 64
) -> Iterator[Result]:
    """Yield `function(item)` for each item, in order, computed in threads at most `ahead` items ahead.

    `workers` is by default one per core and at most 16. An exception of `function` is raised at the item's place.
    """
    pool = ThreadPoolExecutor(max_workers=workers or min(cores(), MOST_WORKERS))
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


def map_in_parts(
    function: Callable[[Item], Result], items: Sequence[Item], size: int, progress: Progress, description: str
) -> Iterator[Result]:
    """Yield `function(item)` for each item, in order, computed in threads that take `size` items at a time."""
    parts = (items[start : start + size] for start in range(0, len(items), size))
    with progress(description, len(items)) as advance:
        for results in ordered_map(lambda part: [function(item) for item in part], parts):
            yield from results
            advance(len(results))
