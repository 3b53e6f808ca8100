import warnings

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize
from scipy.special import expit
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM

from bias_toolkit.analysis.binomial_fit import fit_binomial, fit_within_classes

STEPS = 8


def images(seed=0, classes=12, size=25, terms=3, spread=0.8):
    """Terms, changed steps, all steps and class; classes have intercepts of their own."""
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(classes), size)
    x = rng.normal(size=(len(of), terms)) + 0.5 * rng.normal(size=(classes, terms))[of]
    steps = rng.integers(2, STEPS + 1, len(of)).astype(float)
    log_odds = -0.7 + x @ np.linspace(0.6, -0.6, terms) + spread * rng.normal(size=classes)[of]
    return x, rng.binomial(steps.astype(int), expit(log_odds + 0.7 * rng.normal(size=len(of)))).astype(float), steps, of


def newton_steps_without(design, changed, steps, coefficients, clusters):
    """What one Newton step from the estimate does where a cluster is left out; shape (clusters, columns)."""
    moved = []
    for left_out in np.unique(clusters):
        rest = clusters != left_out
        p = expit(design[rest] @ coefficients)
        score = design[rest].T @ (changed[rest] - steps[rest] * p)
        information = design[rest].T @ np.diag(steps[rest] * p * (1 - p)) @ design[rest]
        moved.append(np.linalg.pinv(information, rcond=1e-12) @ score)
    return np.array(moved)


class TestTogether:
    def test_coefficients_maximise_the_likelihood(self):
        x, changed, steps, of = images()
        design = np.column_stack([np.ones(len(x)), x])

        def loss(b):
            p = expit(design @ b)
            return -np.sum(stats.binom.logpmf(changed, steps, p))

        best = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-8})
        np.testing.assert_allclose(fit_binomial(x, changed, steps, of).coefficients, best.x[1:], atol=1e-5)

    def test_covariance_is_the_jackknife_over_clusters(self):
        x, changed, steps, of = images()
        fit = fit_binomial(x, changed, steps, of)
        design = np.column_stack([np.ones(len(x)), x])
        full = GLM(np.column_stack([changed, steps - changed]), design, family=Binomial()).fit().params
        moved = newton_steps_without(design, changed, steps, full, of)
        np.testing.assert_allclose(fit.covariance, (11 / 12 * moved.T @ moved)[1:, 1:], rtol=1e-6)
        assert fit.clusters == 12

    def test_it_is_near_the_jackknife_of_whole_fits(self):
        x, changed, steps, of = images()
        fit = fit_binomial(x, changed, steps, of)
        moved = []
        for left_out in range(12):
            rest = of != left_out
            clusters = np.unique(of[rest], return_inverse=True)[1]
            moved.append(fit_binomial(x[rest], changed[rest], steps[rest], clusters).coefficients - fit.coefficients)
        expected = 11 / 12 * np.array(moved).T @ np.array(moved)
        np.testing.assert_allclose(np.sqrt(np.diag(fit.covariance)), np.sqrt(np.diag(expected)), rtol=0.05)

    def test_the_order_of_images_and_the_numbers_of_clusters_do_not_matter(self):
        x, changed, steps, of = images()
        order = np.random.default_rng(1).permutation(len(x))
        fit, other = (
            fit_binomial(x, changed, steps, of),
            fit_binomial(x[order], changed[order], steps[order], 11 - of[order]),
        )
        np.testing.assert_allclose(fit.covariance, other.covariance, rtol=1e-6)

    def test_odds_ratio_has_students_interval(self):
        x, changed, steps, of = images()
        fit = fit_binomial(x, changed, steps, of)
        value, low, high, p = fit.odds_ratio(1)
        error, freedom = np.sqrt(fit.covariance[1, 1]), fit.freedom[1]
        assert np.log(value) == pytest.approx(fit.coefficients[1])
        assert np.log(high) - np.log(value) == pytest.approx(stats.t.ppf(0.975, freedom) * error)
        assert np.log(value) - np.log(low) == pytest.approx(stats.t.ppf(0.975, freedom) * error)
        assert p == pytest.approx(2 * stats.t.cdf(-abs(fit.coefficients[1]) / error, freedom))

    def test_a_few_large_clusters_have_fewer_degrees_of_freedom(self):
        rng = np.random.default_rng(4)
        x, steps = np.tile(rng.normal(size=(20, 1)), (40, 1)), np.full(800, 8.0)
        changed = rng.binomial(8, 0.5, 800).astype(float)
        # The same values in each cluster of 20, so that the information on the coefficient goes with the size.
        even = fit_binomial(x, changed, steps, np.repeat(np.arange(10), 80))
        uneven = fit_binomial(x, changed, steps, np.repeat(np.arange(10), [20] * 8 + [320] * 2))
        assert even.freedom == pytest.approx([9], rel=0.01)
        # 800² / (8 · 20² + 2 · 320²) clusters of equal size would have the same sum of squared shares.
        assert uneven.freedom == pytest.approx([800**2 / (8 * 20**2 + 2 * 320**2) - 1], rel=0.01)

    def test_a_term_of_one_cluster_has_no_interval(self):
        x, changed, steps, of = images()
        x[:, 2] *= of == 3
        fit = fit_binomial(x, changed, steps, of)
        value, *others = fit.odds_ratio(2)
        assert np.isfinite(value)
        assert np.isnan(others).all()

    def test_divergence_is_none_and_no_warning(self):
        x, _, steps, of = images()
        changed = np.where(x[:, 0] > 0, steps, 0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert fit_binomial(x, changed, steps, of) is None


class TestWithinClasses:
    @pytest.mark.parametrize("spread", [0.0, 2.0])
    def test_it_is_the_fit_with_an_indicator_of_each_class(self, spread):
        x, changed, steps, of = images(spread=spread)
        fit = fit_within_classes(x, changed, steps, of)
        design = np.column_stack([x, np.eye(12)[of]])
        model = GLM(np.column_stack([changed, steps - changed]), design, family=Binomial())
        full = model.fit(tol=1e-12).params
        np.testing.assert_allclose(fit.coefficients, full[:3], atol=1e-6)
        moved = newton_steps_without(design, changed, steps, full, of)
        np.testing.assert_allclose(fit.covariance, (11 / 12 * moved.T @ moved)[:3, :3], rtol=1e-5)

    def test_rare_changes_converge(self):
        rng = np.random.default_rng(0)
        of = np.repeat(np.arange(10), 100)
        margin = 1 - rng.exponential(0.5, 1000)
        changed = rng.binomial(STEPS, expit(-4.5 - 1.5 * margin)).astype(float)
        steps = np.full(1000, float(STEPS))
        assert (np.bincount(of, weights=changed) > 0).all()
        fit = fit_within_classes(margin[:, None], changed, steps, of)
        design = np.column_stack([margin, np.eye(10)[of]])
        full = GLM(np.column_stack([changed, steps - changed]), design, family=Binomial()).fit()
        np.testing.assert_allclose(fit.coefficients, full.params[:1], atol=1e-6)

    def test_what_all_images_of_a_class_share_does_not_count(self):
        x, changed, steps, of = images()
        moved = x + 5 * np.random.default_rng(2).normal(size=(12, 3))[of]
        fit, other = (fit_within_classes(terms, changed, steps, of) for terms in (x, moved))
        np.testing.assert_allclose(fit.coefficients, other.coefficients, atol=1e-7)
        np.testing.assert_allclose(fit.covariance, other.covariance, rtol=1e-5)

    def test_divergence_is_none(self):
        x, _, steps, of = images()
        changed = np.where(x[:, 0] > np.array([np.median(x[of == k, 0]) for k in range(12)])[of], steps, 0)
        assert fit_within_classes(x, changed, steps, of) is None
        constant = np.column_stack([x[:, 0], of.astype(float)])
        assert fit_within_classes(constant, images()[1], steps, of) is None
