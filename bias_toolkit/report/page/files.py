"""The files beside a page: tables as CSV, and values as JSON."""

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bias_toolkit.foundation.files import write_text
from bias_toolkit.foundation.spreadsheet import csv_text

RESULTS, TABLES = "results.json", "tables"
# The most rows that a spreadsheet can open; the study's own Parquet tables have every row.
LARGEST_TABLE = 1_000_000
LAST = 1_000
"""The place of what has none of its own: behind all that have one."""


@dataclass(frozen=True)
class Table:
    """A table that is written as a CSV file."""

    name: str  # of the file, without its ending
    frame: pd.DataFrame | None  # None, or without columns, if there is nothing to write
    holds: str  # its content in words
    order: int = LAST  # its place among the tables of a page, the smallest first


def write_tables(
    tables: Iterable[Table], folder: Path, largest: int | None = LARGEST_TABLE
) -> list[tuple[str, str, str]]:
    """Write at most `largest` rows of each table as CSV into the new folder tables; returns their links and content."""
    (folder / TABLES).mkdir()
    written = []
    for table in sorted(tables, key=lambda table: table.order):
        if table.frame is None or not len(table.frame.columns):
            continue
        shown, holds = table.frame.iloc[:largest], table.holds
        address = f"{TABLES}/{table.name}.csv"
        write_text(csv_text(shown), folder / address)
        if len(shown) < len(table.frame):
            holds += f" (the first {len(shown):,} of {len(table.frame):,}; the study's own tables have all)"
        written.append((address, f"{table.name}.csv", holds))
    return written


def write_results(values: Mapping[str, Any], folder: Path) -> None:
    """Write values as results.json."""
    text = json.dumps(to_json(values), indent=2, ensure_ascii=False, allow_nan=False)
    (folder / RESULTS).write_text(text + "\n", encoding="utf-8")


def to_json(value: Any) -> Any:
    """A value as JSON: tables as lists of rows, NaN and infinities as None, float32 by its shortest digits."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float | np.floating):
        # str gives the shortest digits that identify a float32; float() would add noise digits.
        return float(str(value)) if math.isfinite(value) else None
    if isinstance(value, np.bool_ | np.integer):
        return value.item()
    if isinstance(value, pd.DataFrame):
        return [to_json(row) for row in value.to_dict("records")] if len(value.columns) else []
    if isinstance(value, np.ndarray | pd.Series):
        return [to_json(item) for item in value]
    if dataclasses.is_dataclass(value):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): to_json(item) for name, item in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [to_json(item) for item in value]
    return None if value is pd.NA or value is pd.NaT else str(value)
