"""Spearman's rank correlation: plain, given a third variable, and within classes.

Sources: C. Spearman, Am. J. Psychol. 15 (1904). Bootstrap: B. Efron & R. Tibshirani, An Introduction to the
Bootstrap, 1993. Permutation given a covariate: D. Freedman & D. Lane, J. Bus. Econ. Stat. 1(4), 1983. That
the observation counts as one of the permutations: B. Phipson & G. Smyth, Stat. Appl. Genet. Mol. Biol. 9(1),
2010.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bias_toolkit.analysis.ranks import Ranks
from bias_toolkit.objects.resampling import (
    CHUNK_ELEMENTS,
    CONFIDENCE,
    percentile_interval,
    resample_counts,
)

MINIMUM_IMAGES = 10
# Below this, relative to the ranks' own spread, what a covariate leaves of a variable is rounding.
DETERMINED = 1e-6
# Correlations computed in another order of summation differ by less than this.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Correlation:
    """A rank correlation over images.

    Parameters
    ----------
    rho : float
        In [−1, 1]; NaN where it is not defined, and the other numbers with it: fewer than 10 images, a
        variable that does not vary, or one that its covariate determines.
    low, high : float
        Bootstrap interval over images; every resample is ranked anew. Percentiles of the resamples' ρ,
        shifted so that their mean is rho.
    p_value : float
        Two-sided, from permutations, at least 1 / (permutations + 1).
    n : int
        Images that count.
    """

    rho: float
    low: float
    high: float
    p_value: float
    n: int


def spearman(
    x: ArrayLike,
    y: ArrayLike,
    *,
    resamples: int = 2000,
    permutations: int = 2000,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> Correlation:
    """Spearman's ρ of two variables over images.

    Parameters
    ----------
    x, y : array_like, shape (images,)
        Images where one of them is NaN are left out.
    resamples, permutations : int
        Number of bootstrap resamples, and of permutations of y.
    seed : int
    confidence : float
        Of the interval, in (0, 1).
    """
    x, y = _complete(x, y)
    return _correlate(x, y, None, np.array([len(x)]), resamples, permutations, seed, confidence)


def partial_spearman(
    x: ArrayLike,
    y: ArrayLike,
    given: ArrayLike,
    *,
    resamples: int = 2000,
    permutations: int = 2000,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> Correlation:
    """Spearman's ρ of two variables over images, given a third.

    It is the correlation of what linear regressions on the ranks of `given` leave of the ranks of x and y.
    The p-value permutes what is left of y and regresses again (Freedman & Lane).

    Parameters
    ----------
    x, y, given : array_like, shape (images,)
        Images where one of them is NaN are left out.
    resamples, permutations, seed, confidence
        As for `spearman`.
    """
    x, y, given = _complete(x, y, given)
    return _correlate(x, y, given, np.array([len(x)]), resamples, permutations, seed, confidence)


def within_class_spearman(
    x: ArrayLike,
    y: ArrayLike,
    labels: ArrayLike,
    *,
    resamples: int = 2000,
    permutations: int = 2000,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> Correlation:
    """Spearman's ρ of two variables over images, free of differences between classes.

    Ranks are taken inside each class, centred, divided by the class's size, and pooled. So a class whose
    images are all far away and all unstable adds nothing; only what happens among its own images does.
    Resampling and permutations stay inside the classes.

    Parameters
    ----------
    x, y : array_like, shape (images,)
        Images where one of them is NaN are left out.
    labels : array_like, shape (images,)
        Images without a label (null), or alone in their class, are left out.
    resamples, permutations, seed, confidence
        As for `spearman`.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    codes, _ = pd.factorize(np.asarray(labels, dtype=object), sort=False)
    codes = np.where(np.isnan(x) | np.isnan(y), -1, codes)
    kept = codes >= 0
    sizes = np.bincount(codes[kept], minlength=1)
    kept[kept] = sizes[codes[kept]] > 1
    order = np.flatnonzero(kept)[np.argsort(codes[kept], kind="stable")]
    return _correlate(x[order], y[order], None, sizes[sizes > 1], resamples, permutations, seed, confidence)


def _complete(*columns: ArrayLike) -> list[np.ndarray]:
    arrays = [np.asarray(column, dtype=np.float64) for column in columns]
    missing = np.any([np.isnan(array) for array in arrays], axis=0)
    return [array[~missing] for array in arrays]


def _correlate(
    x: np.ndarray,
    y: np.ndarray,
    given: np.ndarray | None,
    sizes: np.ndarray,
    resamples: int,
    permutations: int,
    seed: int,
    confidence: float,
) -> Correlation:
    """The correlation of variables that are ordered by stratum and lack no value."""
    n = len(x)
    if n < MINIMUM_IMAGES:
        return Correlation(np.nan, np.nan, np.nan, np.nan, n)
    variables = [Ranks(values, sizes) for values in ((x, y) if given is None else (x, y, given))]
    rho = _rank_correlation(variables, np.ones((1, n)))[0]
    if np.isnan(rho):
        return Correlation(np.nan, np.nan, np.nan, np.nan, n)
    bootstrap, permutation = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(2))
    estimates = [_rank_correlation(variables, counts) for counts in resample_counts(sizes, resamples, bootstrap)]
    low, high = _interval(rho, np.concatenate(estimates), confidence)
    p_value = _permutation_p_value(variables, rho, sizes, permutations, permutation)
    return Correlation(float(rho), low, high, p_value, n)


def _interval(rho: float, estimates: np.ndarray, confidence: float) -> tuple[float, float]:
    """The percentile interval, shifted by the bootstrap's own bias.

    A resample repeats images, and the ties pull its ρ towards 0: by little over all images, but within
    classes of 50 images by more than the interval's width, which then is about another number than ρ.
    """
    low, high = percentile_interval(estimates - (np.nanmean(estimates) - rho), confidence)
    return max(low, -1.0), min(high, 1.0)


def _rank_correlation(variables: list[Ranks], counts: np.ndarray) -> np.ndarray:
    """The (partial) correlation of ranks in each resample; shape (resamples,), NaN where it is not defined."""
    ranks = [variable.resampled(counts) for variable in variables]
    weighted = [counts * rank for rank in ranks]

    def correlation(i: int, j: int) -> np.ndarray:
        return _ratio(product(i, j), np.sqrt(product(i, i) * product(j, j)))

    def product(i: int, j: int) -> np.ndarray:
        return np.einsum("rn,rn->r", weighted[i], ranks[j])

    rho = correlation(0, 1)
    if len(variables) == 3:
        # The same as the correlation of the residuals, without computing those.
        x_given, y_given = correlation(0, 2), correlation(1, 2)
        left = np.clip(1 - x_given**2, 0, None) * np.clip(1 - y_given**2, 0, None)
        rho = _ratio(rho - x_given * y_given, np.sqrt(left))
    return np.clip(rho, -1, 1)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.full(len(numerator), np.nan), where=denominator > DETERMINED)


def _permutation_p_value(
    variables: list[Ranks], rho: float, sizes: np.ndarray, permutations: int, rng: np.random.Generator
) -> float:
    x, y, *given = (variable.original() for variable in variables)
    if given:
        direction = given[0] / np.linalg.norm(given[0])
        x, y = x - (x @ direction) * direction, y - (y @ direction) * direction
    ends = np.cumsum(sizes)
    rows = max(1, CHUNK_ELEMENTS // len(y))
    as_far = 0
    for done in range(0, permutations, rows):
        permuted = np.tile(y, (min(rows, permutations - done), 1))
        for start, end in zip(ends - sizes, ends, strict=True):
            permuted[:, start:end] = rng.permuted(permuted[:, start:end], axis=1)
        left = np.full(len(permuted), y @ y)
        if given:
            left -= (permuted @ direction) ** 2
        by_chance = _ratio(permuted @ x, np.sqrt((x @ x) * np.clip(left, 0, None)))
        as_far += np.count_nonzero(np.abs(by_chance) >= abs(rho) * (1 - ROUNDING))
    return float((1 + as_far) / (1 + permutations))
