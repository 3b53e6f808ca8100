"""What the correlations of a variable with a measure, and the curve of its bins, allow to say."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bias_toolkit.analysis import clearest, curve_contrasts
from bias_toolkit.foundation.words import count
from bias_toolkit.report.columns import has_values
from bias_toolkit.report.relations.tables import Relations, plain_and_partial
from bias_toolkit.report.words.definitions import COLUMNS, label_of, limits_of
from bias_toolkit.report.words.finding import Estimate, Kind, Unit, sign

PLAIN = "Spearman’s ρ"
GIVEN = "Spearman’s ρ with the model’s confidence held constant"
SLIGHT = 1 / 3
"""The share of the plain ρ; a ρ with the confidence held constant that is below it is called slight."""


class Verdict(StrEnum):
    """What can be said of a variable and a measure."""

    ALSO_GIVEN = "among all images, and among images of similar confidence"
    SLIGHTLY_GIVEN = "among all images, and slightly among images of similar confidence"
    ONLY_GIVEN = "among images of similar confidence only"
    REVERSED = "among images of similar confidence the other way round"
    EXPLAINED = "among all images, but not among images of similar confidence"
    UNEVEN = "the bins differ, but neither rise nor fall steadily"
    NONE = "nothing found"
    TOO_FEW = "too few images"
    UNCONTROLLED = "no correlation that holds the confidence constant"
    UNKNOWN = "not computed"


KINDS = {
    Verdict.ALSO_GIVEN: Kind.ASSOCIATION,
    Verdict.SLIGHTLY_GIVEN: Kind.ASSOCIATION,
    Verdict.ONLY_GIVEN: Kind.ASSOCIATION,
    Verdict.REVERSED: Kind.ASSOCIATION,
    Verdict.EXPLAINED: Kind.EXPLAINED,
    Verdict.UNEVEN: Kind.ASSOCIATION,
    Verdict.NONE: Kind.NONE,
    Verdict.TOO_FEW: Kind.CAUTION,
    Verdict.UNCONTROLLED: Kind.UNKNOWN,
    Verdict.UNKNOWN: Kind.UNKNOWN,
}


@dataclass(frozen=True)
class Judgement:
    """A verdict with the estimate from which it follows.

    `plain` is ρ among all images, `given` ρ with the confidence held constant; both are None where they are not
    computed. The estimate is `given`; for `EXPLAINED`, `plain`; for `UNEVEN`, the difference of the two bins that
    differ most clearly.
    """

    verdict: Verdict
    estimate: Estimate | None = None
    plain: Estimate | None = None
    given: Estimate | None = None

    @property
    def kind(self) -> Kind:
        """The kind of finding that states the verdict."""
        return KINDS[self.verdict]


def judge(relations: Relations, variable: str, measure: str) -> Judgement:
    """What the study's tables allow to say of a variable and a measure.

    A ρ that includes 0 does not say that the measure is the same everywhere: it may fall and rise again. So "nothing
    found" also needs that no two bins of the curve differ, by intervals that hold for all pairs of bins.
    """
    plain, given = plain_and_partial(relations.correlations, variable, measure)
    if plain is None:
        return Judgement(Verdict.UNKNOWN)
    if given is None:
        return Judgement(Verdict.UNCONTROLLED)
    alone, controlled = _estimate(plain, PLAIN), _estimate(given, GIVEN)
    if None in (alone.direction, controlled.direction):
        return Judgement(Verdict.TOO_FEW, controlled, alone, controlled)
    if controlled.direction:
        verdicts = {controlled.direction: Verdict.ALSO_GIVEN, 0: Verdict.ONLY_GIVEN}
        verdict = verdicts.get(alone.direction, Verdict.REVERSED)
        if verdict == Verdict.ALSO_GIVEN and abs(controlled.value) < SLIGHT * abs(alone.value):
            verdict = Verdict.SLIGHTLY_GIVEN
        return Judgement(verdict, controlled, alone, controlled)
    if alone.direction:
        return Judgement(Verdict.EXPLAINED, alone, alone, controlled)
    uneven = _uneven(relations, variable, measure)
    verdict = Verdict.UNEVEN if uneven else Verdict.NONE
    return Judgement(verdict, uneven or controlled, alone, controlled)


def _estimate(row: Mapping[str, Any], label: str) -> Estimate:
    return Estimate("rho", label, row["rho"], row["low"], row["high"], int(row["n"]), nothing=0.0)


def _uneven(relations: Relations, variable: str, measure: str) -> Estimate | None:
    """The difference of the two bins that differ most clearly, if its simultaneous interval excludes 0."""
    rows = relations.per_image
    if not has_values(rows, variable, measure):
        return None
    contrasts = curve_contrasts(rows[variable], rows[measure], relations.bins, limits=limits_of(measure))
    found = clearest(contrasts)
    if found is None or not sign(found.low, found.high):
        return None
    unit = Unit.POINTS if COLUMNS[measure].share else Unit.SIGNIFICANT
    value, low, high, bins = *found[2:5], (found.bin, found.minus)
    # The higher of the two bins minus the lower.
    if value < 0:
        value, low, high, bins = -value, -high, -low, bins[::-1]
    first, second = (at + 1 for at in bins)
    label = (
        f"{label_of(measure)} in bin {first} of the curve minus that in bin {second}, the clearest of "
        f"{count(len(contrasts), 'difference')}"
    )
    return Estimate("difference", label, value, low, high, found.n, unit=unit, nothing=0.0)
