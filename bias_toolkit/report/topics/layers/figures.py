"""Figures of the operations that subsample: their measures by depth, maps with spectra, and correlations."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bias_toolkit.foundation.words import count
from bias_toolkit.invariance import AS_IT_IS, CONDITIONS, HEADLINE, LAYER_MEASURES
from bias_toolkit.report.page.style import (
    GREY,
    HEAT_MAP,
    SERIES,
    name_rows,
    new_figure,
    shortened,
    styled,
    subtitle,
)
from bias_toolkit.report.words.definitions import label_of

TITLE = "Where invariance is lost"
MARKERS = "osD"
APART = 0.16
SHOWN_OPERATIONS = 3
MOST_NAMES = 16
LONGEST_NAME = 20
POWERS_OF_TEN = 8
ROW_INCHES = 0.5


@styled
def measures_by_depth(summary: pd.DataFrame) -> Figure:
    """Each measure at each operation, a line for each condition, with intervals; the table is LAYER_SUMMARY."""
    rows = summary[summary["depth"].notna()]
    depths = np.sort(rows["depth"].unique())
    figure = new_figure(6.2, 6.4)
    axes = figure.subplots(len(LAYER_MEASURES), 1, sharex=True)
    for ax, measure in zip(axes, LAYER_MEASURES, strict=True):
        for number, condition in enumerate(CONDITIONS):
            line = rows[rows["condition"].eq(condition.name) & rows["measure"].eq(measure.name)].sort_values("depth")
            if line.empty:
                continue
            places = np.searchsorted(depths, line["depth"]) + APART * (number - 1)
            look = {"color": SERIES[number], "linewidth": 1.4}
            ax.plot(places, line["value"], marker=MARKERS[number], markersize=4.5, label=condition.label, **look)
            ax.vlines(places, line["low"], line["high"], alpha=0.6, **look)
        ax.set_ylabel(measure.label)
        ax.set_ylim(bottom=0)
        ax.grid(False, axis="x")
    axes[0].set_title(TITLE)
    subtitle(axes[0], f"mean and 95% interval over {count(rows['n'].max(), 'image')}")
    axes[-1].set_xticks(np.arange(len(depths)), _names(rows), rotation=25, ha="right", rotation_mode="anchor")
    axes[-1].set_xlabel("operation (total stride S), in the order of the forward pass")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower left", ncols=len(CONDITIONS))
    return figure


def _names(rows: pd.DataFrame) -> list[str]:
    """A name for each operation, with its total stride; numbers where there are many."""
    about = rows.drop_duplicates("depth").sort_values("depth")
    if len(about) > MOST_NAMES:
        return [f"{depth:.0f}" for depth in about["depth"]]
    return [
        f"{shortened(name, LONGEST_NAME)} ({stride:.0f})"
        for name, stride in zip(about["operation"], about["total_stride"], strict=True)
    ]


@styled
def maps_and_spectra(maps: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """One channel of a few operations, before and after, each beside its spectrum; the tables are those of the step.

    The operations are the first, the last, and those of the largest aliased energy, in the network as it is. The square
    in a spectrum is what the grid of the result can carry.
    """
    rows = maps[maps["condition"].eq(AS_IT_IS.name)]
    means = summary[summary["condition"].eq(AS_IT_IS.name) & summary["measure"].eq("aliased_energy")]
    by_energy = means.sort_values("value", ascending=False)["depth"].tolist()
    ends = [rows["depth"].min(), rows["depth"].max()]
    shown = sorted(list(dict.fromkeys([*ends, *by_energy]))[:SHOWN_OPERATIONS])
    figure = new_figure(8.4, 0.5 + 2.05 * len(shown))
    axes = figure.subplots(len(shown), 4, squeeze=False)
    for line, depth in zip(axes, shown, strict=True):
        parts = rows[rows["depth"].eq(depth)].set_index("part")
        for place, part in enumerate(("before", "after")):
            _map_with_spectrum(line[2 * place : 2 * place + 2], parts.loc[part], folds=part == "before")
        about = parts.iloc[0]
        line[0].set_ylabel(f"{shortened(about['operation'], LONGEST_NAME)}\nstride {about['stride']}")
    for ax, title in zip(axes[0], ("Before", "its spectrum", "After", "its spectrum"), strict=True):
        ax.set_title(title)
    return figure


def _map_with_spectrum(axes: np.ndarray, row: pd.Series, *, folds: bool) -> None:
    values = np.asarray(row["values"], dtype=float).reshape(row["height"], row["width"])
    axes[0].imshow(values, cmap=HEAT_MAP, interpolation="nearest")
    axes[0].set(xticks=[], yticks=[])
    axes[0].grid(False)
    varying = (values - values.mean()) * np.outer(*(np.hanning(size) for size in values.shape))
    power = np.abs(np.fft.fftshift(np.fft.fft2(varying))) ** 2
    highest = np.log10(power.max()) if power.max() > 0 else 0.0
    logarithm = np.log10(np.maximum(power, 10.0 ** (highest - POWERS_OF_TEN)))
    # Each frequency is the middle of its cell; that of −1/2 is the first of an even size.
    height, width = values.shape
    first = [-(size // 2) / size - 0.5 / size for size in (width, height)]
    extent = (first[0], first[0] + 1, first[1] + 1, first[1])
    axes[1].imshow(logarithm, cmap="magma", extent=extent, interpolation="nearest", vmin=highest - POWERS_OF_TEN)
    axes[1].grid(False)
    axes[1].set(xticks=[-0.5, 0, 0.5], yticks=[-0.5, 0, 0.5], xlim=extent[:2], ylim=extent[2:])
    axes[1].tick_params(labelsize=7.5)
    if folds:
        half = 0.5 / row["stride"]
        axes[1].add_patch(Rectangle((-half, -half), 2 * half, 2 * half, fill=False, edgecolor="white", linewidth=1.3))
    axes[1].set_xlabel("cycles a sample", fontsize=8)


@styled
def correlations_by_depth(correlations: pd.DataFrame) -> Axes:
    """Spearman's ρ of each measure of each operation with P(top-1 change); the table is LAYER_CORRELATIONS."""
    depths = np.sort(correlations["depth"].unique())
    ax = new_figure(6.2, 1.5 + ROW_INCHES * len(depths)).add_subplot()
    ax.axvline(0, color=GREY, linewidth=1)
    for number, measure in enumerate(LAYER_MEASURES):
        rows = correlations[correlations["measure"].eq(measure.name)].sort_values("depth")
        places = np.searchsorted(depths, rows["depth"]) + 1.4 * APART * (number - 1)
        ax.hlines(places, rows["low"], rows["high"], color=SERIES[number], linewidth=1.6, alpha=0.7)
        ax.plot(rows["rho"], places, MARKERS[number], color=SERIES[number], markersize=4.5, label=measure.label)
    name_rows(ax, np.arange(len(depths)), _names(correlations))
    ax.set_ylim(len(depths) - 0.4, -0.6)
    ax.set(xlabel=f"Spearman’s ρ with {label_of(HEADLINE)}", title="What goes with instability")
    subtitle(ax, f"over {count(correlations['n'].max(), 'image')}; lines: 95% intervals, adjusted")
    ax.figure.legend(*ax.get_legend_handles_labels(), loc="outside lower left", ncols=len(LAYER_MEASURES))
    return ax
