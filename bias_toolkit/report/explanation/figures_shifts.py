"""Figures of how the model's output changes as one image is shifted (Azulay & Weiss, JMLR 20(184), 2019, Fig. 1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from bias_toolkit.foundation.words import count, percent
from bias_toolkit.report.page.ranking import shortened
from bias_toolkit.report.page.style import HEAT_MAP, PALE, SERIES, legend_label, new_figure, styled

if TYPE_CHECKING:
    from bias_toolkit.explain.record import ExplanationRecord, Response, ShiftMap

OTHER = "#C3C8D0"
MOST_NAMED = len(SERIES)


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
    """How many steps each of n views is from the centre view: −4 to 4 for nine."""
    return np.arange(n) - (n - 1) / 2


@styled
def response_curves(response: Response, colours: Mapping[int, str], right: str | None = None) -> Figure:
    """Probabilities along the sweep, with the top-1 class of each view in a strip under them.

    Parameters
    ----------
    response : Response
    colours : mapping
        Class index to colour.
    right : str, optional
        Name of the right class, which the legend marks.
    """
    places = view_places(len(response.top1))
    figure = new_figure(9.2, 4.1)
    upper, strip = figure.subplots(2, 1, sharex=True, height_ratios=(11, 1))
    handles = []
    for curve in response.curves:
        colour, seen = colours.get(curve.class_index, OTHER), curve.class_index in response.top1
        style = {"color": colour, "linestyle": "-" if seen else "--", "linewidth": 2}
        upper.plot(places, curve.probabilities, **style)
        name = shortened(curve.name) + (" (right)" if curve.name == right else "")
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

    Parameters
    ----------
    shift_map : ShiftMap
    colours : mapping
        Class index to colour.
    inner : int
        Radius of the square of shifts over which stability is measured; it is outlined.
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


def _map(ax: Axes, values: np.ndarray, radius: int, inner: int, ink: str):
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
    patches = [
        Patch(
            color=colours[index],
            label=legend_label(f"{shortened(names[index])} ({percent(counts[index] / top1.size, 0)})"),
        )
        for index in named
    ]
    others = len(ordered) - len(named)
    if others:
        share = 1 - sum(counts[index] for index in named) / top1.size
        patches.append(Patch(color=OTHER, label=f"{count(others, 'other')} ({percent(share, 0)})"))
    return patches
