"""How far the objects' centres are from the null model's, in bits.

Source: S. Kullback & R. Leibler, "On information and sufficiency", Ann. Math. Stat. 22 (1951).
"""

from __future__ import annotations

import numpy as np
from scipy.special import rel_entr


def divergence_bits(counts: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Kullback–Leibler divergence of an empirical histogram from an expected one, in bits.

    Parameters
    ----------
    counts : (..., cells, cells); histograms, each with a positive sum.
    expected : (cells, cells) or (..., cells, cells); expected counts, the same for all histograms or one for each. A
        cell without mass here must be empty in `counts`; else the divergence is infinite.

    Returns
    -------
    (...) float64; at least 0, and above it by chance alone: see `corrected_divergence`.
    """
    share = counts / counts.sum(axis=(-2, -1), keepdims=True)
    null = expected / expected.sum(axis=(-2, -1), keepdims=True)
    return rel_entr(share, null).sum(axis=(-2, -1)) / np.log(2)


def corrected_divergence(counts: np.ndarray, expected: np.ndarray, placed: np.ndarray) -> float:
    """The divergence of observed centres from the null model's, less what sampling alone gives, in bits.

    A histogram of n objects is never exactly its expectation, so its divergence is above 0 even where the null model
    holds. What is taken off is the mean divergence of histograms drawn from the null model itself. The usual correction
    of (cells − 1) / 2n (G. Miller, 1955) is too large here: it supposes that all objects are drawn from one
    distribution, but a large box has few cells that it could be in.

    The result is unbiased around 0 where the null model holds, and therefore can be slightly negative; where the
    centres are concentrated in few cells it is low by at most the amount taken off.

    Parameters
    ----------
    counts : (cells, cells); observed centres (`centre_histogram`).
    expected : (cells, cells); what the null model expects (`null_histogram`).
    placed : (placements, cells, cells); histograms drawn from the null model (`place_at_random`).

    Returns
    -------
    NaN where there is no object.
    """
    if not counts.any():
        return np.nan
    return float(divergence_bits(counts, expected) - divergence_bits(placed, expected).mean())
