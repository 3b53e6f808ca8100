"""Findings on the relation of distance and framing to invariance."""

from dataclasses import dataclass

import pandas as pd

from bias_toolkit.foundation.words import count, number, percent, significant
from bias_toolkit.invariance import measure_of
from bias_toolkit.report.columns import has_values
from bias_toolkit.report.relations.tables import Relations, correlation, curve_rows, plain_and_partial
from bias_toolkit.report.words.definitions import COLUMNS, label_of
from bias_toolkit.report.words.finding import TOO_FEW_IMAGES, Finding, Heading, Kind, limits_over, rho, sign
from bias_toolkit.report.words.sentences import lowered

FRACTIONS = {2: "half", 3: "third", 4: "quarter", 5: "fifth", 8: "eighth", 10: "tenth", 20: "twentieth"}


@dataclass(frozen=True)
class Variable:
    """The names of a variable in a sentence."""

    name: str  # its column
    heading: Heading  # the heading of its findings
    more: str  # as in “The farther ...”
    noun: str  # as in “No relation between ... and”
    low: str  # as in “in the nearest tenth”
    high: str
    boxes: frozenset[str] = frozenset()  # the sets whose object boxes it is computed from: train, test


def relation(relations: Relations, variable: Variable, measure: str) -> Finding:
    """One variable against one measure: the plain correlation, always with the partial one given the margin."""
    return Finding(variable.heading, *_relation(relations, variable, measure), boxes=variable.boxes)


def _relation(relations: Relations, variable: Variable, measure: str) -> tuple[Kind, str, str]:
    """Kind, claim and evidence."""
    table = relations.correlations
    plain, partial = plain_and_partial(table, variable.name, measure)
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
    """Kind, claim, and the joint meaning of the two correlations."""
    label = lowered(label_of(measure))

    def effect(direction: int) -> str:
        stability = "more" if (direction > 0) == measure_of(measure).more_is_stable else "less"
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


def _within_class(table: pd.DataFrame, variable: Variable, measure: str) -> str:
    row = correlation(table, variable.name, measure, "within class")
    if row is None:
        return ""
    return f" Within classes ρ is {number(row['rho'])} ({limits_over(row['n'], row['low'], row['high'])})."


def _ends(relations: Relations, variable: Variable, measure: str) -> str:
    curve = curve_rows(relations.curves, variable.name, measure)
    if curve is None or len(curve) < 2 or curve["value"].isna().any():
        return ""
    curve = curve.sort_values("bin")
    form = percent if COLUMNS[measure].share else significant
    first, last = curve.iloc[0], curve.iloc[-1]
    part = FRACTIONS.get(len(curve), f"{len(curve)}th part")

    def mean(row: pd.Series) -> str:
        return f"{form(row['value'])} ({limits_over(row['n'], row['low'], row['high'], form)})"

    low = f"{mean(first)} in the {variable.low} {part} of the images"
    return f" {label_of(measure)} is {low} and {mean(last)} in the {variable.high}."
