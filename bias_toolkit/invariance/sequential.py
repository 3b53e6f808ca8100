"""Measuring images in random order until a dataset's mean is known to a given half-width, and no longer.

The estimand is the mean, over the N images of a dataset, of one value in [0, 1] each. Images are drawn without
replacement in a seeded order. Against every value m that the mean may have, two gamblers bet on each image before it is
measured: one that the mean is above m, one that it is below. If m is the mean their bets are fair, so the chance that
either multiplies the initial capital by 2/α at any time is at most α (Ville's inequality), wherever one stops and
whatever the values' distribution is. What remains when every m against which one of them did is given up is an interval
that may be looked at after every image.

Source: I. Waudby-Smith & A. Ramdas, Estimating means of bounded random variables by betting, Journal of the Royal
Statistical Society B 86(1), 2024: hedged capital (section 4), without replacement (section 5), after their Confidence
sequences for sampling without replacement, NeurIPS 2020. How much is bet is this module's own choice: whatever it is,
the interval holds; how many images it takes depends on it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bias_toolkit.foundation.resampling import CONFIDENCE, named_generator
from bias_toolkit.invariance.measures_table import measures_table
from bias_toolkit.invariance.sweep import Sweep

MOST_AT_STAKE = 0.9
"""Share of its capital that a gambler risks at most on one image."""

# The bet's size is chosen anew when this share of the images measured, or of those left, is through.
_RENEWAL = 1 / 12
# Bisections of a bet, which may be rough, and of an end of the interval.
_ROUGH, _FINE = 16, 40


def drawing_order(image_ids: Sequence[str], seed: int) -> list[str]:
    """The images in the random order in which they are measured."""
    order = named_generator(seed, "sequential").permutation(len(image_ids))
    return [image_ids[place] for place in order]


class SequentialMean:
    """What is known of a finite dataset's mean after some of its values, drawn at random without replacement.

    Parameters
    ----------
    population : N, the number of values of the dataset.
    half_width : to which the mean is to be known, above 0. The interval is right whatever it is, and narrowest at about
        this.
    confidence : 1 − α.
    """

    def __init__(self, population: int, half_width: float, confidence: float = CONFIDENCE):
        self.population = population
        self.half_width = half_width
        limit = float(np.log(2 / (1 - confidence)))
        # A mean is below m where that of one minus the values is above 1 − m.
        self._above, self._below = _Gambler(half_width, limit), _Gambler(half_width, limit)

    @property
    def n(self) -> int:
        """How many values were drawn."""
        return len(self._above.values)

    @property
    def mean(self) -> float:
        """The mean of the values drawn; NaN before the first."""
        return float(self._above.values.mean()) if self.n else np.nan

    def add(self, values: np.ndarray) -> None:
        """Take the next values, in the order in which they were drawn.

        Raises ValueError if one is not, or there are now more than N.

        `values` (k,) are in [0, 1].
        """
        values = np.asarray(values, dtype=float)
        if not ((values >= 0) & (values <= 1)).all():
            raise ValueError("A value lies outside 0 to 1.")
        if self.n + len(values) > self.population:
            raise ValueError(f"{self.n + len(values)} values were drawn from {self.population}.")
        self._above.bet(values, self.population)
        self._below.bet(1 - values, self.population)

    def forget(self, n: int) -> None:
        """Take `n` images out of the dataset that have turned out to have no value."""
        self.population -= n

    @property
    def is_known(self) -> bool:
        """Whether every mean farther than the half-width from the mean of the values is given up."""
        if not 0 < self.n < self.population:
            return self.n > 0
        return self._above.gives_up(self.mean - self.half_width, self.population) and self._below.gives_up(
            1 - self.mean - self.half_width, self.population
        )

    @property
    def interval(self) -> tuple[float, float]:
        """The means that are not given up: (0, 1) before the first value, the mean alone after the last."""
        if not self.n:
            return 0.0, 1.0
        if self.n == self.population:
            return self.mean, self.mean
        return self._above.least_kept(self.population), 1 - self._below.least_kept(self.population)


class _Gambler:
    """Bets that a mean is above whatever is claimed of it.

    The i-th bet is λ_i to one on the value x_i, and λ_i is chosen from the values before it. Capital grows fastest,
    where too low a mean is claimed, by Kelly's bet: the λ that maximises the mean of log(1 + λ (x − m)) over the values
    drawn so far. It is made against the claim that has to be given up before one may stop: h below the mean of those
    values, or half that mean if h is more. A 0 and a 1 of weight ½ are put among the values, for caution. What is wrong
    by h of the whole dataset is wrong by h N / (N − n) of the part that is left, of which the next value is drawn.
    """

    def __init__(self, half_width: float, limit: float):
        self.values = np.empty(0)
        self._half_width, self._limit = half_width, limit
        self._bets = np.empty(0)
        self._size, self._renewed_at = 0.0, 0

    def bet(self, values: np.ndarray, population: int) -> None:
        """Bet on each of the next values, knowing only those before it."""
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
        """Whether a mean is less than the values allow, or enough was won against it at any time.

        The capital after n values is Π_i (1 + λ_i (x_i − m_i)), where m_i = (N m − Σ_{j<i} x_j) / (N − i + 1) is what
        x_i is expected to be if m is the mean. A bet is capped at `MOST_AT_STAKE` / m_i. Capped or not, its factor
        falls in m_i, so the capital falls in m: what is given up is all that is below some mean.
        """
        if mean < self.values.sum() / population:
            return True
        drawn = np.arange(len(self.values))
        expected = (population * mean - (np.cumsum(self.values) - self.values)) / (population - drawn)
        expected = np.clip(expected, 1e-12, 1)
        bets = np.minimum(self._bets, MOST_AT_STAKE / expected)
        return bool(np.log1p(bets * (self.values - expected)).cumsum().max() >= self._limit)

    def least_kept(self, population: int) -> float:
        """The least mean that is not given up, and at most the mean of the values."""
        kept, given_up = float(self.values.mean()), float(self.values.sum() / population)
        if not self.gives_up(given_up, population):
            return given_up
        return _bisect(given_up, kept, _FINE, lambda mean: self.gives_up(mean, population))


def _bisect(low: float, high: float, rounds: int, is_below: Callable[[float], bool]) -> float:
    """The lower end of what is left of an interval around the place up to which numbers are below."""
    for _ in range(rounds):
        middle = (low + high) / 2
        if is_below(middle):
            low = middle
        else:
            high = middle
    return low


class StopWhenKnown:
    """Tells a sweep to stop once its dataset's mean is known to a half-width; see `run_sweep`.

    The mean is of P(top-1 change). Offsets have no steps; there it is of the share of pairs of views that agree in
    their top-1 class, their consistency.

    `n_images` is the number of images of the dataset, of which the sweep is given all, in random order. Those that
    cannot be decoded are none of the N from the moment that this is found.
    """

    def __init__(self, sweep: Sweep, n_images: int, half_width: float):
        self._sweep, self._n_images = sweep, n_images
        self._measure = "p_top1_change" if sweep.moves_by_steps else "consistency"
        self._mean = SequentialMean(n_images, half_width)

    def __call__(self, responses: pd.DataFrame, skipped: pd.DataFrame) -> bool:
        """Take the next shard's responses and skipped images; gives whether that was enough."""
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
