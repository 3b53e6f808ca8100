import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from bias_toolkit.foundation.resampling import resample_counts
from bias_toolkit.objects.wasserstein import PooledValues


def draw(rng, n, shift=0.0, spread=1.0):
    """Values of one to three objects an image, of which half of the variance is the image's."""
    per_image = rng.integers(1, 4, n)
    image = np.repeat(np.arange(n), per_image)
    values = (rng.normal(size=n)[image] + rng.normal(size=len(image))) / np.sqrt(2)
    return shift + spread * values, image


def distance(first, second, n_first, n_second, rng, resamples=300, permutations=99):
    pooled = PooledValues(first, second, n_first)
    deviations = np.concatenate([pooled.resampled(c) for c in resample_counts([n_first, n_second], resamples, rng)])
    deviations -= pooled.observed
    labels = np.repeat([False, True], [n_first, n_second])
    exchanged = np.array([rng.permutation(labels) for _ in range(permutations)])
    return pooled.distance([deviations], deviations.std(axis=0), pooled.exchanged(exchanged), 0.95)


values = st.lists(st.floats(-5, 5).map(lambda x: round(x, 2)), min_size=2, max_size=12)


@settings(max_examples=60, deadline=None)
@given(values, values, st.integers(0, 99))
def test_resamples_and_exchanges_are_those_of_the_tables(one, other, seed):
    rng = np.random.default_rng(seed)
    first, second = (np.array(one), np.arange(len(one)) // 2), (np.array(other), np.arange(len(other)) // 2)
    n_first, n_second = first[1].max() + 1, second[1].max() + 1
    pooled = PooledValues(first, second, n_first)
    ordered = np.sort(np.concatenate([one, other]))
    counts = rng.integers(1, 4, (3, n_first + n_second))
    for row, difference in zip(counts, pooled.resampled(counts.astype(float)), strict=True):
        repeated = [np.repeat(table, row[image + start]) for (table, image), start in ((first, 0), (second, n_first))]
        expected = np.abs(difference) @ np.diff(ordered)
        assert wasserstein_distance(*repeated) == pytest.approx(expected, abs=1e-9)
    labels = rng.permutation(np.repeat([False, True], [n_first, n_second]))
    of_second = labels[np.concatenate([first[1], second[1] + n_first])]
    both = np.concatenate([one, other])
    expected = wasserstein_distance(both[~of_second], both[of_second])
    assert pooled.exchanged(labels[None])[0] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("shift", "spread", "truth"), [(0, 1, 0), (0.8, 1, 0.8), (0, 1.6, 0.6 * np.sqrt(2 / np.pi))])
def test_the_interval_holds_the_truth(shift, spread, truth):
    rng = np.random.default_rng(int(10 * (shift + spread)))
    held = []
    for _ in range(120):
        found = distance(draw(rng, 80), draw(rng, 80, shift, spread), 80, 80, rng, 200, 2)
        assert 0 <= found.low <= found.distance <= found.high
        held.append(found.low <= truth <= found.high)
    assert 0.89 <= np.mean(held) <= 1


def test_of_two_samples_of_one_law_the_interval_holds_zero():
    rng = np.random.default_rng(5)
    own = np.arange(300)
    held = []
    for _ in range(150):
        found = distance((rng.normal(size=300), own), (rng.normal(size=300), own), 300, 300, rng, 150, 2)
        held.append(found.low == 0)
    # The plain bootstrap takes what chance made for real, and holds 0 in about 85 of 100.
    assert np.mean(held) >= 0.92


def test_where_nothing_differs_the_p_value_is_uniform_and_the_distance_that_of_chance():
    rng = np.random.default_rng(0)
    found = [distance(draw(rng, 40), draw(rng, 60), 40, 60, rng, 2, 99) for _ in range(200)]
    p_values = np.array([each.p_value for each in found])
    assert 0.01 <= (p_values <= 0.05).mean() <= 0.1
    assert abs(p_values.mean() - 0.5) < 0.07
    ratio = np.mean([each.distance for each in found]) / np.mean([each.by_chance for each in found])
    assert ratio == pytest.approx(1, abs=0.07)
    assert 0.9 <= np.mean([each.distance <= each.by_chance_high for each in found]) <= 0.99


def test_a_shift_is_found_with_its_size():
    rng = np.random.default_rng(0)
    found = distance(draw(rng, 300), draw(rng, 300, 0.8), 300, 300, rng)
    assert found.p_value == 0.01
    assert found.by_chance_high < found.low < 0.8 < found.high < 1.1


def test_values_that_never_differ_test_nothing():
    rng = np.random.default_rng(0)
    found = distance((np.ones(5), np.arange(5)), (np.ones(7), np.arange(7)), 5, 7, rng)
    assert found.distance == found.low == found.high == found.by_chance == 0
    assert np.isnan(found.p_value)
