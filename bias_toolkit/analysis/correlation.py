"""Spearman's rank correlation: plain, given a third variable, and within classes.

Sources: C. Spearman, Am. J. Psychol. 15 (1904); B. Efron & R. Tibshirani, An Introduction to the Bootstrap, 1993; D.
Freedman & D. Lane, J. Bus. Econ. Stat. 1(4), 1983 (permutation given a covariate); B. Phipson & G. Smyth, Stat. Appl.
Genet. Mol. Biol. 9(1), 2010 (the observation counts as one of the permutations); E. Fieller, H. Hartley & E. Pearson,
Biometrika 44, 1957 (the standard error of ρ in Fisher's z).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bias_toolkit.foundation.intervals import wide
from bias_toolkit.foundation.resampling import (
    CONFIDENCE,
    enough_resamples,
    percentile_interval,
    permutations_within,
    resample_counts,
)

MINIMUM_IMAGES = 10
# A residual spread below this, relative to the ranks' spread, is rounding error: the covariate determines the variable.
DETERMINED = 1e-6
# Correlations computed in a different order of summation differ by less than this.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Correlation:
    """A rank correlation over images.

    All fields but n are NaN where rho is not defined: for fewer than 10 images, a constant variable, or a variable that
    its covariate determines. `low` and `high` are the bootstrap interval over images, with every resample ranked again:
    percentiles of the resamples' ρ, shifted so that their mean is rho.
    """

    rho: float  # in [−1, 1]
    low: float
    high: float
    p_value: float  # two-sided, from permutations, at least 1 / (permutations + 1)
    n: int  # number of images used


class Ranks:
    """The ranks of one variable within consecutive strata of images, in any bootstrap resample.

    A resample repeats rows. Rows that were sorted once stay sorted when each is repeated, so the ranks follow from
    cumulative counts.

    Tied values share the mean of their ranks. Ranks are centred on their stratum's mean and divided by its size. They
    run from about −½ to ½ in every stratum, so images count the same in large and small strata.

    `values` (n,) are ordered by stratum; `sizes` are those of the strata, and add up to n.
    """

    def __init__(self, values: np.ndarray, sizes: np.ndarray) -> None:
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
        """The ranks of every image in resamples: (resamples, n) float64, valid where the count is above 0.

        `counts` (resamples, n) are how often each image is drawn; in each stratum they add up to its size.
        """
        up_to = np.cumsum(counts[:, self._order], axis=1)[:, self._last]
        tied = np.diff(up_to, axis=1, prepend=0)
        return ((up_to - (tied - 1) / 2 - self._middle) / self._size)[:, self._tie]

    def original(self) -> np.ndarray:
        """The ranks of the images themselves; shape (n,)."""
        return self.resampled(np.ones((1, len(self._order))))[0]


def spearman(x: ArrayLike, y: ArrayLike, **settings: float) -> Correlation:
    """Spearman's ρ of two variables (images,), with settings of `rank_correlations`; images with a NaN are left out."""
    return _pair(x, y, settings)


def partial_spearman(x: ArrayLike, y: ArrayLike, given: ArrayLike, **settings: float) -> Correlation:
    """Spearman's ρ of two variables (images,), given a third; otherwise as `spearman`.

    It is the correlation of the residuals of x's and y's ranks after linear regressions on the ranks of `given`. The
    p-value permutes the residuals of y and regresses again (Freedman & Lane).

    Examples
    --------
    Both variables follow a third, and nothing else goes with both.

    >>> noise = np.random.default_rng(0).normal(size=(3, 200))
    >>> third, x, y = noise[0], noise[0] + noise[1], noise[0] + noise[2]
    >>> spearman(x, y).low > 0
    True
    >>> known = partial_spearman(x, y, third)
    >>> known.low < 0 < known.high
    True
    """
    return _pair(x, y, settings, given=given)


def within_class_spearman(x: ArrayLike, y: ArrayLike, labels: ArrayLike, **settings: float) -> Correlation:
    """Spearman's ρ of two variables (images,), free of differences between classes; otherwise as `spearman`.

    Ranks are taken within each class, centred, divided by the class's size, and pooled. So a class whose images are all
    far away and all unstable adds nothing; only differences among its own images count. Resampling and permutations
    stay within classes. Images without a label (null), or alone in their class, are left out.
    """
    return _pair(x, y, settings, labels=labels)


def _pair(x: ArrayLike, y: ArrayLike, settings: dict[str, float], **third: ArrayLike) -> Correlation:
    xs, ys = (pd.DataFrame({name: np.asarray(values)}) for name, values in (("x", x), ("y", y)))
    return rank_correlations(xs, ys, **third, **settings)["x", "y"]


def rank_correlations(
    xs: pd.DataFrame,
    ys: pd.DataFrame,
    *,
    given: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    resamples: int = 2000,
    permutations: int = 2000,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> dict[tuple[str, str], Correlation]:
    """Spearman's ρ of each variable of one table with each of another, by (column of `xs`, column of `ys`).

    All pairs share their resamples and permutations, so each variable is ranked once per resample. A pair's result
    does not depend on the other pairs if the images are the same.

    Parameters
    ----------
    xs, ys : one row per image; images where any column is NaN are left out for all pairs.
    given : (images,); the variable to hold constant, as in `partial_spearman`.
    labels : (images,); the classes to stay within, as in `within_class_spearman`.
    resamples : of up to 10,000 images; of more, `enough_resamples`.
    """
    pairs = [(x, y) for x in xs for y in ys]
    tables = [xs, ys] if given is None else [xs, ys, pd.DataFrame({"given": np.asarray(given)})]
    values = [table.to_numpy(np.float64) for table in tables]
    complete = ~np.any([np.isnan(part).any(axis=1) for part in values], axis=0)
    rows, sizes = _strata(complete, labels)
    n = len(rows)
    if n < MINIMUM_IMAGES:
        return {pair: Correlation(np.nan, np.nan, np.nan, np.nan, n) for pair in pairs}
    variables = [[Ranks(column, sizes) for column in part[rows].T] for part in values]
    bootstrap, permutation = np.random.SeedSequence(seed).spawn(2)
    rho = _rank_correlations(variables, np.ones((1, n)))[:, :, 0]
    estimates = np.concatenate(
        [
            _rank_correlations(variables, counts)
            for counts in resample_counts(sizes, enough_resamples(resamples, n), np.random.default_rng(bootstrap))
        ],
        axis=2,
    )
    p_values = _permutation_p_values(variables, rho, sizes, permutations, permutation)
    return {
        pair: Correlation(float(rho[at]), *_interval(rho[at], estimates[at], n, confidence), float(p_values[at]), n)
        for pair, at in zip(pairs, np.ndindex(rho.shape), strict=True)
    }


def _strata(complete: np.ndarray, labels: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
    """The images used, class by class, and the size of each class; one class where there are no labels."""
    if labels is None:
        rows = np.flatnonzero(complete)
        return rows, np.array([len(rows)])
    codes, _ = pd.factorize(np.where(complete, np.asarray(labels, dtype=object), None))
    sizes = np.bincount(codes[codes >= 0])
    rows = np.argsort(codes, kind="stable")
    rows = rows[codes[rows] >= 0]
    return rows[np.repeat(sizes > 1, sizes)], sizes[sizes > 1]


def _interval(rho: float, estimates: np.ndarray, n: int, confidence: float) -> tuple[float, float]:
    """The percentile interval, shifted by the bootstrap's own bias; if it has no width, that of Fieller et al.

    A resample repeats images, and the ties pull its ρ towards 0. The shift is small for many images. Within small
    classes it can be so large that the unshifted interval would not contain ρ.
    """
    estimates = estimates[~np.isnan(estimates)]
    if np.isnan(rho) or not len(estimates):
        return np.nan, np.nan
    low, high = percentile_interval(estimates - (estimates.mean() - rho), confidence)
    low, high = wide(max(low, -1.0), min(high, 1.0))
    return _fieller(rho, n, confidence) if np.isnan(low) else (low, high)


def _fieller(rho: float, n: int, confidence: float) -> tuple[float, float]:
    """The interval of Spearman's ρ in Fisher's z, where every resample has the same ρ, as all have for |ρ| = 1.

    Such a ρ has no z, so it counts as that of two rankings in which one pair of neighbours is exchanged.
    """
    from scipy.stats import norm

    nearly = 1 - 12 / (n * (n**2 - 1))
    z, half = np.arctanh(np.clip(rho, -nearly, nearly)), norm.ppf((1 + confidence) / 2) * np.sqrt(1.06 / (n - 3))
    return min(float(np.tanh(z - half)), rho), max(float(np.tanh(z + half)), rho)


def _rank_correlations(variables: list[list[Ranks]], counts: np.ndarray) -> np.ndarray:
    """The (partial) correlations of ranks in each resample: shape (xs, ys, resamples), NaN where not defined."""
    ranks = [[variable.resampled(counts) for variable in part] for part in variables]
    weighted = [[counts * rank for rank in part] for part in ranks]
    norms = [
        np.sqrt([np.einsum("rn,rn->r", w, r) for w, r in zip(*parts, strict=True)])
        for parts in zip(weighted, ranks, strict=True)
    ]

    def correlations(i: int, j: int) -> np.ndarray:
        products = np.array([[np.einsum("rn,rn->r", w, r) for r in ranks[j]] for w in weighted[i]])
        return _ratio(products, norms[i][:, None] * norms[j][None, :])

    rho = correlations(0, 1)
    if len(variables) == 3:
        # Equal to the correlation of the residuals, without computing the residuals.
        x_given, y_given = correlations(0, 2), correlations(2, 1)
        left = np.clip(1 - x_given**2, 0, None) * np.clip(1 - y_given**2, 0, None)
        rho = _ratio(rho - x_given * y_given, np.sqrt(left))
    return np.clip(rho, -1, 1)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > DETERMINED)


def _permutation_p_values(
    variables: list[list[Ranks]], rho: np.ndarray, sizes: np.ndarray, permutations: int, seed: np.random.SeedSequence
) -> np.ndarray:
    """Two-sided p-values, NaN where rho is; shape (xs, ys)."""
    xs, ys, *given = (np.array([variable.original() for variable in part]) for part in variables)
    direction = np.zeros(xs.shape[1])
    if given:
        direction = given[0][0] / max(np.linalg.norm(given[0][0]), DETERMINED)
        xs, ys = (part - np.outer(part @ direction, direction) for part in (xs, ys))
    x_norms = np.linalg.norm(xs, axis=1)
    as_far = np.zeros(rho.shape)
    for j, y in enumerate(ys):
        rng = np.random.default_rng(seed)
        for permuted in permutations_within(y, sizes, permutations, rng):
            y_norm = np.sqrt(np.clip(y @ y - (permuted @ direction) ** 2, 0, None))
            by_chance = _ratio(permuted @ xs.T, y_norm[:, None] * x_norms)
            as_far[:, j] += np.count_nonzero(np.abs(by_chance) >= np.abs(rho[:, j]) * (1 - ROUNDING), axis=0)
    return np.where(np.isnan(rho), np.nan, (1 + as_far) / (1 + permutations))
