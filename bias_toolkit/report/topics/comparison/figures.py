"""Figures of two datasets' framing beside each other."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bias_toolkit.objects import FramingComparison
from bias_toolkit.report.page.style import BLUE, ORANGE, new_figure, styled, subtitle
from bias_toolkit.report.topics.comparison.findings import LOGARITHMS, told_distance
from bias_toolkit.report.words.definitions import label_of

BINS = 32
TICKS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10)
AXES = {
    "cx": "left – right, in the frame's width",
    "cy": "top – bottom, in the frame's height",
    "log_scale": "square root of the share of the image",
    "log_aspect": "width over height",
}


@styled
def framing_differences(
    first: pd.DataFrame,
    second: pd.DataFrame,
    comparison: FramingComparison,
    names: Sequence[str] = ("training set", "test set"),
) -> Figure:
    """How position, scale and aspect are distributed in two tables FRAMING, and how far apart the distributions are."""
    figure = new_figure(10.6, 5.6)
    for ax, variable in zip(figure.subplots(2, 2).flat, AXES, strict=True):
        logarithmic = variable in LOGARITHMS
        column = variable.removeprefix("log_")
        one, other = (table[column].to_numpy(float) for table in (first, second))
        edges = _edges(np.concatenate([one, other]), logarithmic)
        # Shares and not densities, which would depend on whether the axis is logarithmic.
        for values, options in ((one, {"color": BLUE, "alpha": 0.75, "fill": True}), (other, {"color": ORANGE})):
            shares = np.histogram(values, edges)[0] / len(values)
            ax.stairs(shares, edges, linewidth=0 if "fill" in options else 2.2, **options)
        if logarithmic:
            ax.set_xscale("log")
            ticks = [tick for tick in TICKS if edges[0] <= tick <= edges[-1]]
            ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            ax.minorticks_off()
        ax.set(title=label_of(variable), xlabel=AXES[variable], ylabel="share of objects", xlim=(edges[0], edges[-1]))
        ax.set_ylim(bottom=0)
        ax.grid(False, axis="x")
        row = comparison.row(variable)
        apart, by_chance = (told_distance(row, row[name]) for name in ("wasserstein", "wasserstein_by_chance"))
        subtitle(ax, f"apart by {apart}; by chance {by_chance}")
    figure.axes[0].legend(figure.axes[0].patches[:2], names, loc="upper right")
    return figure


def _edges(values: np.ndarray, logarithmic: bool) -> np.ndarray:
    """Edges of bins that hold all but the last thousandth at each end."""
    low, high = np.quantile(values, [0.001, 0.999])
    if not logarithmic:
        return np.linspace(0, 1, BINS + 1)
    if high <= low * 1.01:
        low, high = low / 1.1, high * 1.1
    return np.geomspace(low, high, BINS + 1)
