"""Stability over the size at which the image is shown: the size curve's finding and figure."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bias_toolkit.analysis import Interval, two_lines
from bias_toolkit.foundation.words import count, interval, known, percent
from bias_toolkit.invariance import HEADLINE, STEP_PROTOCOLS
from bias_toolkit.report.page.style import (
    GREY,
    SERIES,
    in_its_unit,
    legend_label,
    new_figure,
    on_log_axis,
    styled,
    subtitle,
)
from bias_toolkit.report.topics.invariance.sizes import (
    IMAGE_SIDE_LABEL,
    SIZE_RANK,
    SIZES,
    compare_sizes,
    values_by_size,
)
from bias_toolkit.report.words.definitions import label_of
from bias_toolkit.report.words.finding import TOO_FEW_IMAGES, Estimate, Finding, Heading, Kind, Unit
from bias_toolkit.report.words.sentences import image_size, in_points

MARKERS = "osD^vP*"
SIZE_FIGURE = "size-vs-invariance"


def size_curve_finding(measures: pd.DataFrame, seed: int = 0) -> Finding | None:
    """Whether P(top-1 change) falls to an intermediate size and rises again, over table MEASURES of the size curve.

    A line is fitted to each side of the lowest size (`two_lines`). If neither line differs from a flat one, sizes are
    compared as in `size_finding`.
    """
    values = values_by_size(measures)
    if values is None or len(values) < TOO_FEW_IMAGES:
        return compare_sizes(values, Heading.CAUSE, SIZE_FIGURE, seed)
    shown = np.array([image_size(*sweep) for sweep in values.columns])
    lines = two_lines(values.to_numpy(), np.log2(shown), seed=seed)
    smaller, larger = lines.below.high < 0, lines.above.low > 0
    if not (smaller or larger):
        return compare_sizes(values, Heading.CAUSE, SIZE_FIGURE, seed)
    means = values.mean().to_numpy()

    def at_size(i: int) -> str:
        protocol, size = values.columns[i]
        return f"{percent(means[i])} at {protocol} size {size:g}"

    # Halving the size at which the image is shown moves it down by one unit of log2.
    below = Interval(-lines.below.value, -lines.below.high, -lines.below.low, len(values))
    sides = {"smaller": (below, smaller, int(shown.argmin())), "larger": (lines.above, larger, int(shown.argmax()))}
    rises = {word: slope for word, (slope, found, _) in sides.items() if found}
    # The claim of a U is no stronger than the weaker of its two sides.
    word, slope = min(rises.items(), key=lambda each: each[1].low)
    claim = f"The model is less stable when the image is shown {word}."
    if len(rises) == 2:
        claim = f"P(top-1 change) is U-shaped over {SIZES}."
    label = f"Rise of P(top-1 change) with each factor of 2 by which the image is shown {word}"
    limits = "The intervals of both sides have 95% confidence together."
    evidence = [f"It is lowest, {at_size(lines.lowest)}{_accuracy(measures, *values.columns[lines.lowest])}."]
    for other, (rise, found, end) in sides.items():
        said = f"a rise by {in_points(rise.value)} percentage points ({interval(rise.low, rise.high, in_points)})"
        said = said if found else "no rise was found"
        if other != word and end != lines.lowest:
            evidence.append(f"Shown {other}, to {at_size(end)}: {said}.")
    return Finding(
        Heading.CAUSE,
        Kind.EFFECT,
        claim,
        " ".join([*evidence, limits]),
        estimate=Estimate(
            "slope", label, slope.value, slope.low, slope.high, len(values), unit=Unit.POINTS, nothing=0.0
        ),
        rank=SIZE_RANK,
        figure=SIZE_FIGURE,
    )


def _accuracy(measures: pd.DataFrame, protocol: str, size: float) -> str:
    """The accuracy at a size: a model that sees no object can be stable too."""
    rows = measures[measures["protocol"].eq(protocol) & measures["size"].eq(size)]
    accuracy = rows["accuracy"].astype(float).mean() if "accuracy" in rows else float("nan")
    return f", with accuracy {percent(accuracy)}" if known(accuracy) else ""


@styled
def size_vs_invariance(curves: Mapping[str, pd.DataFrame], measure: str = HEADLINE) -> Figure:
    """A measure over the size at which the image is shown (A), with accuracy below; a table SUMMARY per model.

    Below 1, the whole image is shrunk on a canvas; above 1, it is cropped.
    """
    labelled = any(_points(table, "accuracy").notna().any(axis=None) for table in curves.values())
    two = labelled and measure != "accuracy"
    figure = new_figure(height=5.2 if two else 3.7)
    axes = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2)) if two else [figure.add_subplot()]
    for ax, name in zip(axes, (measure, "accuracy"), strict=False):
        _draw(ax, curves, name)
    numbers = sorted({int(table["n"].max()) for table in curves.values()})
    others = "".join(f"{number:,} or " for number in numbers[:-1])
    axes[0].set_title(f"{label_of(measure)} by the size of the image")
    subtitle(axes[0], f"mean and 95% interval over {others}{count(numbers[-1], 'image')}")
    axes[-1].set_xscale("log", base=2)
    on_log_axis(axes[-1].xaxis)
    axes[-1].set_xlabel(IMAGE_SIDE_LABEL)
    if len(curves) > 1:
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower left")
    return figure


def _points(summary: pd.DataFrame, measure: str) -> pd.DataFrame:
    rows = summary[summary["measure"].eq(measure) & summary["protocol"].isin(STEP_PROTOCOLS)]
    rows = rows[["protocol", "transform", "size", "value", "low", "high"]].dropna(subset=["value"])
    return rows.assign(shown=[image_size(*pair) for pair in zip(rows["protocol"], rows["size"], strict=True)])


def _draw(ax: Axes, curves: Mapping[str, pd.DataFrame], measure: str) -> None:
    for number, (name, summary) in enumerate(curves.items()):
        colour, marker = SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)]
        points = _points(summary, measure)
        for part, (_, line) in enumerate(points.groupby(["protocol", "transform"], sort=True)):
            line = line.sort_values("shown")
            label = legend_label(name) if part == 0 else None
            ax.plot(line["shown"], line["value"], color=colour, marker=marker, markersize=4, label=label)
            ax.fill_between(line["shown"], line["low"], line["high"], color=colour, alpha=0.18, linewidth=0)
    ax.axvline(1, color=GREY, linestyle="--", linewidth=1)
    ax.set_ylabel(label_of(measure))
    ax.set_ylim(bottom=0)
    in_its_unit(ax.yaxis, measure)
    if measure == "accuracy":
        ax.set_ylim(0, 1)
