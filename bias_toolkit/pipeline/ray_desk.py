"""The actor that hands out shards to Ray's workers. Its process imports nothing else, so that it is small."""

from __future__ import annotations

import time
from collections import deque
from typing import NamedTuple


class News(NamedTuple):
    """What happened since the driver asked last.

    The shards that were sealed; the number of items done; the number of shards that nobody has taken yet; the seconds
    that each worker at work has been silent; and the seconds that the slowest shard of the job took, 0 before any is
    sealed.
    """

    sealed: list[int]
    items: int
    left: int
    silent: dict[int, float]
    slowest: float


class Desk:
    """An actor that hands out the shards of one job at a time, and takes the workers' news."""

    def __init__(self) -> None:
        self.begin(0, ())

    def begin(self, job: int, numbers: tuple[int, ...]) -> None:
        """Begin a job; workers that are still at an earlier one get no more shards."""
        self._job, self._left = job, deque(numbers)
        self._in_hand: dict[int, list[int]] = {}
        self._unsealed: dict[int, int] = {}
        self._signs: dict[int, float] = {}
        self._shard_begun: dict[int, float] = {}
        self._slowest = 0.0
        self._sealed: list[int] = []
        self._items = 0

    def take(self, job: int, worker: int) -> int | None:
        """The next shard for a worker; None if there is none."""
        if job != self._job or not self._left:
            return None
        number = self._left.popleft()
        self._in_hand.setdefault(worker, []).append(number)
        self._shard_begun.setdefault(worker, time.monotonic())
        return number

    def count(self, job: int, worker: int, items: int) -> None:
        """Count items that a worker has done; 0 is a sign that it is at work."""
        if job == self._job:
            self._signs[worker] = time.monotonic()
            self._items += items
            self._unsealed[worker] = self._unsealed.get(worker, 0) + items

    def sealed(self, job: int, worker: int, number: int) -> None:
        """Note that a shard is sealed."""
        # A worker that was given up may still finish a shard, which another worker does again, to the same bits.
        if job == self._job and number in self._in_hand.get(worker, ()):
            self._in_hand[worker].remove(number)
            self._sealed.append(number)
            self._unsealed[worker] = 0
            now = time.monotonic()
            self._slowest = max(self._slowest, now - self._shard_begun[worker])
            self._signs[worker] = self._shard_begun[worker] = now

    def rest(self, worker: int) -> None:
        """Forget a worker that is not at work any more; the shards that it has not sealed are given back."""
        self._left.extendleft(reversed(self._in_hand.pop(worker, [])))
        self._items -= self._unsealed.pop(worker, 0)
        self._signs.pop(worker, None)
        self._shard_begun.pop(worker, None)

    def news(self) -> News:
        """The news since the last call."""
        silent = {worker: time.monotonic() - sign for worker, sign in self._signs.items()}
        told = News(self._sealed, self._items, len(self._left), silent, self._slowest)
        self._sealed, self._items = [], 0
        return told
