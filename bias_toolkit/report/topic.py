"""A topic of a report: its data, findings, section, tables and plots."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, TypeVar

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bias_toolkit.invariance import HEADLINE
from bias_toolkit.report.page.blocks import Block, Omitted, Section
from bias_toolkit.report.page.files import LAST, Table
from bias_toolkit.report.source import Source
from bias_toolkit.report.words.finding import Finding

Contents = TypeVar("Contents")


class Option(StrEnum):
    """The options of `bias-toolkit plot`, without their dashes."""

    MEASURE = "measure"
    DISTANCE = "distance"
    BINS = "bins"
    BY_CLASS = "by-class"
    WITH = "with"


@dataclass(frozen=True)
class Choice(Generic[Contents]):
    """The options of `bias-toolkit plot` for the figure `name`."""

    name: str
    measure: str = HEADLINE
    distance: str = "nn_distance"
    bins: int | None = None
    by_class: bool = False
    beside: Sequence[Contents] = ()  # the same topic of other studies


@dataclass(frozen=True)
class Plot(Generic[Contents]):
    """A figure that `bias-toolkit plot` draws by its name.

    `draw` raises InputError if an option that it accepts has a value that it cannot show. `shown` is the part of the
    topic's contents that the figure shows. If it is None or has no rows, there is no figure: the study has no
    `lacking`.
    """

    draw: Callable[[Contents, Choice[Contents]], Figure | Axes]
    shown: Callable[[Contents], Any]
    lacking: str
    order: int = LAST  # its place in the list of all figures, the smallest first
    takes: Collection[Option] = ()  # others have no effect; only by-class and with are refused
    boxes: frozenset[str] = frozenset()  # the sets whose boxes it shows: train, test
    command: str | None = None  # the optional command that computes `lacking`, if any


@dataclass
class Draft:
    """A report that is being written."""

    folder: Path  # where its pictures go
    tables: Sequence[tuple[str, str, str]] = ()  # address, name and content of each CSV file
    omitted: list[Omitted] = field(default_factory=list)  # the sections that were left out so far


def _nothing(contents: Any) -> tuple[()]:
    return ()


@dataclass(frozen=True)
class Topic(Generic[Contents]):
    """All that a report contains on one subject; all fields but `name` and `gather` are optional.

    Each function gets the result of `gather`. If that is None, only `results` is called, which names the topic's values
    in results.json, so no name is missing. A section is None if there is nothing to show or to say about it.
    """

    name: str
    gather: Callable[[Source], Contents | None]  # reads the topic's contents from a study
    findings: Callable[[Contents], Sequence[Finding]] = _nothing  # in order of importance
    section: Callable[[Contents, Draft], Section | Omitted | None] = lambda contents, draft: None
    answer: Callable[[Contents], Finding | None] = lambda contents: None  # to one of the report's three questions
    opening: Callable[[Contents, Draft], Sequence[Block]] = lambda contents, draft: ()  # shown below the answers
    tables: Callable[[Contents], Sequence[Table]] = _nothing  # those that are written as CSV files
    results: Callable[[Contents | None], Mapping[str, Any]] = lambda contents: {}
    plots: Mapping[str, Plot[Contents]] = field(default_factory=dict)
    boxes: frozenset[str] = frozenset()  # the sets whose boxes its section uses: train, test
