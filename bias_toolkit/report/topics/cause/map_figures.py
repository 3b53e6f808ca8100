"""Figures of the framing map: measures over position and scale beside the density of the training objects."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bias_toolkit.foundation.words import count, interval, known, number
from bias_toolkit.invariance import HEADLINE
from bias_toolkit.report.page.style import GREY, HEAT_MAP, VERMILLION, in_its_unit, new_figure, styled, subtitle
from bias_toolkit.report.topics.cause.map_findings import SURROUNDINGS
from bias_toolkit.report.words.definitions import label_of

DENSITY_MAP = "Greys"

# Densities decrease so fast that cells differ mainly in the order of magnitude below the highest.
SHOWN_DENSITY = np.log(1000)
MOST_COLUMNS = 9


def _label(kind: str) -> str:
    """The label of surroundings; the demo compares networks in their place, under their names."""
    return SURROUNDINGS[kind].label if kind in SURROUNDINGS else kind


@styled
def framing_maps(cells: pd.DataFrame, measure: str = HEADLINE) -> Figure:
    """A measure in each cell, one row per kind of surroundings and one column per scale.

    The first row is the training density on the same axes, if it is known. Cells in which the model recognises nothing
    are crossed out. Cells whose P(top-1 change) cannot be distinguished from the lowest are framed.

    `cells`: table MAP_CELLS. `measure`: {"p_top1_change", "mac", "accuracy"}.
    """
    scales = sorted(cells["scale"].unique())
    kinds = list(dict.fromkeys(cells["surroundings"]))
    places = sorted(set(cells["cx"]) | set(cells["cy"]))
    density = cells.dropna(subset=["log_density"]).drop_duplicates(["scale", "cy", "cx"])
    rows = (["density"] if len(density) else []) + kinds
    figure = new_figure(1.25 * max(len(scales), 3) + 1.6, 1.28 * len(rows) + 0.7)
    grid = figure.subplots(len(rows), len(scales), squeeze=False, sharex=True, sharey=True)
    highest = float(cells[measure].max())
    norms = {kind: Normalize(0, highest if highest > 0 else 1) for kind in kinds}
    if len(density):
        peak = density["log_density"].max()
        norms["density"] = Normalize(0, 1)
        density = density.assign(shade=np.clip(1 + (density["log_density"] - peak) / SHOWN_DENSITY, 0, 1))
    for row, kind in enumerate(rows):
        table, column = (density, "shade") if kind == "density" else (cells[cells["surroundings"] == kind], measure)
        colours = DENSITY_MAP if kind == "density" else HEAT_MAP
        for at, scale in enumerate(scales):
            _panel(grid[row, at], table[table["scale"] == scale], column, places, norms[kind], colours)
            if row == 0:
                grid[row, at].set_title(f"scale {scale:g}", fontsize=8.5, loc="center", pad=4)
        name = "training\nobjects" if kind == "density" else _label(kind)
        grid[row, 0].set_ylabel(name, rotation=0, ha="right", va="center", labelpad=8)
    _bars(figure, grid, rows, measure)
    figure.supxlabel("cx, from left to right (rows of a panel: cy, from top to bottom)", fontsize=8.5)
    return figure


def _panel(ax: Axes, table: pd.DataFrame, column: str, places: Sequence[float], norm: Normalize, colours: str) -> None:
    values = table.pivot(index="cy", columns="cx", values=column).reindex(index=places, columns=places)
    ax.imshow(values.to_numpy(float), cmap=colours, norm=norm, interpolation="nearest")
    ax.set_facecolor("#F3F4F6")
    ax.grid(False)
    ax.set_xticks(range(len(places)), [f"{place:g}" for place in places], fontsize=5.5, rotation=90)
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    if column == "shade":
        return
    for row in table.itertuples():
        x, y = places.index(row.cx), places.index(row.cy)
        if row.recognised is not None and not row.recognised:
            ax.plot([x - 0.28, x + 0.28], [y - 0.28, y + 0.28], color="white", linewidth=0.9)
            ax.plot([x - 0.28, x + 0.28], [y + 0.28, y - 0.28], color="white", linewidth=0.9)
        elif row.among_lowest and column == HEADLINE:
            ax.add_patch(Rectangle((x - 0.42, y - 0.42), 0.84, 0.84, fill=False, edgecolor=VERMILLION, linewidth=1.4))


def _bars(figure: Figure, grid: np.ndarray, rows: Sequence[str], measure: str) -> None:
    first = 1 if rows[0] == "density" else 0
    if first:
        bar = figure.colorbar(grid[0, 0].images[0], ax=list(grid[0]), shrink=0.9, pad=0.015, fraction=0.03)
        bar.set_ticks([0, 1 / 3, 2 / 3, 1], labels=["≤ 1/1000", "1/100", "1/10", "highest"])
        bar.ax.tick_params(labelsize=7)
        bar.outline.set_visible(False)
    below = [ax for row in grid[first:] for ax in row]
    bar = figure.colorbar(grid[first, 0].images[0], ax=below, shrink=0.8, pad=0.015, fraction=0.03)
    bar.set_label(label_of(measure))
    bar.outline.set_visible(False)
    in_its_unit(bar.ax.yaxis, measure)


@styled
def map_against_density(cells: pd.DataFrame, correlations: pd.DataFrame, measure: str = HEADLINE) -> Figure:
    """A measure in each cell (MAP_CELLS) over the training density there, one panel per kind of surroundings."""
    cells = cells.dropna(subset=["log_density"])
    kinds = list(dict.fromkeys(cells["surroundings"]))
    figure = new_figure(2.7 * max(len(kinds), 2) + 0.9, 3.1)
    axes = figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
    shades = Normalize(np.log(cells["scale"].min()), np.log(cells["scale"].max()))
    for ax, kind in zip(axes, kinds, strict=True):
        table = cells[cells["surroundings"] == kind]
        # ρ compares ranks; the densities themselves range over hundreds of orders of magnitude.
        rank = table["log_density"].rank(pct=True)
        seen = table["recognised"].isna() | table["recognised"].eq(True)
        dots = ax.scatter(
            rank[seen], table[measure][seen], c=np.log(table["scale"][seen]), cmap="viridis", norm=shades, s=22
        )
        ax.scatter(rank[~seen], table[measure][~seen], marker="x", color="#B6BBC4", s=14, linewidth=0.9)
        ax.set(title=_label(kind), xlim=(0, 1.03))
        subtitle(ax, _rho_line(correlations, kind, measure))
        ax.set_ylim(bottom=0)
    axes[0].set_ylabel(label_of(measure))
    in_its_unit(axes[0].yaxis, measure)
    in_rank = "training density at the cell, as a rank among the cells (right: where most training objects are)"
    figure.supxlabel(in_rank, fontsize=8.5)
    bar = figure.colorbar(dots, ax=list(axes), shrink=0.85, pad=0.015, fraction=0.03, label="scale")
    scales = sorted(cells["scale"].unique())
    bar.set_ticks(np.log(scales), labels=[f"{scale:g}" for scale in scales])
    bar.ax.minorticks_off()
    bar.outline.set_visible(False)
    return figure


def _rho_line(correlations: pd.DataFrame, kind: str, measure: str) -> str:
    rows = correlations[correlations["surroundings"].eq(kind) & correlations["measure"].eq(measure)]
    for name in ("recognised", "all"):
        matching = rows[rows["kind"].eq(name)]
        if len(matching):
            row = matching.iloc[0]
            if not known(row["rho"]):
                alike = known(row["signal"])
                return "cells too much alike for ρ" if alike else f"{count(row['n_cells'], 'cell')}, too few for ρ"
            return f"ρ {number(row['rho'])} ({interval(row['low'], row['high'])})"
    return ""


@styled
def map_views(views: Mapping[str, Sequence[tuple[float, np.ndarray]]]) -> Figure:
    """Views of one image, its object in the middle: (scale, uint8 (W, W, 3)) pairs for each kind of surroundings."""
    scales = sorted({scale for row in views.values() for scale, _ in row})[:MOST_COLUMNS]
    figure = new_figure(1.25 * max(len(scales), 3) + 1.2, 1.3 * len(views) + 0.3)
    grid = figure.subplots(len(views), len(scales), squeeze=False)
    for row, (kind, shown) in zip(grid, views.items(), strict=True):
        pixels = dict(shown)
        for ax, scale in zip(row, scales, strict=True):
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
            for spine in ax.spines.values():
                spine.set_visible(False)
            if scale in pixels:
                ax.imshow(pixels[scale])
            else:
                ax.text(0.5, 0.5, "not\npossible", ha="center", va="center", fontsize=7, color=GREY)
                ax.set(xlim=(0, 1), ylim=(0, 1))
            if ax in grid[0]:
                ax.set_title(f"scale {scale:g}", fontsize=8.5, loc="center", pad=4)
        row[0].set_ylabel(_label(kind), rotation=0, ha="right", va="center", labelpad=8)
    return figure
