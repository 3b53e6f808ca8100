"""A measure against distance, as means in quantile bins; and a test for a U-shaped curve.

Source: after A. Azulay & Y. Weiss, JMLR 20(184), 2019, whose networks are invariant only near the training images.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bias_toolkit.analysis.bin_contrasts import BinContrast, bin_contrasts
from bias_toolkit.foundation.intervals import NONE, UNLIMITED, Interval, Limits, few_differ, mean_interval, wide
from bias_toolkit.foundation.resampling import CONFIDENCE, means_of_resamples

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

    Examples
    --------
    >>> distance = np.arange(80)
    >>> curve = quantile_curve(distance, distance / 80, bins=4)
    >>> curve[["x", "n"]]
          x   n
    0   9.5  20
    1  29.5  20
    2  49.5  20
    3  69.5  20
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


def end_contrast(
    distance: ArrayLike, measure: ArrayLike, bins: int = 10, limits: tuple[float, float] = (0.0, 1.0)
) -> BinContrast | None:
    """The mean in the last bin of `quantile_curve` minus that in the first; None where two bins have too few images."""
    groups = [y for _, _, _, y in _quantile_bins(distance, measure, bins)]
    contrasts = bin_contrasts([groups[0], groups[-1]], limits=limits) if len(groups) > 1 else []
    return contrasts[0] if contrasts else None


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

    The lowest point is chosen after looking at the curve. So the intervals hold at once, with 95% confidence, for both
    sides of every point that could be the lowest: an interval is the slope ± c standard errors, and c is the 95%
    quantile, over bootstrap resamples of the images, of the largest deviation among all these slopes, each in its own
    standard errors. A side with fewer than three points counts as flat. There is no interval where too few images
    differ in their slopes for a bootstrap.
    Sources: U. Simonsohn, "Two lines: a valid alternative to the invalid testing of U-shaped relationships with
    quadratic regressions", Adv. Methods Pract. Psychol. Sci. 1 (2018), whose break is chosen from the data without
    paying for it; P. Westfall & S. Young, Resampling-Based Multiple Testing, 1993 (the largest deviation).

    `values` (images, points) are of the same images at every point; `x` is (points,).
    """
    order = np.argsort(x, kind="stable")
    values, x = np.asarray(values, dtype=float)[:, order], np.asarray(x, dtype=float)[order]
    lowest = int(values.mean(axis=0).argmin())
    sides = {at: (x <= x[at], x >= x[at]) for at in range(len(x))}
    weights = {(at, side): _slope_weights(x, part) for at, parts in sides.items() for side, part in enumerate(parts)}
    weights = {key: each for key, each in weights.items() if each is not None}
    nothing = Interval(np.nan, np.nan, np.nan, len(values))
    if not weights:
        return TwoLines(int(order[lowest]), nothing, nothing)
    slopes = values @ np.column_stack(list(weights.values()))
    errors = slopes.std(axis=0, ddof=1) / np.sqrt(len(values))
    varied = errors > 0
    deviations = (slopes - slopes.mean(axis=0))[:, varied] / errors[varied]
    margin = np.nan
    if varied.any():
        drawn = means_of_resamples(deviations, resamples, np.random.default_rng(seed))
        margin = np.quantile(np.abs(drawn).max(axis=1), CONFIDENCE)
    intervals = []
    for side in (0, 1):
        if (lowest, side) not in weights:
            intervals.append(nothing)
            continue
        column = list(weights).index((lowest, side))
        slope, half = float(slopes[:, column].mean()), margin * errors[column]
        few = few_differ(slopes[:, column])
        intervals.append(Interval(slope, *(NONE if few else wide(slope - half, slope + half)), len(values)))
    return TwoLines(int(order[lowest]), *intervals)


def _slope_weights(x: np.ndarray, part: np.ndarray) -> np.ndarray | None:
    """The weight of each point in the slope of the line through a part of them; None for fewer than three places."""
    if len(np.unique(x[part])) < FEWEST_POINTS:
        return None
    away = np.where(part, x - x[part].mean(), 0.0)
    return away / (away @ away)
