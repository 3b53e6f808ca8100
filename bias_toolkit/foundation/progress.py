"""Progress of long work: the library reports it, the command line displays it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Advance(Protocol):
    """Counts items that are finished."""

    def __call__(self, count: int, note: str = "") -> None:
        """Count items; `note` is displayed beside the count until the next call, such as a loss."""


class Progress(Protocol):
    """Opens one task: `with progress("Features", total=1000) as advance: advance(8)`. Tasks may be nested."""

    def __call__(self, description: str, total: int | None, done: int = 0) -> AbstractContextManager[Advance]:
        """Start a task of `total` items, of which `done` were finished by an earlier run.

        `total` is None if it is not known; such a task never calls the function that counts items.
        """


@contextmanager
def silent(description: str, total: int | None, done: int = 0) -> Iterator[Advance]:
    """Report nothing."""
    yield lambda count, note="": None


def in_items(advance: Advance, items: int, work: int) -> Progress:
    """A progress that counts `items` in all, in equal steps over its tasks, whose totals are `work` together."""
    done = counted = 0

    def count(more: int, note: str = "") -> None:
        nonlocal done, counted
        done += more
        due = items * done // work
        advance(due - counted, note)
        counted = due

    @contextmanager
    def progress(description: str, total: int | None, done: int = 0) -> Iterator[Advance]:
        yield count

    return progress


def named(progress: Progress, before: str = "", after: str = "") -> Progress:
    """The same progress; its descriptions get `before` in front and, if it is not in them already, `after` at the end.

    So `Features` becomes `3/9 Features, train`, and `Map, black` remains as it is.
    """

    def described(description: str, total: int | None, done: int = 0) -> AbstractContextManager[Advance]:
        ending = f", {after}" if after and after not in description else ""
        return progress(f"{before} {description}{ending}".lstrip(), total, done)

    return described
