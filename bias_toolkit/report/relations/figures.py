"""Figures of distance and framing against invariance: points, and the curve of means in quantile bins.

After A. Azulay & Y. Weiss, JMLR 20(184), 2019: networks are invariant only near their training images.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bias_toolkit.analysis import partial_spearman, quantile_curve, spearman
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.words import count, known, number
from bias_toolkit.invariance import HEADLINE
from bias_toolkit.report.columns import require_numbers
from bias_toolkit.report.page.style import (
    BLUE,
    GREY,
    RASTER_FROM,
    SMALL,
    VERMILLION,
    above,
    in_its_unit,
    in_percent,
    new_figure,
    shortened,
    styled,
    subtitle,
    value_range,
)
from bias_toolkit.report.relations.tables import FRACTIONS, plain_and_partial
from bias_toolkit.report.words.definitions import DISTANCES, label_of, limits_of
from bias_toolkit.report.words.sentences import lowered

BINS = 10
BINS_OF_A_CLASS = 5
FEW_VALUES = 20
JITTER = 0.3
LARGEST_STRATUM = 50
IMAGES_PER_PANEL = 10
PANELS_IN_A_ROW = 2
LONGEST_PANEL_NAME = 24


def is_discrete(values: pd.Series) -> bool:
    """Whether a measure takes so few values that points would overlap, as a share of few steps does."""
    distinct = values.dropna().nunique()
    return 1 <= distinct <= FEW_VALUES and distinct < len(values)


@styled
def distance_vs_invariance(
    per_image: pd.DataFrame,
    *,
    measure: str = HEADLINE,
    distance: str = "nn_distance",
    bins: int = BINS,
    curve: pd.DataFrame | None = None,
    correlations: pd.DataFrame | None = None,
    variable: str | None = None,
    x_label: str | None = None,
    seed: int = 0,
) -> Axes:
    """One point per image, the mean of the measure in quantile bins with its 95% interval, and Spearman's ρ.

    If a measure takes few values, its points are jittered vertically by less than a third of the gap between two
    values, to show their density; the legend says so. The curve and the correlations use the original values.

    `per_image` has one row per test image, with `margin` for the partial correlation. `measure` and `distance` are
    columns of it; `variable` is the title's name for `distance`. The rows of CURVES and CORRELATIONS are computed if
    they are not given. `seed` is of the bootstrap, the permutations and the jitter. Raises InputError if there is no
    such numeric column, or no image has a value in both.
    """
    rows = complete(per_image, distance, measure)
    x, y = rows[distance].to_numpy(float), rows[measure].to_numpy(float)
    if curve is None:
        curve = quantile_curve(x, y, bins, seed=seed, limits=limits_of(measure))
    if correlations is None:
        correlations = correlate(rows, distance, measure, seed)
    ax = new_figure().add_subplot()
    moved = ",\nmoved up or down a little to be seen" if is_discrete(pd.Series(y)) else ""
    shown = _points(ax, x, y, measure, seed, label=f"one test image{moved}")
    draw_curve(ax, curve, VERMILLION, label=f"mean of {_part(len(curve))},\nwith 95% interval")
    ax.figure.legend(loc="outside lower left", ncols=2)
    ax.set_xlabel(x_label or label_of(distance))
    ax.set_ylabel(label_of(measure))
    _limits(ax, shown, measure)
    what = "distance to the training set" if distance in DISTANCES else distance.replace("_", " ")
    ax.set_title(f"{label_of(measure)} by {variable or what}")
    subtitle(ax, rho_line(correlations, distance, measure, len(rows)))
    return ax


invariance_vs_position = partial(
    distance_vs_invariance,
    distance="centre_distance",
    variable="the object's position",
    x_label="centre distance (0 centre, 1 corner)",
)
invariance_vs_scale = partial(
    distance_vs_invariance,
    distance="scale",
    variable="the object's scale",
    x_label="scale (square root of the share of the image)",
)


@styled
def distance_vs_invariance_by_class(
    per_image: pd.DataFrame,
    *,
    measure: str = HEADLINE,
    distance: str = "nn_distance",
    bins: int = BINS_OF_A_CLASS,
    most: int = 20,
    class_name: Callable[[str], str] = str,
    x_label: str | None = None,
) -> Figure:
    """One panel per class, in the order of the classes' names, all with the same axes.

    Classes with fewer than ten images have no panel; of more classes than `most`, those with the most images are shown.
    Options are those of `distance_vs_invariance`; `per_image` has a column `label`. `bins` is the largest number of
    bins in a panel. Raises InputError if a column is missing, or no class has ten images.
    """
    rows = complete(per_image, distance, measure, "label")
    sizes = rows["label"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    enough = sizes[sizes >= IMAGES_PER_PANEL]
    if enough.empty:
        raise InputError(
            f"--by-class needs a class with at least {IMAGES_PER_PANEL} images; "
            f"the largest has {sizes.max() if len(sizes) else 0}."
        )
    labels = sorted(enough.index[:most], key=lambda label: (class_name(label).lower(), label))
    columns = min(PANELS_IN_A_ROW, len(labels))
    lines = math.ceil(len(labels) / columns)
    figure = new_figure(height=1.65 * lines + 0.9)
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
    shown = []
    for panel, label in zip(panels, labels, strict=False):
        of_class = rows[rows["label"].eq(label)]
        shown.append(_panel(panel, of_class, distance, measure, bins))
        name = f"{shortened(class_name(label), LONGEST_PANEL_NAME)}, n {len(of_class)}"
        panel.set_title(name, fontsize=8, loc="center", pad=26)
    for panel in panels[len(labels) :]:
        panel.set_visible(False)
    for panel in panels[max(len(labels) - columns, 0) : len(labels)]:
        panel.tick_params(axis="x", labelbottom=True)
    _limits(panels[0], np.concatenate(shown), measure)
    figure.supxlabel(x_label or label_of(distance), fontsize=9.5)
    figure.supylabel(label_of(measure), fontsize=9.5)
    note = "bands and brackets: 95% intervals"
    if len(labels) < len(sizes):
        note = f"{len(labels)} of {count(len(sizes), 'class', 'classes')}; {note}"
    figure.suptitle(note, x=0.99, ha="right", fontsize=8, color=GREY)
    return figure


def _panel(panel: Axes, rows: pd.DataFrame, distance: str, measure: str, bins: int) -> np.ndarray:
    x, y = rows[distance].to_numpy(float), rows[measure].to_numpy(float)
    shown = _points(panel, x, y, measure)
    draw_curve(panel, quantile_curve(x, y, bins, limits=limits_of(measure)), VERMILLION)
    plain, partial = plain_and_partial(correlate(rows, distance, measure), distance, measure)
    text = "ρ undefined"
    if plain is not None and partial is not None:
        text = f"ρ {_with_limits(plain)}\ngiven margin {_with_limits(partial)}"
    above(panel, text, 3, fontsize=SMALL, va="bottom")
    return shown


@styled
def curve_given_margin(
    per_image: pd.DataFrame,
    *,
    measure: str = HEADLINE,
    distance: str = "nn_distance",
    bins: int = BINS,
    correlations: pd.DataFrame | None = None,
    x_label: str | None = None,
) -> Axes:
    """The curve over percentiles of distance, among all images and among images of similar margin.

    For the second, images are put into strata of nearly equal margin, and each image's distance is ranked inside its
    stratum. The margin then has the same distribution at all percentiles, so it does not cause the remaining slope.
    The line below the title has Spearman's ρ of both kinds, from which the finding follows. They are not of these
    curves: the partial one holds the margin's rank constant and has no strata. The rows of CORRELATIONS are computed if
    they are not given.
    """
    rows = complete(per_image, distance, measure, "margin")
    if correlations is None:
        correlations = correlate(rows, distance, measure)
    ax = new_figure().add_subplot()
    y = rows[measure].to_numpy(float)
    strata = margin_strata(rows["margin"].to_numpy(float))
    lines = (
        (np.zeros(len(rows), dtype=int), VERMILLION, "o", "ranked among all images"),
        (strata, BLUE, "s", f"ranked among images of similar margin ({count(strata.max() + 1, 'group')})"),
    )
    curves = []
    for groups, colour, marker, label in lines:
        x = percentile_within(rows[distance].to_numpy(float), groups)
        curves.append(quantile_curve(x, y, bins, limits=limits_of(measure)))
        draw_curve(ax, curves[-1], colour, marker, label)
    ax.set(
        title=f"{label_of(measure)}: control for the margin",
        xlabel=f"percentile of the {lowered(x_label or label_of(distance))}",
        ylabel=label_of(measure),
        xlim=(0, 1),
    )
    ends = pd.concat(curves)[["value", "low", "high"]].to_numpy(float)
    ax.set_ylim(value_range(ends, limits_of(measure)))
    in_percent(ax.xaxis)
    in_its_unit(ax.yaxis, measure)
    ax.axhline(y.mean(), color=GREY, linestyle="--", linewidth=1, label="mean of all")
    subtitle(ax, rho_line(correlations, distance, measure, len(rows)))
    ax.figure.legend(loc="outside lower left")
    return ax


def margin_strata(margin: np.ndarray) -> np.ndarray:
    """Stratum of each image, from the lowest margin to the highest: nearly equal sizes, at most 50 images."""
    n = len(margin)
    number_of_strata = max(1, math.ceil(n / LARGEST_STRATUM))
    place = pd.Series(margin).rank(method="first").to_numpy(int) - 1
    return place * number_of_strata // max(n, 1)


def percentile_within(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The percentile of each value in its group, in (0, 1); ties share the mean of their ranks."""
    grouped = pd.Series(values).groupby(groups)
    return ((grouped.rank() - 0.5) / grouped.transform("size")).to_numpy()


@styled
def draw_curve(ax: Axes, curve: pd.DataFrame, colour: str, marker: str = "o", label: str | None = None) -> None:
    """Draw CURVES rows: a line through the bins' means, and a band for the interval; a bar if there is one bin."""
    curve = curve[["x", "value", "low", "high"]].astype(float).sort_values("x")
    if len(curve) == 1:
        ax.vlines(curve["x"], curve["low"], curve["high"], color=colour, alpha=0.6, linewidth=1.6, zorder=3)
    ax.fill_between(curve["x"], curve["low"], curve["high"], color=colour, alpha=0.22, linewidth=0, zorder=3)
    dots = {"marker": marker, "markersize": 4.5, "markeredgecolor": "white", "markeredgewidth": 0.7, "clip_on": False}
    ax.plot(curve["x"], curve["value"], color=colour, label=label, zorder=4, **dots)


def correlate(rows: pd.DataFrame, distance: str, measure: str, seed: int = 0) -> pd.DataFrame:
    """The plain correlation of a pair and the partial one given the margin, as rows of CORRELATIONS."""
    x, y = rows[distance], rows[measure]
    estimates = {"plain": spearman(x, y, seed=seed)}
    if "margin" in rows:
        estimates["partial"] = partial_spearman(x, y, rows["margin"], seed=seed)
    pair = {"distance": distance, "measure": measure}
    return pd.DataFrame([{**pair, "kind": kind, **vars(row)} for kind, row in estimates.items()])


def rho_line(correlations: pd.DataFrame, distance: str, measure: str, n: int) -> str:
    """Both correlations in one line. The plain one is never shown without the partial one given the margin."""
    plain, partial = plain_and_partial(correlations, distance, measure)
    images = count(n, "image")
    if plain is None or partial is None:
        return images

    return f"ρ {_with_limits(plain)}; given margin {_with_limits(partial)}; {images}"


def _with_limits(row: Mapping[str, Any]) -> str:
    brackets = f" [{number(row['low'])}, {number(row['high'])}]" if known(row["low"]) else ""
    return f"{number(row['rho'])}{brackets}"


def complete(per_image: pd.DataFrame, distance: str, measure: str, *others: str) -> pd.DataFrame:
    """The rows of the images that a figure shows, in the order of its dots: those with a value in each column."""
    require_numbers(per_image, measure=measure, distance=distance)
    for column in others:
        if column not in per_image:
            raise InputError(f"The study's test images have no column {column!r}, which the figure needs.")
    columns = (distance, measure, *others)
    rows = per_image[per_image[list(columns)].notna().all(axis=1)]
    if rows.empty:
        raise InputError(f"No image has a value for {' and '.join(columns)}.")
    return rows


def _part(bins: int) -> str:
    """The part of the images that is in each of these bins."""
    return "all images" if bins == 1 else f"each {FRACTIONS[bins]}" if bins in FRACTIONS else f"each of {bins} parts"


def _points(
    ax: Axes, x: np.ndarray, y: np.ndarray, measure: str, seed: int = 0, label: str | None = None
) -> np.ndarray:
    """Draw the points; returns their positions, which stay inside the measure's range."""
    values = np.unique(y)
    if is_discrete(pd.Series(y)) and len(values) > 1:
        y = y + np.random.default_rng(seed).uniform(-JITTER, JITTER, len(y)) * np.diff(values).min()
        low, high = limits_of(measure)
        # A point beyond a limit is reflected at it, so that no line of points forms on the limit.
        y = np.where(y < low, 2 * low - y, np.where(y > high, 2 * high - y, y))
    size, alpha = 9 if len(x) < RASTER_FROM else 4, float(np.clip(12 / math.sqrt(len(x)), 0.06, 0.45))
    look = {"color": BLUE, "linewidths": 0, "rasterized": len(x) > RASTER_FROM, "zorder": 2, "clip_on": False}
    ax.scatter(x, y, s=size, alpha=alpha, **look)
    # In the legend, a point is as dark as many are on top of each other.
    if label:
        ax.plot([], [], "o", color=BLUE, markersize=4, markeredgewidth=0, label=label)
    return y


def _limits(ax: Axes, values: np.ndarray, measure: str) -> None:
    ax.set_ylim(value_range(values, limits_of(measure)))
    in_its_unit(ax.yaxis, measure)
