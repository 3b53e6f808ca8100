"""How far apart two datasets' distributions of one variable are, and how far apart chance alone would put them.

The Wasserstein distance is the mean distance by which one distribution has to be moved to become the other, in the
variable's unit. It equals the area between the two cumulative distributions.

The distance is never below 0, so it is too high where the distributions are similar. The plain bootstrap also fails
there, because it treats chance differences as real. The bootstrap is therefore centred on a difference of distributions
that keeps only what exceeds chance.
Source: Z. Fang & A. Santos, "Inference on directionally differentiable functions", Rev. Econ. Stud. 86(1), 2019 (the
bootstrap where a function such as abs() has a corner, section 3.3, and the threshold of κ standard errors).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bias_toolkit.foundation.resampling import percentile_interval

THRESHOLD = 3.0
"""Number of standard errors (κ) from which a difference of two cumulative distributions is treated as real."""


@dataclass(frozen=True)
class WassersteinDistance:
    """One variable's distance, in its unit.

    `low` and `high` are the 95% interval of the distance between the populations. The interval is conservative where
    they are similar: for 60 images per dataset it held the true distance in 94 to 99 of 100.
    """

    distance: float  # between the two samples (SciPy's `wasserstein_distance`): too high by up to `by_chance`
    low: float
    high: float
    by_chance: float  # mean distance between two random parts, of the datasets' sizes, of the pooled images
    by_chance_high: float  # its 95th percentile
    p_value: float  # share of such parts that are at least as far apart; NaN where all values are the same


class PooledValues:
    """One variable of two datasets, pooled and sorted in ascending order.

    `first` and `second` are values and the number of each value's image, from 0 in each dataset. `n_first` is the
    number of images of the first dataset; images of the second are numbered from there.
    """

    def __init__(
        self, first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray], n_first: int
    ) -> None:
        from scipy.stats import wasserstein_distance

        values = np.concatenate([first[0], second[0]])
        order = np.argsort(values, kind="stable")
        self._gaps = np.diff(values[order])
        self._image = np.concatenate([first[1], second[1] + n_first])[order]
        self._of_second = (order >= len(first[0])).astype(np.float64)
        self.n_first = n_first
        self._distance = wasserstein_distance(first[0], second[0])

    def resampled(self, counts: np.ndarray) -> np.ndarray:
        """Difference of the cumulative distributions, first − second, between the values; (resamples, values − 1).

        `counts` (resamples, images) says how often each image is drawn.
        """
        weights = counts[:, self._image]
        return self._difference(weights * (1 - self._of_second), weights * self._of_second)

    def exchanged(self, of_second: np.ndarray) -> np.ndarray:
        """The distance, shape (permutations,), if the images in `of_second` are assigned to the second dataset.

        `of_second` is bool of shape (permutations, images).
        """
        chosen = of_second[:, self._image].astype(np.float64)
        return self._area(self._difference(1 - chosen, chosen))

    def distance(
        self, deviations: Iterable[np.ndarray], spread: np.ndarray, by_chance: np.ndarray, confidence: float
    ) -> WassersteinDistance:
        """The distance with its interval.

        Parameters
        ----------
        deviations : iterable of ndarray, shape (some, values − 1); `resampled` − `observed`, in parts.
        spread : (values − 1,); the deviations' standard deviation.
        by_chance : (permutations,); the result of `exchanged`.
        """
        observed = self.observed
        real = np.where(np.abs(observed) > THRESHOLD * spread, observed, 0.0)
        above, along = [], []
        for part in deviations:
            above.append(self._area(real + part))
            along.append((np.sign(observed) * part) @ self._gaps)
        highest = percentile_interval(np.concatenate(above) - self._area(real), confidence)[1]
        lowest = percentile_interval(np.concatenate(along), confidence)[0]
        return WassersteinDistance(
            distance=float(self._distance),
            low=float(np.clip(self._distance - highest, 0.0, self._distance)),
            high=float(self._distance - min(lowest, 0.0)),
            by_chance=float(by_chance.mean()),
            by_chance_high=float(np.quantile(by_chance, 0.95)),
            p_value=(1 + np.count_nonzero(by_chance >= self._distance - 1e-12)) / (1 + len(by_chance))
            if self._gaps.any()
            else np.nan,
        )

    @property
    def observed(self) -> np.ndarray:
        """Difference of the two samples' cumulative distributions, shape (values − 1,)."""
        return self._difference(1 - self._of_second[None], self._of_second[None])[0]

    def _difference(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        parts = (weights / weights.sum(axis=1, keepdims=True) for weights in (first, second))
        return np.cumsum(next(parts) - next(parts), axis=1)[:, :-1]

    def _area(self, difference: np.ndarray) -> np.ndarray:
        return np.abs(difference) @ self._gaps
