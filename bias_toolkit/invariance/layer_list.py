"""The measures of a network's operations that subsample, and the conditions under which they are measured."""

import math
from dataclasses import dataclass
from numbers import Real

from bias_toolkit.foundation.words import Form, interval, known, significant

ROUNDING = 1e-6
"""A measure below this is a rounding error of float32."""


@dataclass(frozen=True)
class LayerMeasure:
    """One of the three measures: a number for each operation and image, without a unit, of which 0 is the least."""

    name: str
    label: str  # for an axis or a table's heading
    definition: str  # one line
    highest: float
    form: Form = significant

    @property
    def limits(self) -> tuple[float, float]:
        """Its minimum and its maximum."""
        return 0.0, self.highest

    def texts(self, value: Real | None, low: Real | None, high: Real | None) -> tuple[str, str]:
        """A mean, and its interval or what is said instead of it, for readers."""
        if known(high) and high < ROUNDING:
            return "0", "but for rounding"
        return self.form(value), interval(low, high, self.form) if known(low) and known(high) else ""


LAYER_MEASURES = (
    LayerMeasure(
        "aliased_energy",
        "Aliased energy",
        "Share of the power, before the operation subsamples, at frequencies that fold over when it does.",
        1.0,
    ),
    LayerMeasure(
        "shift_error",
        "Shift error",
        "How far the result for a shifted image is from the shifted result, as a share of the result's variance: "
        "0 for a shiftable representation (A).",
        math.inf,
    ),
    LayerMeasure(
        "pooled_change",
        "Pooled change",
        "Mean over one-pixel steps of the relative change of the result's means over space: 0 for a shiftable "
        "representation (A).",
        2.0,
    ),
)
"""The three measures, in the order of tables and pages."""


INPUT_SIGMA = 2.0
"""Standard deviation, in pixels, of the Gaussian that low-passes the input. Of a wave that a first stride of 2 folds
over, at 1/4 cycle a pixel or more, it leaves at most 0.7% of the amplitude."""
FILTER_SIZE = 3
"""Weights along each axis of the binomial filters that the network is rebuilt with."""


@dataclass(frozen=True)
class Condition:
    """A network and an input on which the operations are measured."""

    name: str
    label: str
    definition: str  # one line


AS_IT_IS = Condition("original", "as it is", "The network and the views as they are.")
CONDITIONS = (
    AS_IT_IS,
    Condition(
        "low-pass",
        "low-pass filters",
        f"The network rebuilt with a binomial filter of size {FILTER_SIZE} at each operation that subsamples, with the "
        "same weights (Z).",
    ),
    Condition(
        "blurred",
        "blurred input",
        f"The network as it is, on views convolved with a Gaussian of standard deviation {INPUT_SIGMA:g} pixels.",
    ),
)
"""The conditions, in the order of tables and pages."""
