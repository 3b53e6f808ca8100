"""One finding: a sentence that follows from a number and its interval."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bias_toolkit.foundation.intervals import FEWEST_IMAGES
from bias_toolkit.foundation.words import (
    Form,
    count,
    estimate,
    interval,
    known,
    number,
    percent,
    significant,
    telling_apart,
)
from bias_toolkit.report.words.sentences import in_points


class Kind(StrEnum):
    """The kind of statement that a finding makes."""

    EFFECT = "effect"
    ASSOCIATION = "association"
    EXPLAINED = "explained"
    NONE = "none"
    FACT = "fact"
    CAUTION = "caution"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class KindWords:
    """The words for a kind: on a finding, and in the legend."""

    tag: str
    meaning: str


KINDS = {
    Kind.EFFECT: KindWords("effect", "One thing was changed on purpose, and the model’s answers changed with it."),
    Kind.ASSOCIATION: KindWords("association", "Two things go together in these images. Neither of them was changed."),
    Kind.EXPLAINED: KindWords(
        "not at similar confidence",
        "Two things go together, but among images of similar confidence this was not found.",
    ),
    Kind.NONE: KindWords(
        "nothing found",
        "The interval includes the value that means no difference; the others in it are possible too.",
    ),
    Kind.FACT: KindWords("measured", "A number, with no comparison that could have a cause."),
    Kind.CAUTION: KindWords("caution", "A reason to trust the other findings less."),
    Kind.UNKNOWN: KindWords("not known", "The data do not allow an answer."),
}


class Unit(StrEnum):
    """The unit of an estimate, which decides how it is written."""

    SHARE = "share"  # 0 to 1, written in percent
    POINTS = "difference of shares"  # −1 to 1, written in percentage points
    FACTOR = "factor"
    COUNT = "count"
    NATS = "nats"  # a log loss, or a difference of two
    SIGNIFICANT = "significant"  # no unit and of any magnitude: three significant digits
    NUMBER = "number"  # no unit: two digits after the point


def nats(value: float, digits: int = 4) -> str:
    """A log loss, or a difference of two, in nats."""
    return number(value, digits)


FORMS: dict[Unit, Form] = {
    Unit.SHARE: percent,
    Unit.POINTS: in_points,
    Unit.FACTOR: number,
    Unit.COUNT: count,
    Unit.NATS: nats,
    Unit.SIGNIFICANT: significant,
    Unit.NUMBER: number,
}


NAMED_UNITS = {Unit.POINTS: " percentage points", Unit.NATS: " nats"}


class Heading(StrEnum):
    """The headings of a report's list of findings, in their order on the page."""

    FRAMING = "Framing of the subjects"
    INVARIANCE = "Stability under one-pixel steps"
    FRAMES = "Stability from frame to frame"
    DISTANCE = "Distance from the training set"
    FRAMING_EFFECT = "Framing and stability"
    FACTORS = "Annotated factors"
    CAUSE = "What framing causes"
    LAYERS = "Where invariance is lost"
    REMEDIES = "What helps"
    FLAG = "Which images will be unstable"
    EXPLANATIONS = "Single unstable images"
    CLASSES = "Classes"
    DATA = "The data"


SIGNIFICANT = 0.05
# For a comparison of many means, or a fit. Of one estimate, the interval decides, from `FEWEST_IMAGES` on.
TOO_FEW_IMAGES = 30
# Added to the rank of a finding that says that nothing was found, or that it is not known.
NOT_FOUND_RANK = 100
NO_INTERVAL = "too few images, or too alike, for an interval"


@dataclass(frozen=True)
class Estimate:
    """The number from which a finding follows, with its 95% interval, as data."""

    name: str  # as in the tables: p_top1_change, rho, centre_bias
    label: str  # as readers see it: P(top-1 change), Spearman's ρ
    value: float
    low: float | None  # None, as high, where there are too few images, or too alike, for an interval
    high: float | None
    n: int  # of how many images, objects or others it is
    of: str = "image"  # what these are, in the singular
    unit: Unit = Unit.NUMBER
    nothing: float | None = None  # the value that means no difference or no relation, if there is one

    def __post_init__(self) -> None:
        # NaN does not equal itself, and so neither would two equal findings.
        for end in ("low", "high"):
            object.__setattr__(self, end, getattr(self, end) if known(getattr(self, end)) else None)

    @property
    def direction(self) -> int | None:
        """1 or −1 if the interval lies above or below `nothing`, 0 if it includes it; None without either."""
        if self.nothing is None or not (known(self.low) and known(self.high)):
            return None
        return sign(self.low - self.nothing, self.high - self.nothing)

    @property
    def text(self) -> str:
        """`P(top-1 change) 16.6% (95% interval 15.3% to 18.0%; 1,000 images)`."""
        limits = f"95% interval {self._limits}" if known(self.low) else NO_INTERVAL
        return f"{self._labelled} ({limits}; {count(self.n, self.of, self._plural)})".strip()

    @property
    def brief(self) -> str:
        """`P(top-1 change) 16.6% (15.3% to 18.0%)`, for a figure."""
        return f"{self._labelled} ({self._limits if known(self.low) else NO_INTERVAL})"

    @property
    def _labelled(self) -> str:
        # A number after a number would be read with it.
        colon = ":" if self.label[-1:].isdigit() or ("minus" in self.label and self.label[-1:] != ":") else ""
        form = telling_apart(self.low, self.high, FORMS[self.unit], self.nothing)
        return f"{self.label}{colon} {form(self.value)}{NAMED_UNITS.get(self.unit, '')}"

    @property
    def _limits(self) -> str:
        return interval(self.low, self.high, FORMS[self.unit], self.nothing)

    @property
    def _plural(self) -> str:
        return f"{self.of}es" if self.of.endswith(("s", "x")) else f"{self.of}s"

    def to_dict(self) -> dict[str, Any]:
        """name, label, value, low, high, n, of, unit and nothing, as results.json has them."""
        return {**vars(self), "unit": str(self.unit)}


@dataclass(frozen=True)
class Finding:
    """One result, and the number that supports it."""

    topic: str  # its heading: a member of `Heading`, or of another page's headings
    kind: Kind
    claim: str  # one sentence, without the estimate
    evidence: str = ""  # further sentences, with numbers and intervals, which readers may open
    estimate: Estimate | None = field(default=None, kw_only=True)
    # Its place among the findings of a page that shows only the most important; None if it is never among them.
    rank: int | None = field(default=None, kw_only=True)
    figure: str | None = field(default=None, kw_only=True)  # the name of the figure that shows its numbers
    boxes: frozenset[str] = field(default=frozenset(), kw_only=True)  # the sets whose object boxes it follows from
    compares_boxes: bool = field(default=False, kw_only=True)  # whether it compares the boxes of the two sets
    # Whether its claim is about how centred objects are, which estimated boxes may overstate.
    states_centring: bool = field(default=False, kw_only=True)

    @property
    def numbers(self) -> str:
        """The estimate and the evidence in one text."""
        return f"{self.estimate.text}. {self.evidence}".strip() if self.estimate else self.evidence

    @property
    def text(self) -> str:
        """Claim, estimate and evidence."""
        return f"{self.claim} {self.numbers}".strip()

    def to_dict(self) -> dict[str, Any]:
        """topic, kind, claim, evidence, estimate (None if there is none) and figure, as files have them."""
        return {
            "topic": str(self.topic),
            "kind": str(self.kind),
            "claim": self.claim,
            "evidence": self.evidence,
            "estimate": self.estimate and self.estimate.to_dict(),
            "figure": self.figure,
        }


def finding_of(values: Mapping[str, Any]) -> Finding:
    """A finding from the values that `Finding.to_dict` gives."""
    estimate = values["estimate"] and Estimate(**values["estimate"] | {"unit": Unit(values["estimate"]["unit"])})
    return Finding(**{**values, "kind": Kind(values["kind"]), "estimate": estimate})


def sign(low: float | None, high: float | None) -> int | None:
    """1 or −1 if the whole interval lies above or below 0, 0 if it includes 0, None without an interval."""
    if not (known(low) and known(high)):
        return None
    return int(low > 0) - int(high < 0)


def clearest_of_family(value: ArrayLike, low: ArrayLike, high: ArrayLike, nothing: float) -> tuple[int, np.ndarray]:
    """The member of a family that is farthest from `nothing` in widths of its interval, and the direction of each.

    If the interval of any member leaves out `nothing`, so does that of the first. All are (m,); directions are 1, −1 or
    0, as in `Estimate.direction`.
    """
    value, low, high = (np.asarray(each, np.float64) for each in (value, low, high))
    directions = (low > nothing).astype(int) - (high < nothing)
    distance, side = np.abs(value - nothing), np.where(value > nothing, value - low, high - value)
    times = np.divide(distance, side, out=np.where(distance > 0, np.inf, 0.0), where=side > 0)
    return int(np.lexsort((distance, times, directions != 0))[-1]), directions


def estimate_over(n: float, value: float | None, low: float | None, high: float | None, form: Form = number) -> str:
    """`0.41 (95% interval 0.39 to 0.43)`, or a statement that `n` images are too few for the interval."""
    if known(value) and (n < FEWEST_IMAGES or not (known(low) and known(high))):
        return f"{form(value)} ({NO_INTERVAL})"
    return estimate(value, low, high, form)


def estimate_of_row(
    row: Mapping[str, Any],
    column: str,
    label: str,
    n: float,
    of: str = "image",
    unit: Unit = Unit.NUMBER,
    nothing: float | None = None,
) -> Estimate:
    """A column of a row with its interval from `<column>_low` and `<column>_high`, if `n` images are enough for one."""
    ends = (row[f"{column}_low"], row[f"{column}_high"]) if n >= FEWEST_IMAGES else (None, None)
    return Estimate(column, label, row[column], *ends, int(n), of, unit, nothing)


def limits_of_row(row: Mapping[str, Any], column: str, form: Form = number) -> str:
    """The interval of a column of a row, from `<column>_low` and `<column>_high`."""
    return interval(row[f"{column}_low"], row[f"{column}_high"], form)


def value_of(
    row: Mapping[str, Any], column: str, form: Form = number, short: bool = False, n: float = FEWEST_IMAGES
) -> str:
    """A column of a row with its interval from `<column>_low` and `<column>_high`, if `n` images are enough."""
    value, low, high = row.get(column), row.get(f"{column}_low"), row.get(f"{column}_high")
    if n < FEWEST_IMAGES:
        return estimate_over(n, value, low, high, form)
    if short and known(low) and known(high):
        form = telling_apart(low, high, form)
        return f"{form(value)} ({interval(low, high, form)})"
    return estimate(value, low, high, form)
