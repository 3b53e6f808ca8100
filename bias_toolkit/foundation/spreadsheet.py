"""Tables as CSV for a spreadsheet, which must not treat any text of the data as a formula."""

import csv

import pandas as pd

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""With which a cell starts that spreadsheets may compute (OWASP, "CSV Injection")."""


def csv_text(table: pd.DataFrame) -> str:
    """The table as CSV, without its index. The toolkit does not read these files.

    Text that starts like a formula gets a leading apostrophe, as OWASP recommends; numbers are unchanged.
    """
    shown, quoting = table.copy(deep=False), csv.QUOTE_MINIMAL
    for name, kind in table.dtypes.items() if len(table) else ():
        if not (pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_bool_dtype(kind)):
            values = [_harmless(value) for value in table[name].astype(object)]
            shown[name] = pd.Series(values, table.index, dtype=object)
            # By default, csv quotes only its own line ending, but spreadsheets accept the other one too.
            if any(isinstance(value, str) and "\r" in value for value in values):
                quoting = csv.QUOTE_NONNUMERIC
    return shown.to_csv(index=False, lineterminator="\n", quoting=quoting)


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
