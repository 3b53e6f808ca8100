"""A topic of a report: all that it reads, says, shows and writes."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, TypeVar

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bias_toolkit.report.page.blocks import Omitted, Section
from bias_toolkit.report.page.files import LAST, Table
from bias_toolkit.report.source import Source
from bias_toolkit.report.words.finding import Finding

Contents = TypeVar("Contents")


@dataclass(frozen=True)
class Tile:
    """One of the few numbers at the top of the page."""

    value: str
    name: str
    details: str
    order: int = LAST  # its place among the tiles of all topics, the smallest first


class Option(StrEnum):
    """The options of `bias-toolkit plot`, without their dashes."""

    MEASURE = "measure"
    DISTANCE = "distance"
    BINS = "bins"
    BY_CLASS = "by-class"
    WITH = "with"


@dataclass(frozen=True)
class Choice(Generic[Contents]):
    """What the options of `bias-toolkit plot` say of the figure `name`."""

    name: str
    measure: str = "p_top1_change"
    distance: str = "nn_distance"
    bins: int | None = None
    by_class: bool = False
    beside: Sequence[Contents] = ()  # the same topic of other studies


@dataclass(frozen=True)
class Plot(Generic[Contents]):
    """A figure that `bias-toolkit plot` draws by its name.

    `draw` raises InputError where an option that it takes has a value that it cannot show. Where `shown`, which is what
    it shows of the topic's contents, is None or has no rows, there is no figure: the study has no `lacking`.
    """

    draw: Callable[[Contents, Choice[Contents]], Figure | Axes]
    shown: Callable[[Contents], Any]
    lacking: str
    order: int = LAST  # its place in the list of all figures, the smallest first
    takes: Collection[Option] = ()  # the others have no effect, or are refused: by-class and with
    boxes: frozenset[str] = frozenset()  # the sets whose boxes it shows: train, test
    command: str | None = None  # what computes that which is lacking, where it is an optional command


@dataclass
class Draft:
    """A report that is being written."""

    folder: Path  # where its pictures go
    tables: Sequence[tuple[str, str, str]] = ()  # address, name, and what it holds, of each CSV file
    omitted: list[Omitted] = field(default_factory=list)  # the sections that were left out so far


def _nothing(contents: Any) -> tuple[()]:
    return ()


@dataclass(frozen=True)
class Topic(Generic[Contents]):
    """What a report says of one subject; all but `name` and `gather` may be left out.

    Each function gets what `gather` gave. Where that is None, none of them is called but `results`, which names what
    results.json holds of the topic, so that no name is missing. A section is None where there is nothing to show and
    nothing to say about that.
    """

    name: str
    gather: Callable[[Source], Contents | None]  # reads what the topic is about from a study
    findings: Callable[[Contents], Sequence[Finding]] = _nothing  # in the order of their importance
    section: Callable[[Contents, Draft], Section | Omitted | None] = lambda contents, draft: None
    tiles: Callable[[Contents], Sequence[Tile]] = _nothing
    tables: Callable[[Contents], Sequence[Table]] = _nothing  # those that are written as CSV files
    results: Callable[[Contents | None], Mapping[str, Any]] = lambda contents: {}
    plots: Mapping[str, Plot[Contents]] = field(default_factory=dict)
    optional: Sequence[str] = ()  # the optional steps of a study whose results it shows where they were computed
    boxes: frozenset[str] = frozenset()  # the sets whose boxes its section is about: train, test
