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
from bias_toolkit.foundation.intervals import FEWEST_IMAGES, NONE, Interval, median_limits, wide
from bias_toolkit.foundation.resampling import percentile_interval, resample_counts, weighted_median

COPIES = (0, 1, 2, 4, 8, 16)
"""Numbers of copies of each training image."""
LEAST_FIT = 0.95
"""The share of the variance of log distance that a power law has to explain before it is extrapolated."""
FARTHEST = 1e6
"""Copies. An interval that ends above this says no number."""

REACH = pa.schema(
    [
        ("copies", pa.int32()),
        *columns(pa.float64(), "distance", "fall", ends=INTERVAL),
        ("n", pa.int64()),
    ]
)
"""One row per number of copies: the median over n test images of the distance to the nearest training image or copy,
and by how much it is less than that without copies, which has no fall."""


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


def median_spacing(
    training: np.ndarray, metric: str, *, resamples: int = 2000, seed: int = 0
) -> tuple[Interval, np.ndarray]:
    """The median distance of training features (m, d) to their nearest others, and values of it (resamples,).

    The distances of neighbours are not independent: two images may be nearest to each other, and one may be nearest to
    many. So images are not drawn with replacement: the interval is that of random halves of the images, of which the
    distances are taken anew. The logarithm of a half's median varies about its mean as that of the whole does about the
    truth (the delete-half jackknife; J. Shao & C. Wu, "A general theory for jackknife variance estimation", Annals of
    Statistics 17, 1989). Without 5 images in a half, or with a median of 0, there is no interval.
    """
    n = len(training)
    distances = _distances(training, training, metric, np.arange(n))
    whole, rng = float(np.median(distances.min(axis=1))), np.random.default_rng(seed)
    halves = (rng.permutation(n)[: n // 2] for _ in range(resamples if n >= 2 * FEWEST_IMAGES else 0))
    medians = np.array([np.median(distances[np.ix_(rows, rows)].min(axis=1)) for rows in halves])
    if not len(medians) or medians.min() <= 0:
        return Interval(whole, *NONE, n), np.full(resamples, whole)
    drawn = whole * medians / math.exp(np.log(medians).mean())
    return Interval(whole, *wide(*percentile_interval(drawn)), n), drawn


def _nearest(vectors: np.ndarray, others: np.ndarray, metric: str, own: np.ndarray) -> np.ndarray:
    return _distances(vectors, others, metric, own).min(axis=1)


def _distances(vectors: np.ndarray, others: np.ndarray, metric: str, own: np.ndarray) -> np.ndarray:
    """All distances, (n, m); infinite from a vector to its `own` row of the others, if that is not −1."""
    from sklearn.metrics import pairwise_distances

    distances, rows = pairwise_distances(vectors, others, metric=metric), np.flatnonzero(own >= 0)
    distances[rows, own[rows]] = np.inf
    return distances


def reach_curve(nearest: np.ndarray, *, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """The table REACH of `nearest_distances`: medians and their falls, with 95% bootstrap intervals over test images.

    The median with copies and that without are of the same resample, so that the fall is that of the same images.
    """
    n = nearest.shape[1]
    medians = np.median(nearest, axis=1)
    drawn = _resampled_medians(nearest, resamples, seed) if n >= FEWEST_IMAGES else None
    rows = []
    for at, copies in enumerate(COPIES):
        limits, fall = NONE, (medians[0] - medians[at] if at else math.nan, *NONE)
        if drawn is not None:
            limits = median_limits(np.sort(nearest[at]), drawn[:, at])
            fall = fall[0], *wide(*percentile_interval(drawn[:, 0] - drawn[:, at]))
        rows.append((copies, medians[at], *limits, *fall, n))
    return pd.DataFrame(rows, columns=REACH.names)


def copies_needed(
    nearest: np.ndarray, target: float, targets: np.ndarray, *, resamples: int = 2000, seed: int = 0
) -> Needed:
    """How many copies bring the median test image to the distance `target`, by a power law of 1 + copies.

    The law log(distance) = c − b log(1 + copies) is fitted to the medians by least squares. It is extrapolated only if
    it explains at least `LEAST_FIT` of their variance. The interval is that of 95% of the bootstrap over test images,
    each with one of the `targets` (resamples,), values of the target; it is given only if it ends below `FARTHEST`.
    `nearest` is the result of `nearest_distances`, the targets that of `median_spacing`.
    """
    medians = np.median(nearest, axis=1)
    if len(nearest[0]) < FEWEST_IMAGES or target <= 0 or medians.min() <= 0:
        return Needed(None, math.nan)
    at = np.log1p(np.array(COPIES, float))
    number, fit = _extrapolated(np.log(medians), at, target)
    drawn = _resampled_medians(nearest, resamples, seed)
    numbers = [_extrapolated(np.log(row), at, aim)[0] for row, aim in zip(drawn, targets, strict=True)]
    low, high = percentile_interval(np.array(numbers))
    if not fit >= LEAST_FIT or not high < FARTHEST or not low < high:
        return Needed(None, fit)
    return Needed(Interval(number, low, high, nearest.shape[1]), fit)


def _resampled_medians(nearest: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """The medians of bootstrap resamples of the images, of each number of copies; (resamples, len(COPIES))."""
    order = np.argsort(nearest, axis=1)
    ascending = np.take_along_axis(nearest, order, axis=1)
    return np.concatenate(
        [
            np.stack([weighted_median(row, counts[:, at]) for row, at in zip(ascending, order, strict=True)], axis=1)
            for counts in resample_counts([nearest.shape[1]], resamples, np.random.default_rng(seed))
        ]
    )


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
