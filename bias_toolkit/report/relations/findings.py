"""Findings on the relation of distance and framing to invariance."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bias_toolkit.foundation.words import percent, significant
from bias_toolkit.report.columns import has_values
from bias_toolkit.report.relations.judgement import Judgement, Verdict, judge
from bias_toolkit.report.relations.tables import FRACTIONS, Relations, correlation, curve_rows
from bias_toolkit.report.words.definitions import COLUMNS, label_of
from bias_toolkit.report.words.finding import NOT_FOUND_RANK, Finding, Heading, Kind, estimate_over
from bias_toolkit.report.words.sentences import capitalised, lowered

CLAIMS = {
    Verdict.ALSO_GIVEN: "{more}, {the_less}, also among images of similar confidence.",
    Verdict.ONLY_GIVEN: "Among images of similar confidence, {lowered_more}, {the_less}.",
    Verdict.REVERSED: "Among images of similar confidence, {lowered_more}, {the_less}; among all images it is the "
    "other way round.",
    Verdict.EXPLAINED: "{more}, {the_less}; among images of similar confidence this was not found.",
    Verdict.UNEVEN: "{label} changes with {noun}, but it neither rises nor falls steadily.",
    Verdict.NONE: "No relation between {noun} and {label} was found.",
    Verdict.TOO_FEW: "There are too few images to say how {noun} and {label} are related.",
    Verdict.UNCONTROLLED: "The relation between {noun} and {label} is not given.",
    Verdict.UNKNOWN: "The relation between {noun} and {label} could not be computed.",
}
UNCONTROLLED = "It could not be controlled for the margin, and without that it could be the model's confidence alone."


@dataclass(frozen=True)
class Variable:
    """The names of a variable in a sentence."""

    name: str  # its column
    heading: Heading  # the heading of its findings
    more: str  # as in “The farther ...”
    noun: str  # as in “No relation between ... and”
    low: str  # as in “in the nearest tenth”
    high: str
    figure: str | None = None  # the name of the figure of both, with the measure's name in braces
    boxes: frozenset[str] = frozenset()  # the sets whose object boxes it is computed from: train, test


def relation(relations: Relations, variable: Variable, measure: str, rank: int | None = None) -> Finding:
    """One variable against one measure: the correlation given the margin, and beside it the plain one.

    `rank` is that of the finding if there is a relation; 100 is added to it otherwise.
    """
    judged = judge(relations, variable.name, measure)
    found = judged.kind in (Kind.ASSOCIATION, Kind.EXPLAINED)
    return Finding(
        variable.heading,
        judged.kind,
        _claim(judged, variable, measure),
        _evidence(relations, judged, variable, measure),
        estimate=judged.estimate,
        rank=rank if rank is None or found else rank + NOT_FOUND_RANK,
        figure=variable.figure and variable.figure.format(measure.replace("_", "-")),
        boxes=variable.boxes,
    )


def _claim(judged: Judgement, variable: Variable, measure: str) -> str:
    label = lowered(label_of(measure))
    claim = CLAIMS[judged.verdict].format(
        more=variable.more,
        lowered_more=lowered(variable.more),
        the_less=f"the {judged.stability} stable the model is on it by {label}",
        noun=variable.noun,
        label=label,
    )
    return capitalised(claim)


def _evidence(relations: Relations, judged: Judgement, variable: Variable, measure: str) -> str:
    if judged.verdict == Verdict.UNKNOWN:
        return _why(relations, variable.name, measure)
    if judged.verdict == Verdict.UNCONTROLLED:
        return UNCONTROLLED
    sentences = [f"Among all images: {judged.plain.text}."]
    if judged.kind in (Kind.ASSOCIATION, Kind.EXPLAINED):
        sentences += [_ends(relations, variable, measure)]
    sentences.append(_within_class(relations.correlations, variable, measure))
    return " ".join(sentence for sentence in sentences if sentence)


def _why(relations: Relations, *columns: str) -> str:
    for column in columns:
        if not has_values(relations.per_image, column):
            return f"{label_of(column)} is not defined for any image."
        if relations.per_image[column].nunique() == 1:
            return f"{label_of(column)} is the same for all images."
    return ""


def _within_class(table: pd.DataFrame, variable: Variable, measure: str) -> str:
    row = correlation(table, variable.name, measure, "within class")
    return "" if row is None else f"Within classes ρ is {_estimate(row, row['rho'])}."


def _ends(relations: Relations, variable: Variable, measure: str) -> str:
    curve = curve_rows(relations.curves, variable.name, measure)
    if curve is None or len(curve) < 2 or curve["value"].isna().any():
        return ""
    curve = curve.sort_values("bin")
    form = percent if COLUMNS[measure].share else significant
    part = FRACTIONS.get(len(curve), f"{len(curve)}th part")
    first, last = (_estimate(row, row["value"], form) for row in (curve.iloc[0], curve.iloc[-1]))
    start = f"{label_of(measure)} is {first} in the {variable.low} {part} of the images"
    return f"{start} and {last} in the {variable.high}."


def _estimate(row: Mapping[str, Any], value: float, *form: Any) -> str:
    return estimate_over(row["n"], value, row["low"], row["high"], *form)
