"""The building blocks of a page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bias_toolkit.foundation.words import MISSING, interval, known, number, telling_apart, visible_name
from bias_toolkit.report.page.thumbnails import Example
from bias_toolkit.report.words.definitions import Definition

FEW_COLUMNS = 7


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    kind: ClassVar[str] = "paragraph"
    text: str


@dataclass(frozen=True)
class Dot:
    """A dot of a figure that shows its photograph where the page's script runs."""

    number: int  # its place among the dots of the figure's first scatter
    title: str
    lines: Sequence[str]
    link: str | None
    read: Callable[[], np.ndarray]  # its pixels, uint8 (H, W, 3); may raise UnreadableImageError


@dataclass(frozen=True)
class FigureBlock:
    """A figure with a description of its content and of how it was made."""

    kind: ClassVar[str] = "figure"
    name: str  # of its file, without the ending
    draw: Callable[[], Figure | Axes]  # called once, while the files are written
    alt: str  # what a reader who cannot see it should know
    caption: str
    half: bool = False  # whether it may be placed beside another figure
    boxes: frozenset[str] = frozenset()  # the sets whose object boxes it shows: train, test
    dots: Sequence[Dot] = ()  # those that show their photographs
    dots_note: str = ""  # said of them where they do


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text, a small second line, a link, and whether it is marked."""

    text: str
    detail: str = ""
    link: str | None = None
    marked: bool = False


def estimate_cell(
    value: float | None,
    low: float | None,
    high: float | None,
    form: Callable[[float], str] = number,
    more: str = "",
    marked: bool = False,
    nothing: float | None = None,
) -> Cell:
    """A value, with its interval and further text below it; `nothing` is the value that means no difference."""
    form = telling_apart(low, high, form, nothing)
    limits = interval(low, high, form)
    return Cell(form(value), f"{limits}; {more}" if more else limits, marked=marked) if known(value) else Cell(MISSING)


def column_cell(
    row: Mapping[str, Any],
    column: str,
    form: Callable[[float], str] = number,
    nothing: float | None = None,
) -> Cell:
    """A column of a row, with its interval from `<column>_low` and `<column>_high`, if any, below it."""
    low, high = row.get(f"{column}_low"), row.get(f"{column}_high")
    form = telling_apart(low, high, form, nothing)
    return Cell(form(row.get(column)), interval(low, high, form) if known(low) and known(high) else "")


@dataclass(frozen=True)
class TableBlock:
    """A table with its definitions."""

    kind: ClassVar[str] = "table"
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]  # the first cell of a row is its heading
    definitions: Sequence[Definition] = ()
    note: str = ""  # a line under the table
    csv: str | None = None  # address of the whole table
    folded: bool = False  # whether it is collapsed at first
    numeric: bool = True  # whether its cells hold numbers, which are aligned to the right
    boxes: frozenset[str] = frozenset()  # the sets whose object boxes it is computed from: train, test

    @property
    def wide(self) -> bool:
        """Whether it has so many columns that they need less spacing to fit a small window."""
        return len(self.header) > FEW_COLUMNS


@dataclass(frozen=True)
class ExamplesBlock:
    """Test images in a column, each with its nearest training images in its row."""

    kind: ClassVar[str] = "examples"
    title: str
    examples: Sequence[Example]


@dataclass(frozen=True)
class ListBlock:
    """A plain list of sentences; those that have an address are links."""

    kind: ClassVar[str] = "list"
    items: Sequence[Cell]


@dataclass(frozen=True)
class Picture:
    """A picture with its caption."""

    file: str | None  # its address relative to the page; None if there is none
    alt: str  # what a reader who cannot see it should know
    title: str = ""
    lines: Sequence[str] = ()
    marked: bool = False  # whether its title is marked as other than expected


@dataclass(frozen=True)
class PictureGroup:
    """Pictures to compare, side by side under a heading."""

    pictures: Sequence[Picture]
    title: str = ""


@dataclass(frozen=True)
class PicturesBlock:
    """Groups of pictures."""

    kind: ClassVar[str] = "pictures"
    title: str
    groups: Sequence[PictureGroup]
    note: str = ""


@dataclass(frozen=True)
class AnswerBlock:
    """The answer of a page, beside a picture of its subject."""

    kind: ClassVar[str] = "answer"
    paragraphs: Sequence[str]
    picture: Picture | None = None


@dataclass(frozen=True)
class Fact:
    """A number of a trial, with its name and small lines below it."""

    name: str
    value: str
    lines: Sequence[str] = ()


@dataclass(frozen=True)
class Trial:
    """A change that was made to an image, and its result."""

    title: str
    kind: str  # reference (the others are compared with it), cause, other (no cause), or untried
    done: str = ""  # the change that was made
    picture: Picture | None = None
    facts: Sequence[Fact] = ()
    verdict: str = ""  # its conclusion in a word or two
    reason: str = ""  # its conclusion in a sentence
    rank: int | None = None  # its place among the causes, from 1


@dataclass(frozen=True)
class TrialsBlock:
    """A column of trials."""

    kind: ClassVar[str] = "trials"
    title: str
    trials: Sequence[Trial]
    note: str = ""


@dataclass(frozen=True)
class ViewerBlock:
    """A picture in which the reader moves the view by whole pixels and sees the model's output on each view.

    There are (2 radius + 1)² views, in rows from the top. It is shown only where the page's script runs.
    """

    kind: ClassVar[str] = "viewer"
    file: str  # a picture of side + 2 radius pixels a side, of which each view is a square
    side: int
    radius: int
    names: Sequence[str]  # of the classes
    colours: Mapping[int, str]  # of some classes, by their place in `names`
    other: str  # the colour of all others
    right: int | None  # the right class, by its place in `names`, -1 if it has none; None if it is not known
    likely: Sequence[Sequence[int]]  # for each view the most probable classes, the most probable first
    probabilities: Sequence[Sequence[float]]  # theirs
    path: Sequence[tuple[int, int]]  # the views that the button plays: pixels to the right and down
    path_name: str  # as in “Play the sweep”

    @property
    def data(self) -> dict[str, Any]:
        """What the script needs, as JSON values; probabilities are in thousandths, of two digits to the base 36."""
        return {
            "side": self.side,
            "radius": self.radius,
            "names": [visible_name(name) for name in self.names],
            "colours": dict(self.colours),
            "other": self.other,
            "right": self.right,
            "likely": [index for view in self.likely for index in view],
            "shares": "".join(np.base_repr(round(1000 * p), 36).zfill(2) for view in self.probabilities for p in view),
            "path": list(self.path),
        }

    @property
    def ranks(self) -> range:
        """As many numbers as each view has classes."""
        return range(len(self.likely[0]))


@dataclass(frozen=True)
class LiveBlock:
    """A photograph over which the reader moves the view, with a model that a server at the page's address runs.

    `start` is what the page asks for first: image, protocol, size, fill, blur and low_pass (the size of the filters, 1
    for none).
    """

    kind: ClassVar[str] = "live"
    file: str  # the address of the first picture, of side + 2 radius pixels a side
    side: int
    radius: int  # the largest shift, in pixels
    names: Sequence[str]  # of the classes
    colours: Sequence[str]  # of the first classes that the reader sees
    other: str  # the colour of all others
    images: Sequence[str]  # names to choose from
    images_note: str
    sizes: Mapping[str, tuple[float, float, float]]  # by protocol the smallest, the largest and the usual size
    fills: Sequence[str]
    most_blur: float
    filters: Sequence[int]
    start: Mapping[str, Any]
    ranks: range  # as many numbers as each view has classes

    @property
    def data(self) -> dict[str, Any]:
        """What the script needs, as JSON values."""
        names = ("side", "radius", "colours", "other", "sizes", "start")
        return {name: getattr(self, name) for name in names} | {"names": [visible_name(name) for name in self.names]}


Block = (
    Paragraph
    | FigureBlock
    | TableBlock
    | ExamplesBlock
    | ListBlock
    | PicturesBlock
    | AnswerBlock
    | TrialsBlock
    | ViewerBlock
    | LiveBlock
)


@dataclass(frozen=True)
class Section:
    """A heading with the blocks below it."""

    anchor: str
    title: str
    blocks: Sequence[Block]
    folded: bool = False  # whether only the heading is shown at first


@dataclass(frozen=True)
class Omitted:
    """A section that the page leaves out, and a sentence with the reason."""

    title: str
    reason: str
