"""The columns of a table that can be shown, and the rows that sentences are about."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from bias_toolkit.foundation.errors import InputError


def has_values(table: pd.DataFrame, *columns: str) -> bool:
    """Whether the table has a row with a value in every one of these columns."""
    if any(column not in table for column in columns):
        return False
    return bool(table[list(columns)].notna().all(axis=1).any())


def first_row(table: pd.DataFrame, **values: Any) -> dict[str, Any] | None:
    """The first row that has these values in these columns; None if there is none.

    To select the rows of a wide table takes eight times as long, and sentences take hundreds of rows.
    """
    fits = np.ones(len(table), dtype=bool)
    for column, value in values.items() if len(table) else ():
        fits &= table[column].to_numpy(dtype=object) == value
    return table.iloc[int(fits.argmax())].to_dict() if fits.any() else None


def numeric_columns(table: pd.DataFrame) -> list[str]:
    """The columns that hold numbers, in order; boolean columns are excluded."""
    kinds = pd.api.types
    return [
        name for name, kind in table.dtypes.items() if kinds.is_numeric_dtype(kind) and not kinds.is_bool_dtype(kind)
    ]


def require_numbers(table: pd.DataFrame, **options: str) -> None:
    """Raise InputError if an option, named without its dashes, names no numeric column of a table."""
    numeric = numeric_columns(table)
    for option, column in options.items():
        if column not in numeric:
            lack = "is not a column of numbers" if column in table else "the study does not have"
            raise InputError(f"--{option} is {column!r}, which {lack}; it can be {', '.join(numeric) or 'none'}.")


def require_one_of(measures: Iterable[str], measure: str, figure: str) -> None:
    """Raise InputError if a figure cannot show a measure."""
    measures = list(measures)
    if measure not in measures:
        raise InputError(f"--measure is {measure!r}, but {figure} can show only {', '.join(measures)}.")
