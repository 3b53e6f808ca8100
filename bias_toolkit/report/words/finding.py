"""One finding: a sentence that follows from the numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bias_toolkit.foundation.words import Form, count, estimate, interval, known, number, p_value


class Kind(StrEnum):
    """The kind of statement that a finding makes."""

    EFFECT = "effect"
    EXPLAINED = "explained"
    NONE = "none"
    FACT = "fact"
    CAUTION = "caution"
    UNKNOWN = "unknown"


KIND_NAMES = {
    Kind.EFFECT: "effect",
    Kind.EXPLAINED: "explained by confidence",
    Kind.NONE: "no effect found",
    Kind.FACT: "measured",
    Kind.CAUTION: "caution",
    Kind.UNKNOWN: "not known",
}


class Heading(StrEnum):
    """The headings of a report's list of findings, in their order on the page."""

    FRAMING = "Framing of the subjects"
    INVARIANCE = "Stability under one-pixel steps"
    DISTANCE = "Distance from the training set"
    FRAMING_EFFECT = "Framing and stability"
    FACTORS = "Annotated factors"
    CAUSE = "What framing causes"
    EXPLANATIONS = "Single unstable images"
    CLASSES = "Classes"
    DATA = "The data"


SIGNIFICANT = 0.05
TOO_FEW_IMAGES = 30
# A bootstrap of fewer images gives intervals that are too narrow; for equal values, their width is even 0.
ENOUGH_FOR_AN_INTERVAL = 10
NO_INTERVAL = "too few images for an interval"


@dataclass(frozen=True)
class Finding:
    """One result, and the numbers that support it."""

    topic: str  # its heading: a member of `Heading`, or of another page's headings
    kind: Kind  # an effect, one that the model's confidence explains, or none; a number, a warning, or not known
    claim: str  # one sentence
    evidence: str = ""  # further sentences, with numbers and intervals
    boxes: frozenset[str] = field(default=frozenset(), kw_only=True)  # the sets whose object boxes it follows from
    compares_boxes: bool = field(default=False, kw_only=True)  # whether it compares the boxes of the two sets
    # Whether its claim is about how centred objects are, which estimated boxes may overstate.
    states_centring: bool = field(default=False, kw_only=True)

    @property
    def text(self) -> str:
        """Claim and evidence."""
        return f"{self.claim} {self.evidence}".strip()

    def to_dict(self) -> dict[str, str]:
        """topic, kind, claim and evidence, as files and the command line have them."""
        return {"topic": str(self.topic), "kind": str(self.kind), "claim": self.claim, "evidence": self.evidence}


def sign(low: float | None, high: float | None) -> int | None:
    """1 or −1 if the whole interval lies above or below 0, 0 if it includes 0, None without an interval."""
    if not (known(low) and known(high)):
        return None
    return int(low > 0) - int(high < 0)


def limits_over(n: float, low: float | None, high: float | None, form: Form = number) -> str:
    """`0.39 to 0.43`, or a statement that `n` images are too few for an interval."""
    return NO_INTERVAL if n < ENOUGH_FOR_AN_INTERVAL else interval(low, high, form)


def interval_over(n: float, low: float | None, high: float | None, form: Form = number) -> str:
    """`95% interval 0.39 to 0.43`, or a statement that `n` images are too few for one."""
    return NO_INTERVAL if n < ENOUGH_FOR_AN_INTERVAL else f"95% interval {interval(low, high, form)}"


def estimate_over(n: float, value: float | None, low: float | None, high: float | None, form: Form = number) -> str:
    """`0.41 (95% interval 0.39 to 0.43)`, or a statement that `n` images are too few for the interval."""
    if known(value) and n < ENOUGH_FOR_AN_INTERVAL:
        return f"{form(value)} ({NO_INTERVAL})"
    return estimate(value, low, high, form)


def limits_of_row(row: Mapping[str, Any], column: str, form: Form = number) -> str:
    """The interval of a column of a row, from `<column>_low` and `<column>_high`."""
    return interval(row[f"{column}_low"], row[f"{column}_high"], form)


def value_of(
    row: Mapping[str, Any], column: str, form: Form = number, short: bool = False, n: float = ENOUGH_FOR_AN_INTERVAL
) -> str:
    """A column of a row with its interval from `<column>_low` and `<column>_high`, if `n` images are enough."""
    value, low, high = row.get(column), row.get(f"{column}_low"), row.get(f"{column}_high")
    if n < ENOUGH_FOR_AN_INTERVAL:
        return estimate_over(n, value, low, high, form)
    if short and known(low) and known(high):
        return f"{form(value)} ({interval(low, high, form)})"
    return estimate(value, low, high, form)


def rho(row: Mapping[str, Any], images: bool = False) -> str:
    """`0.22 (95% interval 0.16 to 0.28; p < 0.001)` from a row of CORRELATIONS, with the number of images if asked."""
    details = [interval_over(row["n"], row["low"], row["high"]), p_value(row["p_value"])]
    if images:
        details.append(count(row["n"], "image"))
    return f"{number(row['rho'])} ({'; '.join(details)})"
