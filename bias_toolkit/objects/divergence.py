"""How far the objects' centres are from the null model's, in bits, with the 95% interval.

The interval is a bootstrap over images, corrected for the bias of the bootstrap itself. A sampled histogram is farther
from the null model than the true distribution, and a resample of the histogram is farther still.
Sources: B. Efron & R. Tibshirani, An Introduction to the Bootstrap, 1993, chapters 10 (the estimate of bias) and 18
(the bootstrap of the bootstrap that calibrates it); S. Kullback & R. Leibler, "On information and sufficiency", Ann.
Math. Stat. 22 (1951).
"""

import numpy as np
import pandas as pd

from bias_toolkit.foundation.intervals import NONE, Limits, wide
from bias_toolkit.foundation.resampling import CONFIDENCE, percentile_interval
from bias_toolkit.objects.maps import CELLS, cell_numbers, from_quadrants, null_quadrants

CALIBRATION_PLACEMENTS = 200
FEWEST_OBJECTS = 40
"""Fewer objects say too little about the 81 cells for an interval that keeps its coverage."""


def divergence_bits(counts: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Kullback–Leibler divergence of an empirical histogram from an expected one, in bits.

    Returns (...) float64, at least 0. Chance alone makes it positive: see `corrected_divergence`.

    `counts` (..., cells, cells) are histograms, each with a positive sum. `expected` has the expected counts: one
    (cells, cells) for all histograms, or one for each. The divergence is infinite where `counts` has objects in a cell
    that has no expected mass.
    """
    from scipy.special import rel_entr

    share = counts / counts.sum(axis=(-2, -1), keepdims=True)
    null = expected / expected.sum(axis=(-2, -1), keepdims=True)
    return rel_entr(share, null).sum(axis=(-2, -1)) / np.log(2)


def corrected_divergence(counts: np.ndarray, expected: np.ndarray, placed: np.ndarray) -> float:
    """The divergence of observed centres from the null model's, minus its mean under the null model, in bits.

    A histogram of n objects never equals its expectation, so its divergence is above 0 even where the null model
    holds. The mean divergence of histograms drawn from the null model is therefore subtracted. The usual correction of
    (cells − 1) / 2n (G. Miller, 1955) is too large here: it assumes that all objects are drawn from one distribution,
    but a large box can have its centre in few cells only.

    The result is unbiased around 0 where the null model holds, so it can be slightly negative. Where the centres are
    concentrated in few cells, it is too low by at most the subtracted mean. It is NaN without objects.

    Parameters
    ----------
    counts : (cells, cells); observed centres (`centre_histogram`).
    expected : (cells, cells); expected counts under the null model (`null_histogram`).
    placed : (placements, cells, cells); histograms drawn from the null model (`place_at_random`).
    """
    if not counts.any():
        return np.nan
    return float(divergence_bits(counts, expected) - divergence_bits(placed, expected).mean())


class ResampledDivergence:
    """The divergence of resamples of a table of objects, given how often each object was drawn."""

    def __init__(self, framing: pd.DataFrame, cells: int = CELLS) -> None:
        self._cells = cells
        self._numbers = cell_numbers(framing["cx"].to_numpy(), framing["cy"].to_numpy(), cells)
        self._quadrants = null_quadrants(framing, cells)

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        """Divergences in bits, uncorrected, shape (resamples,), of weights of shape (resamples, objects).

        Both the observed and the expected histogram are those of the resample. Every row needs a positive sum.
        """
        n_cells = self._cells**2
        observed = np.empty((len(weights), n_cells))
        for i, row in enumerate(weights):
            observed[i] = np.bincount(self._numbers, row, n_cells)
        expected = from_quadrants(weights @ self._quadrants, self._cells)
        return divergence_bits(observed.reshape(expected.shape), expected)


def divergence_interval(
    counts: np.ndarray,
    expected: np.ndarray,
    placed: np.ndarray,
    resampled: np.ndarray,
    rng: np.random.Generator,
    confidence: float = CONFIDENCE,
) -> Limits:
    """The interval of `corrected_divergence`, both ends in bits; none for fewer than 40 objects.

    The resamples' divergences are taken as deviations from their own mean, which removes their bias. The deviations are
    added to the estimate, which lies inside the interval. The upper end is raised, because the estimate subtracts the
    mean divergence under the null model, and that is too much where the centres are in fewer cells. The part that is
    too much is 1 minus the bias ratio: the bias that resampling adds to the data, divided by the bias that it adds to
    histograms drawn from the null model.

    `counts`, `expected` and `placed` are as in `corrected_divergence`; `resampled` (resamples,) has the divergences of
    resamples of the images (`ResampledDivergence`). In simulations of 40 to 600 objects with divergences up to 1.8
    bits, the 95% interval held the true value in 93 to 99 of 100 datasets. Near 0 it is up to 1.7 times as wide as it
    has to be: a resample varies around a histogram that itself varies by chance.
    """
    if counts.sum() < FEWEST_OBJECTS:
        return NONE
    raw = divergence_bits(counts, expected)
    by_chance = divergence_bits(placed, expected).mean()
    ratio = _bias_ratio(resampled.mean() - raw, placed[:CALIBRATION_PLACEMENTS], expected, rng)
    low, high = percentile_interval(resampled - resampled.mean(), confidence)
    estimate = raw - by_chance
    return wide(float(estimate + min(low, 0.0)), float(estimate + max(high, 0.0) + (1 - ratio) * by_chance))


def _bias_ratio(bias: float, placed: np.ndarray, expected: np.ndarray, rng: np.random.Generator) -> float:
    """The bias that resampling adds to the data, divided by that added to histograms drawn from the null model."""
    n = placed.sum(axis=(-2, -1))
    shares = placed.reshape(len(placed), -1) / n[:, None]
    again = rng.multinomial(n.astype(np.int64), shares).reshape(placed.shape)
    of_null = (divergence_bits(again, expected) - divergence_bits(placed, expected)).mean()
    return float(np.clip(bias / of_null, 0.0, 1.0)) if of_null > 0 else 1.0
