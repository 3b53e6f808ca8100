"""The figure of the regression: odds ratios with their intervals."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bias_toolkit.foundation.words import count
from bias_toolkit.report.page.style import BLUE, GREEN, GREY, VERMILLION, name_rows, new_figure, styled, subtitle
from bias_toolkit.report.words.definitions import REGRESSION_KINDS, label_of

MARKS = {
    "alone": (GREY, "o", "white"),
    "together": (BLUE, "o", BLUE),
    "within class": (GREEN, "s", GREEN),
    "margin as a curve": (VERMILLION, "D", VERMILLION),
}
ROW_INCHES = 0.7
APART = 0.2
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
# An interval that goes farther is cut by the axis, so that the others can be seen.
LARGEST = 100.0


@styled
def odds_ratios(table: pd.DataFrame) -> Axes:
    """Odds ratios (ODDS_RATIOS) for one standard deviation of each term, alone and beside the others, on a log axis."""
    terms = list(dict.fromkeys(table.loc[table["kind"].eq("together"), "term"]))
    kinds = [kind for kind in MARKS if kind in set(table["kind"])]
    ax = new_figure(width=6.2, height=1.3 + ROW_INCHES * len(terms)).add_subplot()
    ax.axvline(1, color=GREY, linewidth=1)
    for at, kind in enumerate(kinds):
        rows = table[table["kind"].eq(kind)].set_index("term").reindex(terms)
        places = np.arange(len(terms)) + APART * (at - (len(kinds) - 1) / 2)
        colour, marker, inside = MARKS[kind]
        ax.hlines(places, rows["low"], rows["high"], color=colour, linewidth=1.6)
        label = REGRESSION_KINDS[kind].label.lower()
        ax.plot(rows["odds_ratio"], places, marker, color=colour, markerfacecolor=inside, markersize=4.5, label=label)
    ends = table[["odds_ratio", "low", "high"]].to_numpy(float)
    ends = np.clip(ends[np.isfinite(ends) & (ends > 0)], 1 / LARGEST, LARGEST)
    ax.set_xscale("log")
    low, high = (min(ends.min(initial=1), 0.8) / 1.15, max(ends.max(initial=1), 1.25) * 1.15)
    shown = [tick for tick in TICKS if low <= tick <= high]
    ax.set_xticks(shown, [f"{tick:g}" for tick in shown])
    ax.minorticks_off()
    ax.set_xlim(low, high)
    name_rows(ax, range(len(terms)), [label_of(term) for term in terms])
    ax.set_ylim(len(terms) - 0.45, -0.55)
    ax.set(xlabel="odds ratio for one standard deviation", title="Odds that a step changes the class")
    ax.legend(loc="best")
    together = table[table["kind"].eq("together")]
    if len(together):
        n, clusters = int(together["n"].iloc[0]), int(together["clusters"].iloc[0])
        classes = "" if clusters == n else f" of {count(clusters, 'class', 'classes')}"
        subtitle(ax, f"{count(n, 'image')}{classes}; lines: 95% intervals")
    return ax
