"""Progress of long work: the library reports it, the command line displays it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Progress(Protocol):
    """Opens one task: `with progress("Embedding", total=1000) as advance: advance(8)`."""

    def __call__(self, description: str, total: int, done: int = 0) -> AbstractContextManager[Callable[[int], None]]:
        """Start a task of `total` items, of which `done` were finished by an earlier run."""


@contextmanager
def silent(description: str, total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Report nothing."""
    yield lambda count: None
