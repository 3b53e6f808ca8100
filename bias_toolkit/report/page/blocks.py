"""What a page is built of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bias_toolkit.report.page.thumbnails import Example
from bias_toolkit.report.words.definitions import Definition

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
    boxes : set of {"train", "test"}
        The sets whose object boxes it shows.
    """

    name: str
    draw: Callable[[], Figure | Axes]
    alt: str
    caption: str
    half: bool = False
    boxes: frozenset[str] = frozenset()
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
    numeric : bool
        Whether its cells hold numbers, which stand under one another at the right.
    boxes : set of {"train", "test"}
        The sets whose object boxes it is computed from.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    definitions: Sequence[Definition] = ()
    note: str = ""
    csv: str | None = None
    folded: bool = False
    numeric: bool = True
    boxes: frozenset[str] = frozenset()
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


@dataclass(frozen=True)
class Picture:
    """A picture with what is written under it.

    Parameters
    ----------
    file : str, optional
        Its address relative to the page; None where there is none.
    alt : str
        What a reader who cannot see it should know.
    title : str
    lines : sequence of str
    """

    file: str | None
    alt: str
    title: str = ""
    lines: Sequence[str] = ()


@dataclass(frozen=True)
class PictureGroup:
    """Pictures side by side that are to be compared, under a heading."""

    pictures: Sequence[Picture]
    title: str = ""


@dataclass(frozen=True)
class PicturesBlock:
    """Groups of pictures."""

    title: str
    groups: Sequence[PictureGroup]
    note: str = ""
    kind: str = field(default="pictures", init=False)


@dataclass(frozen=True)
class AnswerBlock:
    """What a page answers, beside a picture of what it is about."""

    paragraphs: Sequence[str]
    picture: Picture | None = None
    kind: str = field(default="answer", init=False)


@dataclass(frozen=True)
class Fact:
    """A number of a trial, with its name and small lines under it."""

    name: str
    value: str
    lines: Sequence[str] = ()


@dataclass(frozen=True)
class Trial:
    """Something that was done to an image, and what came of it.

    Parameters
    ----------
    title : str
    kind : {"reference", "cause", "other", "untried"}
        What the others are compared with, what was found to be a cause, what was not, and what was not tried.
    done : str
        What was done.
    picture : Picture, optional
    facts : sequence of Fact
    verdict : str
        Its conclusion in a word or two.
    reason : str
        Its conclusion in a sentence.
    rank : int, optional
        Its place among the causes, from 1.
    """

    title: str
    kind: str
    done: str = ""
    picture: Picture | None = None
    facts: Sequence[Fact] = ()
    verdict: str = ""
    reason: str = ""
    rank: int | None = None


@dataclass(frozen=True)
class TrialsBlock:
    """Trials under one another."""

    title: str
    trials: Sequence[Trial]
    note: str = ""
    kind: str = field(default="trials", init=False)


Block = Paragraph | FigureBlock | TableBlock | ExamplesBlock | ListBlock | PicturesBlock | AnswerBlock | TrialsBlock


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
