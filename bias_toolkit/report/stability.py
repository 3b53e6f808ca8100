"""The order of the test images by their stability."""

import pandas as pd

from bias_toolkit.invariance import HEADLINE

LISTED = 6
"""How many of the least and of the most stable images a report shows."""


def ordered_by_stability(per_image: pd.DataFrame) -> pd.DataFrame:
    """The rows with a P(top-1 change), the least stable first; among equals, the larger MAC first."""
    rows = per_image[per_image[HEADLINE].notna()]
    columns = [name for name in (HEADLINE, "mac") if name in rows]
    return rows.sort_values([*columns, "image_id"], ascending=[False] * len(columns) + [True], kind="stable")


def least_and_most_stable(per_image: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The less stable half of the rows, the least stable first, and the other half, the most stable first."""
    ordered = ordered_by_stability(per_image)
    half = (len(ordered) + 1) // 2
    return ordered.head(half), ordered.iloc[half:].iloc[::-1]
