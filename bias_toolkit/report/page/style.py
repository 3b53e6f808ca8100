"""The style of the report's figures, and saving them so that the same figure gives the same file.

Figures use matplotlib's object interface: pyplot's global state is not touched.
"""

import functools
import io
import math
import os
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.ticker import Locator, NullLocator

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import atomic_path
from bias_toolkit.report.words.definitions import COLUMNS

# Okabe & Ito's palette, distinguishable with any colour vision; its yellow is left out as too pale on white.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILLION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
GREY, PALE = "#6B7280", "#9CA3AF"
SERIES = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, BLACK)
HEAT_MAP = "cividis"
DIVERGING_MAP = "PuOr_r"

# DejaVu comes with matplotlib; the others, if installed, are for names in scripts that it lacks.
_OTHER_SCRIPTS = {
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans Arabic",
    "Noto Sans Devanagari",
    "Arial Unicode MS",
}
FONTS = ["DejaVu Sans", *sorted(_OTHER_SCRIPTS & set(fontManager.get_font_names()))]

# At this width, a text of `SMALL` points is 8 pixels high in a figure that is shown 400 pixels wide.
WIDTH, HEIGHT = 5.2, 3.7
SMALL = 7.5
SUBTITLE = "subtitle"
RASTER_FROM = 1000
DOTS_PER_INCH = 200
LONGEST_NAME = 26
ROW_INCHES = 0.225

STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": FONTS,
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.labelsize": 9.5,
    "axes.labelpad": 5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#374151",
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.unicode_minus": True,
    "grid.color": "#E5E7EB",
    "grid.linewidth": 0.7,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.color": "#374151",
    "ytick.color": "#374151",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.8,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "bias-toolkit",
    "pdf.fonttype": 42,
    # A dollar sign in a class's name does not begin a formula.
    "text.parse_math": False,
}

# Without a date, the same figure is the same file.
_METADATA = {
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    ".png": {"Software": None},
}

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# A user's matplotlibrc must not change the style; its settings about the machine stay.
_LOOKS = ("axes", "boxplot", "errorbar", "figure", "font", "grid", "hatch", "hist", "image", "legend", "lines")
_LOOKS += ("markers", "mathtext", "patch", "path", "pdf", "savefig", "scatter", "svg", "text", "xtick", "ytick")
_DEFAULTS = {
    name: value
    for name, value in matplotlib.rcParamsDefault.items()
    if name.split(".")[0].rstrip("0123456789") in _LOOKS
}


def styled(draw: Callable) -> Callable:
    """Make a function draw in the report's style, whatever matplotlib's settings are elsewhere."""

    @functools.wraps(draw)
    def wrapper(*arguments: Any, **options: Any) -> Any:
        with matplotlib.rc_context(_DEFAULTS | STYLE):
            return draw(*arguments, **options)

    return wrapper


class _OnAxes:
    """Axes of a user's figure in the place of a new figure with one panel; all else is asked of the user's figure."""

    def __init__(self, ax: Axes) -> None:
        self._ax = ax

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ax.figure, name)

    @property
    def figure(self) -> "_OnAxes":
        return self

    def add_subplot(self) -> Axes:
        return self._ax

    def subplots(self, *_: Any, **options: Any) -> Axes:
        raise InputError("this figure has several panels, which do not fit on one Axes; leave out ax")

    def legend(self, loc: str = "best", **options: Any) -> None:
        self._ax.legend(**options)

    def suptitle(self, text: str, color: str | None = None, **options: Any) -> None:
        self._ax.set_title(text, loc="right", fontsize=8, color=color)


_taken: ContextVar[Axes | None] = ContextVar("taken", default=None)


@contextmanager
def drawing_on(ax: Axes | None) -> Iterator[None]:
    """New figures are drawn on these axes instead, if there are any; a figure of several panels raises InputError."""
    token = _taken.set(ax)
    try:
        yield
    finally:
        _taken.reset(token)


class ShownFigure(Figure):
    """A figure that shows itself in a notebook, also if pyplot was never imported there."""

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        self.savefig(content, format="png")
        return content.getvalue()


def new_figure(width: float = WIDTH, height: float = HEIGHT) -> Figure | _OnAxes:
    """An empty figure, its size in inches, or what takes its place in `drawing_on`."""
    ax = _taken.get()
    return ShownFigure(figsize=(width, height), layout="constrained") if ax is None else _OnAxes(ax)


def in_percent(axis: Axis) -> None:
    """Format an axis of shares in percent, with as many digits as neighbouring ticks need to differ."""

    def formatted(value: float, _: int | None) -> str:
        span = abs(100 * float(np.ptp(axis.get_view_interval())))
        digits = min(max(2 - math.floor(math.log10(span)), 0), 9) if span else 3
        text = f"{100 * value:.{digits}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return f"{'0' if text == '-0' else text}%".replace("-", "\N{MINUS SIGN}")

    axis.set_major_formatter(formatted)


class LogTicks(Locator):
    """Ticks of a logarithmic axis at round numbers: as fine as needed for four of them, even within one decade."""

    _DIGITS = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 4, 5, 6, 7, 8, 9))
    _FEWEST, _MOST = 4, 9

    def __call__(self) -> np.ndarray:
        return self.tick_values(*self.axis.get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> np.ndarray:
        """The ticks between two positive numbers."""
        low, high = sorted((vmin, vmax))
        if not low > 0:
            return np.array([])
        decades = 10.0 ** np.arange(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        ticks = np.array([])
        for digits in self._DIGITS:
            ticks = np.outer(decades, digits).ravel()
            ticks = ticks[(ticks >= low * (1 - 1e-9)) & (ticks <= high * (1 + 1e-9))]
            if len(ticks) >= self._FEWEST:
                break
        return ticks[:: math.ceil(len(ticks) / self._MOST)] if len(ticks) else np.array([low, high])


def on_log_axis(axis: Axis) -> None:
    """Give a logarithmic axis readable ticks: few round numbers, written out."""
    axis.set_major_locator(LogTicks())
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: f"{value:.3g}")


def in_its_unit(axis: Axis, column: str) -> None:
    """Format an axis of a column in percent if the column is a share."""
    if column in COLUMNS and COLUMNS[column].share:
        in_percent(axis)


def name_rows(ax: Axes, places: Sequence[float], names: Sequence[str]) -> None:
    """Name the rows of a figure at the left, without lines through them."""
    ax.set_yticks(places, names)
    ax.grid(False, axis="y")
    ax.tick_params(axis="y", length=0)


@styled
def histogram(
    values: np.ndarray,
    edges: np.ndarray,
    outline: np.ndarray | None = None,
    *,
    labels: Sequence[str],
    dashed: float | None = None,
    **texts: Any,
) -> Axes:
    """The density of values as bars and that of others as an outline, each with its label; optionally a dashed line."""
    ax = new_figure().add_subplot()
    ax.hist(values, edges, density=True, color=BLUE, alpha=0.75, label=labels[0])
    if outline is not None:
        ax.stairs(outline, edges, color=ORANGE, linewidth=2.2, label=labels[1])
    if dashed is not None:
        ax.axvline(dashed, color=BLUE, linestyle="--", linewidth=1.2)
    ax.set(ylabel="density", **texts)
    ax.grid(False, axis="x")
    return ax


@styled
def ranking(rows: pd.DataFrame, *, xlabel: str, most: int = 15) -> Axes:
    """Points with intervals (rows of name, value, low, high) from the top; only the `most` first and last of many."""
    rows = rows.dropna(subset=["value"])
    left_out = len(rows) - 2 * most
    places = np.arange(len(rows), dtype=float)
    if left_out > 0:
        rows = pd.concat([rows.head(most), rows.tail(most)])
        places = np.concatenate([np.arange(most), np.arange(most) + most + 1.5])
    ax = new_figure(height=1.1 + ROW_INCHES * (places[-1] + 1 if len(places) else 1)).add_subplot()
    ax.hlines(places, rows["low"], rows["high"], color=BLUE, linewidth=1.6, alpha=0.55)
    ax.plot(rows["value"], places, "o", color=BLUE, markersize=5)
    name_rows(ax, places, [shortened(name) for name in rows["name"]])
    ax.set_ylim(places[-1] + 0.8 if len(places) else 1, -0.8)
    ax.set_xlabel(xlabel)
    if left_out > 0:
        ax.axhline(most + 0.25, color=GREY, linewidth=0.8, linestyle=(0, (2, 3)))
        look = {"ha": "right", "va": "center", "fontsize": 8, "color": GREY, "backgroundcolor": "white"}
        ax.annotate(f"{left_out:,} more between", (1, most + 0.25), xycoords=("axes fraction", "data"), **look)
    return ax


def shortened(name: str, most: int = LONGEST_NAME) -> str:
    """A name, shortened to fit beside an axis."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def legend_label(name: str) -> str:
    """A name as a legend's label: matplotlib leaves out those that start with an underscore."""
    return f"\N{THIN SPACE}{name}" if name.startswith("_") else name


def value_range(values: np.ndarray, limits: tuple[float, float] = (-math.inf, math.inf)) -> tuple[float, float]:
    """Limits of an axis that shows the values with some margin, within the column's possible range.

    If all values are equal, the margin is 0.05, or a twentieth of a larger value.
    """
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
    size = max(abs(low), abs(high))
    if high - low <= 1e-9 * size:
        room = max(0.05, 0.05 * size)
        return max(low - room, limits[0]), min(high + room, limits[1])
    return max(low - 0.06 * (high - low), limits[0]), high + 0.08 * (high - low)


def subtitle(ax: Axes, text: str) -> None:
    """A small grey line between the title and the axes."""
    ax.set_title(ax.get_title(loc="left"), loc="left", pad=21)
    above(ax, text, 7, fontsize=8.5, va="bottom", gid=SUBTITLE)


def above(ax: Axes, text: str, points: float, **look: Any) -> None:
    """A grey line of text, `points` above the axes."""
    ax.annotate(text, (0, 1), (0, points), "axes fraction", "offset points", color="#4B5563", **look)


def without_title(figure: Figure) -> Figure:
    """Remove a figure's title and the line below it; titles of several panels stay, as they tell them apart."""
    figure.suptitle("")
    titled = [ax for ax in figure.axes if ax.get_title(loc="left")]
    if len(titled) == 1:
        titled[0].set_title("", loc="left")
        for text in [text for text in titled[0].texts if text.get_gid() == SUBTITLE]:
            text.remove()
    return figure


@styled
def save_figure(figure: Figure | Axes, *paths: str | os.PathLike) -> None:
    """Write a figure as PDF (with TrueType fonts), SVG or PNG, by each path's extension; the bytes are reproducible.

    Raises InputError for any other extension.
    """
    files = [Path(path) for path in paths]
    for file in files:
        if file.suffix.lower() not in _METADATA:
            raise InputError(f"--out is {str(file)!r}, but a figure's file must end in .pdf, .svg or .png.")
    figure = figure.figure if isinstance(figure, Axes) else figure
    with warnings.catch_warnings():
        # A character that is in no font of this machine is drawn as a box.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        _lay_out(figure)
        for file in files:
            ending = file.suffix.lower()
            with atomic_path(file) as temporary:
                figure.savefig(temporary, format=ending[1:], dpi=DOTS_PER_INCH, metadata=_METADATA[ending])
                if ending == ".svg":
                    _make_well_formed(temporary)


def _lay_out(figure: Figure) -> None:
    """Fix the positions of the axes: the layout is the same in every format, and is the slowest part of drawing."""
    engine = figure.get_layout_engine()
    if engine is None or not figure.axes:
        return
    engine.execute(figure)
    figure.set_layout_engine("none")
    # The solver's last digits vary between runs, and an SVG names clipping paths by hashes of all digits.
    for ax in figure.axes:
        ax.set_position(np.round(ax.get_position(original=True).bounds, 6))


def _make_well_formed(svg: Path) -> None:
    """Remove characters that XML does not allow: matplotlib copies each text unchanged into a comment."""
    text = svg.read_text(encoding="utf-8")
    if _NOT_IN_XML.search(text):
        svg.write_text(_NOT_IN_XML.sub("", text), encoding="utf-8")
