"""A figure at another size than its own: its text, lines and marks shrink with it, down to what can be read."""

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.offsetbox import OffsetBox
from matplotlib.patches import Patch
from matplotlib.text import Annotation, Text

from bias_toolkit.foundation.errors import InputError

SMALLEST = 0.6
"""Of a figure's own size: its smallest text is then 4.5 points high, and its labels 5.7."""
POINTS = 72


def resize(figure: Figure, width: float, height: float, name: str) -> None:
    """Set a figure's size, in inches, and shrink its content if the figure gets smaller than it was drawn.

    Raises InputError if the text would be too small to read; `name` is what the error calls the figure.
    """
    own = figure.get_size_inches()
    factor = min(1.0, width / own[0], height / own[1])
    if factor < SMALLEST:
        least = " × ".join(f"{np.ceil(10 * SMALLEST * length) / 10:g}" for length in own)
        raise InputError(f"--size is {width:g}x{height:g} inches, but {name} is readable from {least} inches on.")
    if factor < 1:
        panels = figure.findobj(Axes)
        for ax in panels:
            _shrink_axes(ax, factor)
        axes = [axis for ax in panels for axis in (ax.xaxis, ax.yaxis)]
        ticks = [tick for axis in axes for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())]
        done = {id(artist) for tick in ticks for artist in tick.findobj()}
        for artist in figure.findobj():
            if id(artist) not in done:
                done.add(id(artist))
                _shrink(artist, factor)
    figure.set_size_inches(width, height)


def _shrink(artist: Artist, factor: float) -> None:
    if isinstance(artist, Text):
        artist.set_fontsize(artist.get_fontsize() * factor)
        if isinstance(artist, Annotation) and artist.anncoords == "offset points":
            artist.xyann = tuple(factor * length for length in artist.xyann)
    elif isinstance(artist, Line2D):
        artist.set_linewidth(artist.get_linewidth() * factor)
        artist.set_markersize(artist.get_markersize() * factor)
        artist.set_markeredgewidth(artist.get_markeredgewidth() * factor)
    elif isinstance(artist, Collection):
        artist.set_linewidth(np.asarray(artist.get_linewidth()) * factor)
        if hasattr(artist, "set_sizes"):
            artist.set_sizes(np.asarray(artist.get_sizes()) * factor**2)
    elif isinstance(artist, Patch):
        artist.set_linewidth(artist.get_linewidth() * factor)
    elif isinstance(artist, OffsetBox):
        for gap in ("pad", "sep"):
            if getattr(artist, gap, None):
                setattr(artist, gap, getattr(artist, gap) * factor)


def _shrink_axes(ax: Axes, factor: float) -> None:
    """Shrink what an axes keeps in points: the gaps beside its title and labels, and its ticks with their labels."""
    pad = ax.titleOffsetTrans.transform((0, 0))[1] / ax.figure.dpi * POINTS
    for loc in ("left", "center", "right"):
        if title := ax.get_title(loc=loc):
            drawn = next(text for text in ax.findobj(Text) if text.get_text() == title)
            look = {"fontsize": drawn.get_fontsize(), "fontweight": drawn.get_fontweight()}
            ax.set_title(title, loc=loc, pad=pad * factor, **look)
    for name, axis in (("x", ax.xaxis), ("y", ax.yaxis)):
        axis.labelpad *= factor
        tick = axis.get_major_ticks(1)[0]
        ax.tick_params(
            axis=name,
            labelsize=tick.label1.get_fontsize() * factor,
            length=tick.tick1line.get_markersize() * factor,
            pad=tick.get_pad() * factor,
        )
