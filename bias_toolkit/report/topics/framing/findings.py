"""Findings on how the subjects of a dataset are framed."""

import dataclasses
from functools import partial

import numpy as np
import pandas as pd

from bias_toolkit.foundation.intervals import FEWEST_IMAGES, clopper_pearson
from bias_toolkit.foundation.words import below_all, count, known, percent
from bias_toolkit.objects import OF_ALL_OBJECTS, rank_categories
from bias_toolkit.report.topics.framing.contents import (
    FramedSet,
    FramingContents,
    by_category,
    compared_with_whole,
    that_count,
)
from bias_toolkit.report.words.finding import (
    NOT_FOUND_RANK,
    Estimate,
    Finding,
    Heading,
    Kind,
    Unit,
    clearest_of_family,
    estimate_of_row,
    value_of,
)
from bias_toolkit.report.words.sentences import lowered, share_in_words

_finding = partial(Finding, Heading.FRAMING)
CLASSES_RANK = 60
HALF = 0.5
EXACT_DIGITS = 12
FEWEST_CLASSES = 5
MOST_LEFT_OUT = 3


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
        touching = value_of(row, "truncated_share", percent, n=row["n_images"])
        evidence += f" The other {touching} touch the border: where their middle is, is not known."
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
    """Objects at the border and scale of the first set, and its categories against chance and against the whole set."""
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
    claim = f"Many of the {of.own('objects')} touch the border of their image."
    evidence = "Where the middle of such an object is, is not known."
    label = "Share that touches the border"
    estimate = estimate_of_row(row, "truncated_share", label, row["n_objects"], "object", Unit.SHARE)
    if row["n_images"] < FEWEST_IMAGES:
        return _too_few(
            f"Too few images have boxes to say how many of the {of.own('objects')} touch the border.", estimate
        )
    return _finding(Kind.FACT, claim, evidence, estimate=estimate)


def _scale(of: FramedSet) -> Finding | None:
    """How much of its image the median object covers."""
    row = of.whole
    if not known(row.get("median_scale")):
        return None
    scale = estimate_of_row(row, "median_scale", "", row["n_objects"], "object")
    # The square is monotone, so the median and its interval carry over. A box of half the image has exactly half.
    squares = (None if end is None else round(end**2, EXACT_DIGITS) for end in (scale.value, scale.low, scale.high))
    estimate = Estimate("median_area_fraction", "Share covered", *squares, scale.n, "object", Unit.SHARE)
    if row["n_images"] < FEWEST_IMAGES:
        return _too_few(f"Too few images have boxes to say how large the objects of {of.the} are shown.", estimate)
    if estimate.low is None:
        return _too_few(f"The objects of {of.the} are too alike in size for an interval of their scale.", estimate)
    share = share_in_words(estimate.value, estimate.low, estimate.high)
    claim = f"The median object of {of.the} covers {share} of its image."
    return _finding(Kind.FACT, claim, estimate=estimate, figure="scale")


def _too_few(claim: str, estimate: Estimate) -> Finding:
    return _finding(Kind.CAUTION, claim, estimate=dataclasses.replace(estimate, low=None, high=None))


def _categories(contents: FramingContents) -> Finding | None:
    """Whether objects were found to be nearer to the centre than by chance in most of the categories."""
    rows, left_out = _by_interval(contents.first)
    if len(rows) < 2:
        return None
    noun, subjects = (contents.first.own("class"), contents.first.own("classes")), contents.first.subjects
    nearer, farther, n = int(rows["low"].gt(0).sum()), int(rows["high"].lt(0).sum()), len(rows)
    ends = clopper_pearson(nearer, n) if n >= FEWEST_CLASSES else (None, None)
    label = f"Share of the {noun[1]} found to be centred"
    estimate = Estimate("centred_classes", label, nearer / n, *ends, n, "class", Unit.SHARE, HALF)
    kind, claim, rank = {
        1: (Kind.FACT, f"In most {noun[1]}, {subjects} are centred.", CLASSES_RANK),
        0: (
            Kind.NONE,
            f"It was not found whether {subjects} are centred in most {noun[1]}.",
            CLASSES_RANK + NOT_FOUND_RANK,
        ),
        -1: (Kind.FACT, f"In most {noun[1]}, {subjects} were not found to be centred.", CLASSES_RANK),
        None: (Kind.CAUTION, f"There are too few {noun[1]} to say whether {subjects} are centred in most.", None),
    }[estimate.direction]
    evidence = f"In {nearer:,} of {count(n, *noun)}, they lie nearer to the centre than by chance."
    if farther:
        evidence += f" In {farther:,}, they lie farther from it."
    if estimate.direction == -1:
        evidence += " A class of few objects may be centred without being found to be."
    evidence += _left_out(contents, left_out)
    shown = {"figure": "categories", "rank": rank, "states_centring": estimate.direction == 1}
    return _finding(kind, claim, evidence, estimate=estimate, **shown)


def _left_out(contents: FramingContents, rows: pd.DataFrame) -> str:
    """The categories that have too few objects for an interval; empty if there are none."""
    if not len(rows):
        return ""
    counted = contents.first.centring.n_objects
    shown = [
        f"“{contents.names.shown(row['category'])}” ({count(row[counted])} of {count(row['n_objects'])})"
        for row in rows.head(MOST_LEFT_OUT).to_dict("records")
    ]
    if len(rows) > len(shown):
        shown.append(count(len(rows) - len(shown), "other"))
    return f" Too few of these objects, or too alike, for an interval: {', '.join(shown)}."


def _differing(contents: FramingContents) -> Finding | None:
    """Whether a category is more or less centred than the whole set, and how much of the order is chance."""
    first, column = contents.first, contents.first.centring.column
    rows = compared_with_whole(first.summary, column)
    if not len(rows):
        return None
    ends = [rows[name] for name in ("difference", "difference_low", "difference_high")]
    best, directions = clearest_of_family(*ends, nothing=0.0)
    category = rows["category"].iloc[best]
    name, whole = contents.names.shown(category), first.the.removeprefix("the ")
    n = first.summary.set_index("category").loc[category, first.centring.n_objects]
    label = f"Centre bias of “{name}” minus that of the whole {whole}"
    values = (float(each.iloc[best]) for each in ends)
    estimate = Estimate(f"{column}_difference", label, *values, int(n), "object", nothing=0.0)
    signal = value_of(rank_categories(first.summary, column, contents.seed).iloc[0], "signal", below_all)
    chance = f"Of the variance of the classes’ estimates, {signal} is more than sampling gives."
    those = that_count(first.centring)
    if not estimate.direction:
        claim = f"No {first.own('class')} was found whose objects{those} are more or less centred than those of the "
        return _finding(Kind.NONE, f"{claim}whole {whole}.", chance, estimate=estimate)
    side = "more" if estimate.direction > 0 else "less"
    claim = f"The objects of “{name}”{those} are {side} centred than those of the whole {whole}."
    centre_bias = value_of(first.whole, column)
    of_whole = f"The centre bias of {first.subjects_of}, those of this class included, is {centre_bias}."
    n_found = int(np.count_nonzero(directions))
    differ = f"{n_found:,} of {count(len(rows), 'class', 'classes')} {'differs' if n_found == 1 else 'differ'} from it."
    return _finding(Kind.FACT, claim, f"{of_whole} {differ} {chance}", estimate=estimate, states_centring=True)


def _by_interval(first: FramedSet) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The categories that have an interval, with its ends as low and high, and those that have none."""
    column = first.centring.column
    rows = by_category(first.summary, column)
    if not len(rows):
        return rows, rows
    has_interval = rows[[column, f"{column}_low", f"{column}_high"]].notna().all(axis=1)
    return rows[has_interval].assign(low=rows[f"{column}_low"], high=rows[f"{column}_high"]), rows[~has_interval]
