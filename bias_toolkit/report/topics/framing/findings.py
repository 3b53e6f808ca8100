"""Findings on how the subjects of a dataset are framed."""

import dataclasses
from functools import partial

from bias_toolkit.foundation.words import below_all, count, known, p_value, percent
from bias_toolkit.objects import FALSE_DISCOVERY_RATE, OF_ALL_OBJECTS, rank_categories
from bias_toolkit.report.topics.framing.contents import FramedSet, FramingContents, by_category
from bias_toolkit.report.words.definitions import label_of
from bias_toolkit.report.words.finding import (
    TOO_FEW_IMAGES,
    Finding,
    Heading,
    Kind,
    estimate_of_row,
    limits_of_row,
    sign,
    value_of,
)
from bias_toolkit.report.words.sentences import lowered

_finding = partial(Finding, Heading.FRAMING)
MOSTLY = 0.5


def framing_findings(contents: FramingContents) -> list[Finding]:
    """Centring and scale of the first set, and the differences between its categories."""
    first = contents.first
    if not first:
        claim = f"How the subjects of {first.the} are framed cannot be said: it has no object boxes."
        return [_finding(Kind.UNKNOWN, claim, boxes=first.boxes)]
    findings = [_centring(first)]
    if first.centring != OF_ALL_OBJECTS:
        findings.append(_truncation(first))
    findings.extend([_scale(first), _categories(contents), _ranking(contents)])
    return [dataclasses.replace(finding, boxes=first.boxes) for finding in findings if finding is not None]


def framing_answer(contents: FramingContents) -> Finding:
    """Whether the photographs of the first set are framed alike."""
    first = contents.first
    if not first or not known(first.whole[first.centring.column]):
        claim = f"Whether the photographs of {first.the} are framed alike is not known: it has no object boxes."
        return _finding(Kind.UNKNOWN, claim, boxes=first.boxes)
    row, centring = first.whole, first.centring
    of_all = centring == OF_ALL_OBJECTS
    objects = "their objects" if of_all else "the objects that the frame does not cut"
    estimate = estimate_of_row(row, centring.column, "Centre bias", row[centring.n_objects], "object", nothing=0.0)
    evidence = ""
    if not of_all:
        every = estimate_of_row(row, OF_ALL_OBJECTS.column, "Centre bias", row["n_objects"], "object")
        evidence = f"The frame cuts the other objects, which puts them far out. Of all: {lowered(every.text)}."
    kind, claim = {
        1: (Kind.FACT, f"The photographs of {first.the} are framed alike: {objects} lie near the centre."),
        0: (
            Kind.NONE,
            f"No common framing of the photographs of {first.the} was found: {objects} lie as chance puts them.",
        ),
        -1: (Kind.FACT, f"The photographs of {first.the} are framed alike: {objects} keep away from the centre."),
        None: (Kind.CAUTION, f"Too few photographs of {first.the} have boxes to say whether they are framed alike."),
    }[estimate.direction if min(row["n_images"], estimate.n) >= TOO_FEW_IMAGES else None]
    return _finding(
        kind,
        claim,
        evidence,
        estimate=estimate,
        figure=f"centres-{first.stem}",
        boxes=first.boxes,
        states_centring=True,
    )


def _centring(of: FramedSet) -> Finding:
    """Whether a set's objects are centred."""
    row, centring = of.whole, of.centring
    column, of_all = centring.column, centring == OF_ALL_OBJECTS
    n_objects = row[centring.n_objects]
    subjects = "objects" if of_all else "objects that the image's border does not cut"
    based_on = (
        f"{count(n_objects, 'object')} in {count(row['n_images'], 'image')}"
        if of_all
        else f"{n_objects:,} of {count(row['n_objects'], 'object')}"
    )
    if not known(row[column]):
        claim = f"Whether objects in {of.the} are centred cannot be said."
        return _finding(Kind.UNKNOWN, claim, f"No box could have been elsewhere in its image ({based_on}).")
    numbers = (
        f"{label_of(column)} {value_of(row, column, n=row['n_images'])}; {p_value(row[centring.p_value])}; {based_on}."
    )
    if not of_all:
        every = value_of(row, OF_ALL_OBJECTS.column, n=row["n_images"])
        numbers += f" Centre bias of all objects, the cut ones among them: {every}."
    if min(row["n_images"], n_objects) < TOO_FEW_IMAGES:
        claim = f"Too few {of.own('images')} have boxes to say whether {subjects} are centred."
        return _finding(Kind.CAUTION, claim, numbers, states_centring=True)
    direction = sign(row[f"{column}_low"], row[f"{column}_high"])
    share = percent(abs(row[column]), 0)
    than = "image's centre than boxes of the same sizes placed by chance."
    if direction == 1:
        evidence = f"They lie {share} nearer to the {than} {numbers}"
        return _finding(Kind.EFFECT, f"In {of.the}, {subjects} are centred.", evidence, states_centring=True)
    if direction == -1:
        claim = f"In {of.the}, {subjects} keep away from the centre."
        return _finding(Kind.EFFECT, claim, f"They lie {share} farther from the {than} {numbers}")
    if direction == 0:
        claim = f"No centring of {subjects} was found in {of.the}."
        return _finding(Kind.NONE, claim, f"{numbers} The interval includes 0.")
    claim = f"Whether {subjects} are centred has no interval to judge by."
    return _finding(Kind.CAUTION, claim, numbers, states_centring=True)


def _truncation(of: FramedSet) -> Finding:
    row = of.whole
    return _finding(
        Kind.FACT,
        f"{percent(row['truncated_share'], 0)} of the {of.own('objects')}' boxes touch the image's border.",
        f"Share {value_of(row, 'truncated_share', percent, n=row['n_images'])}. "
        "Where the border cuts an object, its box lies at the very end of where it fits, and counts against centring "
        "whoever took the photograph.",
    )


def _scale(of: FramedSet) -> Finding | None:
    row = of.whole
    if not known(row.get("median_scale")):
        return None
    claim = f"The median {of.own('object')}'s box covers {percent(row['median_scale'] ** 2, 0)} of its image."
    return _finding(Kind.FACT, claim, f"Median scale {value_of(row, 'median_scale', n=row['n_images'])}.")


def _categories(contents: FramingContents) -> Finding | None:
    """The number of categories in which objects are centred, corrected for the number of categories tested."""
    first = contents.first
    column, q = first.centring.column, first.centring.q_value
    rows = by_category(first.summary, column)
    if not len(rows) or q not in rows:
        return None
    rows = rows[rows[q].notna() & rows[column].notna()]
    if len(rows) < 2:
        return None
    biased = rows[q].le(FALSE_DISCOVERY_RATE)
    centred, away = (int((biased & side).sum()) for side in (rows[column].gt(0), rows[column].lt(0)))
    also = f", and {count(away)} away from it" if away else ""
    noun = first.own("class"), first.own("classes")
    claim = (
        f"{count(centred)} of {count(len(rows), *noun)} {'is' if centred == 1 else 'are'} biased towards the centre at "
        f"a false discovery rate of {percent(FALSE_DISCOVERY_RATE, 0)}{also}."
    )
    evidence = (
        f"By {label_of(column).lower()} against random placements, the p-values of all {len(rows):,} classes corrected "
        "after Benjamini and Hochberg. What a small class leaves open is no sign that it has no bias."
    )
    return _finding(Kind.FACT, claim, evidence)


def _ranking(contents: FramingContents) -> Finding | None:
    """The part of the order of the categories that exceeds chance, and the categories at its ends."""
    first = contents.first
    ranking = rank_categories(first.summary, first.centring.column, contents.seed)
    if len(ranking) < 3:
        return None
    signal = ranking["signal"].iloc[0]
    ends = " and lowest for ".join(
        f"“{contents.names.shown(row['category'])}”, {value_of(row, 'value', short=True)} from "
        f"{count(row['n_objects'], 'object')}, rank {limits_of_row(row, 'rank', count)} of "
        f"{len(ranking):,}"
        for row in (ranking.iloc[0].to_dict(), ranking.iloc[-1].to_dict())
    )
    classes = f"the {first.own('classes')}"
    if signal == 0:
        evidence = f"Their estimates scatter no more than sampling makes them. The highest is of {ends}."
        return _finding(Kind.NONE, f"No difference in centring between {classes} was found.", evidence)
    numbers = (
        f"Of the variance of their estimates, {below_all(signal)} is more than sampling gives. "
        f"{label_of(first.centring.column)} is highest for {ends}."
    )
    if signal < MOSTLY:
        return _finding(Kind.CAUTION, f"The order of {classes} by centring is mostly chance.", numbers)
    claim = f"The {first.own('classes')} differ in how much they are centred."
    return _finding(Kind.EFFECT, claim, numbers, states_centring=True)
