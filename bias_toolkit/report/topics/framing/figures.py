"""Figures of how the subjects of a dataset are framed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bias_toolkit.foundation.words import count, number
from bias_toolkit.objects import OF_ALL_OBJECTS, Maps, null_histogram
from bias_toolkit.report.page.ranking import ranking
from bias_toolkit.report.page.style import (
    BLUE,
    DIVERGING_MAP,
    GREY,
    HEAT_MAP,
    ORANGE,
    VERMILLION,
    axes_or_new,
    new_figure,
    styled,
    subtitle,
)
from bias_toolkit.report.words.definitions import label_of

NULL_GRID = 201
HISTOGRAM_BINS = 40
LONGEST_CATEGORY = 18


@styled
def heat_map(
    values: np.ndarray,
    *,
    title: str,
    limits: tuple[float, float],
    colours: str = HEAT_MAP,
    cross: str = "white",
    ax: Axes | None = None,
) -> Axes:
    """Draw an array over the unit square of the image, its first row at the top.

    `values`: array (rows, columns). `limits` ((float, float)): the values of the first and of the last colour.
    `colours`: one of matplotlib's colour maps. `cross`: colour of the cross at the image's centre.
    """
    ax = axes_or_new(ax, 3.6, 3.2)
    ax.imshow(values, extent=(0, 1, 1, 0), cmap=colours, vmin=limits[0], vmax=limits[1], interpolation="nearest")
    ax.grid(False)
    ax.plot(0.5, 0.5, marker="+", color=cross, markersize=9, markeredgewidth=1.2)
    ax.set(title=title, xticks=[0, 0.5, 1], yticks=[0, 0.5, 1], xlabel="left – right", ylabel="bottom – top")
    return ax


def _bar(ax: Axes, of: Sequence[Axes], label: str) -> None:
    bar = ax.figure.colorbar(ax.images[0], ax=of, label=label, shrink=0.8, pad=0.03, fraction=0.06)
    bar.outline.set_visible(False)


@styled
def centres_against_null(maps: Maps) -> Figure:
    """Where the objects' centres are, where they would be by chance, in the same colours, and the difference."""
    n = maps.centres.sum()
    observed, null = maps.centres / n, maps.null / n
    highest = max(observed.max(), null.max())
    largest = max(np.abs(observed - null).max(), 1e-9)
    figure = new_figure(10.6, 3.4)
    left, middle, right = figure.subplots(1, 3, sharey=True)
    heat_map(observed, title=f"Observed, {count(n, 'object')}", limits=(0, highest), ax=left)
    heat_map(null, title="By chance, same box sizes", limits=(0, highest), ax=middle)
    heat_map(
        observed - null, title="Difference", limits=(-largest, largest), colours=DIVERGING_MAP, cross="black", ax=right
    )
    middle.set_ylabel("")
    right.set_ylabel("")
    _bar(middle, [left, middle], "share of the centres")
    _bar(right, [right], "observed − by chance")
    return figure


@styled
def mean_coverage(maps: Maps, ax: Axes | None = None) -> Axes:
    """The share of images whose box covers each place of the image."""
    ax = axes_or_new(ax)
    heat_map(maps.coverage, title="Mean box coverage", limits=(0, float(maps.coverage.max())), ax=ax)
    _bar(ax, [ax], "share of the images")
    return ax


def null_distance_density(framing: pd.DataFrame, edges: np.ndarray) -> np.ndarray:
    """Density of centre_distance under the null model in the bins between `edges`; it integrates to 1."""
    places = (np.arange(NULL_GRID) + 0.5) / NULL_GRID - 0.5
    distance = np.hypot(*np.meshgrid(places, places)) / np.hypot(0.5, 0.5)
    weights = null_histogram(framing, NULL_GRID)
    return np.histogram(distance, edges, weights=weights, density=True)[0]


@styled
def centre_distance_histogram(framing: pd.DataFrame, bins: int = HISTOGRAM_BINS, ax: Axes | None = None) -> Axes:
    """How far objects are from the centre, and how far they would be by chance."""
    ax = axes_or_new(ax)
    values = framing["centre_distance"].to_numpy(float)
    edges = np.linspace(0, 1, bins + 1)
    ax.hist(values, edges, density=True, color=BLUE, alpha=0.75, label="observed")
    ax.stairs(
        null_distance_density(framing, edges), edges, color=ORANGE, linewidth=2.2, label="by chance, same box sizes"
    )
    ax.axvline(values.mean(), color=BLUE, linestyle="--", linewidth=1.2)
    largest = max(np.quantile(values, 0.999), 0.5)
    ax.set(
        title="Distance of objects from the centre",
        xlabel="centre distance (0 centre, 1 corner)",
        ylabel="density",
        xlim=(0, min(1, largest * 1.05)),
    )
    subtitle(ax, f"{count(len(values), 'object')}; dashed: mean {number(values.mean())}")
    ax.grid(False, axis="x")
    ax.legend(loc="upper right")
    return ax


@styled
def scale_histogram(
    framing: pd.DataFrame,
    other: pd.DataFrame | None = None,
    *,
    names: Sequence[str] = ("training set", "test set"),
    bins: int = HISTOGRAM_BINS,
    ax: Axes | None = None,
) -> Axes:
    """How large objects are shown, with a second dataset as an outline.

    `framing`, `other`: FRAMING rows; `other` may be None. `names`: their names in the legend.
    """
    ax = axes_or_new(ax)
    values = framing["scale"].to_numpy(float)
    edges = np.linspace(0, 1, bins + 1)
    ax.hist(values, edges, density=True, color=BLUE, alpha=0.75, label=names[0])
    if other is not None and len(other):
        heights = np.histogram(other["scale"].to_numpy(float), edges, density=True)[0]
        ax.stairs(heights, edges, color=ORANGE, linewidth=2.2, label=names[1])
        ax.legend(loc="upper left")
    ax.axvline(np.median(values), color=BLUE, linestyle="--", linewidth=1.2)
    ax.set(
        title="Scale of objects", xlabel="scale (square root of the share of the image)", ylabel="density", xlim=(0, 1)
    )
    subtitle(ax, f"{count(len(values), 'object')}; dashed: median {number(np.median(values))}")
    ax.grid(False, axis="x")
    return ax


@styled
def category_ranking(
    ranked: pd.DataFrame, *, column: str = "centre_bias", class_name=str, most: int = 15, ax: Axes | None = None
) -> Axes:
    """Centre bias of the categories with its interval, the most and the least centred ones where they are many.

    `ranked`: CATEGORY_RANKING rows. `column` ({"centre_bias", "untruncated_centre_bias"}): what they are ranked by: of
    all objects, or of those that the border does not cut. `class_name`: the name shown for a category. `most`: how many
    are shown of each end.
    """
    rows = pd.DataFrame(
        {
            "name": [
                f"{_cut(class_name(category))}, {n:,}"
                for category, n in zip(ranked["category"], ranked["n_objects"], strict=True)
            ],
            "value": ranked["value"].to_numpy(float),
            "low": ranked["value_low"].to_numpy(float),
            "high": ranked["value_high"].to_numpy(float),
        }
    )
    ax = ranking(rows, xlabel=f"{label_of(column).lower()} (0 by chance, 1 centred)", most=most, ax=ax)
    places = ax.get_yticks()
    ends = ranked if len(ranked) == len(places) else pd.concat([ranked.head(most), ranked.tail(most)])
    ax.plot(ends["shrunken"], places, "|", color=VERMILLION, markersize=9, markeredgewidth=2)
    ax.axvline(0, color=GREY, linewidth=1)
    ax.set_title(f"{label_of(column)} by category")
    if column != OF_ALL_OBJECTS.column:
        subtitle(ax, "objects whose box does not touch the border")
    return ax


def _cut(name: str) -> str:
    """A name that leaves room beside it for a number."""
    return name if len(name) <= LONGEST_CATEGORY else f"{name[: LONGEST_CATEGORY - 1]}…"
