"""The tables that relate a variable of each image to its measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bias_toolkit.analysis import quantile_curve
from bias_toolkit.foundation.words import known
from bias_toolkit.report.source import Source, per_image


@dataclass(frozen=True)
class Relations:
    """What relates variables and measures of the test images.

    `per_image`: one row for each test image; empty where no sweep has steps. `correlations`, `curves`: tables
    CORRELATIONS and CURVES. `bins`: quantile bins of a curve. `metric`: of distances.
    """

    per_image: pd.DataFrame
    correlations: pd.DataFrame
    curves: pd.DataFrame
    bins: int
    metric: str

    def has_curve(self, distance: str, measure: str) -> bool:
        """Whether the pair's curve has at least two bins."""
        curve = curve_rows(self.curves, distance, measure)
        if curve is None:
            rows = self.per_image
            curve = quantile_curve(rows[distance], rows[measure], self.bins, resamples=1)
        return len(curve) > 1

    def computed(self, distance: str, measure: str, bins: int | None = None) -> dict[str, Any]:
        """What the study has of a pair, for a figure that gives the report's numbers; a curve only of its own bins."""
        found: dict[str, Any] = {"bins": bins or self.bins}
        if bins is None:
            found["curve"] = curve_rows(self.curves, distance, measure)
        if correlation(self.correlations, distance, measure, "plain") is not None:
            found["correlations"] = self.correlations
        return found


def gather(source: Source) -> Relations:
    """What relates variables and measures of a study's test images."""
    analysis, settings = source.analysis, source.settings
    return Relations(per_image(source), analysis.correlations, analysis.curves, settings.bins, settings.metric)


def correlation(table: pd.DataFrame, distance: str, measure: str, kind: str) -> Mapping[str, Any] | None:
    """One row of CORRELATIONS, None where it is absent or its rho is not defined."""
    if not len(table):
        return None
    rows = table[table["distance"].eq(distance) & table["measure"].eq(measure) & table["kind"].eq(kind)]
    if rows.empty or not known(rows.iloc[0]["rho"]):
        return None
    return rows.iloc[0].to_dict()


def curve_rows(table: pd.DataFrame, distance: str, measure: str) -> pd.DataFrame | None:
    """The rows of CURVES of a pair, None where there are none."""
    if not len(table):
        return None
    rows = table[table["distance"].eq(distance) & table["measure"].eq(measure)]
    return rows if len(rows) else None
