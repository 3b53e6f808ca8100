"""Intervals of means, medians and shares over images, which hold for any number of images.

A bootstrap shows only what is in the sample. If no image changes, no resample does, and its interval has zero width. So
the rule is, for a mean of values in a known range:

- fewer than `FEWEST_IMAGES` images: no interval;
- fewer than `FEW_DIFFER` images whose value is not the most frequent one: `bounded_limits`, which holds at any n;
- otherwise percentiles of bootstrap means; of fewer than `FEW_IMAGES` images at `expanded_confidence`.

The two numbers are from simulations (benchmarks/coverage_rare.py, with its table in benchmarks/COVERAGE.md). With them,
the interval holds the mean of shares of steps or images in at least 93 of 100 draws, from rare events to common ones
and for 20 to 200 images; at rare events in 98 or more. For skewed values without ties it holds it in 91 of 100 draws of
20 images, and in 92 of 50.

Sources: W. Hoeffding, "Probability inequalities for sums of bounded random variables", J. Am. Stat. Assoc. 58, 1963,
theorem 1 (the bound); C. Clopper & E. Pearson, Biometrika 26, 1934; T. Hesterberg, "What teachers should know about the
bootstrap", The American Statistician 69(4), 2015, section 5.3 (expanded percentiles); G. Zou & A. Donner, "Construction
of confidence limits about effect measures", Statistics in Medicine 27, 2008 (intervals of differences).
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from bias_toolkit.foundation.resampling import (
    CONFIDENCE,
    means_of_resamples,
    percentile_interval,
    resample_counts,
    weighted_median,
)

FEWEST_IMAGES = 5
FEW_DIFFER = 10
FEW_IMAGES = 50

Limits = tuple[float, float]
"""The lowest and the highest value that a quantity can have."""
SHARE: Limits = (0.0, 1.0)
DIFFERENCE: Limits = (-1.0, 1.0)
UNLIMITED: Limits = (-math.inf, math.inf)
NONE: Limits = (math.nan, math.nan)


class Interval(NamedTuple):
    """An estimate with its interval, and the number of images used."""

    value: float
    low: float
    high: float
    n: int


def mean_interval(
    values: ArrayLike,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = CONFIDENCE,
    limits: Limits = UNLIMITED,
) -> Interval:
    """The mean over images with its interval, by the rule of this module.

    The value is NaN without images; the interval is (NaN, NaN) if there is none. It never has zero width, and never
    leaves `limits`.

    `values` (images,) has one number per image; NaN and null are left out, and `n` counts the rest. `limits` are those
    of the values; without them, values that are all equal have no interval.

    Examples
    --------
    >>> mean = mean_interval([0.0, 0.5, 0.25, 0.25] * 20)
    >>> mean.value, mean.n, mean.low < 0.25 < mean.high
    (0.25, 80, True)
    """
    values = np.asarray(values, dtype=np.float64)
    values = values[~np.isnan(values)]
    n = len(values)
    if n < FEWEST_IMAGES:
        return Interval(float(values.mean()) if n else math.nan, *NONE, n)
    # Resampling deviations keeps the mean of equal values exactly equal.
    middle = values.mean() if values.min() < values.max() else values[0]
    means = middle + means_of_resamples(values - middle, resamples, seed)
    return Interval(float(middle), *mean_limits(values, means, limits, confidence), n)


def mean_limits(
    values: np.ndarray, means: np.ndarray, limits: Limits = UNLIMITED, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """The interval of a mean of `values` (images,), given their bootstrap `means` (resamples,); see `mean_interval`."""
    n = len(values)
    if n < FEWEST_IMAGES:
        return NONE
    few = few_differ(values)
    if few and np.isfinite(limits).all():
        return bounded_limits(values, limits, confidence)
    lowest, highest = float(values.min()), float(values.max())
    if lowest == highest:
        return NONE
    low, high = percentile_interval(means, expanded_confidence(n, confidence) if few or n < FEW_IMAGES else confidence)
    return wide(max(low, lowest), min(high, highest))


def few_differ(values: np.ndarray) -> bool:
    """Whether fewer than `FEW_DIFFER` of the values (images,) are not the most frequent one."""
    _, counts = np.unique(values, return_counts=True)
    return len(values) - int(counts.max(initial=0)) < FEW_DIFFER


def wide(low: float, high: float) -> tuple[float, float]:
    """The interval, or (NaN, NaN) if its width is zero but for the rounding of float32, in which values are stored."""
    return (low, high) if high - low > 1e-6 * max(abs(low), abs(high), 1e-12) else NONE


def bounded_limits(values: np.ndarray, limits: Limits, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The interval of a mean of independent values (images,) in `limits`, which holds at any n.

    If each value is one of the two limits, it is Clopper & Pearson's interval of a share. Otherwise it is `mean_bound`.
    """
    lowest, highest = limits
    if not np.isin(values, limits).all():
        return mean_bound(float(values.mean()), len(values), limits, confidence)
    low, high = clopper_pearson(int((values == highest).sum()), len(values), confidence)
    return lowest + low * (highest - lowest), lowest + high * (highest - lowest)


def clopper_pearson(count: int, total: int, level: float = CONFIDENCE) -> tuple[float, float]:
    """The exact interval of a proportion, from quantiles of the beta distribution."""
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = float(betaincinv(count, total - count + 1, tail)) if count > 0 else 0.0
    high = float(betaincinv(count + 1, total - count, 1 - tail)) if count < total else 1.0
    return low, high


def mean_bound(mean: float, n: float, limits: Limits = SHARE, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The interval of the mean of n independent values in `limits`, of which only their mean is known.

    It contains each m with n kl(mean, m) ≤ ln(2 / (1 − confidence)), where kl is the Kullback–Leibler divergence of two
    shares, and the limits are 0 and 1 (Hoeffding's first bound, for each side). For a mean at a limit it is Clopper &
    Pearson's interval.
    """
    lowest, width = limits[0], limits[1] - limits[0]
    most = math.log(2 / (1 - confidence)) / n
    share = min(max((mean - lowest) / width, 0.0), 1.0)
    return lowest + width * _lowest_mean(share, most), lowest + width * (1 - _lowest_mean(1 - share, most))


def _lowest_mean(mean: float, most: float) -> float:
    """The lowest m with kl(mean, m) ≤ most; 0 if the lowest is too small to tell from 0."""
    from scipy.optimize import brentq
    from scipy.special import rel_entr

    def excess(m: float) -> float:
        return float(rel_entr(mean, m) + rel_entr(1 - mean, 1 - m)) - most

    start = 1e-15 * mean
    return 0.0 if mean == 0 or excess(start) <= 0 else float(brentq(excess, start, mean, xtol=1e-15))


def difference_limits(first: Interval, second: Interval) -> tuple[float, float]:
    """The interval of the difference first − second of two independent estimates, from their own (Zou & Donner)."""
    difference = first.value - second.value
    low = difference - math.hypot(first.value - first.low, second.high - second.value)
    return low, difference + math.hypot(first.high - first.value, second.value - second.low)


def paired_difference(differences: np.ndarray, resamples: int = 2000, seed: int = 0) -> Interval:
    """The mean of differences (images,) in [−1, 1] with its interval; `mean_interval` where many images differ.

    Where few do, the mean of the rises and that of the falls, both in [0, 1], each have an interval of 97.5% confidence
    that holds at any n (`bounded_limits`). Both together hold the difference with 95%.
    """
    paired = mean_interval(differences, resamples, seed, limits=DIFFERENCE)
    if paired.n < FEWEST_IMAGES or not few_differ(differences):
        return paired
    each = (1 + CONFIDENCE) / 2
    rises, falls = (bounded_limits(part.clip(min=0), SHARE, each) for part in (differences, -differences))
    return Interval(paired.value, rises[0] - falls[1], rises[1] - falls[0], paired.n)


def median_interval(
    values: ArrayLike, resamples: int = 2000, seed: int = 0, confidence: float = CONFIDENCE
) -> Interval:
    """The median over images, with its percentile bootstrap interval; see `mean_interval` and `median_limits`."""
    values = np.asarray(values, dtype=np.float64)
    values = np.sort(values[~np.isnan(values)])
    n = len(values)
    if n < FEWEST_IMAGES:
        return Interval(float(np.median(values)) if n else math.nan, *NONE, n)
    rng = np.random.default_rng(seed)
    medians = np.concatenate([weighted_median(values, counts) for counts in resample_counts([n], resamples, rng)])
    return Interval(float(np.median(values)), *median_limits(values, medians, confidence), n)


def median_limits(ascending: np.ndarray, medians: np.ndarray, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The percentile interval of a median of `ascending` values, given the `medians` of resamples.

    If so many values are equal that all resamples have the same median, the ends are the next lower and the next higher
    value. (NaN, NaN) if there is no other value.
    """
    low, high = percentile_interval(medians, confidence)
    if not math.isnan(wide(low, high)[0]):
        return low, high
    below, above = np.searchsorted(ascending, low, "left"), np.searchsorted(ascending, high, "right")
    return wide(float(ascending[max(below - 1, 0)]), float(ascending[min(above, len(ascending) - 1)]))


def expanded_confidence(n_images: int, confidence: float = CONFIDENCE) -> float:
    """The confidence level at which `percentile_interval` has the intended coverage for few images.

    A percentile interval of a mean is too narrow for two reasons: it uses the normal distribution instead of Student's,
    and the variance with the divisor n. Its ends are moved outwards to the levels Φ(√(n / (n − 1)) · t_{α/2, n − 1})
    (Hesterberg). The level is above `confidence` and tends to it as n grows.

    `n_images` is the number of resampled images, at least 2; for two sets, the smaller number.
    """
    from scipy.stats import norm, t

    tail = norm.cdf(math.sqrt(n_images / (n_images - 1)) * t.ppf((1 - confidence) / 2, n_images - 1))
    return float(1 - 2 * tail)


def share_interval(share: float, error: float, n_images: int) -> tuple[float, float]:
    """The 95% interval of a share of objects, where the objects of one image are not independent.

    It is Wilson's interval for the number of independent objects that would give this standard error (the effective
    number). Percentiles of resamples would be too narrow where few objects determine the share.
    Sources: E. Wilson, "Probable inference, the law of succession, and statistical inference", J. Am. Stat. Assoc. 22,
    1927; E. Korn & B. Graubard, "Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data", Survey Methodology 24(2), 1998 (the effective number).

    `share` is in [0, 1], and `error` is its standard error over images. Where the share is 0 or 1, `error` is not used:
    the effective number is `n_images`, at least 2.
    """
    from scipy.stats import t

    n = share * (1 - share) / error**2 if error > 0 and 0 < share < 1 else n_images
    z = t.ppf((1 + CONFIDENCE) / 2, n_images - 1)
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(middle - half, 0.0), min(middle + half, 1.0)
