"""The odds ratios of the regression of changed steps on distance and framing, adjusted as families."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bias_toolkit.foundation.false_discovery import family_intervals
from bias_toolkit.foundation.words import known
from bias_toolkit.report.columns import first_row


def adjusted(table: pd.DataFrame) -> pd.DataFrame:
    """Table ODDS_RATIOS with adjusted intervals (`family_intervals`); the terms of one kind are a family.

    They are adjusted as logarithms, in which an interval is symmetric, with the degrees of freedom that the number of
    clusters gives. Terms without a finite interval are not counted.
    """
    if table.empty:
        return table
    families = []
    for _, rows in table.groupby("kind", sort=False):
        logarithms = (np.log(rows[name].to_numpy(float)) for name in ("odds_ratio", "low", "high"))
        low, high = family_intervals(*logarithms, images=rows["clusters"].to_numpy(float))
        families.append(rows.assign(low=np.exp(low), high=np.exp(high)))
    return pd.concat(families).sort_index()


def odds_row(table: pd.DataFrame, term: str, kind: str) -> Mapping[str, Any] | None:
    """One row of ODDS_RATIOS; None if it is absent or has no interval."""
    row = first_row(table, term=term, kind=kind)
    return row if row is not None and known(row["low"]) and known(row["high"]) else None


def odds_direction(row: Mapping[str, Any] | None) -> int | None:
    """1 or −1 if the interval lies above or below an odds ratio of 1, 0 if it includes 1, None without a row."""
    return None if row is None else int(row["low"] > 1) - int(row["high"] < 1)
