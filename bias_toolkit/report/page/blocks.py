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

    `name`: its file's name without the ending. `draw`: draws it; called once, when the files are written. `alt`: what a
    reader who cannot see it should know. `half`: whether it may stand beside another figure. `boxes` (set of {"train",
    "test"}): the sets whose object boxes it shows.
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

    `rows` (sequence of sequences of Cell or str): the first cell of a row is its heading. `note`: a line under the
    table. `csv`: address of the whole table. `folded`: whether it is shown only on demand. `numeric`: whether its cells
    hold numbers, which stand under one another at the right. `boxes` (set of {"train", "test"}): the sets whose object
    boxes it is computed from.
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

    `file`: its address relative to the page; None where there is none. `alt`: what a reader who cannot see it should
    know.
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

    `kind` ({"reference", "cause", "other", "untried"}): what the others are compared with, what was found to be a
    cause, what was not, and what was not tried. `done`: what was done. `verdict`: its conclusion in a word or two.
    `reason`: its conclusion in a sentence. `rank`: its place among the causes, from 1.
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
