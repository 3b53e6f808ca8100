"""Figures of the framing map: measures over position and scale beside the density of the training objects."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.words import count, interval, known, number
from bias_toolkit.invariance import HEADLINE, FramingGrid
from bias_toolkit.report.page.style import (
    GREY,
    HEAT_MAP,
    SMALL,
    VERMILLION,
    in_its_unit,
    new_figure,
    styled,
    subtitle,
    value_range,
)
from bias_toolkit.report.topics.cause.map_findings import SURROUNDINGS, TOO_FEW
from bias_toolkit.report.words.definitions import label_of, limits_of

DENSITY_MAP = "Greys"
TRAINING = "training density"
# White is neither a value nor a mark: the colours of values begin at grey, and cells without one are hatched.
NO_FIT = {"facecolor": "#E5E7EB", "edgecolor": "#9CA3AF", "hatch": "//////", "linewidth": 0}
TOO_FEW_THERE = {"facecolor": "#FFFFFF", "edgecolor": "#6B7280", "hatch": "....", "linewidth": 0}
LIGHTEST = -0.2
LOWEST = {"fill": False, "edgecolor": VERMILLION, "linewidth": 1.4}

# Densities decrease so fast that cells differ mainly in the order of magnitude below the highest.
SHOWN_DENSITY = np.log(1000)
MOST_SCALES = 9


def _label(kind: str) -> str:
    """The label of surroundings; the demo compares networks in their place, under their names."""
    return SURROUNDINGS[kind].label if kind in SURROUNDINGS else kind


@styled
def framing_maps(cells: pd.DataFrame, measure: str = HEADLINE) -> Figure:
    """A measure in each cell, one row per scale and one column per kind of surroundings.

    Raises InputError if there is no cell.

    The first column is the training density on the same axes, if it is known. Cells in which the model recognises
    nothing are crossed out. Cells whose P(top-1 change) cannot be distinguished from the lowest are framed. Places at
    which an object of that scale would not fit are hatched; cells with too few images are dotted.

    `cells`: table MAP_CELLS. `measure`: {"p_top1_change", "mac", "accuracy"}.
    """
    if cells.empty:
        raise InputError(TOO_FEW)
    scales = sorted(cells["scale"].unique())
    kinds = list(dict.fromkeys(cells["surroundings"]))
    places = sorted(set(cells["cx"]) | set(cells["cy"]))
    possible = {(cell.cx, cell.cy, cell.scale) for cell in FramingGrid(tuple(places), tuple(scales)).cells}
    density = cells.dropna(subset=["log_density"]).drop_duplicates(["scale", "cy", "cx"])
    columns = ([TRAINING] if len(density) else []) + kinds
    figure = new_figure(height=0.98 * len(scales) + 1.9)
    grid = figure.subplots(len(scales), len(columns), squeeze=False, sharex=True, sharey=True)
    highest = float(cells[measure].max())
    norms = {kind: Normalize(0, highest if highest > 0 else 1) for kind in kinds} | {TRAINING: Normalize(LIGHTEST, 1)}
    density = density.assign(
        shade=np.clip(1 + (density["log_density"] - density["log_density"].max()) / SHOWN_DENSITY, 0, 1)
    )
    for at, kind in enumerate(columns):
        known_density = kind == TRAINING
        table, column = (density, "shade") if known_density else (cells[cells["surroundings"] == kind], measure)
        for ax, scale in zip(grid[:, at], scales, strict=True):
            fitting = [(x, y) for x, y, of in possible if of == scale]
            colours = DENSITY_MAP if known_density else HEAT_MAP
            _panel(ax, table[table["scale"] == scale], column, places, fitting, norms[kind], colours)
            ax.tick_params(length=2, pad=2, labelsize=SMALL)
        name = "training\nobjects" if known_density else _label(kind).replace(", ", ",\n")
        grid[0, at].set_title(name, fontsize=8, loc="center", pad=4)
    shown = sorted({0, (len(places) - 1) // 2, len(places) - 1})
    for axis in (grid[0, 0].xaxis, grid[0, 0].yaxis):
        # All panels share the ticks.
        axis.set_ticks(shown, [f"{places[at]:g}" for at in shown])
    for ax, scale in zip(grid[:, 0], scales, strict=True):
        ax.set_ylabel(f"scale {scale:g}\ncy", fontsize=8)
    for ax in grid[-1]:
        ax.set_xlabel("cx", fontsize=8)
    _bars(figure, grid, columns, measure)
    _legend(figure, cells, measure)
    return figure


def _panel(
    ax: Axes,
    table: pd.DataFrame,
    column: str,
    places: Sequence[float],
    fitting: Sequence[tuple[float, float]],
    norm: Normalize,
    colours: str,
) -> None:
    values = table.pivot(index="cy", columns="cx", values=column).reindex(index=places, columns=places)
    values = values.astype(float)
    ax.imshow(values.to_numpy(), cmap=colours, norm=norm, interpolation="nearest")
    ax.grid(False)
    for x, cx in enumerate(places):
        for y, cy in enumerate(places):
            if (cx, cy) not in fitting or np.isnan(values.loc[cy, cx]):
                look = TOO_FEW_THERE if (cx, cy) in fitting else NO_FIT
                ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, **look))
    if column == "shade":
        return
    for row in table.itertuples():
        x, y = places.index(row.cx), places.index(row.cy)
        if row.recognised is not None and not row.recognised:
            ax.plot([x - 0.28, x + 0.28], [y - 0.28, y + 0.28], color="white", linewidth=0.9)
            ax.plot([x - 0.28, x + 0.28], [y + 0.28, y - 0.28], color="white", linewidth=0.9)
        elif row.among_lowest and column == HEADLINE:
            ax.add_patch(Rectangle((x - 0.42, y - 0.42), 0.84, 0.84, **LOWEST))


def _bars(figure: Figure, grid: np.ndarray, columns: Sequence[str], measure: str) -> None:
    look = {"orientation": "horizontal", "pad": 0.01, "aspect": 14}
    first = 1 if columns[0] == TRAINING else 0
    if first:
        bar = figure.colorbar(grid[0, 0].images[0], ax=list(grid[:, 0]), shrink=0.9, **look | {"aspect": 8})
        bar.ax.set_xlim(0, 1)
        bar.set_ticks([0, 1], labels=["≤ 1/1000", "highest"])
        bar.set_label("density", fontsize=8)
        bar.ax.tick_params(labelsize=SMALL)
        bar.outline.set_visible(False)
    beside = list(grid[:, first:].flat)
    bar = figure.colorbar(grid[0, first].images[0], ax=beside, shrink=0.8, **look)
    bar.set_label(label_of(measure), fontsize=8)
    bar.ax.tick_params(labelsize=SMALL)
    bar.outline.set_visible(False)
    in_its_unit(bar.ax.xaxis, measure)


def _legend(figure: Figure, cells: pd.DataFrame, measure: str) -> None:
    marks = [(Rectangle((0, 0), 1, 1, **NO_FIT), "the object would not fit")]
    marks.append((Rectangle((0, 0), 1, 1, **TOO_FEW_THERE), "too few images"))
    if cells["recognised"].eq(False).any():
        marks.append((Line2D([], [], color=GREY, marker="x", linestyle="none"), "objects are not recognised"))
    if measure == HEADLINE:
        marks.append((Rectangle((0, 0), 1, 1, **LOWEST), "not told from the lowest"))
    handles, labels = zip(*marks, strict=True)
    axes = "cx, cy: position of the object’s centre; 0 left and top, 1 right and bottom"
    look = {"ncols": 2, "fontsize": SMALL, "title_fontsize": SMALL}
    figure.legend(handles, labels, loc="outside lower center", title=axes, **look)


@styled
def map_against_density(cells: pd.DataFrame, correlations: pd.DataFrame, measure: str = HEADLINE) -> Figure:
    """A measure in each cell (MAP_CELLS) over the training density there, one panel per kind of surroundings."""
    cells = cells.dropna(subset=["log_density"])
    kinds = list(dict.fromkeys(cells["surroundings"]))
    lines = math.ceil(len(kinds) / 2)
    figure = new_figure(height=2.5 * lines + 0.6)
    axes = figure.subplots(lines, min(len(kinds), 2), sharex=True, sharey=True, squeeze=False)
    shades = Normalize(np.log(cells["scale"].min()), np.log(cells["scale"].max()))
    for ax in axes.flat[len(kinds) :]:
        ax.set_visible(False)
    for ax, kind in zip(axes.flat, kinds, strict=False):
        table = cells[cells["surroundings"] == kind]
        # ρ compares ranks; the densities themselves range over hundreds of orders of magnitude.
        rank = table["log_density"].rank(pct=True)
        seen = table["recognised"].isna() | table["recognised"].eq(True)
        dots = ax.scatter(
            rank[seen], table[measure][seen], c=np.log(table["scale"][seen]), cmap="viridis", norm=shades, s=22
        )
        ax.scatter(rank[~seen], table[measure][~seen], marker="x", color="#B6BBC4", s=14, linewidth=0.9)
        ax.set(title=_label(kind), xlim=(0, 1.03))
        ax.tick_params(labelbottom=True)
        subtitle(ax, _rho_line(correlations, kind, measure))
    shown = np.append(cells[measure].to_numpy(float), 0.0)
    axes[0, 0].set_ylim(value_range(shown, limits_of(measure)))
    in_its_unit(axes[0, 0].yaxis, measure)
    figure.supylabel(label_of(measure), fontsize=9.5)
    figure.supxlabel("rank of the cell’s training density\n(0 fewest training objects, 1 most)", fontsize=9)
    bar = figure.colorbar(dots, ax=list(axes.flat), shrink=0.85, pad=0.015, fraction=0.03, label="scale")
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
    scales = sorted({scale for column in views.values() for scale, _ in column})[:MOST_SCALES]
    figure = new_figure(height=1.15 * len(scales) + 0.4)
    grid = figure.subplots(len(scales), len(views), squeeze=False)
    for column, (kind, shown) in zip(grid.T, views.items(), strict=True):
        pixels = dict(shown)
        for ax, scale in zip(column, scales, strict=True):
            ax.set(xticks=[], yticks=[], aspect="equal")
            ax.grid(False)
            for spine in ax.spines.values():
                spine.set_visible(False)
            if scale in pixels:
                ax.imshow(pixels[scale])
            else:
                ax.text(0.5, 0.5, "not\npossible", ha="center", va="center", fontsize=SMALL, color=GREY)
                ax.set(xlim=(0, 1), ylim=(0, 1))
        column[0].set_title(_label(kind), fontsize=8.5, loc="center", pad=4)
    for ax, scale in zip(grid[:, 0], scales, strict=True):
        ax.set_ylabel(f"scale\n{scale:g}", fontsize=8.5, rotation=0, ha="right", va="center")
    return figure
