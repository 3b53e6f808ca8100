"""Tests of many classes, variables, factors or correlations at once: control the share of false discoveries.

Sources: Y. Benjamini & Y. Hochberg, "Controlling the false discovery rate", J. R. Stat. Soc. B 57(1), 1995; Y.
Benjamini & D. Yekutieli, "False discovery rate–adjusted multiple confidence intervals for selected parameters", J. Am.
Stat. Assoc. 100(469), 2005 (the intervals; the direction of a discovery may be stated at the same rate).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from bias_toolkit.foundation.intervals import UNLIMITED, Interval, Limits
from bias_toolkit.foundation.resampling import CONFIDENCE

if TYPE_CHECKING:
    import pandas as pd

FALSE_DISCOVERY_RATE = 0.05


def family_intervals(
    value: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    nothing: ArrayLike = 0.0,
    images: ArrayLike = np.inf,
    limits: Limits = UNLIMITED,
) -> tuple[np.ndarray, np.ndarray]:
    """The intervals of a family of estimates, adjusted for their number: an effect is found where its interval says so.

    An estimate is found if its interval does not include `nothing`. The rule makes this the same thing as a test with a
    false discovery rate of at most q = 5% over the family's m estimates:

    1. The p-value of an estimate is that of its own interval: 1 minus the confidence at which the interval just reaches
       `nothing`. An interval is widened by moving each of its ends away from the estimate in proportion to Student's t.
    2. R is the number of discoveries of Benjamini & Hochberg's procedure: the largest k for which k of the p-values are
       below k q / m.
    3. All intervals of the family are shown at the confidence 1 − R q / m, or 1 − q / m if R = 0.

    Of the R estimates found, the expected share of intervals that do not hold the truth is at most q (Benjamini &
    Yekutieli). Exactly those R intervals leave out `nothing`, since Benjamini & Hochberg's p-values are those below
    R q / m. The other intervals are at least as wide as 95% ones. A family of one, or one in which all are found, keeps
    its intervals.

    Parameters
    ----------
    value, low, high : (m,); estimates with their own 95% intervals. An estimate whose interval is NaN is not counted.
    nothing : (m,) or one number; the value that means no effect.
    images : (m,) or one number; over how many images each is. They give Student's degrees of freedom, images − 1.
    limits : the lowest and the highest possible value, at which the intervals end.

    Returns the ends of the adjusted intervals, both (m,) float64.
    """
    from scipy.stats import t

    value, low, high, nothing, images = np.broadcast_arrays(
        *(np.asarray(each, np.float64) for each in (value, low, high, nothing, images))
    )
    counted = ~(np.isnan(value) | np.isnan(low) | np.isnan(high))
    m = int(counted.sum())
    if not m:
        return low.copy(), high.copy()
    freedom = np.maximum(images - 1, 1.0)
    usual = t.ppf((1 + CONFIDENCE) / 2, freedom)
    below, above = np.maximum(value - low, 0.0), np.maximum(high - value, 0.0)
    towards, distance = np.where(value > nothing, below, above), np.abs(value - nothing)
    times = np.divide(distance, towards, out=np.full(value.shape, np.inf), where=towards > 0)
    p_values = np.sort(2 * t.sf(np.where(distance > 0, times, 0.0) * usual, freedom)[counted])
    places = np.arange(1, m + 1)
    discoveries = places[p_values < places * FALSE_DISCOVERY_RATE / m]
    n_found = int(discoveries.max(initial=1))
    factor = t.ppf(1 - n_found * FALSE_DISCOVERY_RATE / m / 2, freedom) / usual if n_found < m else np.ones(value.shape)
    same = factor == 1
    ends = np.where(same, low, value - below * factor), np.where(same, high, value + above * factor)
    return tuple(np.clip(end, *limits) for end in ends)


def compared_with_all(
    value: ArrayLike, low: ArrayLike, high: ArrayLike, images: ArrayLike, whole: Interval, limits: Limits = UNLIMITED
) -> tuple[np.ndarray, np.ndarray]:
    """The intervals of the parts of a whole, as a family, for comparing each part with the mean of all.

    A part differs from the rest if its interval does not include `whole.value`. So the interval allows for the errors
    of both: value − whole = (1 − s)(value − rest), where s is the part's share of the images. The errors of the part
    and of the rest are joined as in `difference_limits`, and then adjusted as in `family_intervals`.

    Parameters
    ----------
    value, low, high, images : (m,); each part's mean with its own 95% interval, and its number of images.
    whole : the mean over all images. The rest has its relative error, enlarged as it has fewer images.

    Returns the ends of the intervals, both (m,) float64.
    """
    value, low, high, images = (np.asarray(each, np.float64) for each in (value, low, high, images))
    rest = np.clip(1 - images / whole.n, 1e-9, 1.0)
    below = rest * np.hypot(value - low, (whole.high - whole.value) / np.sqrt(rest))
    above = rest * np.hypot(high - value, (whole.value - whole.low) / np.sqrt(rest))
    return family_intervals(value, value - below, value + above, whole.value, images, limits)


def with_family_intervals(
    rows: pd.DataFrame,
    value: str,
    *,
    low: str | None = None,
    high: str | None = None,
    nothing: float = 0.0,
    images: str | None = None,
    limits: Limits = UNLIMITED,
) -> pd.DataFrame:
    """A table of which the rows are a family: the ends of the intervals of one column become `family_intervals`.

    `low` and `high` are the columns of the ends, by default `<value>_low` and `<value>_high`; `images` is the column of
    the number of images, by default unknown and large.
    """
    low, high = low or f"{value}_low", high or f"{value}_high"
    n = rows[images].to_numpy(np.float64) if images else np.inf
    ends = family_intervals(*(rows[name].to_numpy(np.float64) for name in (value, low, high)), nothing, n, limits)
    return rows.assign(**{low: ends[0], high: ends[1]})


def q_values(p_values: ArrayLike) -> np.ndarray:
    """Benjamini–Hochberg adjusted p-values: rejecting all tests with q ≤ r has a false discovery rate of at most r.

    Returns (tests,) float64: NaN where the p-value is NaN. A p-value from N random placements is at least 1 / (N + 1).
    So if few tests are rejected, q is at least tests / rejected / (N + 1).

    `p_values` (tests,) are NaN for a test that could not be made. Such a test is not counted.
    """
    from scipy.stats import false_discovery_control

    p_values = np.asarray(p_values, np.float64)
    result = np.full(p_values.shape, np.nan)
    made = ~np.isnan(p_values)
    if made.any():
        result[made] = false_discovery_control(p_values[made], method="bh")
    return result
