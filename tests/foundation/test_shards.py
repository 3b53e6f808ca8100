"""Shards: how items are cut, and how they are prepared ahead in threads."""

import threading
from itertools import islice

import pytest

from bias_toolkit.foundation.errors import UnreadableImageError
from bias_toolkit.foundation.shards import Shard, cut_into_shards, prepared_shards

ITEMS = [f"{number:02d}" for number in range(11)]


@pytest.mark.parametrize(("size", "lengths"), [(4, [4, 4, 3]), (11, [11]), (100, [11]), (1, [1] * 11)])
def test_shards_are_numbered_slices_that_cover_the_items_in_order(size, lengths):
    shards = cut_into_shards(ITEMS, size)
    assert [shard.number for shard in shards] == list(range(len(lengths)))
    assert [len(shard.items) for shard in shards] == lengths
    assert [item for shard in shards for item in shard.items] == ITEMS


def test_no_items_make_no_shard():
    assert cut_into_shards([], 4) == []


def test_each_shard_has_its_items_with_what_was_made_of_them():
    shards = [Shard(5, ["a", "b"]), Shard(7, []), Shard(9, ["c"])]
    made = [list(items) for items in prepared_shards(shards, str.upper, ahead=2)]
    assert made == [[("a", "A"), ("b", "B")], [], [("c", "C")]]


def test_an_unreadable_item_is_listed_with_its_error():
    def prepare(item):
        if item == "05":
            raise UnreadableImageError("cut off", transient=True)
        return item

    made = dict(item for items in prepared_shards(cut_into_shards(ITEMS, 4), prepare, ahead=3) for item in items)
    error = made.pop("05")
    assert isinstance(error, UnreadableImageError)
    assert error.transient
    assert list(made) == [item for item in ITEMS if item != "05"]


def test_any_other_error_comes_at_the_item_s_place_after_whole_shards():
    def prepare(item):
        if item == "06":
            raise KeyError(item)
        return item

    shards = prepared_shards(cut_into_shards(ITEMS, 4), prepare, ahead=8)
    assert len(list(next(shards))) == 4
    items = next(shards)
    assert [item for item, _ in islice(items, 2)] == ["04", "05"]
    with pytest.raises(KeyError, match="06"):
        next(items)


def test_items_of_the_next_shards_are_prepared_before_a_shard_is_used_up():
    seen, in_third_shard = set(), threading.Event()

    def prepare(item):
        seen.add(item)
        if item == "04":
            in_third_shard.set()
        return item

    shards = prepared_shards(cut_into_shards(ITEMS, 2), prepare, ahead=6)
    items = next(shards)
    next(items)
    assert in_third_shard.wait(timeout=30)
    assert max(seen) <= "05"


def test_closing_early_ends_the_threads():
    before = threading.active_count()
    shards = prepared_shards(cut_into_shards(ITEMS, 4), str.upper, ahead=5)
    next(next(shards))
    assert threading.active_count() > before
    shards.close()
    assert threading.active_count() == before


def test_shards_may_come_from_a_generator():
    asked = []

    def shards():
        for shard in cut_into_shards(ITEMS, 2):
            asked.append(shard.number)
            yield shard

    made = prepared_shards(shards(), str.upper, ahead=2)
    list(next(made))
    assert asked == [0, 1]
    assert [len(list(items)) for items in made] == [2, 2, 2, 2, 1]
