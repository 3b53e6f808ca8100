"""Cells of a table that hold an estimate with its interval."""

from collections.abc import Callable, Mapping
from typing import Any

from bias_toolkit.foundation.words import MISSING, interval, known, number
from bias_toolkit.report.page.blocks import Cell


def estimate_cell(
    value: float | None,
    low: float | None,
    high: float | None,
    form: Callable[[float], str] = number,
    more: str = "",
    marked: bool = False,
) -> Cell:
    """A value, and under it its interval and what follows that."""
    limits = interval(low, high, form)
    return Cell(form(value), f"{limits}; {more}" if more else limits, marked=marked) if known(value) else Cell(MISSING)


def column_cell(row: Mapping[str, Any], column: str, form: Callable[[float], str] = number) -> Cell:
    """A column of a row, and under it its interval from `<column>_low` and `<column>_high`, where there is one."""
    low, high = row.get(f"{column}_low"), row.get(f"{column}_high")
    return Cell(form(row.get(column)), interval(low, high, form) if known(low) and known(high) else "")
