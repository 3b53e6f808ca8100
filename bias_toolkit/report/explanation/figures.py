"""Figures of one image: its outputs under shifts, the effect of removing each cause, its object among training objects.

The first ones are after Azulay & Weiss, JMLR 20(184), 2019, Fig. 1.
"""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from bias_toolkit.foundation.words import count, known, number, percent
from bias_toolkit.report.page.style import (
    BLUE,
    HEAT_MAP,
    PALE,
    RASTER_FROM,
    SERIES,
    VERMILLION,
    in_percent,
    legend_label,
    new_figure,
    shortened,
    styled,
    subtitle,
)
from bias_toolkit.report.words.definitions import label_of

if TYPE_CHECKING:
    from bias_toolkit.explain.record import Estimate, ExplanationRecord, Framing, Response, ShiftMap, Stability

OTHER, INK = "#C3C8D0", "#1F2937"
NAME_WIDTH, NAME_LINES = 50, 3
EFFECTS_WIDTH, LARGE = 4.6, 11  # inches, points: readable where the page is 400 pixels wide
FEWEST_BINS, MOST_BINS = 8, 30
ASPECT_TICKS = (0.1, 0.2, 0.33, 0.5, 0.67, 1, 1.5, 2, 3, 5, 10)


def class_colours(explanation: ExplanationRecord) -> dict[int, str]:
    """A colour for each of the most important classes; all others get `OTHER`.

    The classes with a colour are the shift map's reference, those of the response's curves, and the most frequent
    ones of the map, in this order.
    """
    frequent = Counter(np.asarray(explanation.shift_map.top1).ravel().tolist()).most_common()
    wanted = [
        explanation.shift_map.reference,
        *(curve.class_index for curve in explanation.response.curves),
        *(index for index, _ in sorted(frequent, key=lambda pair: (-pair[1], pair[0]))),
    ]
    return dict(zip(dict.fromkeys(wanted), SERIES, strict=False))


def view_places(n: int) -> np.ndarray:
    """The number of steps from the centre view to each of n views: −4 to 4 for nine."""
    return np.arange(n) - (n - 1) / 2


@styled
def response_curves(response: Response, colours: Mapping[int, str], right: int | None = None) -> Figure:
    """Probabilities along the sweep, with the top-1 class of each view in a strip under them.

    `colours` are by class index; the legend marks the class `right`.
    """
    places = view_places(len(response.top1))
    figure = new_figure(9.2, 4.1)
    upper, strip = figure.subplots(2, 1, sharex=True, height_ratios=(11, 1))
    handles = []
    for curve in response.curves:
        colour, seen = colours.get(curve.class_index, OTHER), curve.class_index in response.top1
        style = {"color": colour, "linestyle": "-" if seen else "--", "linewidth": 2}
        upper.plot(places, curve.probabilities, **style)
        name = shortened(curve.name) + (" (right)" if curve.class_index == right else "")
        handles.append(Line2D([], [], **style, label=legend_label(name)))
    faces = [colours.get(index, OTHER) for index in response.top1]
    upper.scatter(places, response.p_top1, s=42, c=faces, edgecolors="black", linewidths=0.8, zorder=3)
    strip.bar(places, 1, width=1, color=faces, edgecolor="white", linewidth=1.5)
    for step in np.flatnonzero(np.diff(response.top1)):
        upper.axvline(places[step] + 0.5, color=PALE, linewidth=0.9, linestyle=(0, (3, 3)), zorder=0)
    handles.append(
        Line2D([], [], linestyle="", marker="o", markerfacecolor="white", markeredgecolor="black", label="top-1")
    )
    upper.set(ylabel="probability", ylim=(-0.02, max(0.3, 1.12 * max(response.p_top1))))
    upper.set_ylim(top=min(upper.get_ylim()[1], 1.03))
    upper.set_title("Probabilities along the sweep")
    upper.tick_params(axis="x", length=0)
    strip.set(xlabel="pixels from the centre view", yticks=[], xlim=(places[0] - 0.6, places[-1] + 0.6))
    strip.set_ylabel("top-1", rotation=0, ha="right", va="center")
    if len(places) <= 21:
        strip.set_xticks(places, [signed(place) for place in places])
    strip.grid(False)
    for side in ("left", "bottom"):
        strip.spines[side].set_visible(False)
    figure.legend(handles=handles, loc="outside right upper")
    return figure


def signed(place: float) -> str:
    """`+2`, `0`, `−4`: a distance from the centre view with its sign."""
    return f"{place:+g}".replace("-", "\N{MINUS SIGN}") if place else "0"


@styled
def shift_maps(shift_map: ShiftMap, colours: Mapping[int, str], inner: int) -> Figure:
    """Top-1 class and the probability of the centre view's class over all shifts.

    `colours` are by class index. The square of shifts up to `inner`, over which stability is measured, is outlined.
    """
    top1 = np.asarray(shift_map.top1)
    figure = new_figure(10.4, 4.3)
    left, right = figure.subplots(1, 2)
    _map(left, _coloured(top1, colours), shift_map.radius, inner, "black")
    left.set_title("Top-1 class")
    heat = _map(right, np.asarray(shift_map.p_reference, float), shift_map.radius, inner, "white")
    # The scale ends at the next tenth, so that a map of small probabilities is not all dark.
    heat.set_clim(0, max(np.ceil(10 * np.max(shift_map.p_reference)) / 10, 0.1))
    right.set_title(f"Probability of “{shortened(shift_map.names[shift_map.reference])}”")
    bar = figure.colorbar(heat, ax=right, shrink=0.8, pad=0.03)
    bar.outline.set_visible(False)
    figure.legend(handles=_legend(top1, shift_map.names, colours), loc="outside left upper")
    return figure


def _coloured(top1: np.ndarray, colours: Mapping[int, str]) -> np.ndarray:
    picture = np.empty((*top1.shape, 3))
    for index in np.unique(top1):
        picture[top1 == index] = to_rgb(colours.get(int(index), OTHER))
    return picture


def _map(ax: Axes, values: np.ndarray, radius: int, inner: int, ink: str) -> AxesImage:
    half = radius + 0.5
    image = ax.imshow(values, extent=(-half, half, half, -half), cmap=HEAT_MAP, interpolation="nearest")
    side = 2 * inner + 1
    ax.add_patch(Rectangle((-inner - 0.5, -inner - 0.5), side, side, fill=False, edgecolor=ink, linewidth=1.3))
    ax.plot(0, 0, marker="+", color=ink, markersize=9, markeredgewidth=1.4)
    ax.grid(False)
    ax.set(xlabel="pixels to the right", ylabel="pixels down")
    ax.xaxis.set_major_formatter(lambda place, _: signed(place))
    ax.yaxis.set_major_formatter(lambda place, _: signed(place))
    return image


def _legend(top1: np.ndarray, names: Mapping[int, str], colours: Mapping[int, str]) -> Sequence[Patch]:
    """A patch for each class that has a colour, the most frequent first, and one for all others."""
    counts = Counter(top1.ravel().tolist())
    ordered = sorted(counts, key=lambda index: (-counts[index], index))
    named = [index for index in ordered if index in colours]
    patches = []
    for index in named:
        name = f"{shortened(names[index])} ({percent(counts[index] / top1.size, 0)})"
        patches.append(Patch(color=colours[index], label=legend_label(name)))
    if others := len(ordered) - len(named):
        share = 1 - sum(counts[index] for index in named) / top1.size
        patches.append(Patch(color=OTHER, label=f"{count(others, 'other')} ({percent(share, 0)})"))
    return patches


class Effect(NamedTuple):
    """P(top-1 change) and MAC of the image as it is, or in random trials: a row of the dot plots."""

    name: str
    after: Stability
    colour: str = PALE
    marker: str = "o"


def effects(explanation: ExplanationRecord) -> list[Effect]:
    """The rows of the dot plots, from the top: the image as it is, controls, interventions.

    The coin toss is left out: its P(top-1 change) is along the study's sweep, and not over these steps.
    """
    rows = [Effect("as it is", explanation.before, VERMILLION)]
    if explanation.controls is not None:
        rows.append(Effect("controls", explanation.controls, INK, "s"))
    several = Counter(line.cause for line in explanation.lines)
    for line in explanation.lines:
        if line.after is not None:
            done = f": {line.intervention}" if several[line.cause] > 1 else ""
            rows.append(Effect(f"{line.name}{done}", line.after, PALE if line.rank is None else BLUE))
    return rows


@styled
def effects_plot(explanation: ExplanationRecord) -> Figure:
    """P(top-1 change) and MAC of the image as it is, in the controls, and under each intervention."""
    rows = effects(explanation)
    names = ["\n".join(textwrap.wrap(row.name, NAME_WIDTH, max_lines=NAME_LINES, placeholder="…")) for row in rows]
    heights = np.array([1 + 0.45 * (1 + name.count("\n")) for name in names])
    places = np.cumsum(heights) - 0.6
    figure = new_figure(EFFECTS_WIDTH, 1.0 + 0.36 * heights.sum())
    left, right = figure.subplots(1, 2)
    for ax, name in ((left, "p_top1_change"), (right, "mac")):
        _dots(ax, [getattr(row.after, name) for row in rows], rows, places)
        ax.set_ylim(heights.sum(), 0)
        ax.set_yticks([])
        ax.grid(False, axis="y")
        ax.tick_params(axis="x", labelsize=LARGE)
        ax.xaxis.set_major_locator(MaxNLocator(3))
    in_percent(left.xaxis)
    left.set_xlabel(label_of("p_top1_change"), fontsize=LARGE)
    right.set_xlabel("MAC", fontsize=LARGE)
    for name, place, row in zip(names, places, rows, strict=True):
        colour = BLUE if row.colour == BLUE else INK
        told = left.text(0, place - 0.45, name, transform=left.get_yaxis_transform(), color=colour, fontsize=LARGE)
        told.set(va="bottom", in_layout=False, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5})
    # A long name reaches over the other plot.
    left.set_zorder(1)
    left.patch.set_visible(False)
    return figure


def _dots(ax: Axes, estimates: Sequence[Estimate], rows: Sequence[Effect], places: np.ndarray) -> None:
    """One estimate a row, and the value of the controls, or else of the image as it is, as a line."""
    reference = next((place for place, row in enumerate(rows) if row.name == "controls"), 0)
    ax.axvline(estimates[reference].value, color=rows[reference].colour, linewidth=1.1, linestyle="--")
    for place, estimate, row in zip(places, estimates, rows, strict=True):
        if known(estimate.low) and known(estimate.high):
            ax.hlines(place, estimate.low, estimate.high, color=row.colour, linewidth=2.6, alpha=0.7)
        ax.plot(estimate.value, place, row.marker, color=row.colour, markersize=8, zorder=3)
    ends = [end for each in estimates for end in (each.value, each.high) if known(end)]
    highest = max(*ends, 1e-3)
    ax.set_xlim(-0.03 * highest, min(1.06 * highest, 1.02))


@styled
def object_among_training(framing: Framing) -> Figure:
    """Position, scale and aspect of the training objects, with those of the image's object."""
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
    ax.set(title="Position", xlabel="left (0) to right (1)", ylabel="bottom (1) to top (0)")
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
