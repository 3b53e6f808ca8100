"""What can be said about how the subjects of a dataset are framed."""

from __future__ import annotations

from collections.abc import Mapping

from bias_toolkit.foundation.words import below_all, count, interval, known, p_value, percent
from bias_toolkit.objects import FALSE_DISCOVERY_RATE, rank_categories
from bias_toolkit.report.contents import ReportContents, by_category
from bias_toolkit.report.definitions import label_of
from bias_toolkit.report.finding import (
    CAUTION,
    EFFECT,
    FACT,
    FRAMING,
    NONE,
    TOO_FEW_IMAGES,
    UNKNOWN,
    Finding,
    sign,
    value_of,
)
from bias_toolkit.report.findings_comparison import comparison_findings
from bias_toolkit.report.framing_contents import FramedSet, FramingContents, framing_contents

ALL = "centre_bias"
MOSTLY = 0.5


def framing_findings(contents: ReportContents) -> list[Finding]:
    """Centring and scale of the training set, how its categories differ, and how the test set compares."""
    return findings_of_framing(framing_contents(contents))


def findings_of_framing(contents: FramingContents) -> list[Finding]:
    """Centring and scale of the first set, how its categories differ, and how the second set compares."""
    first = contents.first
    if not first:
        claim = f"How the subjects of {first.the} are framed cannot be said: it has no object boxes."
        return [Finding(FRAMING, UNKNOWN, claim)]
    found = [centring_finding(first.whole, first.column, first)]
    if first.column != ALL:
        found.append(_truncation(first))
    found.extend([_scale(first), _categories(contents), _ranking(contents)])
    return [finding for finding in found if finding is not None] + comparison_findings(contents)


def centring_finding(row: Mapping, column: str, of: FramedSet) -> Finding:
    """Whether a set's objects are centred, by a FRAMING_SUMMARY row and the column that tells of it."""
    n_objects = row["n_objects"] if column == ALL else row["n_untruncated"]
    subjects = "objects" if column == ALL else "objects that the image's border does not cut"
    based_on = (
        f"{count(n_objects, 'object')} in {count(row['n_images'], 'image')}"
        if column == ALL
        else f"{n_objects:,} of {count(row['n_objects'], 'object')}"
    )
    if not known(row[column]):
        return Finding(
            FRAMING,
            UNKNOWN,
            f"Whether objects in {of.the} are centred cannot be said.",
            f"No box could have been elsewhere in its image ({based_on}).",
        )
    p = row["p_value" if column == ALL else "untruncated_p_value"]
    numbers = f"{label_of(column)} {value_of(row, column, n=row['n_images'])}; {p_value(p)}; {based_on}."
    if column != ALL:
        numbers += f" Centre bias of all objects, the cut ones among them: {value_of(row, ALL, n=row['n_images'])}."
    if min(row["n_images"], n_objects) < TOO_FEW_IMAGES:
        claim = f"Too few {of.own('images')} have boxes to say whether {subjects} are centred."
        return Finding(FRAMING, CAUTION, claim, numbers)
    direction = sign(row[f"{column}_low"], row[f"{column}_high"])
    share = percent(abs(row[column]), 0)
    than = "image's centre than boxes of the same sizes placed by chance."
    if direction == 1:
        claim = f"In {of.the}, {subjects} are centred."
        return Finding(FRAMING, EFFECT, claim, f"They lie {share} nearer to the {than} {numbers}")
    if direction == -1:
        claim = f"In {of.the}, {subjects} keep away from the centre."
        return Finding(FRAMING, EFFECT, claim, f"They lie {share} farther from the {than} {numbers}")
    if direction == 0:
        claim = f"No centring of {subjects} was found in {of.the}."
        return Finding(FRAMING, NONE, claim, f"{numbers} The interval includes 0.")
    return Finding(FRAMING, CAUTION, f"Whether {subjects} are centred has no interval to judge by.", numbers)


def _truncation(of: FramedSet) -> Finding:
    row = of.whole
    return Finding(
        FRAMING,
        FACT,
        f"{percent(row['truncated_share'], 0)} of the {of.own('objects')}' boxes touch the image's border.",
        f"Share {value_of(row, 'truncated_share', percent, n=row['n_images'])}. "
        "Where the border cuts an object, its box lies at the very end of where it fits, and counts against centring "
        "whoever took the photograph.",
    )


def _scale(of: FramedSet) -> Finding | None:
    row = of.whole
    if not known(row.get("median_scale")):
        return None
    return Finding(
        FRAMING,
        FACT,
        f"The median {of.own('object')}'s box covers {percent(row['median_scale'] ** 2, 0)} of its image.",
        f"Median scale {value_of(row, 'median_scale', n=row['n_images'])}.",
    )


def _categories(contents: FramingContents) -> Finding | None:
    """In how many categories objects are centred, corrected for how many were asked."""
    first = contents.first
    column = first.column
    rows = by_category(first.summary, column)
    q = "q_value" if column == ALL else "untruncated_q_value"
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
    return Finding(FRAMING, FACT, claim, evidence)


def _ranking(contents: FramingContents) -> Finding | None:
    """How much of the order of the categories is more than chance, and what is at its ends."""
    first = contents.first
    ranking = rank_categories(first.summary, first.column, contents.seed)
    if len(ranking) < 3:
        return None
    signal = ranking["signal"].iloc[0]
    share = below_all(signal)
    ends = " and lowest for ".join(
        f"“{contents.class_name(row['category'])}”, {value_of(row, 'value', short=True)} from "
        f"{count(row['n_objects'], 'object')}, rank {interval(row['rank_low'], row['rank_high'], count)} of "
        f"{len(ranking):,}"
        for row in (ranking.iloc[0].to_dict(), ranking.iloc[-1].to_dict())
    )
    classes = f"the {first.own('classes')}"
    if signal == 0:
        return Finding(
            FRAMING,
            NONE,
            f"No difference in centring between {classes} was found.",
            f"Their estimates scatter no more than sampling makes them. The highest is of {ends}.",
        )
    numbers = (
        f"Of the variance of their estimates, {share} is more than sampling gives. "
        f"{label_of(first.column)} is highest for {ends}."
    )
    if signal < MOSTLY:
        return Finding(FRAMING, CAUTION, f"The order of {classes} by centring is mostly chance.", numbers)
    return Finding(FRAMING, EFFECT, f"The {first.own('classes')} differ in how much they are centred.", numbers)
