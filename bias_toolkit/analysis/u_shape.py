"""Whether a curve over the same images falls to a minimum and rises again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bias_toolkit.analysis.intervals import Interval
from bias_toolkit.foundation.resampling import CONFIDENCE, percentile_interval, resample_counts

FEWEST_POINTS = 3


@dataclass(frozen=True)
class TwoLines:
    """The slopes of a curve's mean on both sides of its lowest point.

    Attributes
    ----------
    lowest : number of the place at which the mean is lowest.
    below, above : slope of the least-squares line through the means at and below the lowest place, and at and above it,
        per unit of x; NaN where that are fewer than three places.
    """

    lowest: int
    below: Interval
    above: Interval

    @property
    def is_u_shaped(self) -> bool:
        """Whether the curve falls before its lowest place and rises after it, by more than chance."""
        return bool(self.below.high < 0 < self.above.low)


def two_lines(values: np.ndarray, x: np.ndarray, *, resamples: int = 2000, seed: int = 0) -> TwoLines:
    """Fit a line to each side of a curve's lowest place.

    The lowest place is sought again in each resample, so the intervals allow for its choice; a side that has fewer than
    three places there counts as flat. Each of the two intervals has 97.5% confidence, both together 95%.

    Source: U. Simonsohn, "Two lines: a valid alternative to the invalid testing of U-shaped relationships with
    quadratic regressions", Adv. Methods Pract. Psychol. Sci. 1 (2018).

    Parameters
    ----------
    values : (images, places) float; the same images at every place.
    x : (places,) float
    resamples, seed : of the bootstrap over images.
    """
    order = np.argsort(x, kind="stable")
    values, x = np.asarray(values, dtype=float)[:, order], np.asarray(x, dtype=float)[order]
    estimate, at = _slopes(values.mean(axis=0), x)
    drawn = np.array(
        [
            _slopes(mean, x)[0]
            for counts in resample_counts([len(values)], resamples, np.random.default_rng(seed))
            for mean in counts @ values / len(values)
        ]
    )
    drawn = np.where(np.isnan(drawn), 0.0, drawn)
    sides = []
    for side, slope in enumerate(estimate):
        low, high = percentile_interval(drawn[:, side], (1 + CONFIDENCE) / 2)
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
