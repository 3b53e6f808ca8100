"""The rows of a sample's study, joined with those that are made of the rest."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import write_array, write_table
from bias_toolkit.foundation.shards import Shard
from bias_toolkit.pipeline.known_rows import KnownRows

ROWS = pa.schema([("item", pa.string()), ("value", pa.int64())])
LEFT_OUT = pa.schema([("item", pa.string()), ("reason", pa.string())])
OUTPUTS = {"values": None, "values.parquet": ROWS, "skipped": LEFT_OUT}
ITEMS = [f"item {number}" for number in range(12)]


def made(items):
    """What the work makes of items: two rows of each, but of every fourth, which is left out."""
    kept = [item for item in items if int(item.split()[1]) % 4 for _ in range(2)]
    left_out = [item for item in items if int(item.split()[1]) % 4 == 0]
    numbers = np.array([10 * int(item.split()[1]) for item in kept], dtype=np.int64) + np.arange(len(kept)) % 2
    return {
        "values": numbers[:, None].astype(float),
        "values.parquet": pd.DataFrame({"item": pd.Series(kept, dtype=str), "value": numbers}),
        "skipped": pd.DataFrame({"item": pd.Series(left_out, dtype=str), "reason": "it is a fourth"}, dtype=str),
    }


def write(folder, *shards):
    for number, items in enumerate(shards):
        tables = made(items)
        write_array(tables["values"], folder / f"values-{number:05d}.npy")
        write_table(tables["values.parquet"], folder / f"values-{number:05d}.parquet", ROWS)
        write_table(tables["skipped"], folder / f"skipped-{number:05d}.parquet", LEFT_OUT)


@settings(max_examples=15, deadline=None)
@given(st.sets(st.sampled_from(ITEMS)), st.integers(0, 11), st.integers(0, 11))
def test_joined_rows_are_those_of_all_items(tmp_path_factory, sample, one, other):
    folder = tmp_path_factory.mktemp("known")
    sample = sorted(sample)
    write(folder, sample[: len(sample) // 2], sample[len(sample) // 2 :])
    known = KnownRows(folder, OUTPUTS)
    shard = Shard(3, ITEMS[min(one, other) : max(one, other)])
    rest = known.rest(shard)
    assert (rest.number, set(rest.items)) == (3, set(shard.items) - set(sample))
    joined, whole = known.joined(made(rest.items), shard), made(shard.items)
    assert joined["values"].tolist() == whole["values"].tolist()
    for name in ("values.parquet", "skipped"):
        assert joined[name].values.tolist() == whole[name].values.tolist()


def test_arrays_of_other_items_are_refused(tmp_path):
    write(tmp_path, ITEMS)
    write_array(np.zeros((3, 1)), tmp_path / "values-00000.npy")
    with pytest.raises(InputError, match="values of other items than it lists"):
        KnownRows(tmp_path, OUTPUTS)
