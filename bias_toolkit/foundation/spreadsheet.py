"""Tables as CSV for a spreadsheet, in which no text of the data is taken for a formula."""

import csv

import pandas as pd

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""With which a cell starts that spreadsheets may compute (OWASP, "CSV Injection")."""


def csv_text(table: pd.DataFrame) -> str:
    """The table as CSV, without its index; what the toolkit reads back is not written by this.

    A text that starts like a formula has an apostrophe put before it, as OWASP says; numbers are left as they are.
    """
    shown, quoting = table.copy(deep=False), csv.QUOTE_MINIMAL
    for name, kind in table.dtypes.items():
        if not (pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_bool_dtype(kind)):
            shown[name] = table[name].astype(object).map(_harmless)
            # Left to itself, csv quotes the line's own ending only, and spreadsheets take the other for one as well.
            if shown[name].map(lambda value: isinstance(value, str) and "\r" in value).any():
                quoting = csv.QUOTE_NONNUMERIC
    return shown.to_csv(index=False, lineterminator="\n", quoting=quoting)


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
