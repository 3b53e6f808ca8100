"""The standard deviation of a variable over objects, with its 95% interval over images.

Percentiles of resampled standard deviations are too low, because a resample misses the rare far values, and too narrow,
because the error of a standard deviation grows with it. The bootstrap-t interval of its logarithm corrects both: it
resamples the deviation of the estimate in units of the resample's own standard error.
Source: B. Efron & R. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 12 (the bootstrap-t interval, and the
transformation that makes the error independent of the value) and chapter 21 (standard errors from the influence of
each image).
"""

import numpy as np

from bias_toolkit.foundation.intervals import NONE, Limits, wide
from bias_toolkit.foundation.resampling import percentile_interval

FEWEST_IMAGES = 10
UNBOUNDED = -1e9
"""A deviation of so many standard errors stands for a resample without spread."""


class ResampledSpread:
    """The standard deviation (n − 1) of values in resamples of their images.

    `values` and `image` (objects,) are the values and the numbers of their images, from 0.
    """

    def __init__(self, values: np.ndarray, image: np.ndarray) -> None:
        self._unit = float(values.std()) or 1.0
        # Standardised deviations keep the digits of their squares.
        deviation = (values - values.mean()) / self._unit
        self._sums = np.column_stack([np.bincount(image, deviation**power) for power in range(3)])
        self._products = (self._sums[:, :, None] * self._sums[:, None, :]).reshape(-1, 9)
        self._logarithm, self._error = (float(each[0]) for each in self._estimate(np.ones((1, len(self._sums)))))

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        """How far each resample's estimate is above that of all images, in its own standard errors; (resamples,).

        `counts` (resamples, images) says how often each image is drawn.
        """
        logarithm, error = self._estimate(counts)
        there = np.isfinite(logarithm) & (error > 0)
        deviations = np.full(len(counts), UNBOUNDED)
        deviations[there] = (logarithm[there] - self._logarithm) / error[there]
        return deviations

    def interval(self, deviations: np.ndarray, confidence: float) -> Limits:
        """The interval of the standard deviation, given the deviations of resamples.

        There is none for fewer than ten images, of which it would be wider than is of use, nor if so many resamples
        have no spread that it would be unbounded.
        """
        if len(self._sums) < FEWEST_IMAGES or not np.isfinite(self._logarithm):
            return NONE
        lowest, highest = percentile_interval(deviations, confidence)
        with np.errstate(over="ignore"):
            low, high = self._unit * np.exp(self._logarithm - self._error * np.array([highest, lowest]))
        return wide(float(low), float(high)) if np.isfinite(high) else NONE

    def _estimate(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The logarithm of the standard deviation in each resample, and its standard error; both (resamples,)."""
        n, total, squares = (counts @ self._sums).T
        mean = total / n
        variance = squares / n - mean**2
        variance = np.where(variance > 1e-12, variance, 0.0)
        # What an image adds to n times the variance, as weights of its three sums.
        influence = np.column_stack([mean**2 - variance, -2 * mean, np.ones(len(n))])
        products = (counts @ self._products).reshape(-1, 3, 3)
        of_variance = np.sqrt(np.maximum(np.einsum("ra,rab,rb->r", influence, products, influence), 0.0)) / n
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(variance * n / (n - 1)) / 2, of_variance / (2 * variance)
