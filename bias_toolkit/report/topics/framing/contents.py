"""The data of all statements on framing: one or two sets of framed objects, from a study or separate."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from bias_toolkit.foundation.false_discovery import compared_with_all, with_family_intervals
from bias_toolkit.foundation.intervals import DIFFERENCE, FEWEST_IMAGES, Interval
from bias_toolkit.foundation.words import count, known
from bias_toolkit.objects import (
    OF_ALL_OBJECTS,
    OF_UNCUT_OBJECTS,
    Centring,
    centring,
    image_framing,
    object_maps,
    objects_that_count,
)
from bias_toolkit.report.columns import first_row
from bias_toolkit.report.source import Source, class_names
from bias_toolkit.report.words.sentences import SET_NAMES, ClassNames

if TYPE_CHECKING:
    from bias_toolkit.objects import FramingComparison, Maps, MeanImages

FEWEST_COMPARED = 3
"""Of two categories, each is what the other differs from."""
N_OBJECTS = {each.column: each.n_objects for each in (OF_ALL_OBJECTS, OF_UNCUT_OBJECTS)}


def that_count(of: Centring) -> str:
    """Which objects a centre bias is about, as in `the objects that do not touch the border`; empty for all."""
    return "" if of == OF_ALL_OBJECTS else " that do not touch the border"


def whole_dataset(summary: pd.DataFrame | None) -> Mapping[str, Any] | None:
    """The FRAMING_SUMMARY row of the whole dataset; None if there are no objects."""
    row = None if summary is None else first_row(summary, category="")
    return row if row is not None and row["n_objects"] > 0 else None


def by_category(summary: pd.DataFrame | None, column: str = "centre_bias") -> pd.DataFrame:
    """The FRAMING_SUMMARY rows of single categories, the highest values of `column` first.

    The intervals of both centre biases are adjusted for the number of categories (`family_intervals`). Categories of
    too few images or objects have none.
    """
    if summary is None or not len(summary):
        return pd.DataFrame()
    rows = summary[summary["category"].ne("")]
    for each in (OF_ALL_OBJECTS, OF_UNCUT_OBJECTS):
        few = rows[["n_images", each.n_objects]].lt(FEWEST_IMAGES).any(axis=1)
        ends = [f"{each.column}_low", f"{each.column}_high"]
        rows = rows.assign(**{end: rows[end].astype(float).mask(few) for end in ends})
        rows = with_family_intervals(rows, each.column, images="n_images", limits=DIFFERENCE)
    return rows.sort_values([column, "category"], ascending=[False, True], kind="stable")


def compared_with_whole(summary: pd.DataFrame, column: str) -> pd.DataFrame:
    """The difference in a centre bias between each category and the whole set, which includes it.

    Returns the columns category, difference, difference_low and difference_high for the categories that have an
    interval; the differences are a family (`compared_with_all`). Empty for fewer than three such categories, or if the
    whole set has no interval.
    """
    whole, rows = whole_dataset(summary), by_category(summary, column)
    rows = rows.dropna(subset=[column, f"{column}_low", f"{column}_high"]) if len(rows) else rows
    if whole is None or len(rows) < FEWEST_COMPARED or not known(whole[f"{column}_low"]):
        return pd.DataFrame(columns=["category", "difference", "difference_low", "difference_high"])
    counted = N_OBJECTS[column]
    of_all = Interval(*(whole[name] for name in (column, f"{column}_low", f"{column}_high", counted)))
    own = summary.loc[rows.index]
    ends = compared_with_all(
        *(own[name] for name in (column, f"{column}_low", f"{column}_high", counted)), of_all, DIFFERENCE
    )
    differences = (values - of_all.value for values in (own[column].to_numpy(float), *ends))
    named = zip(("difference", "difference_low", "difference_high"), differences, strict=True)
    return pd.DataFrame({"category": rows["category"].to_numpy(), **dict(named)})


def set_summary(source: Source, split: str) -> pd.DataFrame | None:
    """Table FRAMING_SUMMARY of a set of a study; None if it has no objects."""
    return source.framing_summary(split) if len(source.framing(split)) else None


@dataclass(frozen=True)
class FramedSet:
    """A dataset's framing, and the names of the dataset in sentences."""

    the: str  # as in “in the training set”
    adjective: str  # as in “training objects”; empty for none
    key: str  # for the names of tables, and for marking the sets whose boxes are shown
    framing: pd.DataFrame | None = None  # table FRAMING
    summary: pd.DataFrame | None = None  # table FRAMING_SUMMARY
    maps: Maps | None = None
    means: MeanImages | None = None
    counted: pd.DataFrame | None = None  # the rows of `framing` that its centring is about (`objects_that_count`)

    def __bool__(self) -> bool:
        """Whether it has objects."""
        return whole_dataset(self.summary) is not None

    def own(self, noun: str) -> str:
        """`training objects`, or `objects` if the set needs no adjective."""
        return f"{self.adjective} {noun}".strip()

    @property
    def name(self) -> str:
        """As a heading: `Training set`."""
        return self.the.removeprefix("the ").capitalize()

    @property
    def stem(self) -> str:
        """The start of the names of figures."""
        return self.adjective or self.key

    @property
    def boxes(self) -> frozenset[str]:
        """This set alone, for marking whose boxes are shown."""
        return frozenset({self.key})

    @property
    def is_estimated(self) -> bool:
        """Whether a model located its boxes."""
        return self.summary is not None and bool(self.summary.get("estimated", pd.Series([False])).any())

    @property
    def whole(self) -> dict[str, Any]:
        """The FRAMING_SUMMARY row of the whole set, which must have objects."""
        return dict(whole_dataset(self.summary))

    @property
    def centring(self) -> Centring:
        """The columns of its summary that describe centring."""
        return centring(self.whole)

    @property
    def subjects(self) -> str:
        """The objects that its centring is about: `the objects`, or `the objects that do not touch the border`."""
        return f"the objects{that_count(self.centring)}"

    @property
    def subjects_of(self) -> str:
        """The same with the set: `the objects of the training set that do not touch the border`."""
        return f"the objects of {self.the}{that_count(self.centring)}"

    @property
    def extent(self) -> str:
        """How many objects its centring is about: `120 objects`, or `110 of 120 objects`."""
        row, every = self.whole, count(self.whole["n_objects"], "object")
        return every if self.centring == OF_ALL_OBJECTS else f"{count(row[self.centring.n_objects])} of {every}"

    @property
    def csv(self) -> str:
        """Address of the summary's file."""
        return f"tables/framing_summary_{self.key}.csv"


@dataclass(frozen=True)
class FramingContents:
    """The set that a report describes, and the set that it is compared with, if any."""

    first: FramedSet
    second: FramedSet | None = None
    comparison: FramingComparison | None = None  # None if too few images of one have boxes
    names: ClassNames = field(default_factory=ClassNames)
    seed: int = 0

    @property
    def sets(self) -> list[FramedSet]:
        """The sets that have objects."""
        return [each for each in (self.first, self.second) if each]

    @property
    def boxes(self) -> frozenset[str]:
        """Both sets, for marking whose boxes are shown."""
        return frozenset(each.key for each in (self.first, self.second) if each is not None)


def framing_contents(source: Source) -> FramingContents:
    """The framing of a study's training set and of its test set, without maps and mean images."""
    train, test = (
        FramedSet(f"the {word} set", word, split, source.framing(split), summary=set_summary(source, split))
        for split, word in SET_NAMES.items()
    )
    return FramingContents(train, test, source.framing_comparison, class_names(source), source.settings.seed)


def gather(source: Source) -> FramingContents:
    """The framing of both sets of a study, with maps and mean images."""
    contents = framing_contents(source)
    return dataclasses.replace(
        contents, first=_with_pictures(source, contents.first), second=_with_pictures(source, contents.second)
    )


def _with_pictures(source: Source, framed: FramedSet) -> FramedSet:
    means = source.mean_images(framed.key)
    if not framed:
        return dataclasses.replace(framed, means=means)
    images = source.images(framed.key)
    counted = objects_that_count(framed.framing, images, framed.centring.column)
    maps = object_maps(counted, image_framing(framed.framing, images))
    return dataclasses.replace(framed, counted=counted, maps=maps, means=means)
