"""Findings on the relation of distance and framing to invariance."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bias_toolkit.analysis import end_contrast
from bias_toolkit.foundation.words import percent, significant
from bias_toolkit.invariance import HEADLINE
from bias_toolkit.report.columns import has_values
from bias_toolkit.report.relations.judgement import Judgement, Verdict, judge
from bias_toolkit.report.relations.odds import odds_direction, odds_row
from bias_toolkit.report.relations.tables import FRACTIONS, Relations, correlation, curve_rows
from bias_toolkit.report.words.definitions import COLUMNS, label_of, limits_of
from bias_toolkit.report.words.finding import NOT_FOUND_RANK, Finding, Heading, Kind, estimate_over, sign
from bias_toolkit.report.words.sentences import capitalised, lowered

CLAIMS = {
    Verdict.ALSO_GIVEN: "{more}, {the_higher}, also among images of similar confidence.",
    Verdict.SLIGHTLY_GIVEN: "{more}, {the_higher}, slightly so also among images of similar confidence.",
    Verdict.ONLY_GIVEN: "Among images of similar confidence, {lowered_more}, {the_higher}.",
    Verdict.REVERSED: "Among images of similar confidence, {lowered_more}, {the_higher}; among all images it is the "
    "other way round.",
    Verdict.EXPLAINED: "{more}, {the_higher}.",
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
    label, direction = lowered(label_of(measure)), judged.estimate and judged.estimate.direction
    claim = CLAIMS[judged.verdict].format(
        more=variable.more,
        lowered_more=lowered(variable.more),
        the_higher=f"the {'higher' if direction == 1 else 'lower'} the image’s {label}",
        noun=variable.noun,
        label=label,
    )
    return capitalised(claim)


def _evidence(relations: Relations, judged: Judgement, variable: Variable, measure: str) -> str:
    if judged.verdict == Verdict.UNKNOWN:
        return _why(relations, variable.name, measure)
    if judged.verdict == Verdict.UNCONTROLLED:
        return UNCONTROLLED
    sentences = [beside_the_claim(judged)]
    if judged.kind in (Kind.ASSOCIATION, Kind.EXPLAINED):
        sentences += [_ends(relations, variable, measure)]
    missing = _not_found_in(relations, judged.plain.direction, variable, measure) if judged.plain.direction else ""
    sentences.append(missing or _within_class(relations.correlations, variable, measure))
    return " ".join(sentence for sentence in sentences if sentence)


def beside_the_claim(judged: Judgement) -> str:
    """The correlation that is not beside the claim: among all images, or among images of similar confidence."""
    if judged.verdict == Verdict.EXPLAINED:
        return f"Among images of similar confidence, this was not found: {judged.given.text}."
    return f"Among all images: {judged.plain.text}."


def _not_found_in(relations: Relations, direction: int, variable: Variable, measure: str) -> str:
    """The simpler analyses that do not find what the plain ρ finds; empty if all of them do."""
    rows, name = relations.per_image, variable.name
    ends = None
    if has_values(rows, name, measure):
        ends = end_contrast(rows[name], rows[measure], relations.bins, limits_of(measure))
    # The regression is of the headline measure.
    odds = odds_row(relations.odds_ratios, name, "alone") if measure == HEADLINE else None
    within = correlation(relations.correlations, name, measure, "within class")
    found = {
        f"in the difference between the {variable.low} and the {variable.high} images": ends
        and sign(ends.low, ends.high),
        "in the regression on it alone": odds_direction(odds),
        "within classes": within and sign(within["low"], within["high"]),
    }
    where = [words for words, of_it in found.items() if of_it not in (None, direction)]
    return f"The relation was not found {' or '.join(where)}." if where else ""


def _why(relations: Relations, *columns: str) -> str:
    for column in columns:
        if not has_values(relations.per_image, column):
            return f"{label_of(column)} is not defined for any image."
        if relations.per_image[column].nunique() == 1:
            return f"{label_of(column)} is the same for all images."
    return ""


def _within_class(table: pd.DataFrame, variable: Variable, measure: str) -> str:
    row, plain = (correlation(table, variable.name, measure, kind) for kind in ("within class", "plain"))
    # In one class it is the same number.
    same = row is not None and plain is not None and row["rho"] == plain["rho"]
    return "" if row is None or same else f"Within classes ρ is {_estimate(row, row['rho'])}."


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
