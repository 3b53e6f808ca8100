"""Ranks within strata of any bootstrap resample, without sorting it anew.

A resample repeats rows. Sorted once, the rows stay sorted however often each of them is repeated, so the ranks follow
from cumulative counts.
"""

from __future__ import annotations

import numpy as np


class Ranks:
    """The ranks of one variable within consecutive strata of images.

    Tied values share the mean of their ranks. Ranks are centred on their stratum's mean and divided by its size, so
    that they run from about −½ to ½ in every stratum, and images count the same in large strata and in small ones.

    Parameters
    ----------
    values : (n,) float; ordered by stratum.
    sizes : ndarray of int; sizes of the strata; they add up to n.
    """

    def __init__(self, values: np.ndarray, sizes: np.ndarray):
        stratum = np.repeat(np.arange(len(sizes)), sizes)
        self._order = np.lexsort((values, stratum))
        ordered_values, ordered_strata = values[self._order], stratum[self._order]
        new = np.ones(len(values), dtype=bool)
        new[1:] = (np.diff(ordered_values) != 0) | (np.diff(ordered_strata) != 0)
        self._tie = np.empty(len(values), dtype=np.int64)
        self._tie[self._order] = np.cumsum(new) - 1
        first = np.flatnonzero(new)
        self._last = np.append(first[1:], len(values)) - 1
        tie_stratum = ordered_strata[first]
        self._size = sizes[tie_stratum]
        self._middle = (np.cumsum(sizes) - sizes)[tie_stratum] + (self._size + 1) / 2

    def resampled(self, counts: np.ndarray) -> np.ndarray:
        """The ranks of every image in resamples that hold each image so many times.

        Parameters
        ----------
        counts : (resamples, n); whole numbers; in each stratum they add up to its size.

        Returns
        -------
        (resamples, n) float64; of use where the count is above 0.
        """
        up_to = np.cumsum(counts[:, self._order], axis=1)[:, self._last]
        tied = np.diff(up_to, axis=1, prepend=0)
        return ((up_to - (tied - 1) / 2 - self._middle) / self._size)[:, self._tie]

    def original(self) -> np.ndarray:
        """The ranks of the images themselves; shape (n,)."""
        return self.resampled(np.ones((1, len(self._order))))[0]
