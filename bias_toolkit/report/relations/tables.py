"""The tables that relate a variable of each image to its measures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from bias_toolkit.analysis import adjusted_correlations, quantile_curve
from bias_toolkit.foundation.words import known
from bias_toolkit.report.columns import first_row
from bias_toolkit.report.relations.odds import adjusted
from bias_toolkit.report.source import Source, per_image

FRACTIONS = {2: "half", 3: "third", 4: "quarter", 5: "fifth", 8: "eighth", 10: "tenth", 20: "twentieth"}
"""The name of a bin of equally many images, by the number of bins."""


@dataclass(frozen=True)
class Relations:
    """The tables that relate variables and measures of the test images."""

    per_image: pd.DataFrame  # one row per test image; empty if no sweep has steps
    correlations: pd.DataFrame  # table CORRELATIONS, with `adjusted_correlations`
    curves: pd.DataFrame  # table CURVES
    bins: int  # quantile bins of a curve
    metric: str  # of distances
    odds_ratios: pd.DataFrame = field(default_factory=pd.DataFrame)  # table ODDS_RATIOS, `adjusted`

    def has_curve(self, distance: str, measure: str) -> bool:
        """Whether the pair's curve has at least two bins."""
        curve = curve_rows(self.curves, distance, measure)
        if curve is None:
            rows = self.per_image
            curve = quantile_curve(rows[distance], rows[measure], self.bins, resamples=1)
        return len(curve) > 1

    def computed(self, distance: str, measure: str, bins: int | None = None) -> dict[str, Any]:
        """The study's numbers for a pair, for a figure that repeats the report's; a curve only for the study's bins."""
        options: dict[str, Any] = {"bins": bins or self.bins}
        if bins is None:
            options["curve"] = curve_rows(self.curves, distance, measure)
        if correlation(self.correlations, distance, measure, "plain") is not None:
            options["correlations"] = self.correlations
        return options


def gather(source: Source) -> Relations:
    """The relations of variables and measures of a study's test images."""
    analysis, settings = source.analysis, source.settings
    correlations = adjusted_correlations(analysis.correlations)
    odds_ratios = adjusted(analysis.odds_ratios)
    return Relations(per_image(source), correlations, analysis.curves, settings.bins, settings.metric, odds_ratios)


def correlation(table: pd.DataFrame, distance: str, measure: str, kind: str) -> Mapping[str, Any] | None:
    """One row of CORRELATIONS; None if it is absent or its rho is not defined."""
    row = first_row(table, distance=distance, measure=measure, kind=kind)
    return row if row is not None and known(row["rho"]) else None


def plain_and_partial(
    table: pd.DataFrame, distance: str, measure: str
) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """The CORRELATIONS rows without and with control for the margin."""
    return correlation(table, distance, measure, "plain"), correlation(table, distance, measure, "partial")


def curve_rows(table: pd.DataFrame, distance: str, measure: str) -> pd.DataFrame | None:
    """The rows of CURVES of a pair; None if there are none."""
    rows = table[table["distance"].eq(distance) & table["measure"].eq(measure)] if len(table) else table
    return rows if len(rows) else None
