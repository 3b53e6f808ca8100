"""What the correlations of a variable with a measure, and the curve of its bins, allow to say."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bias_toolkit.analysis import clearest, curve_contrasts
from bias_toolkit.foundation.words import number
from bias_toolkit.invariance import measure_of
from bias_toolkit.report.columns import has_values
from bias_toolkit.report.relations.tables import Relations, plain_and_partial
from bias_toolkit.report.words.definitions import COLUMNS, label_of, limits_of
from bias_toolkit.report.words.finding import Estimate, Kind, Unit, sign

PLAIN = "Spearman’s ρ"
GIVEN = "Spearman’s ρ with the model’s confidence held constant"


class Verdict(StrEnum):
    """What can be said of a variable and a measure."""

    ALSO_GIVEN = "among all images, and among images of like confidence"
    ONLY_GIVEN = "among images of like confidence only"
    REVERSED = "among images of like confidence the other way round"
    EXPLAINED = "among all images, but not among images of like confidence"
    UNEVEN = "the bins differ, but neither rise nor fall steadily"
    NONE = "nothing found"
    TOO_FEW = "too few images"
    UNCONTROLLED = "no correlation that holds the confidence constant"
    UNKNOWN = "not computed"


KINDS = {
    Verdict.ALSO_GIVEN: Kind.ASSOCIATION,
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

    The estimate is ρ with the confidence held constant; for `UNEVEN`, the difference of the two bins that differ most
    clearly. `plain` is ρ among all images. Both are None where they are not computed.
    """

    verdict: Verdict
    estimate: Estimate | None = None
    plain: Estimate | None = None
    stability: str = ""  # "less" or "more" stable where the variable is larger, by the estimate of the verdict

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
        return Judgement(Verdict.TOO_FEW, controlled, alone)
    if controlled.direction:
        verdicts = {controlled.direction: Verdict.ALSO_GIVEN, 0: Verdict.ONLY_GIVEN}
        verdict = verdicts.get(alone.direction, Verdict.REVERSED)
        return Judgement(verdict, controlled, alone, _stability(controlled.direction, measure))
    if alone.direction:
        return Judgement(Verdict.EXPLAINED, controlled, alone, _stability(alone.direction, measure))
    uneven = _uneven(relations, variable, measure)
    return Judgement(Verdict.UNEVEN, uneven, alone) if uneven else Judgement(Verdict.NONE, controlled, alone)


def brief_rho(estimate: Estimate) -> str:
    """`0.22 (0.16 to 0.28)`, for a caption; without the interval where there is none."""
    if estimate.low is None:
        return number(estimate.value)
    return f"{number(estimate.value)} ({number(estimate.low)} to {number(estimate.high)})"


def _estimate(row: Mapping[str, Any], label: str) -> Estimate:
    return Estimate("rho", label, row["rho"], row["low"], row["high"], int(row["n"]), nothing=0.0)


def _stability(direction: int, measure: str) -> str:
    return "more" if (direction > 0) == measure_of(measure).more_is_stable else "less"


def _uneven(relations: Relations, variable: str, measure: str) -> Estimate | None:
    """The difference of the two bins that differ most clearly, if its simultaneous interval excludes 0."""
    rows = relations.per_image
    if not has_values(rows, variable, measure):
        return None
    found = clearest(curve_contrasts(rows[variable], rows[measure], relations.bins, limits=limits_of(measure)))
    if found is None or not sign(found.low, found.high):
        return None
    # The higher of the two bins minus the lower.
    value, low, high = found[2:5] if found.value > 0 else (-found.value, -found.high, -found.low)
    unit = Unit.POINTS if COLUMNS[measure].share else Unit.SIGNIFICANT
    label = f"{label_of(measure)} of one bin of the curve minus that of another"
    return Estimate("difference", label, value, low, high, found.n, unit=unit, nothing=0.0)
