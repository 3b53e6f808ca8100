"""The figure of annotated factors: how much each changes a measure."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bias_toolkit.report.page.style import BLUE, GREY, VERMILLION, in_its_unit, name_rows, new_figure, styled, subtitle
from bias_toolkit.report.words.definitions import FACTORS, label_of

ROW_INCHES = 0.36
APART = 0.17


def largest_first(factors: pd.DataFrame, measure: str) -> pd.DataFrame:
    """The FACTORS rows of a measure, the largest difference first."""
    rows = factors[factors["measure"].eq(measure)]
    return rows.sort_values(["difference", "factor"], ascending=[False, True], kind="stable")


@styled
def factor_differences(factors: pd.DataFrame, measure: str = "p_top1_change") -> Axes:
    """The difference that each factor (FACTORS) makes to a measure among all images and among images of like margin."""
    rows = largest_first(factors, measure)
    places = np.arange(len(rows), dtype=float)
    ax = new_figure(width=6.2, height=1.35 + ROW_INCHES * len(rows)).add_subplot()
    ax.axvline(0, color=GREY, linewidth=1)
    for name, colour, marker, shift, label in (
        ("difference", VERMILLION, "o", -APART, "among all images"),
        ("given_margin", BLUE, "s", APART, "among images of like margin"),
    ):
        ax.hlines(places + shift, rows[f"{name}_low"], rows[f"{name}_high"], color=colour, linewidth=1.6, alpha=0.7)
        ax.plot(rows[name], places + shift, marker, color=colour, markersize=4.5, label=label)
    names = [FACTORS[factor].label if factor in FACTORS else factor for factor in rows["factor"]]
    name_rows(ax, places, [f"{name} ({n:,})" for name, n in zip(names, rows["n_with"], strict=True)])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    label = label_of(measure)
    ax.set(xlabel=f"{label}: with the factor minus without", title=f"{label} by annotated factor")
    in_its_unit(ax.xaxis, measure)
    subtitle(ax, "in brackets: images with the factor; lines: 95% intervals")
    ax.legend(loc="best")
    return ax
