"""A measure against distance, as means in quantile bins.

Source: after A. Azulay & Y. Weiss, JMLR 20(184), 2019, whose networks are invariant only near the training images.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bias_toolkit.analysis.intervals import mean_interval

IMAGES_PER_BIN = 20
COLUMNS = ["bin", "left", "right", "x", "value", "low", "high", "n"]


def quantile_curve(
    distance: ArrayLike, measure: ArrayLike, bins: int = 10, *, resamples: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """The mean of a measure in quantile bins of distance.

    There are as many bins as asked for, or fewer, so that each holds 20 images or more; at least one. Bins end at an
    image's distance and include it; images of equal distance are in one bin, so many ties make fewer and uneven bins.

    Parameters
    ----------
    distance, measure : (images,); images where one of them is NaN are left out.
    bins : largest number of bins.
    resamples, seed : of the bootstrap over the images of each bin.

    Returns
    -------
    One row a bin, from near to far: `bin` (from 0), its edges `left` and `right`, `x` (mean distance), `value` (mean of
    the measure) with its 95% interval `low`, `high`, and `n` images. No row without images.
    """
    distance, measure = np.asarray(distance, np.float64), np.asarray(measure, np.float64)
    complete = ~(np.isnan(distance) | np.isnan(measure))
    distance, measure = distance[complete], measure[complete]
    if not len(distance):
        return pd.DataFrame(columns=COLUMNS)
    bins = max(1, min(bins, len(distance) // IMAGES_PER_BIN))
    # Edges are distances that occur, so that no bin between two different edges is empty.
    edges = np.unique(np.quantile(distance, np.linspace(0, 1, bins + 1), method="lower"))
    inner = edges[1:-1]
    number = np.searchsorted(inner, distance, side="left")
    rows = []
    for i in range(len(inner) + 1):
        inside = number == i
        interval = mean_interval(measure[inside], resamples, seed)
        left, right = edges[i], edges[min(i + 1, len(edges) - 1)]
        rows.append((i, left, right, distance[inside].mean(), *interval))
    return pd.DataFrame(rows, columns=COLUMNS)
