"""A topic of a report: all that it reads, says, shows and writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, TypeVar

from matplotlib.figure import Figure

from bias_toolkit.report.page.blocks import Omitted, Section
from bias_toolkit.report.page.files import Table
from bias_toolkit.report.source import Source
from bias_toolkit.report.words.finding import Finding

Contents = TypeVar("Contents")


@dataclass(frozen=True)
class Tile:
    """One of the few numbers at the top of the page.

    `order`: its place among the tiles of all topics, the smallest first.
    """

    value: str
    name: str
    details: str
    order: int


class Option(StrEnum):
    """The options of `bias-toolkit plot`, without their dashes."""

    MEASURE = "measure"
    DISTANCE = "distance"
    BINS = "bins"
    BY_CLASS = "by-class"
    WITH = "with"


@dataclass(frozen=True)
class Choice(Generic[Contents]):
    """What the options of `bias-toolkit plot` say.

    `name`: the figure's. `beside`: the same topic of other studies.
    """

    name: str
    measure: str = "p_top1_change"
    distance: str = "nn_distance"
    bins: int | None = None
    by_class: bool = False
    beside: Sequence[Contents] = ()


@dataclass(frozen=True)
class Plot(Generic[Contents]):
    """A figure that `bias-toolkit plot` draws by its name.

    `draw`: draws it; raises InputError where an option that it takes has a value that it cannot show. `shown`: what it
    shows, of the topic's contents: where that is None or has no rows, there is no figure. `lacking`: what the study has
    none of in that case. `order`: its place in the list of all figures, the smallest first. `takes`: the others have no
    effect, or are refused: by-class and with. `boxes` (set of {"train", "test"}): the sets whose boxes it shows.
    `command`: the command that computes what is lacking, where it is an optional one.
    """

    draw: Callable[[Contents, Choice[Contents]], Figure]
    shown: Callable[[Contents], Any]
    lacking: str
    order: int
    takes: frozenset[Option] = frozenset()
    boxes: frozenset[str] = frozenset()
    command: str | None = None


@dataclass
class Draft:
    """A report that is being written.

    `folder`: where its pictures go. `tables` (sequence of (address, name, what it holds)): the CSV files. `omitted`:
    the sections that were left out so far.
    """

    folder: Path
    tables: Sequence[tuple[str, str, str]] = ()
    omitted: list[Omitted] = field(default_factory=list)


def _nothing(contents: Any) -> tuple[()]:
    return ()


@dataclass(frozen=True)
class Topic(Generic[Contents]):
    """What a report says of one subject.

    Each function gets what `gather` gave. Where that is None, none of them is called but `results`.

    `gather`: reads what the topic is about from a study. `findings`: sentences, in the order of their importance.
    `section`: its section of the page; None where there is nothing to show and nothing to say about that. `tables`: the
    tables that are written as CSV files. `results`: what results.json holds of it, by name; it is called with None too,
    so that no name is missing. `plots`: name of a figure to Plot. `optional`: names of the optional steps of a study
    whose results it shows where they were computed. `boxes` (set of {"train", "test"}): the sets whose boxes its
    section is about.
    """

    name: str
    gather: Callable[[Source], Contents | None]
    findings: Callable[[Contents], Sequence[Finding]] = _nothing
    section: Callable[[Contents, Draft], Section | Omitted | None] = lambda contents, draft: None
    tiles: Callable[[Contents], Sequence[Tile]] = _nothing
    tables: Callable[[Contents], Sequence[Table]] = _nothing
    results: Callable[[Contents | None], Mapping[str, Any]] = lambda contents: {}
    plots: Mapping[str, Plot[Contents]] = field(default_factory=dict)
    optional: Sequence[str] = ()
    boxes: frozenset[str] = frozenset()
