"""Findings on how the subjects of a dataset are framed."""

import dataclasses
from functools import partial

import numpy as np
import pandas as pd

from bias_toolkit.foundation.false_discovery import compared_with_all
from bias_toolkit.foundation.intervals import DIFFERENCE, FEWEST_IMAGES, Interval, clopper_pearson
from bias_toolkit.foundation.words import below_all, count, known, number, percent
from bias_toolkit.objects import OF_ALL_OBJECTS, rank_categories
from bias_toolkit.report.topics.framing.contents import FramedSet, FramingContents, by_category
from bias_toolkit.report.words.finding import (
    NOT_FOUND_RANK,
    Estimate,
    Finding,
    Heading,
    Kind,
    Unit,
    clearest_of_family,
    estimate_of_row,
)
from bias_toolkit.report.words.sentences import lowered

_finding = partial(Finding, Heading.FRAMING)
CLASSES_RANK = 60
HALF = 0.5
EXACT_DIGITS = 12
FEWEST_CLASSES = 5


def framing_answer(contents: FramingContents) -> Finding:
    """Whether the objects of the first set lie nearer to the centre, or farther from it, than chance puts them."""
    first = contents.first
    if not first:
        claim = f"Whether the objects of {first.the} are centred is not known: it has no object boxes."
        return _finding(Kind.UNKNOWN, claim, boxes=first.boxes)
    row, centring = first.whole, first.centring
    if not known(row[centring.column]):
        claim = f"Whether the objects of {first.the} are centred is not known: each box fills its image."
        return _finding(Kind.UNKNOWN, claim, boxes=first.boxes)
    of_all = centring == OF_ALL_OBJECTS
    estimate = estimate_of_row(row, centring.column, "Centre bias", row[centring.n_objects], "object", nothing=0.0)
    enough = min(row["n_images"], estimate.n) >= FEWEST_IMAGES
    if not enough or not known(estimate.low):
        estimate = dataclasses.replace(estimate, low=None, high=None)
    share = percent(abs(row[centring.column]), 0)
    than = "image’s centre than boxes of the same sizes placed anywhere they fit."
    evidence = f"They lie {share} {'nearer to' if estimate.value > 0 else 'farther from'} the {than}"
    if not of_all:
        every = estimate_of_row(row, OF_ALL_OBJECTS.column, "Centre bias", row["n_objects"], "object")
        evidence += " A box that the frame cuts lies as far out as it can, whoever took the photograph."
        evidence += f" Of all objects: {lowered(every.text)}."
    subjects = f"{first.subjects_of[0].upper()}{first.subjects_of[1:]}"
    middle = "the middle of the photograph than chance would put them"
    kind, claim = {
        1: (Kind.FACT, f"{subjects} are centred: they lie nearer to {middle}."),
        0: (Kind.NONE, f"{subjects} were not found to be centred: they may lie as chance would put them."),
        -1: (Kind.FACT, f"{subjects} avoid the centre: they lie farther from {middle}."),
        None: (
            Kind.CAUTION,
            f"Too few photographs of {first.the} have boxes to say whether objects are centred.",
        ),
    }[estimate.direction]
    return _finding(
        kind,
        claim,
        evidence if estimate.direction else "",
        estimate=estimate,
        figure=f"centres-{first.stem}",
        boxes=first.boxes,
        states_centring=True,
    )


def framing_findings(contents: FramingContents) -> list[Finding]:
    """Truncation and scale of the first set, and its categories against chance and against the whole set."""
    first = contents.first
    if not first:
        claim = f"How the subjects of {first.the} are framed cannot be said: it has no object boxes."
        return [_finding(Kind.UNKNOWN, claim, boxes=first.boxes)]
    findings = [_scale(first), _categories(contents), _differing(contents)]
    if first.centring != OF_ALL_OBJECTS:
        findings.insert(0, _truncation(first))
    return [dataclasses.replace(finding, boxes=first.boxes) for finding in findings if finding is not None]


def _truncation(of: FramedSet) -> Finding:
    row = of.whole
    claim = f"The frame cuts many of the {of.own('objects')}."
    evidence = "Where an object touches the border, its centre in the photograph is not known."
    estimate = estimate_of_row(row, "truncated_share", "Share cut", row["n_objects"], "object", Unit.SHARE)
    if row["n_images"] < FEWEST_IMAGES:
        return _too_few(
            f"Too few images have boxes to say how many of the {of.own('objects')} the frame cuts.", estimate
        )
    return _finding(Kind.FACT, claim, evidence, estimate=estimate)


def _scale(of: FramedSet) -> Finding | None:
    """Whether the median object covers more or less than half of its image."""
    row = of.whole
    if not known(row.get("median_scale")):
        return None
    scale = estimate_of_row(row, "median_scale", "", row["n_objects"], "object")
    # The square is monotone, so the median and its interval carry over. A box of half the image has exactly half.
    squares = (None if end is None else round(end**2, EXACT_DIGITS) for end in (scale.value, scale.low, scale.high))
    estimate = Estimate("median_area_fraction", "Share covered", *squares, scale.n, "object", Unit.SHARE, HALF)
    subject = f"The median object of {of.the} covers"
    if row["n_images"] < FEWEST_IMAGES:
        return _too_few(f"Too few images have boxes to say how large the objects of {of.the} are shown.", estimate)
    if estimate.direction is None:
        claim = f"Whether the median object of {of.the} covers more than half of its image is not known."
        return _finding(Kind.UNKNOWN, claim, estimate=estimate)
    if not estimate.direction:
        claim = f"The median object of {of.the} was not found to cover more or less than half of its image."
        return _finding(Kind.NONE, claim, estimate=estimate, figure="scale")
    more = "more" if estimate.direction > 0 else "less"
    return _finding(Kind.FACT, f"{subject} {more} than half of its image.", estimate=estimate, figure="scale")


def _too_few(claim: str, estimate: Estimate) -> Finding:
    return _finding(Kind.CAUTION, claim, estimate=dataclasses.replace(estimate, low=None, high=None))


def _categories(contents: FramingContents) -> Finding | None:
    """Whether objects were found to be nearer to the centre than by chance in most of the categories."""
    rows = _with_interval(contents)
    if len(rows) < 2:
        return None
    noun = contents.first.own("class"), contents.first.own("classes")
    nearer, farther, n = int(rows["low"].gt(0).sum()), int(rows["high"].lt(0).sum()), len(rows)
    ends = clopper_pearson(nearer, n) if n >= FEWEST_CLASSES else (None, None)
    label = f"Share of the {noun[1]} found to be centred"
    estimate = Estimate("centred_classes", label, nearer / n, *ends, n, "class", Unit.SHARE, HALF)
    kind, claim, rank = {
        1: (Kind.FACT, f"Most {noun[1]} are centred.", CLASSES_RANK),
        0: (Kind.NONE, f"It was not found whether most {noun[1]} are centred.", CLASSES_RANK + NOT_FOUND_RANK),
        -1: (Kind.FACT, f"Most {noun[1]} were not found to be centred.", CLASSES_RANK),
        None: (Kind.CAUTION, f"There are too few {noun[1]} to say whether most are centred.", None),
    }[estimate.direction]
    evidence = f"The objects of {nearer:,} of {count(n, *noun)} lie nearer to the centre than by chance."
    if farther:
        evidence += f" Those of {farther:,} lie farther from it."
    if estimate.direction == -1:
        evidence += " A class of few objects may be centred without being found to be."
    shown = {"figure": "categories", "rank": rank, "states_centring": estimate.direction == 1}
    return _finding(kind, claim, evidence, estimate=estimate, **shown)


def _differing(contents: FramingContents) -> Finding | None:
    """Whether a category is more or less centred than the whole set, and how much of the order is chance."""
    first, rows = contents.first, _with_interval(contents, adjusted=False)
    if len(rows) < 3:
        return None
    row, column = first.whole, first.centring.column
    whole = Interval(row[column], row[f"{column}_low"], row[f"{column}_high"], row[first.centring.n_objects])
    if not known(whole.low):
        return None
    low, high = compared_with_all(*(rows[name] for name in ("value", "low", "high", "n")), whole, DIFFERENCE)
    rows = rows.assign(low=low, high=high)
    best, directions = clearest_of_family(rows["value"], low, high, whole.value)
    estimate = _of_class(contents, rows.iloc[best], whole.value, f", against {number(whole.value)} of all,")
    signal = rank_categories(first.summary, column, contents.seed)["signal"].iloc[0]
    chance = f"Of the variance of the classes’ estimates, {below_all(signal)} is more than sampling gives."
    if not estimate.direction:
        claim = f"No {first.own('class')} was found to be more or less centred than {first.the} as a whole."
        return _finding(Kind.NONE, claim, chance, estimate=estimate)
    side = "more" if estimate.direction > 0 else "less"
    name = contents.names.shown(rows.iloc[best]["category"])
    claim = f"The objects of “{name}” are {side} centred than those of {first.the} as a whole."
    n_found = int(np.count_nonzero(directions))
    differ = f"{count(n_found, 'class differs', 'classes differ')} from the whole, of {len(rows):,}."
    return _finding(Kind.FACT, claim, f"{differ} {chance}", estimate=estimate, states_centring=True)


def _with_interval(contents: FramingContents, adjusted: bool = True) -> pd.DataFrame:
    """The categories that have an interval: category, value, low, high, and n objects that count."""
    first = contents.first
    column = first.centring.column
    rows = by_category(first.summary, column)
    if not len(rows):
        return rows
    rows = rows[rows[[column, f"{column}_low", f"{column}_high"]].notna().all(axis=1)]
    source = rows if adjusted else first.summary.loc[rows.index]
    return pd.DataFrame(
        {
            "category": rows["category"],
            "value": source[column],
            "low": source[f"{column}_low"],
            "high": source[f"{column}_high"],
            "n": rows[first.centring.n_objects],
        }
    ).reset_index(drop=True)


def _of_class(contents: FramingContents, row: pd.Series, nothing: float, compared: str = "") -> Estimate:
    label = f"Centre bias of “{contents.names.shown(row['category'])}”{compared}"
    column = contents.first.centring.column
    return Estimate(column, label, row["value"], row["low"], row["high"], int(row["n"]), "object", nothing=nothing)
