"""How near random copies of the training images come to the test images, and how many would be needed.

The toolkit's own measure of what augmentation can do (see `remedies`): with `a` random copies of each training image, a
test image's nearest neighbour may be a copy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from bias_toolkit.foundation.files import INTERVAL, columns
from bias_toolkit.foundation.intervals import FEWEST_IMAGES, Interval, median_interval
from bias_toolkit.foundation.resampling import percentile_interval, resample_counts, weighted_median

COPIES = (0, 1, 2, 4, 8, 16)
"""Numbers of copies of each training image."""
LEAST_FIT = 0.95
"""The share of the variance of log distance that a power law has to explain before it is extrapolated."""
FARTHEST = 1e6
"""Copies. An interval that ends above this says no number."""

REACH = pa.schema([("copies", pa.int32()), *columns(pa.float64(), "distance", ends=INTERVAL), ("n", pa.int64())])
"""One row per number of copies: the median over n test images of the distance to the nearest training image or copy."""


@dataclass(frozen=True)
class Needed:
    """The number of copies that a power law gives, and the share of the variance of log distance that it explains."""

    copies: Interval | None  # None if the law does not hold, or its interval has no end
    fit: float


def nearest_distances(test: np.ndarray, copies: Sequence[np.ndarray], metric: str, own: np.ndarray) -> np.ndarray:
    """The distance of each test feature to the nearest training feature or copy, for each number in `COPIES`.

    Returns (len(COPIES), n) float64. `test` is (n, d). `copies` are arrays (m, d): the training features, then each
    further copy of all of them. `own` (n,) is the row of them that is the same image, or −1: neither it nor its copies
    count.
    """
    nearest = np.stack([_nearest(test, some, metric, own) for some in copies])
    return np.minimum.accumulate(nearest, axis=0)[list(COPIES)]


def spacing(training: np.ndarray, metric: str) -> np.ndarray:
    """The distance of each training feature (m, d) to its nearest other; (m,)."""
    return _nearest(training, training, metric, np.arange(len(training)))


def _nearest(vectors: np.ndarray, others: np.ndarray, metric: str, own: np.ndarray) -> np.ndarray:
    from sklearn.metrics import pairwise_distances

    distances, rows = pairwise_distances(vectors, others, metric=metric), np.flatnonzero(own >= 0)
    distances[rows, own[rows]] = np.inf
    return distances.min(axis=1)


def reach_curve(nearest: np.ndarray, *, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """The table REACH of `nearest_distances`: medians over test images with their 95% intervals."""
    rows = []
    for copies, distances in zip(COPIES, nearest, strict=True):
        median = median_interval(distances, resamples, seed)
        rows.append((copies, median.value, median.low, median.high, median.n))
    return pd.DataFrame(rows, columns=REACH.names)


def copies_needed(nearest: np.ndarray, target: float, *, resamples: int = 2000, seed: int = 0) -> Needed:
    """How many copies bring the median test image to the distance `target`, by a power law of 1 + copies.

    The law log(distance) = c − b log(1 + copies) is fitted to the medians by least squares. It is extrapolated only if
    it explains at least `LEAST_FIT` of their variance. The interval is that of 95% of the bootstrap over test images,
    given only if it ends below `FARTHEST`. `nearest` is the result of `nearest_distances`.
    """
    medians = np.median(nearest, axis=1)
    if len(nearest[0]) < FEWEST_IMAGES or target <= 0 or medians.min() <= 0:
        return Needed(None, math.nan)
    at = np.log1p(np.array(COPIES, float))
    number, fit = _extrapolated(np.log(medians), at, target)
    order = np.argsort(nearest, axis=1)
    ascending = np.take_along_axis(nearest, order, axis=1)
    drawn = []
    for counts in resample_counts([nearest.shape[1]], resamples, np.random.default_rng(seed)):
        of_copies = [weighted_median(row, counts[:, places]) for row, places in zip(ascending, order, strict=True)]
        drawn += [_extrapolated(np.log(each), at, target)[0] for each in np.stack(of_copies, axis=1)]
    low, high = percentile_interval(np.array(drawn))
    if not fit >= LEAST_FIT or not high < FARTHEST or not low < high:
        return Needed(None, fit)
    return Needed(Interval(number, low, high, nearest.shape[1]), fit)


def _extrapolated(log_distance: np.ndarray, at: np.ndarray, target: float) -> tuple[float, float]:
    """The number of copies at which the fitted line reaches the target, at most `FARTHEST`; and its fit."""
    slope, start = np.polyfit(at, log_distance, 1)
    residual = ((log_distance - start - slope * at) ** 2).sum()
    total = ((log_distance - log_distance.mean()) ** 2).sum()
    fit = float(1 - residual / total) if total > 0 else math.nan
    if slope >= 0:
        return FARTHEST, fit
    exponent = min((math.log(target) - start) / slope, math.log(FARTHEST))
    return min(max(math.expm1(exponent), 0.0), FARTHEST), fit
