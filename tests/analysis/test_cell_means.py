"""Means in cells that some images lack."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_toolkit.analysis.cell_means import cell_covariances, centred_ranks, complete_values, without_noise


def fitted(values, weights):
    """Cell means of values = image + cell by weighted least squares over dummy variables, over all images."""
    images, cells = np.nonzero(~np.isnan(values))
    design = np.zeros((len(images), sum(values.shape)))
    design[np.arange(len(images)), images] = 1
    design[np.arange(len(images)), values.shape[0] + cells] = 1
    root = np.sqrt(weights[images])
    solution = np.linalg.lstsq(design * root[:, None], values[images, cells] * root, rcond=None)[0]
    image, cell = solution[: values.shape[0]], solution[values.shape[0] :]
    return (weights * image).sum() / weights.sum() + cell


def with_gaps(seed, images=12, cells=6, share=0.3):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(images, 1)) + rng.normal(size=cells) + 0.3 * rng.normal(size=(images, cells))
    values[rng.random(values.shape) < share] = np.nan
    values[:, 0] = rng.normal(size=images)
    values[0] = rng.normal(size=cells)
    return values


def test_values_without_gaps_come_back_as_they_are():
    values = np.random.default_rng(0).normal(size=(5, 4))
    np.testing.assert_array_equal(complete_values(values), values)


@given(st.integers(0, 10_000))
def test_means_are_those_of_the_least_squares_fit(seed):
    values = with_gaps(seed)
    expected = fitted(values, np.ones(len(values)))
    np.testing.assert_allclose(complete_values(values).mean(axis=0), expected, atol=1e-9)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(0, 11))
def test_an_image_contributes_the_derivative_of_the_fit_by_its_weight(seed, image):
    values = with_gaps(seed)
    step = 1e-5
    weights = np.ones(len(values))
    weights[image] += step
    slope = (fitted(values, weights) - fitted(values, np.ones(len(values)))) / step
    contribution = complete_values(values)
    np.testing.assert_allclose(contribution[image] - contribution.mean(axis=0), len(values) * slope, atol=2e-3)


def test_exactly_additive_values_are_filled_in():
    image, cell = np.array([[1.0], [2.0], [5.0]]), np.array([0.0, 10.0, 30.0])
    values = image + cell
    gaps = values.copy()
    gaps[0, 1] = gaps[2, 2] = np.nan
    np.testing.assert_allclose(complete_values(gaps).mean(axis=0), values.mean(axis=0))


def test_images_that_are_all_high_do_not_raise_their_cells():
    # Only the unstable images can be shown in the last cell, where they are as unstable as elsewhere.
    values = np.array([[0.1, 0.1, np.nan], [0.1, 0.1, np.nan], [0.9, 0.9, 0.9], [0.9, 0.9, 0.9]])
    np.testing.assert_allclose(complete_values(values).mean(axis=0), [0.5, 0.5, 0.5])


def test_cells_that_share_no_image_do_not_fail():
    values = np.array([[1.0, 2.0, np.nan, np.nan], [np.nan, np.nan, 3.0, 5.0]])
    assert np.isfinite(complete_values(values)).all()


def signal_of(values, levels):
    total, noise = cell_covariances(values[None], levels, np.ones((1, len(values))))
    return float(1 - noise[0, 0, 0] / total[0, 0, 0])


def test_noise_is_told_from_what_differs_between_cells():
    rng = np.random.default_rng(1)
    values = rng.normal(size=4000) + 4 * rng.normal(size=(20, 4000))
    # The variance of the means is 1 + 16 / 20.
    assert signal_of(values, np.zeros(4000)) == pytest.approx(1 / 1.8, abs=0.03)


def test_what_an_image_adds_to_all_cells_of_a_level_is_no_noise():
    rng = np.random.default_rng(2)
    levels = np.repeat([0, 1], 15)
    values = rng.normal(size=30) + 100 * rng.normal(size=(10, 2))[:, levels]
    assert signal_of(values, levels) == pytest.approx(1.0)
    assert signal_of(values, np.repeat([0, 1], [14, 16])) < 0.9


def test_what_differs_between_levels_is_no_signal():
    rng = np.random.default_rng(6)
    levels = np.repeat([0, 1], 150)
    values = 50.0 * levels + rng.normal(size=(10, 300))
    assert signal_of(values, levels) < 0.25
    assert signal_of(values, np.zeros(300)) > 0.9


def test_covariances_of_a_resample_are_those_of_its_repeated_images():
    rng = np.random.default_rng(7)
    parts, counts = rng.normal(size=(2, 8, 12)) + rng.normal(size=(2, 1, 12)), rng.multinomial(8, np.full(8, 1 / 8), 5)
    levels = np.repeat([0, 1, 2], 4)
    total, noise = cell_covariances(parts, levels, counts.astype(float))
    for number, row in enumerate(counts):
        drawn = []
        for part in np.repeat(parts, row, axis=1):
            by_level = [part[:, levels == k] - part[:, levels == k].mean(axis=1, keepdims=True) for k in range(3)]
            drawn.append(np.concatenate(by_level, axis=1))
        for i in range(2):
            for j in range(2):
                means = drawn[i].mean(axis=0), drawn[j].mean(axis=0)
                rest = (drawn[i] - means[0]) * (drawn[j] - means[1])
                assert total[number, i, j] == pytest.approx((means[0] * means[1]).sum() / 9)
                assert noise[number, i, j] == pytest.approx(rest.sum() / 7 / 8 / 9)


def test_without_noise_the_covariances_are_those_of_the_truth():
    rng = np.random.default_rng(8)
    x = rng.normal(size=3000)
    x -= x.mean()
    truth = np.stack([x + rng.normal(size=3000), 0.5 * x - rng.normal(size=3000)])
    shared = rng.normal(size=(20, 3000))
    parts = truth[:, None] + 3 * np.stack([shared + rng.normal(size=(20, 3000)), shared + rng.normal(size=(20, 3000))])
    found = without_noise(parts, np.zeros(3000), x)
    np.testing.assert_allclose(np.cov(found), np.cov(truth), atol=0.15)
    np.testing.assert_allclose(found @ x, parts.mean(axis=1) @ x)
    np.testing.assert_allclose(found.mean(axis=1), parts.mean(axis=(1, 2)))
    assert np.abs(np.cov(parts.mean(axis=1)) - np.cov(truth)).max() > 0.4


def test_values_without_noise_stay_as_they_are():
    cells = np.random.default_rng(9).normal(size=(1, 1, 12))
    x, levels = np.linspace(-1, 1, 12), np.repeat([0, 1], 6)
    x = x - np.repeat([x[:6].mean(), x[6:].mean()], 6)
    np.testing.assert_allclose(without_noise(np.repeat(cells, 5, axis=1), levels, x)[0], cells[0, 0])


def test_ranks_within_levels_are_centred_and_of_equal_weight():
    ranks = centred_ranks(np.array([[3.0, 1.0, 10.0, 30.0, 20.0, 40.0]]), np.array([0, 0, 1, 1, 1, 1]))
    np.testing.assert_allclose(ranks, [[0.25, -0.25, -0.375, 0.125, -0.125, 0.375]])
