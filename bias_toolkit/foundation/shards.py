"""Work in shards: contiguous slices of the items, the same on every run, prepared ahead of the work in threads."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice, tee
from typing import NamedTuple, TypeVar

from bias_toolkit.foundation.errors import UnreadableImageError
from bias_toolkit.foundation.threads import decoding_workers, ordered_map

Prepared = TypeVar("Prepared")


class Shard(NamedTuple):
    """A shard's number and its items."""

    number: int
    items: Sequence[str]


def cut_into_shards(items: Sequence[str], size: int) -> list[Shard]:
    """Cut items into contiguous shards of `size`; the last may have fewer."""
    return [Shard(number, items[start : start + size]) for number, start in enumerate(range(0, len(items), size))]


def prepared_shards(
    shards: Iterable[Shard], prepare: Callable[[str], Prepared], *, ahead: int, workers: int | None = None
) -> Iterator[Iterator[tuple[str, Prepared | UnreadableImageError]]]:
    """Prepare the items of shards in threads, at most `ahead` items ahead, across the ends of shards.

    There are `workers` threads; by default `decoding_workers`, for work on a model.

    Yields, for each shard, an iterator of its items in order: each item with the result of `prepare`, or with the
    `UnreadableImageError` that it raised. The iterator has to be exhausted before the next shard is requested. Any
    other error of `prepare` is raised at the item's place. Closing the generator ends the threads.
    """
    shards, for_threads = tee(shards)

    def prepared_or_error(item: str) -> Prepared | UnreadableImageError:
        try:
            return prepare(item)
        except UnreadableImageError as error:
            return error

    items = (item for shard in for_threads for item in shard.items)
    workers = workers or decoding_workers()
    with closing(ordered_map(prepared_or_error, items, workers=workers, ahead=ahead)) as prepared:
        for shard in shards:
            yield zip(shard.items, islice(prepared, len(shard.items)), strict=True)
