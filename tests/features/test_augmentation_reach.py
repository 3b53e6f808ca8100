"""How near copies come, on distances that follow a known law."""

import numpy as np
import pytest

from bias_toolkit.features.augmentation_reach import (
    COPIES,
    REACH,
    copies_needed,
    median_spacing,
    nearest_distances,
    reach_curve,
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
def test_the_spacing_leaves_each_own_image_out(metric):
    training = np.random.default_rng(1).normal(size=(6, 3))
    distances = []
    for i in range(6):
        others = [training[j] for j in range(6) if j != i]
        if metric == "euclidean":
            distances.append(min(np.linalg.norm(training[i] - each) for each in others))
        else:
            cosines = [training[i] @ each / np.linalg.norm(training[i]) / np.linalg.norm(each) for each in others]
            distances.append(1 - max(cosines))
    assert median_spacing(training, metric)[0].value == pytest.approx(np.median(distances))


def test_the_interval_of_the_spacing_holds_that_of_points_on_a_circle():
    """Of m points, the nearest is farther than r, in turns, with probability (1 − 2r)^(m − 1)."""
    m, generator = 60, np.random.default_rng(0)
    turns = (1 - 0.5 ** (1 / (m - 1))) / 2
    held, widths = [], []
    for seed in range(100):
        angles = 2 * np.pi * generator.random(m)
        found, drawn = median_spacing(np.c_[np.cos(angles), np.sin(angles)], "euclidean", resamples=150, seed=seed)
        held.append(found.low <= 2 * np.sin(np.pi * turns) <= found.high)
        widths.append(found.high / found.low)
        assert len(drawn) == 150
        assert drawn.min() < found.value < drawn.max()
    assert np.mean(held) >= 0.92
    assert np.median(widths) < 3


@pytest.mark.parametrize("training", [np.eye(9), np.repeat(np.eye(8), 2, axis=0)])
def test_too_few_training_images_or_equal_ones_have_no_interval(training):
    found, drawn = median_spacing(training, "euclidean", resamples=50)
    assert np.isnan([found.low, found.high]).all()
    assert (drawn == found.value).all()


def test_a_power_law_is_extrapolated_to_the_number_that_it_gives():
    nearest = of_law(0.25, noise=0.02)
    target = np.median(nearest[0]) / 4
    needed = copies_needed(nearest, target, np.full(300, target), resamples=300)
    # 1 + a = 4 ** (1 / 0.25) = 256.
    assert needed.fit > 0.99
    assert needed.copies.low < 255 < needed.copies.high
    assert needed.copies.value == pytest.approx(255, rel=0.2)


def test_a_target_that_is_reached_already_needs_no_copy():
    nearest = of_law(0.25, noise=0.02)
    target = 2 * np.median(nearest[0])
    needed = copies_needed(nearest, target, np.full(200, target), resamples=200)
    assert needed.copies is None or needed.copies.value == 0


@pytest.mark.parametrize("exponent", [0.0, 0.001])
def test_no_number_is_said_where_copies_bring_nothing_nearer(exponent):
    nearest = of_law(exponent, noise=0.05, seed=3)
    assert copies_needed(nearest, 1.0, np.ones(200), resamples=200).copies is None


def test_no_number_is_said_where_the_law_does_not_hold():
    nearest = of_law(0.0) * np.array([1, 0.3, 0.29, 0.28, 0.28, 0.28])[:, None]
    needed = copies_needed(nearest, 1.0, np.ones(200), resamples=200)
    assert needed.fit < 0.95
    assert needed.copies is None


def test_a_target_that_is_not_known_well_widens_the_interval():
    nearest = of_law(0.25, noise=0.02)
    target = np.median(nearest[0]) / 4
    targets = target * np.exp(0.1 * np.random.default_rng(1).normal(size=300))
    exact, wide = (
        copies_needed(nearest, target, each, resamples=300).copies for each in (np.full(300, target), targets)
    )
    assert exact.value == wide.value
    # A tenth of the distance is 0.1 / 0.25 of the logarithm of the number.
    assert np.log(wide.high / wide.low) > 1.5 > np.log(exact.high / exact.low)


def test_the_curve_has_medians_and_falls_with_intervals():
    nearest = of_law(0.3, noise=0.1)
    curve = reach_curve(nearest, resamples=200)
    assert curve.columns.tolist() == REACH.names
    assert curve["copies"].tolist() == list(COPIES)
    medians = np.median(nearest, axis=1)
    np.testing.assert_allclose(curve["distance"], medians)
    np.testing.assert_allclose(curve["fall"][1:], medians[0] - medians[1:])
    for name, rows in (("distance", curve), ("fall", curve[1:])):
        assert (rows[f"{name}_low"] < rows[name]).all()
        assert (rows[name] < rows[f"{name}_high"]).all()
    assert curve.loc[0, ["fall", "fall_low", "fall_high"]].isna().all()


@pytest.mark.parametrize("n", [20, 80])
def test_the_intervals_of_the_curve_hold_the_truth(n):
    """Distances are lognormal, so that their medians are exp(−0.3 k) for the k-th number of copies."""
    generator, truth = np.random.default_rng(n), np.exp(-0.3 * np.arange(len(COPIES)))
    held = []
    for seed in range(100):
        noise = generator.normal(size=n) + 0.2 * generator.normal(size=(len(COPIES), n))
        curve = reach_curve(truth[:, None] * np.exp(noise), resamples=200, seed=seed)
        held.append(
            [
                curve["distance_low"].le(truth) & (truth <= curve["distance_high"]),
                curve["fall_low"].le(1 - truth) & (1 - truth <= curve["fall_high"]),
            ]
        )
    of_distance, of_fall = np.mean(held, axis=0)
    assert of_distance.min() >= 0.88
    assert of_fall[1:].min() >= 0.88
    assert of_distance.mean() >= 0.92
    assert of_fall[1:].mean() >= 0.92


def test_too_few_test_images_have_no_interval():
    curve = reach_curve(of_law(0.3, n=4), resamples=50)
    assert curve["distance"].notna().all()
    assert curve.filter(regex="_low|_high").isna().all(axis=None)
    assert reach_curve(of_law(0.3, n=5, noise=0.1), resamples=50)["distance_low"].notna().all()


def test_distances_that_no_copy_changes_have_no_fall_to_tell():
    curve = reach_curve(of_law(0.0), resamples=50)
    assert curve["fall"][1:].eq(0).all()
    assert curve[["fall_low", "fall_high"]].isna().all(axis=None)
