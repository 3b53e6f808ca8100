"""How near copies come, on distances that follow a known law."""

import numpy as np
import pytest

from bias_toolkit.features.augmentation_reach import (
    COPIES,
    copies_needed,
    nearest_distances,
    reach_curve,
    spacing,
)

AT = 1 + np.array(COPIES, float)


def of_law(exponent, n=200, noise=0.0, seed=0):
    generator = np.random.default_rng(seed)
    own = generator.uniform(5, 15, n)
    return own * AT[:, None] ** -exponent * np.exp(noise * generator.normal(size=(len(COPIES), n)))


def test_distances_are_those_to_the_nearest_of_all_copies_so_far():
    generator = np.random.default_rng(0)
    test, copies = generator.normal(size=(7, 4)), [generator.normal(size=(5, 4)) for _ in range(17)]
    found = nearest_distances(test, copies, "euclidean", np.full(7, -1))
    for row, a in zip(found, COPIES, strict=True):
        for vector, distance in zip(test, row, strict=True):
            expected = min(np.linalg.norm(vector - each) for some in copies[: a + 1] for each in some)
            assert distance == pytest.approx(expected)


def test_neither_the_same_image_nor_its_copies_count():
    generator = np.random.default_rng(0)
    training = generator.normal(size=(5, 4))
    copies = [training + 0.01 * k for k in range(17)]
    own = np.array([3, -1])
    found = nearest_distances(training[[3, 1]], copies, "euclidean", own)
    others = np.delete(training, 3, axis=0)
    expected = min(np.linalg.norm(training[3] - each - 0.01 * k) for k in range(17) for each in others)
    assert found[-1, 0] == pytest.approx(expected)
    assert found[0, 1] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_spacing_leaves_each_own_image_out(metric):
    training = np.random.default_rng(1).normal(size=(6, 3))
    found = spacing(training, metric)
    for i, distance in enumerate(found):
        others = [training[j] for j in range(6) if j != i]
        if metric == "euclidean":
            expected = min(np.linalg.norm(training[i] - each) for each in others)
        else:
            cosines = [training[i] @ each / np.linalg.norm(training[i]) / np.linalg.norm(each) for each in others]
            expected = 1 - max(cosines)
        assert distance == pytest.approx(expected)


def test_a_power_law_is_extrapolated_to_the_number_that_it_gives():
    nearest = of_law(0.25, noise=0.02)
    target = np.median(nearest[0]) / 4
    needed = copies_needed(nearest, target, resamples=300)
    # 1 + a = 4 ** (1 / 0.25) = 256.
    assert needed.fit > 0.99
    assert needed.copies.low < 255 < needed.copies.high
    assert needed.copies.value == pytest.approx(255, rel=0.2)


def test_a_target_that_is_reached_already_needs_no_copy():
    nearest = of_law(0.25, noise=0.02)
    needed = copies_needed(nearest, 2 * np.median(nearest[0]), resamples=200)
    assert needed.copies is None or needed.copies.value == 0


@pytest.mark.parametrize("exponent", [0.0, 0.001])
def test_no_number_is_said_where_copies_bring_nothing_nearer(exponent):
    nearest = of_law(exponent, noise=0.05, seed=3)
    assert copies_needed(nearest, 1.0, resamples=200).copies is None


def test_no_number_is_said_where_the_law_does_not_hold():
    nearest = of_law(0.0) * np.array([1, 0.3, 0.29, 0.28, 0.28, 0.28])[:, None]
    needed = copies_needed(nearest, 1.0, resamples=200)
    assert needed.fit < 0.95
    assert needed.copies is None


def test_the_curve_has_medians_with_intervals():
    nearest = of_law(0.3)
    curve = reach_curve(nearest, resamples=200)
    assert curve["copies"].tolist() == list(COPIES)
    np.testing.assert_allclose(curve["distance"], np.median(nearest, axis=1))
    assert (curve["distance_low"] < curve["distance"]).all()
    assert (curve["distance"] < curve["distance_high"]).all()
