"""P(top-1 change) and MAC over all small shifts, against loops over the views, and their intervals against laws."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bias_toolkit.explain.neighbourhood import MAP_RADIUS, RADIUS, Neighbourhood, sweeps
from bias_toolkit.invariance.transforms import shifts

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
