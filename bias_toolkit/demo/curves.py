"""The demo's figures: the measures of its networks by the position, the scale and the distance of the digits."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bias_toolkit.analysis import COMPARED_MEASURES
from bias_toolkit.report.page.style import BLUE, SMALL, VERMILLION, in_its_unit, new_figure, styled
from bias_toolkit.report.words.definitions import label_of

LINE = {"markersize": 4, "linewidth": 1.4, "elinewidth": 0.9, "capsize": 2}
CENTRED = LINE | {"linestyle": "-"}
VARIED = LINE | {"linestyle": "--", "markerfacecolor": "white"}
STYLES = {
    "fully-connected": CENTRED | {"color": VERMILLION, "marker": "o"},
    "global-pooling": CENTRED | {"color": BLUE, "marker": "s"},
    "fully-connected-uniform": VARIED | {"color": VERMILLION, "marker": "o"},
    "global-pooling-uniform": VARIED | {"color": BLUE, "marker": "s"},
}
LABELS = {
    "fully-connected": "fully-connected, trained on centred digits",
    "global-pooling": "global-pooling, trained on centred digits",
    "fully-connected-uniform": "the same, trained on varied digits",
    "global-pooling-uniform": "the same, trained on varied digits",
}
LOOKS = {network: style | {"label": LABELS[network]} for network, style in STYLES.items()}
COLUMNS = {
    "off_centre": ("By position", "centre of the digit off the middle\n(in image widths)", 0.004),
    "scale": ("By scale", "scale of the digit (square root\nof its share of the image)", 0.006),
}
ROW_LABELS = {"p_top1_change": "P(top-1 change)", "mac": "mean absolute\nchange", "accuracy": "accuracy"}


@styled
def argument_figure(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Every measure by position and by scale, with a line for each network's result of `argument.binned`."""
    figure = new_figure(height=6.6)
    grid = figure.subplots(len(ROW_LABELS), len(COLUMNS), sharex="col", sharey="row")
    for row, measure in zip(grid, ROW_LABELS, strict=True):
        for ax, (by, (title, label, _)) in zip(row, COLUMNS.items(), strict=True):
            draw_by_framing(ax, tables, by, measure, LOOKS)
            if measure == COMPARED_MEASURES[0]:
                ax.set_title(title)
            if ax in grid[-1]:
                ax.set_xlabel(label, fontsize=8.5)
        _limits(row[0], measure)
        row[0].set_ylabel(ROW_LABELS[measure], fontsize=8.5)
    legend_below(figure, grid[0, 0])
    return figure


@styled
def distance_figure(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """P(top-1 change) by fifths of the distance, with a line for each network's result of `argument.binned`."""
    figure = new_figure(height=4.2)
    ax = figure.add_subplot()
    for at, (network, table) in enumerate(tables.items()):
        rows = table[table["by"] == "nn_distance"]
        _draw(ax, rows["bin"] + 1 + 0.06 * (at - (len(tables) - 1) / 2), rows, "p_top1_change", LOOKS[network])
    _limits(ax, "p_top1_change")
    ax.set_xticks(range(1, len(rows) + 1))
    ax.set(title="By distance from the training images", xlabel="fifth of the images, from nearest to farthest")
    ax.set_ylabel(label_of("p_top1_change"))
    legend_below(figure, ax)
    return figure


def draw_by_framing(
    ax: Axes, tables: Mapping[str, pd.DataFrame], by: str, measure: str, looks: Mapping[str, Mapping[str, Any]]
) -> None:
    """A measure by position or by scale (`by`): a line for each result of `argument.binned`, in its look."""
    apart = COLUMNS[by][2]
    for at, (name, table) in enumerate(tables.items()):
        rows = table[(table["by"] == by) & table[measure].notna()]
        x = (rows["left"] + rows["right"]) / 2 + apart * (at - (len(tables) - 1) / 2)
        _draw(ax, x, rows, measure, looks[name])
    edges = table.loc[table["by"] == by, ["left", "right"]]
    ax.set_xlim(edges["left"].min(), edges["right"].max())
    ax.set_xticks(edges["right"].to_numpy())
    ax.tick_params(labelsize=SMALL)


def _draw(ax: Axes, x: pd.Series, rows: pd.DataFrame, measure: str, look: Mapping[str, Any]) -> None:
    value, low, high = (rows[f"{measure}{end}"] for end in ("", "_low", "_high"))
    # An interval of few images may be undefined.
    errors = [(value - low).clip(lower=0).fillna(0), (high - value).clip(lower=0).fillna(0)]
    ax.errorbar(x, value, yerr=errors, **look)


def _limits(ax: Axes, measure: str) -> None:
    """Start the axis of a measure at 0, after all its lines were drawn."""
    ax.set_ylim(bottom=0)
    if measure == "accuracy":
        ax.set_ylim(0, 1.03)
    in_its_unit(ax.yaxis, measure)


def legend_below(figure: Figure, ax: Axes, columns: int = 2) -> None:
    """One legend for a figure, of the lines in one of its panels."""
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=SMALL)
