"""The curve of invariance over view size, of one model or several, with accuracy below."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bias_toolkit.foundation.words import count
from bias_toolkit.invariance import STEP_PROTOCOLS
from bias_toolkit.report.page.style import GREY, SERIES, in_its_unit, legend_label, new_figure, styled, subtitle
from bias_toolkit.report.words.definitions import label_of

MARKERS = "osD^vP*"


@styled
def size_vs_invariance(curves: Mapping[str, pd.DataFrame], measure: str = "p_top1_change") -> Figure:
    """A measure over the view size (A), crop on the left of 1 and embed on its right, and accuracy below.

    `curves`: name of a model to its table SUMMARY; a sweep of crop or embed is a point.
    """
    labelled = any(_points(table, "accuracy").notna().any(axis=None) for table in curves.values())
    figure = new_figure(6.2, 5.2 if labelled and measure != "accuracy" else 3.7)
    if labelled and measure != "accuracy":
        axes = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    else:
        axes = np.array([figure.add_subplot()])
    for ax, name in zip(axes, (measure, "accuracy"), strict=False):
        _draw(ax, curves, name)
    numbers = sorted({int(table["n"].max()) for table in curves.values()})
    others = "".join(f"{number:,} or " for number in numbers[:-1])
    axes[0].set_title(f"{label_of(measure)} by view size")
    subtitle(axes[0], f"mean and 95% interval over {others}{count(numbers[-1], 'image')}")
    axes[-1].set_xlabel(
        "view size: a crop's share of the image's area (left of 1),\n"
        "side of the canvas over side of the image (right of 1)"
    )
    if len(curves) > 1:
        axes[0].legend(loc="best")
    return figure


def _points(summary: pd.DataFrame, measure: str) -> pd.DataFrame:
    rows = summary[summary["measure"].eq(measure) & summary["protocol"].isin(STEP_PROTOCOLS)]
    return rows[["protocol", "transform", "size", "value", "low", "high"]].dropna(subset=["value"])


def _draw(ax: Axes, curves: Mapping[str, pd.DataFrame], measure: str) -> None:
    for number, (name, summary) in enumerate(curves.items()):
        colour, marker = SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)]
        points = _points(summary, measure)
        for part, (_, line) in enumerate(points.groupby(["protocol", "transform"], sort=True)):
            line = line.sort_values("size")
            ax.plot(
                line["size"],
                line["value"],
                color=colour,
                marker=marker,
                markersize=4,
                label=legend_label(name) if part == 0 else None,
            )
            ax.fill_between(line["size"], line["low"], line["high"], color=colour, alpha=0.18, linewidth=0)
    ax.axvline(1, color=GREY, linestyle="--", linewidth=1)
    ax.set_ylabel(label_of(measure))
    ax.set_ylim(bottom=0)
    in_its_unit(ax.yaxis, measure)
    if measure == "accuracy":
        ax.set_ylim(0, 1)
