"""What a page is built of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bias_toolkit.report.definitions import Definition
from bias_toolkit.report.thumbnails import Example

FEW_COLUMNS = 7


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    text: str
    kind: str = field(default="paragraph", init=False)


@dataclass(frozen=True)
class FigureBlock:
    """A figure with what is to be seen in it and how it was made.

    Parameters
    ----------
    name : str
        Its file's name without the ending.
    draw : callable
        Draws it; called once, when the files are written.
    alt : str
        What a reader who cannot see it should know.
    caption : str
    half : bool
        Whether it may stand beside another figure.
    """

    name: str
    draw: Callable[[], Figure | Axes]
    alt: str
    caption: str
    half: bool = False
    kind: str = field(default="figure", init=False)


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text, a small second line, a link, and whether it is marked."""

    text: str
    detail: str = ""
    link: str | None = None
    marked: bool = False


@dataclass(frozen=True)
class TableBlock:
    """A table with its definitions.

    Parameters
    ----------
    caption : str
    header : sequence of str
    rows : sequence of sequences of Cell or str
        The first cell of a row is its heading.
    definitions : sequence of Definition
    note : str
        A line under the table.
    csv : str, optional
        Address of the whole table.
    folded : bool
        Whether it is shown only on demand.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    definitions: Sequence[Definition] = ()
    note: str = ""
    csv: str | None = None
    folded: bool = False
    numeric: bool = True
    kind: str = field(default="table", init=False)

    @property
    def wide(self) -> bool:
        """Whether it has so many columns that they stand closer, to fit a small window."""
        return len(self.header) > FEW_COLUMNS


@dataclass(frozen=True)
class ExamplesBlock:
    """Test images in a column, each with its nearest training images in its row."""

    title: str
    examples: Sequence[Example]
    kind: str = field(default="examples", init=False)


@dataclass(frozen=True)
class ListBlock:
    """A plain list of sentences, or of links where they have an address."""

    items: Sequence[Cell]
    kind: str = field(default="list", init=False)


Block = Paragraph | FigureBlock | TableBlock | ExamplesBlock | ListBlock


@dataclass(frozen=True)
class Section:
    """A heading with what stands under it."""

    anchor: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Omitted:
    """A section that the page leaves out, and the sentence that says why."""

    title: str
    reason: str
