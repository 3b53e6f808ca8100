"""One finding: a sentence that follows from the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bias_toolkit.foundation.words import count, estimate, interval, known, number, p_value

EFFECT, EXPLAINED, NONE, FACT, CAUTION, UNKNOWN = "effect", "explained", "none", "fact", "caution", "unknown"
KIND_NAMES = {
    EFFECT: "effect",
    EXPLAINED: "explained by confidence",
    NONE: "no effect found",
    FACT: "measured",
    CAUTION: "caution",
    UNKNOWN: "not known",
}

FRAMING, INVARIANCE, DISTANCE, FRAMING_EFFECT, CAUSE, EXPLANATIONS, CLASSES, DATA = (
    "Framing of the subjects",
    "Stability under one-pixel steps",
    "Distance from the training set",
    "Framing and stability",
    "What framing causes",
    "Single unstable images",
    "Classes",
    "The data",
)

TOO_FEW_IMAGES = 30
# A bootstrap of so few images mostly repeats them: its interval is too narrow, of equal values even of width 0.
ENOUGH_FOR_AN_INTERVAL = 10
NO_INTERVAL = "too few images for an interval"


@dataclass(frozen=True)
class Finding:
    """What was found, and the numbers that show it.

    Parameters
    ----------
    topic : str
        What it is about: a heading of the list of findings.
    kind : {"effect", "explained", "none", "fact", "caution", "unknown"}
        Whether an effect was found, one that the model's confidence explains, or none; a number is stated, the
        reader is warned, or it cannot be said.
    claim : str
        One sentence.
    evidence : str
        What follows it, with numbers and intervals.
    """

    topic: str
    kind: str
    claim: str
    evidence: str = ""

    @property
    def text(self) -> str:
        """Claim and evidence."""
        return f"{self.claim} {self.evidence}".strip()


def sign(low: float | None, high: float | None) -> int | None:
    """1 or −1 where the whole interval lies above or below 0, 0 where it includes 0, None without an interval."""
    if not (known(low) and known(high)):
        return None
    return int(low > 0) - int(high < 0)


def interval_over(n: float, low: float | None, high: float | None, form=number) -> str:
    """`95% interval 0.39 to 0.43`, or that `n` images are too few for one."""
    return NO_INTERVAL if n < ENOUGH_FOR_AN_INTERVAL else f"95% interval {interval(low, high, form)}"


def estimate_over(n: float, value: float | None, low: float | None, high: float | None, form=number) -> str:
    """`0.41 (95% interval 0.39 to 0.43)`, or that `n` images are too few for the interval."""
    if known(value) and n < ENOUGH_FOR_AN_INTERVAL:
        return f"{form(value)} ({NO_INTERVAL})"
    return estimate(value, low, high, form)


def value_of(
    row: Mapping[str, Any], column: str, form=number, short: bool = False, n: float = ENOUGH_FOR_AN_INTERVAL
) -> str:
    """A column of a row with its interval from `<column>_low` and `<column>_high`, where `n` images are enough."""
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
