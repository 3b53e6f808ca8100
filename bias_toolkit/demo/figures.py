"""The figure of the demo's argument."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bias_toolkit.report.page.style import BLUE, VERMILLION, in_percent, new_figure, styled

COLOURS = {"fully-connected": VERMILLION, "global-pooling": BLUE}
MARKERS = {"fully-connected": "o", "global-pooling": "s"}
PANELS = (
    ("nn_distance", "By distance", "fifth of the images,\nnearest to farthest"),
    ("off_centre", "By position, at the trained scale", "object's centre from the middle\n(share of the width)"),
    ("scale", "By scale, near the middle", "scale\n(square root of the share of the image)"),
)


@styled
def argument_figure(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """P(top-1 change) by distance, position and scale, a line a network.

    Parameters
    ----------
    tables : mapping
        From a network's name to what `argument.binned` gave for it.
    """
    figure = new_figure(9.6, 3.5)
    axes = figure.subplots(1, len(PANELS), sharey=True)
    for ax, (by, title, label) in zip(axes, PANELS, strict=True):
        for shift, (network, table) in enumerate(tables.items()):
            rows = table[(table["by"] == by) & table["p_top1_change"].notna()]
            _line(ax, rows, network, by, shift)
        ax.set(title=title, xlabel=label)
        in_percent(ax.yaxis)
    axes[0].set_ylim(bottom=0)
    axes[0].set_ylabel("P(top-1 change)")
    axes[0].legend(loc="upper left")
    return figure


def _line(ax: Axes, rows: pd.DataFrame, network: str, by: str, shift: int) -> None:
    if by == "nn_distance":
        x = rows["bin"] + 1.0
        ax.set_xticks(x.to_numpy())
        offset = 0.06
    else:
        x = (rows["left"] + rows["right"]) / 2
        ax.set_xticks(rows["right"].to_numpy())
        ax.set_xlim(rows["left"].min(), rows["right"].max())
        offset = 0.003
    errors = [rows["p_top1_change"] - rows["low"], rows["high"] - rows["p_top1_change"]]
    ax.errorbar(
        x + (2 * shift - 1) * offset,
        rows["p_top1_change"],
        yerr=errors,
        color=COLOURS[network],
        marker=MARKERS[network],
        markersize=5,
        linewidth=1.6,
        elinewidth=1.1,
        capsize=2.5,
        label=network,
    )
