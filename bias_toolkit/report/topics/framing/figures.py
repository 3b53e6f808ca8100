"""Figures of how the subjects of a dataset are framed."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bias_toolkit.foundation.words import count, number
from bias_toolkit.objects import OF_ALL_OBJECTS, Maps, null_histogram
from bias_toolkit.report.page.style import (
    DIVERGING_MAP,
    GREY,
    HEAT_MAP,
    VERMILLION,
    histogram,
    in_percent,
    new_figure,
    ranking,
    shortened,
    styled,
    subtitle,
)

NULL_GRID = 201
HISTOGRAM_BINS = 40
LONGEST_CATEGORY = 18
"""Of a category's name, which leaves room beside it for a number."""


def _heat_map(
    ax: Axes, values: np.ndarray, title: str, low: float, high: float, colours: str = HEAT_MAP, cross: str = "white"
) -> None:
    """Draw an array (rows, columns) over the unit square, its first row at the top; colours go from low to high."""
    ax.imshow(values, extent=(0, 1, 1, 0), cmap=colours, vmin=low, vmax=high, interpolation="nearest")
    ax.grid(False)
    ax.plot(0.5, 0.5, marker="+", color=cross, markersize=9, markeredgewidth=1.2)
    ax.set(
        title=title,
        xticks=[0, 0.5, 1],
        yticks=[0, 0.5, 1],
        xlabel="left (0) to right (1)",
        ylabel="bottom (1) to top (0)",
    )


def _bar(ax: Axes, of: Sequence[Axes], label: str) -> None:
    bar = ax.figure.colorbar(ax.images[0], ax=of, label=label, shrink=0.8, pad=0.03, fraction=0.06)
    bar.outline.set_visible(False)


@styled
def centres_against_null(maps: Maps) -> Figure:
    """The density of objects' centres, the density by chance in the same colours, and the difference."""
    n = maps.centres.sum()
    observed, null = maps.centres / n, maps.null / n
    highest = max(observed.max(), null.max())
    largest = max(np.abs(observed - null).max(), 1e-9)
    figure = new_figure(height=5.3)
    (left, right), (below, beside) = figure.subplots(2, 2)
    _heat_map(left, observed, f"Observed, {count(n, 'object')}", 0, highest)
    _heat_map(right, null, "By chance, same sizes", 0, highest)
    _heat_map(below, observed - null, "Observed − by chance", -largest, largest, DIVERGING_MAP, "black")
    right.set_ylabel("")
    beside.axis("off")
    for ax, top, label in ((left, 0.75, "share of the centres"), (below, 0.25, "difference of the shares")):
        bar = figure.colorbar(ax.images[0], cax=beside.inset_axes((0, top, 0.9, 0.1)), orientation="horizontal")
        bar.set_label(label)
        bar.outline.set_visible(False)
        bar.locator = MaxNLocator(3)
        in_percent(bar.ax.xaxis)
    return figure


@styled
def mean_coverage(maps: Maps) -> Axes:
    """The share of images whose box covers each place of the image."""
    ax = new_figure().add_subplot()
    _heat_map(ax, maps.coverage, "Mean box coverage", 0, float(maps.coverage.max()))
    _bar(ax, [ax], "share of the images")
    return ax


def null_distance_density(framing: pd.DataFrame, edges: np.ndarray) -> np.ndarray:
    """Density of centre_distance under the null model in the bins between `edges`; it integrates to 1."""
    places = (np.arange(NULL_GRID) + 0.5) / NULL_GRID - 0.5
    distance = np.hypot(*np.meshgrid(places, places)) / np.hypot(0.5, 0.5)
    weights = null_histogram(framing, NULL_GRID)
    return np.histogram(distance, edges, weights=weights, density=True)[0]


@styled
def centre_distance_histogram(framing: pd.DataFrame) -> Axes:
    """The distance of objects (`objects_that_count`) from the centre, and their distance by chance."""
    values, edges = framing["centre_distance"].to_numpy(float), np.linspace(0, 1, HISTOGRAM_BINS + 1)
    ax = histogram(
        values,
        edges,
        null_distance_density(framing, edges),
        labels=("observed", "by chance, same box sizes"),
        dashed=values.mean(),
        title="Distance of objects from the centre",
        xlabel="centre distance (0 centre, 1 corner)",
        xlim=(0, min(1, max(np.quantile(values, 0.999), 0.5) * 1.05)),
    )
    subtitle(ax, f"{count(len(values), 'object')}; dashed: mean {number(values.mean())}")
    ax.legend(loc="upper right")
    return ax


@styled
def scale_histogram(
    framing: pd.DataFrame, other: pd.DataFrame | None = None, names: Sequence[str] = ("training set", "test set")
) -> Axes:
    """The scale of objects, with a second dataset as an outline; two tables FRAMING and their names."""
    values, edges = framing["scale"].to_numpy(float), np.linspace(0, 1, HISTOGRAM_BINS + 1)
    outlined = other is not None and len(other) > 0
    ax = histogram(
        values,
        edges,
        np.histogram(other["scale"].to_numpy(float), edges, density=True)[0] if outlined else None,
        labels=names,
        dashed=np.median(values),
        title="Scale of objects",
        xlabel="scale (square root of the share of the image)",
        xlim=(0, 1),
    )
    subtitle(ax, f"{count(len(values), 'object')}; dashed: median {number(np.median(values))}")
    if outlined:
        ax.legend(loc="upper left")
    return ax


@styled
def category_ranking(
    ranked: pd.DataFrame, *, column: str = "centre_bias", class_name: Callable[[str], str] = str, most: int = 15
) -> Axes:
    """A centre bias of the categories (CATEGORY_RANKING) with its interval; only the `most` first and last of many."""
    named = zip(ranked["category"], ranked["n_objects"], strict=True)
    rows = ranked[["value", "value_low", "value_high"]].astype(float).set_axis(["value", "low", "high"], axis=1)
    rows = rows.assign(name=[f"{shortened(class_name(category), LONGEST_CATEGORY)}, {n:,}" for category, n in named])
    ax = ranking(rows, xlabel="centre bias (0 by chance, 1 centred)", most=most)
    places = ax.get_yticks()
    ends = ranked if len(ranked) == len(places) else pd.concat([ranked.head(most), ranked.tail(most)])
    ax.plot(ends["shrunken"], places, "|", color=VERMILLION, markersize=9, markeredgewidth=2)
    ax.axvline(0, color=GREY, linewidth=1)
    ax.set_title("Centre bias by category")
    if column != OF_ALL_OBJECTS.column:
        subtitle(ax, "objects that do not touch the border")
    return ax
