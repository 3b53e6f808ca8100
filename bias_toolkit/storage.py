"""Writing files so that a killed run leaves whole files only, and cutting work into shards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary path beside `path`, and rename it to `path` when the block ends without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_table(table: pd.DataFrame, path: str | os.PathLike, schema: pa.Schema) -> None:
    """Write a table as Parquet with exactly the schema's columns, in its order.

    Raises
    ------
    KeyError
        If the table lacks one of the schema's columns.
    """
    arrow = pa.Table.from_pandas(table[schema.names], schema=schema, preserve_index=False)
    with atomic_path(path) as temporary:
        pq.write_table(arrow.replace_schema_metadata(None), temporary)


def read_table(path: str | os.PathLike) -> pd.DataFrame:
    """Read a Parquet table that `write_table` wrote."""
    return pq.read_table(path).to_pandas()


def empty_table(schema: pa.Schema) -> pd.DataFrame:
    """A table with the schema's columns and types, and no rows."""
    return schema.empty_table().to_pandas()


def write_array(array: np.ndarray, path: str | os.PathLike) -> None:
    """Write an array as `.npy`."""
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.save(file, array)


def write_text(text: str, path: str | os.PathLike) -> None:
    """Write a text file as UTF-8."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def shard_slices(rows: int, shard_size: int) -> list[slice]:
    """Cut `rows` rows into contiguous shards of `shard_size`, the same on every run; the last may be shorter."""
    return [slice(start, min(start + shard_size, rows)) for start in range(0, rows, shard_size)]
