"""P(top-1 change) and MAC over all small shifts, against loops over the views, and their intervals against laws."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bias_toolkit.explain.neighbourhood import (
    MAP_RADIUS,
    RADIUS,
    Neighbourhood,
    estimate,
    estimate_fall,
    shifts,
    sweeps,
)
from bias_toolkit.invariance.noise import clopper_pearson

SEEDS = st.integers(0, 2**32 - 1)
CLASSES = arrays(int, (9, 9), elements=st.integers(0, 3))


def random_probabilities(seed, radius=RADIUS, classes=4):
    """Softmax outputs without ties that wander from shift to shift."""
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(classes, 0.7), (2 * radius + 1) ** 2).astype(np.float32)


def slow_paths(radius):
    """Every sweep as its places (right, down), in order."""
    span = range(-radius, radius + 1)
    rows = [[(x, y) for x in span] for y in span]
    columns = [[(x, y) for y in span] for x in span]
    return [*rows, *columns, [(d, d) for d in span], [(-d, d) for d in span]]


def slow_changes_and_macs(probabilities, radius):
    """Both measures of every sweep, a step at a time."""
    span = range(-radius, radius + 1)
    outputs = iter(probabilities)
    at = {(x, y): next(outputs) for y in span for x in span}
    changes, macs = [], []
    for path in slow_paths(radius):
        changed = moved = 0.0
        for here, there in pairwise(path):
            p, q = at[here], at[there]
            top = max(range(len(p)), key=p.__getitem__)
            changed += top != max(range(len(q)), key=q.__getitem__)
            moved += abs(float(p[top]) - float(q[top]))
        changes.append(changed / (len(path) - 1))
        macs.append(moved / (len(path) - 1))
    return changes, macs


def test_shifts_are_all_of_them_row_by_row():
    assert shifts(1).tolist() == [[-1, -1], [0, -1], [1, -1], [-1, 0], [0, 0], [1, 0], [-1, 1], [0, 1], [1, 1]]
    assert shifts().tolist() == [[x, y] for y in range(-4, 5) for x in range(-4, 5)]
    assert len(shifts(MAP_RADIUS)) == 17**2


@pytest.mark.parametrize("radius", [1, RADIUS, MAP_RADIUS])
def test_each_row_column_and_diagonal_is_swept_once(radius):
    passed = shifts(radius)[sweeps(radius)]
    assert passed.shape == (4 * radius + 4, 2 * radius + 1, 2)
    as_tuples = [[tuple(place) for place in path] for path in passed.tolist()]
    assert as_tuples == slow_paths(radius)
    assert len({frozenset(path) for path in as_tuples}) == len(as_tuples)


def test_every_step_is_one_pixel_in_its_sweeps_direction():
    steps = np.diff(shifts()[sweeps()], axis=1)
    assert steps.shape == (20, 8, 2)
    directions = [(1, 0)] * 9 + [(0, 1)] * 9 + [(1, 1), (-1, 1)]
    np.testing.assert_array_equal(steps, np.repeat(np.array(directions)[:, None], 8, axis=1))


@pytest.mark.parametrize("radius", [1, RADIUS, MAP_RADIUS])
@pytest.mark.parametrize("seed", range(3))
def test_measures_agree_with_a_loop_over_the_steps(seed, radius):
    probabilities = random_probabilities(seed, radius)
    neighbourhood = Neighbourhood(probabilities)
    changes, macs = slow_changes_and_macs(probabilities, radius)
    np.testing.assert_allclose(neighbourhood.changes, changes, rtol=1e-12)
    np.testing.assert_allclose(neighbourhood.macs, macs, rtol=1e-6)
    assert 0 < np.mean(changes) < 1


def test_sweeps_can_be_chosen():
    probabilities = random_probabilities(5)
    rows = [4, 13, 18]
    chosen = Neighbourhood(probabilities, sweeps()[rows])
    changes, macs = slow_changes_and_macs(probabilities, RADIUS)
    np.testing.assert_allclose(chosen.changes, np.array(changes)[rows], rtol=1e-12)
    np.testing.assert_allclose(chosen.macs, np.array(macs)[rows], rtol=1e-6)


@pytest.mark.parametrize(
    ("layout", "steps"),
    [("constant", 0), ("boundary", 11), ("stripes 1", 11), ("stripes 4", 44), ("stripes 8", 88), ("checkerboard", 144)],
)
def test_changes_of_layouts_are_counted(neighbourhood_of, layout, steps):
    assert neighbourhood_of(layout).changes.mean() * 160 == pytest.approx(steps)


def test_mac_is_of_the_class_that_was_on_top():
    """The top class falls from 0.5 to 0.4 and another rises from 0.3 to 0.6: the step counts 0.1."""
    grid = np.tile(np.array([0.5, 0.3, 0.2]), (3, 3, 1))
    grid[:, 1:] = [0.4, 0.6, 0.0]
    neighbourhood = Neighbourhood(grid.reshape(9, 3))
    np.testing.assert_allclose(neighbourhood.macs[:3], 0.05)
    np.testing.assert_allclose(neighbourhood.macs[3:6], 0)
    # Read from right to left, the class that was on top falls from 0.6 to 0.3.
    np.testing.assert_allclose(neighbourhood.macs[6:], [0.05, 0.15])


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, order=st.permutations(range(4)))
def test_class_numbers_do_not_matter(seed, order):
    probabilities = random_probabilities(seed)
    one, other = Neighbourhood(probabilities), Neighbourhood(probabilities[:, order])
    np.testing.assert_array_equal(one.changes, other.changes)
    np.testing.assert_array_equal(one.macs, other.macs)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_a_constant_prediction_does_not_change(seed):
    neighbourhood = Neighbourhood(np.tile(random_probabilities(seed)[0], (81, 1)))
    assert not neighbourhood.changes.any()
    assert not neighbourhood.macs.any()


@settings(max_examples=40, deadline=None)
@given(classes=CLASSES, turns=st.integers(0, 3))
def test_mean_changes_are_the_same_transposed_and_turned(neighbourhood_of, classes, turns):
    def of(grid):
        return Neighbourhood(np.eye(4)[grid.ravel()]).changes.mean()

    assert of(classes.T) == of(np.rot90(classes, turns)) == of(classes)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_measures_are_shares(seed):
    neighbourhood = Neighbourhood(random_probabilities(seed))
    for values in (neighbourhood.changes, neighbourhood.macs):
        assert values.shape == (20,)
        assert ((values >= 0) & (values <= 1)).all()


def test_accuracy_and_mean_prediction(neighbourhood_of):
    neighbourhood = neighbourhood_of("boundary", p=0.75)
    assert neighbourhood.accuracy(0) == 4 / 9
    assert neighbourhood.accuracy(1) == 5 / 9
    assert neighbourhood.accuracy(2) == 0
    expected = [(4 * 0.75 + 5 * 0.125) / 9, (4 * 0.125 + 5 * 0.75) / 9, 0.125]
    np.testing.assert_allclose(neighbourhood.mean_prediction, expected, rtol=1e-12)


def test_the_centre_is_the_view_without_a_shift():
    for radius in (1, RADIUS, MAP_RADIUS):
        probabilities = random_probabilities(9, radius)
        (row,) = np.flatnonzero((shifts(radius) == 0).all(axis=1))
        np.testing.assert_array_equal(Neighbourhood(probabilities).centre, probabilities[row])


@pytest.mark.parametrize(("radius", "within"), [(0, 4), (1, 4), (3, 4), (4, 4), (2, 3), (6, 2)])
def test_averages_agree_with_a_loop_over_the_shifts(radius, within):
    probabilities = random_probabilities(7, MAP_RADIUS)
    at = {tuple(place): p for place, p in zip(shifts(MAP_RADIUS).tolist(), probabilities.astype(float), strict=True)}
    expected = []
    for x, y in shifts(within).tolist():
        total = np.zeros(4)
        for right in range(-radius, radius + 1):
            for down in range(-radius, radius + 1):
                total += at[x + right, y + down]
        expected.append(total / (2 * radius + 1) ** 2)
    averaged = Neighbourhood(probabilities).averaged(radius, within)
    np.testing.assert_allclose(averaged.probabilities, expected, rtol=1e-12)
    assert averaged.changes.shape == (4 * within + 4,)


def test_averaging_over_no_shift_is_the_inner_neighbourhood():
    probabilities = random_probabilities(8, MAP_RADIUS)
    inner = Neighbourhood(probabilities).averaged(0)
    np.testing.assert_array_equal(inner.probabilities, probabilities.reshape(17, 17, 4)[4:13, 4:13].reshape(81, 4))


def test_averages_need_the_shifts_around():
    with pytest.raises(ValueError, match="over 5 pixels around shifts of 4 need 9 pixels"):
        Neighbourhood(random_probabilities(0, MAP_RADIUS)).averaged(5)
    with pytest.raises(ValueError, match="need 5 pixels"):
        Neighbourhood(random_probabilities(0)).averaged(1)


OTHERS = 1 - 0.025 ** (1 / 20)
"""The largest share of sweeps with another value, with 95% confidence, if 20 have the same."""


@pytest.mark.parametrize("value", [0.0, 0.125, 1.0])
def test_equal_values_give_the_interval_that_is_valid_at_any_n(value):
    equal = np.full(20, value)
    for found in (estimate([equal]), estimate([equal, equal, equal])):
        assert found.value == pytest.approx(value, abs=1e-12)
        assert found.low == pytest.approx(value * (1 - OTHERS))
        assert found.high == pytest.approx(value + OTHERS * (1 - value))
        assert 0 <= found.low < found.high <= 1
    # Exact for shares: Clopper and Pearson's interval of 0 of 20.
    assert estimate([np.zeros(20)]).high == pytest.approx(clopper_pearson(0, 20)[1])
    fall = estimate_fall([equal], [equal])
    assert (fall.value, fall.low, fall.high) == pytest.approx((0, -OTHERS, OTHERS), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(values=arrays(float, (3, 20), elements=st.sampled_from([0.0, 0.125, 0.5, 1.0])), seed=SEEDS)
def test_no_interval_is_empty_or_outside_the_range(values, seed):
    found, fall = estimate(list(values), seed), estimate_fall(list(values), [values[0]], seed)
    assert -1e-12 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1 + 1e-12
    assert found.low < found.high
    assert -1 <= fall.low < fall.high <= 1


def test_a_rare_change_is_in_the_interval():
    """Sweeps of which 2% change in one step: most sets of 20 have no change, and their interval reaches to it."""
    rng = np.random.default_rng(8)
    drawn = (rng.random((400, 20)) < 0.02) / 8
    found = [estimate([values], seed) for seed, values in enumerate(drawn) if not values.any()]
    assert len(found) > 200
    assert all(one.low <= 0.02 / 8 <= one.high for one in found)


def test_values_are_exact_means():
    rng = np.random.default_rng(0)
    before, after, others = rng.random(20), rng.random((3, 20)), rng.random((2, 20))
    assert estimate([before]).value == pytest.approx(sum(before) / 20, rel=1e-12)
    assert estimate(list(after)).value == pytest.approx(sum(map(sum, after)) / 60, rel=1e-12)
    assert estimate_fall([before], list(after)).value == pytest.approx(sum(before) / 20 - sum(map(sum, after)) / 60)
    expected = sum(map(sum, after)) / 60 - sum(map(sum, others)) / 40
    assert estimate_fall(list(after), list(others)).value == pytest.approx(expected)


def slow_interval(values, draws=4000):
    """Sweeps drawn with replacement, the same in every neighbourhood, a resample at a time."""
    values, rng = np.asarray(values), np.random.default_rng(99)
    n = values.shape[1]
    means = [values[:, rng.integers(0, n, n)].mean() for _ in range(draws)]
    return np.quantile(means, [0.025, 0.975])


@pytest.mark.parametrize("groups", [1, 4])
def test_the_interval_agrees_with_drawing_again(groups):
    rng = np.random.default_rng(3)
    values = (rng.random((groups, 1)) + rng.random((groups, 20)) + rng.random(20)) / 3
    found = estimate(list(values))
    low, high = slow_interval(values)
    tolerance = 0.06 * (high - low)
    assert found.low == pytest.approx(low, abs=tolerance)
    assert found.high == pytest.approx(high, abs=tolerance)


def test_a_fall_is_paired():
    """What two neighbourhoods share from sweep to sweep does not widen the interval of the fall."""
    before = np.random.default_rng(1).random(20) / 2 + 0.2
    after = before - 0.125 + np.random.default_rng(2).normal(0, 0.001, 20)
    fall, alone = estimate_fall([before], [after]), estimate([before])
    assert fall.value == pytest.approx(0.125, abs=0.001)
    assert fall.high - fall.low < 0.02 * (alone.high - alone.low)


def test_intervals_cover_the_mean_of_independent_sweeps():
    """400 neighbourhoods of 20 independent sweeps with 8 steps: the interval covers 93% or more."""
    rng = np.random.default_rng(4)
    drawn = rng.binomial(8, 0.3, (400, 20)) / 8
    found = [estimate([values], seed) for seed, values in enumerate(drawn)]
    assert 0.89 <= np.mean([one.low <= 0.3 <= one.high for one in found]) <= 0.985


def test_intervals_cover_the_fall_of_the_same_sweeps():
    rng = np.random.default_rng(6)
    steady = rng.normal(0, 0.3, (400, 20))
    before, after = steady + rng.normal(0.4, 0.1, (400, 20)), steady + rng.normal(0.1, 0.1, (400, 20))
    found = [estimate_fall([before[seed]], [after[seed]], seed) for seed in range(400)]
    assert 0.89 <= np.mean([one.low <= 0.3 <= one.high for one in found]) <= 0.985
    assert np.mean([one.high - one.low for one in found]) < 0.15


def test_the_seed_decides():
    values = [np.random.default_rng(0).random(20)]
    for function in (
        lambda seed: estimate(values, seed),
        lambda seed: estimate_fall([values[0] ** 2], values, seed),
    ):
        assert function(1) == function(1)
        assert function(1) != function(2)
        assert function(1).value == function(2).value
