"""Means and medians over images, with bootstrap intervals that resample images."""

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


class Interval(NamedTuple):
    """An estimate with its interval, and the number of images used."""

    value: float
    low: float
    high: float
    n: int


def mean_interval(values: ArrayLike, resamples: int = 2000, seed: int = 0, confidence: float = CONFIDENCE) -> Interval:
    """The mean over images, with its percentile bootstrap interval.

    The value is NaN without images, and the interval is (NaN, NaN) for fewer than two. If all images have the same
    value, both ends of the interval equal it.

    `values` (images,) has one number per image; NaN and null are left out, and `n` counts the rest.
    """
    values = np.asarray(values, dtype=np.float64)
    values = values[~np.isnan(values)]
    n = len(values)
    if n < 2:
        return Interval(float(values[0]) if n else np.nan, np.nan, np.nan, n)
    # Resampling deviations keeps the mean of equal values exactly equal.
    middle = values.mean() if values.min() < values.max() else values[0]
    deviations = values - middle
    means = means_of_resamples(deviations, resamples, np.random.default_rng(seed))
    return Interval(float(middle), *percentile_interval(middle + means, confidence), n)


def median_interval(
    values: ArrayLike, resamples: int = 2000, seed: int = 0, confidence: float = CONFIDENCE
) -> Interval:
    """The median over images, with its percentile bootstrap interval; see `mean_interval`."""
    values = np.asarray(values, dtype=np.float64)
    values = np.sort(values[~np.isnan(values)])
    n = len(values)
    if n < 2:
        return Interval(float(values[0]) if n else np.nan, np.nan, np.nan, n)
    rng = np.random.default_rng(seed)
    medians = np.concatenate([weighted_median(values, counts) for counts in resample_counts([n], resamples, rng)])
    return Interval(float(np.median(values)), *percentile_interval(medians, confidence), n)
