"""Fit a binomial regression, and estimate its coefficients' uncertainty where images of a class are similar.

Sources: P. McCullagh & J. Nelder, Generalized Linear Models, 1989, chapter 4 (the fit). Covariance: the cluster
jackknife CV3 of J. MacKinnon, M. Nielsen & M. Webb, "Cluster-robust jackknife and bootstrap inference for logistic
regression models", Econometric Reviews 44, 2025 (its linearised form), with Student's t. Its degrees of freedom are the
effective number of clusters − 1, because a few large clusters decide a coefficient alone: A. Carter, K. Schnepel & D.
Steigerwald, "Asymptotic behavior of a t-test robust to cluster heterogeneity", Rev. Econ. Stat. 99(4), 2017.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from bias_toolkit.foundation.resampling import CONFIDENCE

# Standardised terms whose log odds ratio exceeds this have no finite estimate.
LARGEST_COEFFICIENT = 15.0
LARGEST_CONDITION = 1e12
ITERATIONS = 50
TOLERANCE = 1e-9
# If leaving out one cluster leaves less than this share of the information on a direction, it counts as none.
NO_INFORMATION = 1e-8


@dataclass(frozen=True)
class BinomialFit:
    """A logistic regression of the changed steps among all steps."""

    coefficients: np.ndarray  # (terms,); log odds ratios, without the intercepts
    covariance: np.ndarray  # (terms, terms); NaN where one cluster alone decides a coefficient
    clusters: int  # the number of clusters
    freedom: np.ndarray  # (terms,); Student's degrees of freedom of each coefficient

    def odds_ratio(self, term: int) -> tuple[float, float, float, float]:
        """One term's odds ratio, both ends of its interval, and the p-value of the hypothesis that it is 1."""
        from scipy.stats import t

        coefficient, error = self.coefficients[term], np.sqrt(self.covariance[term, term])
        if not np.isfinite(error) or error <= 0:
            return float(np.exp(coefficient)), np.nan, np.nan, np.nan
        half = t.ppf((1 + CONFIDENCE) / 2, self.freedom[term]) * error
        p_value = 2 * t.sf(abs(coefficient) / error, self.freedom[term])
        return (*(float(np.exp(coefficient + by)) for by in (0.0, -half, half)), float(p_value))


def fit_binomial(terms: np.ndarray, changed: np.ndarray, steps: np.ndarray, clusters: np.ndarray) -> BinomialFit | None:
    """Fit one intercept and the terms; None where a coefficient has no finite estimate.

    Parameters
    ----------
    terms : (images, terms); standardised.
    changed, steps : (images,); the number of steps at which the class changed, and of all steps.
    clusters : (images,) int; numbered from 0 without gaps. Images of one cluster may be similar.
    """
    design = np.column_stack([np.ones(len(terms)), terms])
    coefficients = glm_coefficients(design, changed, steps)
    if coefficients is None:
        return None
    expected = steps * expit(design @ coefficients)
    weights = expected * (1 - expected / steps)
    covariance, freedom = _cluster_jackknife(design, changed - expected, weights, clusters)
    return BinomialFit(coefficients[1:], covariance[1:, 1:], int(clusters.max()) + 1, freedom[1:])


def glm_coefficients(design: np.ndarray, changed: np.ndarray, steps: np.ndarray) -> np.ndarray | None:
    """Coefficients of statsmodels' binomial GLM, None where they diverge."""
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # It warns of diverging coefficients, which are checked below.
        warnings.simplefilter("ignore")
        model = GLM(np.column_stack([changed, steps - changed]), design, family=Binomial())
        fitted = model.fit(maxiter=ITERATIONS)
    coefficients = np.asarray(fitted.params)
    if not fitted.converged or not np.all(np.abs(coefficients) < LARGEST_COEFFICIENT):
        return None
    return coefficients


def fit_within_classes(
    terms: np.ndarray, changed: np.ndarray, steps: np.ndarray, classes: np.ndarray
) -> BinomialFit | None:
    """Fit one intercept per class and the terms, so that only differences within classes count.

    It is the binomial GLM with one indicator per class. The intercepts are eliminated from Newton's equations, so their
    size is the number of terms, whatever the number of classes. None where a coefficient has no finite estimate.

    `terms`, `changed` and `steps` are as for `fit_binomial`. `classes` (images,), numbered from 0 without gaps, are the
    clusters; in each class some steps change and some do not.
    """
    size = np.bincount(classes, weights=steps)
    share = np.bincount(classes, weights=changed) / size
    intercepts = np.log(share / (1 - share))
    coefficients = np.zeros(terms.shape[1])
    log_odds = intercepts[classes]
    likelihood = _log_likelihood(log_odds, changed, steps)
    for _ in range(ITERATIONS):
        expected = steps * expit(log_odds)
        weights = expected * (1 - expected / steps)
        of_class = np.bincount(classes, weights=weights)
        if not np.all(of_class > 0):
            return None
        means = np.column_stack([np.bincount(classes, weights=weights * term) for term in terms.T]) / of_class[:, None]
        centred = terms - means[classes]
        information = centred.T @ (centred * weights[:, None])
        if np.linalg.cond(information) > LARGEST_CONDITION:
            return None
        change = np.linalg.solve(information, centred.T @ (changed - expected))
        of_intercepts = np.bincount(classes, weights=changed - expected) / of_class - means @ change
        if max(np.abs(change).max(), np.abs(of_intercepts).max()) < TOLERANCE:
            covariance, freedom = _cluster_jackknife(centred, changed - expected, weights, classes)
            return BinomialFit(coefficients, covariance, len(size), freedom)
        step = 1.0
        # Newton's full step may go downhill, but a small enough part of it does not.
        while True:
            log_odds = (intercepts + step * of_intercepts)[classes] + terms @ (coefficients + step * change)
            moved = _log_likelihood(log_odds, changed, steps)
            if moved >= likelihood - TOLERANCE * abs(likelihood) or step < TOLERANCE:
                break
            step /= 2
        coefficients, intercepts, likelihood = coefficients + step * change, intercepts + step * of_intercepts, moved
        if not np.all(np.abs(coefficients) < LARGEST_COEFFICIENT):
            return None
    return None


def _log_likelihood(log_odds: np.ndarray, changed: np.ndarray, steps: np.ndarray) -> float:
    return -float(changed @ np.logaddexp(0, -log_odds) + (steps - changed) @ np.logaddexp(0, log_odds))


def _cluster_jackknife(
    design: np.ndarray, residuals: np.ndarray, weights: np.ndarray, clusters: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """CV3: sum over clusters of the effect of leaving each out on the coefficients, by one Newton step.

    Returns the covariance and Student's degrees of freedom of each coefficient. They are one less than the number of
    clusters with equal shares of the information on the coefficient that would have the same sum of squared shares.

    Parameters
    ----------
    design : (images, columns)
    residuals : (images,); changed steps minus the expected number of them.
    weights : (images,); variance of the number of changed steps.
    clusters : (images,) int
    """
    order = np.argsort(clusters, kind="stable")
    starts = np.searchsorted(clusters[order], np.arange(clusters.max() + 1))
    rows = design[order]
    scores = np.add.reduceat(rows * residuals[order][:, None], starts)
    information = np.add.reduceat(rows[:, :, None] * (rows * weights[order][:, None])[:, None, :], starts)
    # Without any one cluster, the others must still hold information on every direction.
    total = information.sum(axis=0)
    inverse = np.linalg.inv(total)
    shares = np.einsum("aj,gab,bj->gj", inverse, information, inverse) / np.diag(inverse)
    freedom = np.maximum(1 / (shares**2).sum(axis=0) - 1, 1.0)
    root = np.linalg.cholesky(inverse)
    largest = np.linalg.eigvalsh(root.T @ information @ root)[:, -1]
    if len(starts) < 2 or np.any(1 - largest < NO_INFORMATION):
        return np.full(total.shape, np.nan), freedom
    moved = np.linalg.solve(total - information, scores[:, :, None])[:, :, 0]
    return (len(starts) - 1) / len(starts) * moved.T @ moved, freedom
