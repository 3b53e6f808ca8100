"""Figures of the invariance measures themselves."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from bias_toolkit.foundation.words import count, percent, significant
from bias_toolkit.invariance import HEADLINE, STEP_PROTOCOLS, TRANSFORMS
from bias_toolkit.report.page.style import (
    BLUE,
    GREY,
    SERIES,
    in_its_unit,
    in_percent,
    new_figure,
    on_log_axis,
    styled,
    subtitle,
)
from bias_toolkit.report.topics.invariance.sizes import IMAGE_SIDE_LABEL
from bias_toolkit.report.words.definitions import label_of, value_form
from bias_toolkit.report.words.sentences import image_size

MARKERS = dict(zip((transform.name for transform in TRANSFORMS), "os^DvP*", strict=False))
STEP_SHARES = {"p_top1_change": "changed steps", "p_top5_exit": "steps that leave the top 5"}
"""The steps that a measure is a share of, by the measure."""
HISTOGRAM_BINS = 40
MOST_BARS = 24


@styled
def measure_by_size(summary: pd.DataFrame, measure: str = HEADLINE) -> Axes:
    """A measure (SUMMARY) over the size at which the image is shown: crops right of 1, images on a canvas left."""
    ax = new_figure().add_subplot()
    rows = summary[summary["measure"].eq(measure) & summary["protocol"].isin(STEP_PROTOCOLS) & summary["value"].notna()]
    shown = [image_size(*pair) for pair in zip(rows["protocol"], rows["size"], strict=True)]
    rows = rows.assign(shown=shown).sort_values("shown", kind="stable")
    several = rows["transform"].nunique() > 1
    for colour, (protocol, of_protocol) in zip(SERIES, rows.groupby("protocol"), strict=False):
        for transform, line in of_protocol.groupby("transform"):
            errors = np.abs(line[["low", "high"]].to_numpy(float).T - line["value"].to_numpy(float))
            label = f"{protocol}, {transform}" if several and transform else protocol
            look = {"color": colour, "marker": MARKERS[transform], "markersize": 5.5, "label": label}
            ax.errorbar(line["shown"], line["value"], errors, linewidth=1.6, elinewidth=1.2, capsize=2.5, **look)
    ax.set_xscale("log", base=2)
    on_log_axis(ax.xaxis)
    ax.set(
        title=f"{label_of(measure)} by the size of the image",
        xlabel=IMAGE_SIDE_LABEL,
        ylabel=label_of(measure),
    )
    subtitle(ax, f"mean and 95% interval over {count(rows['n'].max() if len(rows) else 0, 'image')}")
    ax.set_ylim(bottom=0)
    in_its_unit(ax.yaxis, measure)
    ax.legend(loc="best")
    return ax


@styled
def measure_histogram(measures: pd.DataFrame, measure: str = HEADLINE) -> Axes:
    """The distribution of a measure over the images.

    A share of few steps has one bar for each number of steps, at that number: it takes no other values.
    """
    ax = new_figure().add_subplot()
    values = measures[measure].dropna().to_numpy(float)
    steps = measures["n_steps"].max() if "n_steps" in measures else np.nan
    weights = np.full(len(values), 1 / max(len(values), 1))
    look = {"weights": weights, "color": BLUE, "alpha": 0.8}
    unit, xlabel = 1.0, label_of(measure)
    if measure in STEP_SHARES and np.isfinite(steps) and steps <= MOST_BARS:
        unit, xlabel = float(steps), f"{STEP_SHARES[measure]} of {int(steps)}"
        ax.hist(values * unit, np.arange(steps + 2) - 0.5, rwidth=0.8, **look)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True))
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0f}" if 0 <= value <= steps else "")
    else:
        lowest, highest = min(values.min(initial=0), 0), values.max(initial=0)
        ax.hist(values, np.linspace(lowest, highest if highest > 0 else 0.05, HISTOGRAM_BINS + 1), **look)
        ax.set_xlim(left=lowest)
        in_its_unit(ax.xaxis, measure)
    mean = values.mean() if len(values) else 0
    ax.axvline(unit * mean, color=GREY, linestyle="--", linewidth=1.2)
    ax.set(title=f"{label_of(measure)} over the images", xlabel=xlabel, ylabel="share of images")
    unchanged = f"; {percent((values == 0).mean(), 0)} of them at 0" if len(values) else ""
    shown = f"{significant(unit * mean)} steps" if unit > 1 else value_form(measure)(mean)
    subtitle(ax, f"{count(len(values), 'image')}{unchanged}; dashed: mean {shown}")
    in_percent(ax.yaxis)
    ax.grid(False, axis="x")
    return ax
