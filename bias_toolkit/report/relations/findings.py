"""What can be said about distance and framing against invariance."""

from __future__ import annotations

from dataclasses import dataclass

from bias_toolkit.foundation.words import count, number, percent, significant
from bias_toolkit.report.columns import has_values
from bias_toolkit.report.relations.tables import Relations, correlation
from bias_toolkit.report.words.definitions import COLUMNS, label_of
from bias_toolkit.report.words.finding import TOO_FEW_IMAGES, Finding, Heading, Kind, limits_over, rho, sign
from bias_toolkit.report.words.sentences import lowered

FRACTIONS = {2: "half", 3: "third", 4: "quarter", 5: "fifth", 8: "eighth", 10: "tenth", 20: "twentieth"}


@dataclass(frozen=True)
class Variable:
    """How a variable reads in a sentence.

    `name`: its column. `heading`: what its findings stand under. `more`: as in “The farther ...”. `noun`: as in “No
    relation between ... and”. `low`, `high`: as in “in the nearest tenth”. `boxes` (set of {"train", "test"}): the sets
    whose object boxes it is computed from.
    """

    name: str
    heading: Heading
    more: str
    noun: str
    low: str
    high: str
    boxes: frozenset[str] = frozenset()


def relation(relations: Relations, variable: Variable, measure: str) -> Finding:
    """One variable against one measure, the plain correlation always beside the one that controls for the margin."""
    kind, claim, evidence = _relation(relations, variable, measure)
    return Finding(variable.heading, kind, claim, evidence, boxes=variable.boxes)


def _relation(relations: Relations, variable: Variable, measure: str) -> tuple[Kind, str, str]:
    """Kind, claim and evidence."""
    table = relations.correlations
    plain = correlation(table, variable.name, measure, "plain")
    partial = correlation(table, variable.name, measure, "partial")
    label = lowered(label_of(measure))
    if plain is None:
        claim = f"The relation between {variable.noun} and {label} could not be computed."
        return Kind.UNKNOWN, claim, _why(relations, variable.name, measure)
    if partial is None:
        claim = f"The relation between {variable.noun} and {label} is not given."
        why = "It could not be controlled for the margin, and without that it could be the model's confidence alone."
        return Kind.UNKNOWN, claim, why
    numbers = f"Spearman's ρ {rho(plain, images=True)}; with the margin held constant {rho(partial)}."
    directions = sign(plain["low"], plain["high"]), sign(partial["low"], partial["high"])
    if plain["n"] < TOO_FEW_IMAGES or None in directions:
        claim = f"{count(plain['n'], 'image')} are too few to say how {variable.noun} and {label} are related."
        return Kind.CAUTION, claim, numbers
    kind, claim, meaning = _verdict(variable, measure, *directions)
    ends = _ends(relations, variable, measure) if directions[0] else ""
    return kind, claim, f"{numbers} {meaning}{ends}{_within_class(table, variable, measure)}"


def _verdict(variable: Variable, measure: str, plain: int, partial: int) -> tuple[Kind, str, str]:
    """Kind, claim, and what the two correlations mean together."""
    label = lowered(label_of(measure))
    more_is_stable = measure == "consistency"

    def effect(direction: int) -> str:
        stability = "more" if (direction > 0) == more_is_stable else "less"
        return f"the {stability} stable the model is on it by {label}"

    unrelated = f"No relation between {variable.noun} and {label} was found"
    if plain == 0 and partial == 0:
        return Kind.NONE, f"{unrelated}.", "Both intervals include 0."
    if plain == 0:
        claim = f"{unrelated}, unless the margin is held constant."
        meaning = f"Among images of like confidence: {lowered(variable.more)}, {effect(partial)}."
        return Kind.EFFECT, claim, meaning
    claim = f"{variable.more}, {effect(plain)}"
    if partial == 0:
        return Kind.EXPLAINED, f"{claim}; the model's confidence explains it.", "The second interval includes 0."
    if partial == plain:
        return Kind.EFFECT, f"{claim}.", "The model's confidence alone does not explain it."
    return Kind.CAUTION, f"{claim}, but the other way round among images of like confidence.", ""


def _why(relations: Relations, *columns: str) -> str:
    for column in columns:
        if not has_values(relations.per_image, column):
            return f"{label_of(column)} is not defined for any image."
        if relations.per_image[column].nunique() == 1:
            return f"{label_of(column)} is the same for all images."
    return ""


def _within_class(table, variable: Variable, measure: str) -> str:
    row = correlation(table, variable.name, measure, "within class")
    if row is None:
        return ""
    told = limits_over(row["n"], row["low"], row["high"])
    return f" Within classes ρ is {number(row['rho'])} ({told})."


def _ends(relations: Relations, variable: Variable, measure: str) -> str:
    curves = relations.curves
    if not len(curves):
        return ""
    curve = curves[curves["distance"].eq(variable.name) & curves["measure"].eq(measure)].sort_values("bin")
    if len(curve) < 2 or curve["value"].isna().any():
        return ""
    form = percent if COLUMNS[measure].share else significant
    first, last = curve.iloc[0], curve.iloc[-1]
    part = FRACTIONS.get(len(curve), f"{len(curve)}th part")

    def told(row) -> str:
        return f"{form(row['value'])} ({limits_over(row['n'], row['low'], row['high'], form)})"

    return (
        f" {label_of(measure)} is {told(first)} in the {variable.low} {part} of the images and {told(last)} in the "
        f"{variable.high}."
    )
