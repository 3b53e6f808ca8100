"""Stability over the size at which the image is shown: the size curve's finding and figure."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bias_toolkit.analysis import Interval, two_lines
from bias_toolkit.foundation.words import count, interval, percent
from bias_toolkit.invariance import HEADLINE, STEP_PROTOCOLS
from bias_toolkit.report.page.style import GREY, SERIES, in_its_unit, legend_label, new_figure, styled, subtitle
from bias_toolkit.report.topics.invariance.sizes import SIZES, compare_sizes, values_by_size
from bias_toolkit.report.words.definitions import label_of
from bias_toolkit.report.words.finding import TOO_FEW_IMAGES, Finding, Heading, Kind
from bias_toolkit.report.words.sentences import image_size, in_points

MARKERS = "osD^vP*"


def size_curve_finding(measures: pd.DataFrame, seed: int = 0) -> Finding | None:
    """Whether P(top-1 change) falls to an intermediate size and rises again, over table MEASURES of the size curve.

    A line is fitted to each side of the lowest size (`two_lines`). If neither line differs from a flat one, sizes are
    compared as in `size_finding`.
    """
    values = values_by_size(measures)
    if values is None or len(values) < TOO_FEW_IMAGES:
        return compare_sizes(values, Heading.CAUSE, seed)
    shown = np.array([image_size(*sweep) for sweep in values.columns])
    lines = two_lines(values.to_numpy(), np.log2(shown), seed=seed)
    smaller, larger = lines.below.high < 0, lines.above.low > 0
    if not (smaller or larger):
        return compare_sizes(values, Heading.CAUSE, seed)
    means = values.mean().to_numpy()

    def at_size(i: int) -> str:
        protocol, size = values.columns[i]
        return f"{percent(means[i])} at {protocol} size {size:g}"

    def side(slope: Interval, end: int, words: str) -> str:
        # Halving the size at which the image is shown moves it down by one unit of log2.
        rise, ends = in_points(abs(slope.value)), sorted((abs(slope.low), abs(slope.high)))
        if np.sign(slope.low) != np.sign(slope.high) or not np.isfinite(slope.value):
            return f"{words} no rise was found ({at_size(end)})"
        limits = interval(*ends, in_points)
        return f"{words} it rises by {rise} percentage points ({limits}) with each factor of 2, to {at_size(end)}"

    below = side(lines.below, int(shown.argmin()), "shown smaller,")
    above = side(lines.above, int(shown.argmax()), "shown larger,")
    if smaller and larger:
        claim = f"P(top-1 change) is U-shaped over {SIZES}."
    else:
        claim = f"The model is less stable when the image is shown {'smaller' if smaller else 'larger'}."
    evidence = (
        f"It is lowest, {at_size(lines.lowest)}, {count(len(values), 'image')}; {below}; {above}. The two lines’ "
        "intervals have 95% confidence together, and allow for the choice of the lowest size."
    )
    return Finding(Heading.CAUSE, Kind.EFFECT, claim, evidence)


@styled
def size_vs_invariance(curves: Mapping[str, pd.DataFrame], measure: str = HEADLINE) -> Figure:
    """A measure over the view size (A), crops left of 1, embed right, and accuracy below; a table SUMMARY per model."""
    labelled = any(_points(table, "accuracy").notna().any(axis=None) for table in curves.values())
    two = labelled and measure != "accuracy"
    figure = new_figure(6.2, 5.2 if two else 3.7)
    axes = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2)) if two else [figure.add_subplot()]
    for ax, name in zip(axes, (measure, "accuracy"), strict=False):
        _draw(ax, curves, name)
    numbers = sorted({int(table["n"].max()) for table in curves.values()})
    others = "".join(f"{number:,} or " for number in numbers[:-1])
    axes[0].set_title(f"{label_of(measure)} by view size")
    subtitle(axes[0], f"mean and 95% interval over {others}{count(numbers[-1], 'image')}")
    axes[-1].set_xlabel(
        "view size: a crop's share of the image's area (left of 1),\n"
        "side of the canvas over side of the image (right of 1)"
    )
    if len(curves) > 1:
        axes[0].legend(loc="best")
    return figure


def _points(summary: pd.DataFrame, measure: str) -> pd.DataFrame:
    rows = summary[summary["measure"].eq(measure) & summary["protocol"].isin(STEP_PROTOCOLS)]
    return rows[["protocol", "transform", "size", "value", "low", "high"]].dropna(subset=["value"])


def _draw(ax: Axes, curves: Mapping[str, pd.DataFrame], measure: str) -> None:
    for number, (name, summary) in enumerate(curves.items()):
        colour, marker = SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)]
        points = _points(summary, measure)
        for part, (_, line) in enumerate(points.groupby(["protocol", "transform"], sort=True)):
            line = line.sort_values("size")
            label = legend_label(name) if part == 0 else None
            ax.plot(line["size"], line["value"], color=colour, marker=marker, markersize=4, label=label)
            ax.fill_between(line["size"], line["low"], line["high"], color=colour, alpha=0.18, linewidth=0)
    ax.axvline(1, color=GREY, linestyle="--", linewidth=1)
    ax.set_ylabel(label_of(measure))
    ax.set_ylim(bottom=0)
    in_its_unit(ax.yaxis, measure)
    if measure == "accuracy":
        ax.set_ylim(0, 1)
