"""Measure images in random order until a dataset's mean is known to a given half-width, then stop.

The estimand is the mean over the N images of a dataset of one value in [0, 1] each. Images are drawn without
replacement in a seeded order. For every possible mean m, two gamblers bet on each image before it is measured: one bets
that the mean is above m, the other that it is below. If m is the true mean, their bets are fair. The probability that
either ever multiplies the initial capital by 2/α is then at most α (Ville's inequality), for any stopping rule and any
distribution of the values. A value m is rejected once a gambler has done so. The values that remain form an interval
that is valid after every image.

Source: I. Waudby-Smith & A. Ramdas, Estimating means of bounded random variables by betting, Journal of the Royal
Statistical Society B 86(1), 2024: hedged capital (section 4), without replacement (section 5), after their Confidence
sequences for sampling without replacement, NeurIPS 2020. The size of the bets is this module's own choice: the interval
is valid for any size, but the number of images needed depends on it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bias_toolkit.foundation.resampling import CONFIDENCE, named_generator
from bias_toolkit.invariance.measures_table import measures_table
from bias_toolkit.invariance.sweep import Sweep

MOST_AT_STAKE = 0.9
"""Largest share of its capital that a gambler risks on one image."""

# The bet is recomputed after this share of the measured images, or of the remaining ones.
_RENEWAL = 1 / 12
# Bisections for a bet, which may be rough, and for an end of the interval.
_ROUGH, _FINE = 16, 40


def drawing_order(image_ids: Sequence[str], seed: int) -> list[str]:
    """The images in random order of measurement."""
    order = named_generator(seed, "sequential").permutation(len(image_ids))
    return [image_ids[place] for place in order]


class SequentialMean:
    """The estimate of a finite dataset's mean from values drawn at random without replacement.

    Parameters
    ----------
    population : N, the number of values of the dataset.
    half_width : the half-width to reach, above 0. The interval is valid for any choice, and narrowest near this one.
    confidence : 1 − α.
    """

    def __init__(self, population: int, half_width: float, confidence: float = CONFIDENCE) -> None:
        self.population = population
        self.half_width = half_width
        limit = float(np.log(2 / (1 - confidence)))
        # A mean is below m if the mean of one minus the values is above 1 − m.
        self._above, self._below = _Gambler(half_width, limit), _Gambler(half_width, limit)

    @property
    def n(self) -> int:
        """The number of values drawn."""
        return len(self._above.values)

    @property
    def mean(self) -> float:
        """The mean of the values drawn; NaN before the first."""
        return float(self._above.values.mean()) if self.n else np.nan

    def add(self, values: np.ndarray) -> None:
        """Add the next values (k,), in [0, 1], in the order in which they were drawn.

        Raises ValueError if a value is out of range, or there are now more than N.
        """
        values = np.asarray(values, dtype=float)
        if not ((values >= 0) & (values <= 1)).all():
            raise ValueError("A value lies outside 0 to 1.")
        if self.n + len(values) > self.population:
            raise ValueError(f"{self.n + len(values)} values were drawn from {self.population}.")
        self._above.bet(values, self.population)
        self._below.bet(1 - values, self.population)

    def forget(self, n: int) -> None:
        """Remove from the dataset `n` images that turned out to have no value."""
        self.population -= n

    @property
    def is_known(self) -> bool:
        """Whether every mean farther than the half-width from the mean of the values is rejected."""
        if not 0 < self.n < self.population:
            return self.n > 0
        return self._above.gives_up(self.mean - self.half_width, self.population) and self._below.gives_up(
            1 - self.mean - self.half_width, self.population
        )

    @property
    def interval(self) -> tuple[float, float]:
        """The means that are not rejected: (0, 1) before the first value, the mean alone after the last."""
        if not self.n:
            return 0.0, 1.0
        if self.n == self.population:
            return self.mean, self.mean
        return self._above.least_kept(self.population), 1 - self._below.least_kept(self.population)


class _Gambler:
    """Bets that a mean is above any claimed value.

    The i-th bet is λ_i to one on the value x_i; λ_i is chosen from the values before it. If the claimed mean is too
    low, capital grows fastest by Kelly's bet: the λ that maximises the mean of log(1 + λ (x − m)) over the values drawn
    so far. The bet is optimised against the claim that must be rejected before stopping: h below the mean of those
    values, or half that mean if h is larger. For caution, a 0 and a 1 of weight ½ are added to the values. An error of
    h in the whole dataset's mean is an error of h N / (N − n) in the mean of the remaining values.
    """

    def __init__(self, half_width: float, limit: float) -> None:
        self.values = np.empty(0)
        self._half_width, self._limit = half_width, limit
        self._bets = np.empty(0)
        self._size, self._renewed_at = 0.0, 0

    def bet(self, values: np.ndarray, population: int) -> None:
        """Bet on each of the next values, using only those before it."""
        n = len(self.values)
        self.values = np.concatenate([self.values, values])
        sizes = []
        for place in range(n, len(self.values)):
            if place == self._renewed_at:
                self._size = self._kelly(self.values[:place], population)
                self._renewed_at += max(1, int(_RENEWAL * min(place, population - place)))
            sizes.append(self._size)
        self._bets = np.concatenate([self._bets, sizes])

    def _kelly(self, before: np.ndarray, population: int) -> float:
        levels, counts = np.unique(np.concatenate([before, [0.0, 1.0]]), return_counts=True)
        weights = counts - 0.5 * np.isin(levels, (0.0, 1.0))
        mean = levels @ weights / weights.sum()
        wrong_by = self._half_width * population / (population - len(before))
        gains = levels - max(mean - wrong_by, mean / 2)
        return _bisect(0.0, -1 / gains[0], _ROUGH, lambda bet: (weights * gains / (1 + bet * gains)).sum() > 0)

    def gives_up(self, mean: float, population: int) -> bool:
        """Whether a mean is below what the values allow, or was rejected by the capital at any time.

        The capital after n values is Π_i (1 + λ_i (x_i − m_i)), where m_i = (N m − Σ_{j<i} x_j) / (N − i + 1) is the
        expectation of x_i if m is the mean. A bet is capped at `MOST_AT_STAKE` / m_i. Capped or not, its factor falls
        with m_i, so the capital falls with m: the rejected means are all means below some value.
        """
        if mean < self.values.sum() / population:
            return True
        drawn = np.arange(len(self.values))
        expected = (population * mean - (np.cumsum(self.values) - self.values)) / (population - drawn)
        expected = np.clip(expected, 1e-12, 1)
        bets = np.minimum(self._bets, MOST_AT_STAKE / expected)
        return bool(np.log1p(bets * (self.values - expected)).cumsum().max() >= self._limit)

    def least_kept(self, population: int) -> float:
        """The smallest mean that is not rejected; at most the mean of the values."""
        kept, given_up = float(self.values.mean()), float(self.values.sum() / population)
        if not self.gives_up(given_up, population):
            return given_up
        return _bisect(given_up, kept, _FINE, lambda mean: self.gives_up(mean, population))


def _bisect(low: float, high: float, rounds: int, is_below: Callable[[float], bool]) -> float:
    """The lower end of the interval that bisection leaves around the point at which `is_below` turns false."""
    for _ in range(rounds):
        middle = (low + high) / 2
        if is_below(middle):
            low = middle
        else:
            high = middle
    return low


class StopWhenKnown:
    """Stops a sweep once its dataset's mean is known to a half-width; see `run_sweep`.

    The mean is of P(top-1 change). For offsets, which have no steps, it is of the consistency: the share of pairs of
    views with the same top-1 class.

    `n_images` is the number of images of the dataset, all of which the sweep gets in random order. Images that cannot
    be decoded are removed from the N when this is detected.
    """

    def __init__(self, sweep: Sweep, n_images: int, half_width: float) -> None:
        self._sweep, self._n_images = sweep, n_images
        self._measure = "p_top1_change" if sweep.moves_by_steps else "consistency"
        self._mean = SequentialMean(n_images, half_width)

    def __call__(self, responses: pd.DataFrame, skipped: pd.DataFrame) -> bool:
        """Add the next shard's responses and skipped images; returns whether the mean is known."""
        self._mean.forget(len(skipped))
        self._mean.add(measures_table(responses)[self._measure].to_numpy())
        return self._mean.is_known

    def record(self) -> dict[str, Any]:
        """A row of the table SEQUENTIAL."""
        low, high = self._mean.interval
        return {
            "protocol": self._sweep.protocol,
            "transform": self._sweep.transform,
            "size": self._sweep.size,
            "measure": self._measure,
            "value": self._mean.mean,
            "low": low,
            "high": high,
            "precision": self._mean.half_width,
            "n": self._mean.n,
            "n_skipped": self._n_images - self._mean.population,
            "n_images": self._n_images,
        }
