"""Work in shards: contiguous slices of the items, the same on every run, prepared in threads ahead of the work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice, tee
from typing import NamedTuple, TypeVar

from bias_toolkit.foundation.threads import decoding_workers, ordered_map

Prepared = TypeVar("Prepared")


class Shard(NamedTuple):
    """A number, and the items of the slice."""

    number: int
    items: Sequence[str]


def cut_into_shards(items: Sequence[str], size: int) -> list[Shard]:
    """Cut items into contiguous shards of `size`; the last may have fewer."""
    return [Shard(number, items[start : start + size]) for number, start in enumerate(range(0, len(items), size))]


def prepared_shards(
    shards: Iterable[Shard], prepare: Callable[[str], Prepared], *, ahead: int
) -> Iterator[tuple[Shard, Iterator[tuple[str, Prepared]]]]:
    """Prepare the items of shards in threads, at most `ahead` items ahead, across the ends of shards.

    Yields
    ------
    tuple
        A shard, and an iterator over its items, each with what `prepare` gave for it. The iterator has to be used up
        before the next shard is asked for.
    """
    shards, for_threads = tee(shards)
    items = (item for shard in for_threads for item in shard.items)
    with closing(ordered_map(prepare, items, workers=decoding_workers(), ahead=ahead)) as prepared:
        for shard in shards:
            yield shard, zip(shard.items, islice(prepared, len(shard.items)), strict=True)
