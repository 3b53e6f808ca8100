"""Figures of the invariance measures themselves."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from bias_toolkit.foundation.words import count, percent
from bias_toolkit.invariance import HEADLINE, INVARIANCE_MEASURES, STEP_PROTOCOLS, TRANSFORMS
from bias_toolkit.report.page.style import BLUE, GREY, SERIES, in_its_unit, in_percent, new_figure, styled, subtitle
from bias_toolkit.report.words.definitions import label_of
from bias_toolkit.report.words.sentences import image_size

MARKERS = dict(zip((transform.name for transform in TRANSFORMS), "os^DvP*", strict=False))
STEP_SHARES = [measure.name for measure in INVARIANCE_MEASURES if measure.share_of == "steps"]
HISTOGRAM_BINS = 40


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
    ax.xaxis.set_major_locator(FixedLocator(_apart(sorted(rows["shown"].unique()))))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.2g}")
    ax.set(
        title=f"{label_of(measure)} by the size of the image",
        xlabel="side of the image in view sides\n(below 1 shrunk on a canvas, above 1 a tighter crop)",
        ylabel=label_of(measure),
    )
    subtitle(ax, f"mean and 95% interval over {count(rows['n'].max() if len(rows) else 0, 'image')}")
    ax.set_ylim(bottom=0)
    in_its_unit(ax.yaxis, measure)
    ax.legend(loc="best")
    return ax


def _apart(values: Sequence[float], least: float = 1.12) -> list[float]:
    kept = []
    for value in values:
        if not kept or value / kept[-1] >= least:
            kept.append(value)
    return kept


@styled
def measure_histogram(measures: pd.DataFrame, measure: str = HEADLINE) -> Axes:
    """The distribution of a measure over the images; one bar per number of steps if the measure counts `n_steps`."""
    ax = new_figure().add_subplot()
    values = measures[measure].dropna().to_numpy(float)
    steps = measures["n_steps"].max() if "n_steps" in measures else np.nan
    if measure in STEP_SHARES and np.isfinite(steps) and steps <= 60:
        edges = (np.arange(steps + 2) - 0.5) / steps
    else:
        highest = values.max(initial=0)
        edges = np.linspace(min(values.min(initial=0), 0), highest if highest > 0 else 0.05, HISTOGRAM_BINS + 1)
    ax.hist(values, edges, weights=np.full(len(values), 1 / max(len(values), 1)), color=BLUE, alpha=0.8, rwidth=0.9)
    ax.axvline(values.mean() if len(values) else 0, color=GREY, linestyle="--", linewidth=1.2)
    ax.set(title=f"{label_of(measure)} over the images", xlabel=label_of(measure), ylabel="share of images")
    unchanged = f"; {percent((values == 0).mean(), 0)} of them at 0" if len(values) else ""
    subtitle(ax, f"{count(len(values), 'image')}{unchanged}; dashed: mean")
    in_percent(ax.yaxis)
    in_its_unit(ax.xaxis, measure)
    ax.grid(False, axis="x")
    return ax
