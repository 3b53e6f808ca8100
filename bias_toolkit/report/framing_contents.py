"""What a report says of framing is made from: one or two sets of framed objects, of a study or on their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from bias_toolkit.report.contents import ReportContents, centring_column, whole_dataset

if TYPE_CHECKING:
    from bias_toolkit.objects import FramingComparison, Maps, MeanImages


@dataclass(frozen=True)
class FramedSet:
    """A dataset's framing, and how it is spoken of.

    Parameters
    ----------
    the : str
        As in “in the training set”.
    adjective : str
        As in “training objects”; empty for none.
    key : str
        For the names of tables.
    framing, summary : DataFrame, optional
        FRAMING and FRAMING_SUMMARY.
    maps : Maps, optional
    means : MeanImages, optional
    """

    the: str
    adjective: str
    key: str
    framing: pd.DataFrame | None = None
    summary: pd.DataFrame | None = None
    maps: Maps | None = None
    means: MeanImages | None = None

    def __bool__(self) -> bool:
        """Whether it has objects."""
        return whole_dataset(self.summary) is not None

    def own(self, noun: str) -> str:
        """`training objects`, or `objects` where the set needs no adjective."""
        return f"{self.adjective} {noun}".strip()

    @property
    def name(self) -> str:
        """As a heading: `Training set`."""
        return self.the.removeprefix("the ").capitalize()

    @property
    def stem(self) -> str:
        """For the names of figures."""
        return self.adjective or self.key

    @property
    def is_estimated(self) -> bool:
        """Whether its boxes were located by a model."""
        return self.summary is not None and bool(self.summary.get("estimated", pd.Series([False])).any())

    @property
    def whole(self) -> dict:
        """The FRAMING_SUMMARY row of the whole set, which has objects."""
        return dict(whole_dataset(self.summary))

    @property
    def column(self) -> str:
        """The column of its summary that tells of centring."""
        return centring_column(self.whole)

    @property
    def csv(self) -> str:
        """Address of the summary's file."""
        return f"tables/framing_summary_{self.key}.csv"


@dataclass(frozen=True)
class FramingContents:
    """The set that a report is about, and the one that it is compared with, if any.

    Parameters
    ----------
    first : FramedSet
    second : FramedSet, optional
    comparison : FramingComparison, optional
        None where too few images of one have boxes.
    class_name, given_name : callable
        A label as it is shown, and the label itself where that is another name.
    seed : int
    """

    first: FramedSet
    second: FramedSet | None = None
    comparison: FramingComparison | None = None
    class_name: Callable[[str | None], str] = str
    given_name: Callable[[str | None], str] = lambda label: ""
    seed: int = 0


def class_namers(names: Mapping[str, str]) -> dict[str, Callable[[str | None], str]]:
    """`class_name` and `given_name` of FramingContents, from the names of labels; the first synonym is shown."""

    def class_name(label: str | None) -> str:
        if not isinstance(label, str):
            return ""
        return names.get(label, "").split(",")[0].strip() or label

    def given_name(label: str | None) -> str:
        return label if isinstance(label, str) and class_name(label) != label else ""

    return {"class_name": class_name, "given_name": given_name}


def framing_contents(contents: ReportContents) -> FramingContents:
    """The framing of a study's training set, and of its test set."""
    train = FramedSet(
        "the training set",
        "training",
        "train",
        contents.train_framing,
        contents.train_summary,
        contents.train_maps,
        contents.train_means,
    )
    test = FramedSet(
        "the test set",
        "test",
        "test",
        contents.test_framing,
        contents.test_summary,
        contents.test_maps,
        contents.test_means,
    )
    return FramingContents(
        train,
        test,
        contents.framing_comparison,
        contents.class_name,
        contents.given_name,
        int(contents.settings.get("seed", 0)),
    )


def framing_tables(contents: FramingContents) -> list[tuple[str, pd.DataFrame | None, str]]:
    """The tables of ranks and of the comparison: (name, table, what it holds)."""
    from bias_toolkit.objects import rank_categories

    first, comparison = contents.first, contents.comparison
    return [
        (
            f"framing_ranking_{first.key}",
            rank_categories(first.summary, first.column, contents.seed) if first else None,
            f"the categories of {first.the} by centring, with intervals of their ranks",
        ),
        (
            "framing_comparison",
            None if comparison is None else comparison.variables,
            "the framing of both sets, variable by variable",
        ),
    ]
