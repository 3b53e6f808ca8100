"""The figures on remedies: accuracy against P(top-1 change), and P(top-1 change) by distance."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from bias_toolkit.foundation.words import known
from bias_toolkit.invariance import HEADLINE, remedy_of
from bias_toolkit.invariance.remedies import UNTOUCHED
from bias_toolkit.report.page.style import BLACK, BLUE, GREY, SERIES, in_percent, new_figure, styled
from bias_toolkit.report.words.definitions import label_of

MARKERS = "osD^vP*X"


@styled
def stability_plane(
    change: pd.DataFrame, accuracy: pd.DataFrame, base: str, labels: Mapping[str, str], front: Collection[str] = ()
) -> Figure:
    """Accuracy against P(top-1 change), or the latter alone without labels, with arrows from the row `base`.

    Both have the columns value, value_low and value_high, and a row for each point. Those in `front` are ringed.
    """
    accuracy = accuracy.reindex(change.index)
    labelled = bool(accuracy["value"].notna().any())
    figure = new_figure(height=3.5 + 0.2 * -(-len(change) // 2))
    ax = figure.add_subplot()
    places = accuracy["value"] if labelled else pd.Series(np.arange(len(change), dtype=float), change.index)
    start = (places.get(base), change["value"].get(base))
    for at, (name, row) in enumerate(change.iterrows()):
        is_base = name == base
        colour = BLACK if is_base else SERIES[(at - 1) % len(SERIES)]
        x, y = places[name], row["value"]
        _bars(ax, x, y, row, accuracy.loc[name] if labelled else None, colour)
        if not is_base and labelled:
            ax.annotate("", (x, y), start, arrowprops={"arrowstyle": "->", "color": GREY, "lw": 0.8, "alpha": 0.7})
        ax.plot(x, y, MARKERS[at % len(MARKERS)], color=colour, markersize=7, label=labels[name], zorder=3)
        if name in front:
            ax.plot(x, y, "o", color=colour, markersize=13, fillstyle="none", zorder=3)
    ax.set_ylabel(label_of(HEADLINE))
    in_percent(ax.yaxis)
    ax.set_ylim(bottom=0)
    if labelled:
        ax.set_xlabel(label_of("accuracy"))
        in_percent(ax.xaxis)
        ax.set_title("Lower and farther right is better")
    else:
        ax.set_xticks([])
        ax.set_title("Lower is better")
    figure.legend(loc="outside lower left", ncols=2)
    return figure


def _bars(ax: Axes, x: float, y: float, row: pd.Series, across: pd.Series | None, colour: str) -> None:
    look = {"color": colour, "linewidth": 1.1, "alpha": 0.45}
    ax.vlines(x, row["value_low"], row["value_high"], **look)
    if across is not None:
        ax.hlines(y, across["value_low"], across["value_high"], **look)


@styled
def reach_figure(reach: pd.DataFrame, needed: Mapping[str, Any]) -> Figure:
    """The median distance over the number of copies (table REACH), and that between training images, with intervals."""
    figure = new_figure()
    ax = figure.add_subplot()
    at = 1 + reach["copies"]
    ax.fill_between(at, reach["distance_low"], reach["distance_high"], color=BLUE, alpha=0.15, linewidth=0)
    ax.plot(at, reach["distance"], color=BLUE, marker="o", markersize=4)
    ax.axhline(needed["target"], color=GREY, linestyle="--", linewidth=1.2)
    if known(needed["target_low"]):
        ax.axhspan(needed["target_low"], needed["target_high"], color=GREY, alpha=0.15, linewidth=0)
    ax.set(xscale="log", xlabel="random copies of each training image", ylabel="median nearest distance")
    ax.set_xticks(at, [f"{copies}" for copies in reach["copies"]])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_title("What more augmentation brings nearer")
    return figure


@styled
def remedies_by_distance(tenths: pd.DataFrame) -> Figure:
    """P(top-1 change) in quantile bins of nn_distance with each remedy (table REMEDY_TENTHS)."""
    figure = new_figure(height=4.6)
    ax = figure.add_subplot()
    for at, (name, rows) in enumerate(tenths.groupby("remedy", sort=False)):
        is_base = name == UNTOUCHED.name
        colour = BLACK if is_base else SERIES[(at - 1) % len(SERIES)]
        look = {"color": colour, "linewidth": 2.4 if is_base else 1.2, "marker": MARKERS[at % len(MARKERS)]}
        ax.plot(rows["x"], rows["value"], markersize=4, label=remedy_of(name).label, **look)
        if is_base:
            ax.fill_between(rows["x"], rows["value_low"], rows["value_high"], color=colour, alpha=0.12, linewidth=0)
    ax.set(xlabel=label_of("nn_distance"), ylabel=label_of(HEADLINE))
    ax.set_title("Stability by distance, with each remedy")
    in_percent(ax.yaxis)
    ax.set_ylim(bottom=0)
    figure.legend(loc="outside lower left", ncols=2)
    return figure
