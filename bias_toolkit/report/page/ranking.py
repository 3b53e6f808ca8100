"""A figure that ranks classes."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bias_toolkit.report.page.style import BLUE, GREY, name_rows, new_figure, styled

LONGEST_NAME = 26
ROW_INCHES = 0.225


@styled
def ranking(rows: pd.DataFrame, *, xlabel: str, most: int = 15) -> Axes:
    """Points with intervals (rows of name, value, low, high) from the top; of very many the `most` first and last."""
    rows = rows.dropna(subset=["value"])
    left_out = len(rows) - 2 * most
    places = np.arange(len(rows), dtype=float)
    if left_out > 0:
        rows = pd.concat([rows.head(most), rows.tail(most)])
        places = np.concatenate([np.arange(most), np.arange(most) + most + 1.5])
    ax = new_figure(height=1.1 + ROW_INCHES * (places[-1] + 1 if len(places) else 1)).add_subplot()
    ax.hlines(places, rows["low"], rows["high"], color=BLUE, linewidth=1.6, alpha=0.55)
    ax.plot(rows["value"], places, "o", color=BLUE, markersize=5)
    name_rows(ax, places, [shortened(name) for name in rows["name"]])
    ax.set_ylim(places[-1] + 0.8 if len(places) else 1, -0.8)
    ax.set_xlabel(xlabel)
    if left_out > 0:
        ax.axhline(most + 0.25, color=GREY, linewidth=0.8, linestyle=(0, (2, 3)))
        look = {"ha": "right", "va": "center", "fontsize": 8, "color": GREY, "backgroundcolor": "white"}
        ax.annotate(f"{left_out:,} more between", (1, most + 0.25), xycoords=("axes fraction", "data"), **look)
    return ax


def shortened(name: str) -> str:
    """A name cut to what fits beside an axis."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
