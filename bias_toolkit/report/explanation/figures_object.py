"""The figure of one object's position and scale among the training objects."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, NullLocator

from bias_toolkit.foundation.words import number
from bias_toolkit.report.page.style import BLUE, RASTER_FROM, VERMILLION, new_figure, styled, subtitle

if TYPE_CHECKING:
    from bias_toolkit.explain.record import Framing

FEWEST_BINS, MOST_BINS = 8, 30
ASPECT_TICKS = (0.1, 0.2, 0.33, 0.5, 0.67, 1, 1.5, 2, 3, 5, 10)


@styled
def object_among_training(framing: Framing) -> Figure:
    """Position, scale and aspect of the training objects, with those of the image's object.

    Parameters
    ----------
    framing : Framing
        `training` and `standings` have cx, cy, scale and aspect, as fractions of a square view.
    """
    own = {standing.name: standing.value for standing in framing.standings}
    medians = {standing.name: standing.training_median for standing in framing.standings}
    training = {name: np.asarray(values, float) for name, values in framing.training.items()}
    figure = new_figure(10.4, 3.6)
    position, scale, aspect = figure.subplots(1, 3, width_ratios=(1.05, 1, 1))
    _position(position, training["cx"], training["cy"], own)
    _histogram(scale, training["scale"], own["scale"], medians["scale"], _even_edges(training["scale"], own["scale"]))
    scale.set(title="Scale", xlabel="scale (square root of the share of the view)", ylabel="training objects")
    aspect.set_xscale("log")
    edges = np.exp(_even_edges(np.log(training["aspect"]), math.log(own["aspect"])))
    _histogram(aspect, training["aspect"], own["aspect"], medians["aspect"], edges)
    aspect.set(title="Aspect", xlabel="width / height", xlim=(edges[0], edges[-1]))
    aspect.xaxis.set_major_locator(
        FixedLocator([tick for tick in ASPECT_TICKS if edges[0] <= tick <= edges[-1]] or [own["aspect"]])
    )
    aspect.xaxis.set_minor_locator(NullLocator())
    aspect.xaxis.set_major_formatter(lambda tick, _: f"{tick:.2g}")
    for ax, name in ((scale, "scale"), (aspect, "aspect")):
        subtitle(ax, f"here {number(own[name])}, training median {number(medians[name])}")
    return figure


def _position(ax: Axes, cx: np.ndarray, cy: np.ndarray, own: dict[str, float]) -> None:
    ax.scatter(
        cx, cy, s=7, color=BLUE, alpha=0.35, linewidths=0, rasterized=len(cx) >= RASTER_FROM, label="training objects"
    )
    width, height = own["scale"] * math.sqrt(own["aspect"]), own["scale"] / math.sqrt(own["aspect"])
    corner = own["cx"] - width / 2, own["cy"] - height / 2
    ax.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=VERMILLION, linewidth=1.4, linestyle="--"))
    ax.plot(own["cx"], own["cy"], "X", color=VERMILLION, markeredgecolor="black", markersize=9)
    ax.plot(0.5, 0.5, "+", color="black", markersize=9)
    ax.set(xlim=(0, 1), ylim=(1, 0), aspect="equal", xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    ax.set(title="Position", xlabel="left – right", ylabel="bottom – top")
    subtitle(ax, "centres in the view; orange: this image’s object")
    for side in ("top", "right"):
        ax.spines[side].set_visible(True)
    ax.grid(False)


def _histogram(ax: Axes, values: np.ndarray, own: float, median: float, edges: np.ndarray) -> None:
    ax.hist(values, edges, color=BLUE, alpha=0.75, histtype="stepfilled")
    ax.yaxis.get_major_locator().set_params(integer=True)
    ax.axvline(median, color=BLUE, linestyle="--", linewidth=1.3)
    ax.axvline(own, color=VERMILLION, linewidth=2.2)
    ax.grid(False, axis="x")


def _even_edges(values: np.ndarray, own: float) -> np.ndarray:
    """Bin edges that hold all values and the image's own."""
    low, high = min(values.min(), own), max(values.max(), own)
    room = 0.03 * (high - low) or 0.05
    bins = int(np.clip(2 * np.sqrt(len(values)), FEWEST_BINS, MOST_BINS))
    return np.linspace(low - room, high + room, bins + 1)
