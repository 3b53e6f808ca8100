"""Whether stability depends on the size at which the image is shown, over the size curve."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bias_toolkit.analysis import Interval, two_lines
from bias_toolkit.foundation.words import count, interval, number, percent
from bias_toolkit.report.topics.invariance.sizes import SIZES, compare_sizes, values_by_size
from bias_toolkit.report.words.finding import TOO_FEW_IMAGES, Finding, Heading, Kind
from bias_toolkit.report.words.sweeps import image_size


def size_curve_finding(measures: pd.DataFrame, seed: int = 0) -> Finding | None:
    """Whether P(top-1 change) falls to a size in between and rises again, over the size curve's own measures.

    A line is fitted to each side of the lowest size (`two_lines`); where neither side is told from a flat one, sizes
    are compared as in `size_finding`.

    `measures`: table MEASURES of the size curve. `seed`: of the bootstrap.
    """
    values = values_by_size(measures)
    if values is None or len(values) < TOO_FEW_IMAGES:
        return compare_sizes(values, Heading.CAUSE, seed)
    shown = np.array([image_size(*sweep) for sweep in values.columns])
    lines = two_lines(values.to_numpy(), np.log2(shown), seed=seed)
    smaller, larger = lines.below.high < 0, lines.above.low > 0
    if not (smaller or larger):
        return compare_sizes(values, Heading.CAUSE, seed)
    means = values.mean().to_numpy()

    def told(i: int) -> str:
        protocol, size = values.columns[i]
        return f"{percent(means[i])} at {protocol} size {size:g}"

    def side(slope: Interval, end: int, words: str) -> str:
        # Shown half as large, the image is one unit of log2 further down.
        rise, ends = 100 * abs(slope.value), sorted((100 * abs(slope.low), 100 * abs(slope.high)))
        if np.sign(slope.low) != np.sign(slope.high) or not np.isfinite(slope.value):
            return f"{words} no rise was found ({told(end)})"
        limits = interval(*ends, lambda value: number(value, 1))
        return (
            f"{words} it rises by {number(rise, 1)} percentage points ({limits}) with each factor of 2, to {told(end)}"
        )

    sides = "; ".join(
        (
            side(lines.below, int(shown.argmin()), "shown smaller,"),
            side(lines.above, int(shown.argmax()), "shown larger,"),
        )
    )
    if smaller and larger:
        claim = f"P(top-1 change) is U-shaped over {SIZES}."
    else:
        claim = f"The model is less stable when the image is shown {'smaller' if smaller else 'larger'}."
    evidence = (
        f"It is lowest, {told(lines.lowest)}, {count(len(values), 'image')}; {sides}. The two lines’ intervals have "
        "95% confidence together, and allow for the choice of the lowest size."
    )
    return Finding(Heading.CAUSE, Kind.EFFECT, claim, evidence)
