"""A measure against distance, as means in quantile bins; and a test for a U-shaped curve.

Source: after A. Azulay & Y. Weiss, JMLR 20(184), 2019, whose networks are invariant only near the training images.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bias_toolkit.analysis.bin_contrasts import BinContrast, bin_contrasts
from bias_toolkit.foundation.intervals import UNLIMITED, Interval, Limits, mean_interval, wide
from bias_toolkit.foundation.resampling import CONFIDENCE, means_of_resamples, percentile_interval

IMAGES_PER_BIN = 20
FEWEST_POINTS = 3
COLUMNS = ["bin", "left", "right", "x", "value", "low", "high", "n"]


def quantile_curve(
    distance: ArrayLike,
    measure: ArrayLike,
    bins: int = 10,
    *,
    resamples: int = 2000,
    seed: int = 0,
    limits: Limits = UNLIMITED,
) -> pd.DataFrame:
    """The mean of a measure in quantile bins of distance.

    There are `bins` bins, or fewer so that each holds at least 20 images; at least one. A bin includes its right edge,
    which is the distance of an image. Images of equal distance share a bin, so ties make bins fewer and uneven. Returns
    one row per bin, from near to far: `bin` (from 0), its edges `left` and `right`, `x` (mean distance), `value` (mean
    of the measure) with its 95% interval `low`, `high`, and `n` images; no row without images.

    Images where `distance` or `measure` (images,) is NaN are left out. The intervals are those of
    `mean_interval` over the images of each bin; `limits` are the lowest and the highest value of `measure`.
    """
    rows = []
    for i, (left, right, x, y) in enumerate(_quantile_bins(distance, measure, bins)):
        rows.append((i, left, right, x.mean(), *mean_interval(y, resamples, seed, limits=limits)))
    return pd.DataFrame(rows, columns=COLUMNS)


def curve_contrasts(
    distance: ArrayLike, measure: ArrayLike, bins: int = 10, limits: tuple[float, float] = (0.0, 1.0)
) -> list[BinContrast]:
    """The differences between all bins of `quantile_curve`, with intervals that hold together; see `bin_contrasts`."""
    return bin_contrasts([y for _, _, _, y in _quantile_bins(distance, measure, bins)], limits=limits)


def _quantile_bins(
    distance: ArrayLike, measure: ArrayLike, bins: int
) -> Iterator[tuple[float, float, np.ndarray, np.ndarray]]:
    """The left and right edge of each bin, and the distances and the measure of its images."""
    distance, measure = np.asarray(distance, np.float64), np.asarray(measure, np.float64)
    complete = ~(np.isnan(distance) | np.isnan(measure))
    distance, measure = distance[complete], measure[complete]
    if not len(distance):
        return
    bins = max(1, min(bins, len(distance) // IMAGES_PER_BIN))
    # Edges are observed distances, so that no bin between two different edges is empty.
    edges = np.unique(np.quantile(distance, np.linspace(0, 1, bins + 1), method="lower"))
    inner = edges[1:-1]
    number = np.searchsorted(inner, distance, side="left")
    for i in range(len(inner) + 1):
        inside = number == i
        yield edges[i], edges[min(i + 1, len(edges) - 1)], distance[inside], measure[inside]


@dataclass(frozen=True)
class TwoLines:
    """The slopes of a curve's mean on both sides of its lowest point, per unit of x.

    `lowest` is the index of the lowest mean. `below` and `above` are the slopes of the least-squares lines through the
    means up to and from that point, which both include. They are NaN where there are fewer than three points.
    """

    lowest: int
    below: Interval
    above: Interval


def two_lines(values: np.ndarray, x: np.ndarray, *, resamples: int = 2000, seed: int = 0) -> TwoLines:
    """Fit a line to each side of a curve's lowest point.

    The lowest point is found again in each resample, so the intervals include the uncertainty of its choice. A side
    with fewer than three points counts as flat. There is no interval if all resamples have the same slope. Each
    interval has 97.5% confidence, both together 95%.
    Source: U. Simonsohn, "Two lines: a valid alternative to the invalid testing of U-shaped relationships with
    quadratic regressions", Adv. Methods Pract. Psychol. Sci. 1 (2018).

    `values` (images, points) are of the same images at every point; `x` is (points,).
    """
    order = np.argsort(x, kind="stable")
    values, x = np.asarray(values, dtype=float)[:, order], np.asarray(x, dtype=float)[order]
    estimate, at = _slopes(values.mean(axis=0), x)
    means = means_of_resamples(values, resamples, np.random.default_rng(seed))
    drawn = np.array([_slopes(mean, x)[0] for mean in means])
    drawn = np.where(np.isnan(drawn), 0.0, drawn)
    sides = []
    for side, slope in enumerate(estimate):
        low, high = wide(*percentile_interval(drawn[:, side], (1 + CONFIDENCE) / 2))
        defined = (slope, low, high) if np.isfinite(slope) else (np.nan, np.nan, np.nan)
        sides.append(Interval(*defined, len(values)))
    return TwoLines(int(order[at]), *sides)


def _slopes(means: np.ndarray, x: np.ndarray) -> tuple[tuple[float, float], int]:
    lowest = int(means.argmin())
    parts = (x <= x[lowest], x >= x[lowest])
    return tuple(_slope(means[part], x[part]) for part in parts), lowest


def _slope(means: np.ndarray, x: np.ndarray) -> float:
    if len(np.unique(x)) < FEWEST_POINTS:
        return np.nan
    away = x - x.mean()
    return float(away @ means / (away @ away))
