import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.outliers_influence import variance_inflation_factor

from bias_toolkit.analysis.diagnostics import (
    TERM_NAMES,
    independent_terms,
    inflation,
    inflation_notes,
    outlier_notes,
    separating_direction,
    terms_that_are_there,
    terms_that_vary,
    too_few,
    unseparated_terms,
)

NAMES = list(TERM_NAMES)


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 2)), min_size=2, max_size=12))
@settings(max_examples=60, deadline=None)
def test_separation_by_one_term(rows):
    x, changed = (np.array(each, float) for each in zip(*rows, strict=True))
    steps = np.full(len(x), 2.0)
    # One term separates where all that ever change lie on one side of all that ever stay, the threshold shared.
    some, others = x[changed > 0], x[changed < 2]
    varies = len(set(x)) > 1
    one_kind = not len(some) or not len(others)
    apart = not one_kind and (some.min() >= others.max() or some.max() <= others.min())
    found = separating_direction(x[:, None], changed, steps) is not None
    if not one_kind:
        assert found == (varies and apart)


@pytest.mark.parametrize("seed", range(5))
def test_separation_by_two_terms_together(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(200, 3))
    side = x[:, 0] - 2 * x[:, 2] > 0.3
    steps = np.full(200, 8.0)
    changed = np.where(side, 8.0, 0.0)
    direction = separating_direction(x, changed, steps)
    scores = x @ direction
    assert scores[side].min() >= scores[~side].max() - 1e-9
    kept, notes = unseparated_terms(x, changed, steps, NAMES[:3])
    assert set(kept) < set(NAMES[:3])
    assert "tells perfectly" in notes[0]
    assert "with others" in notes[0]
    # One image on the wrong side of either, far out, and nothing separates.
    changed[np.argmax(scores)], changed[np.argmin(scores)] = 0, 8
    assert separating_direction(x, changed, steps) is None
    assert unseparated_terms(x, changed, steps, NAMES[:3]) == (NAMES[:3], [])


def test_a_perfect_term_is_left_out_and_the_others_stay():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 3))
    changed = np.where(x[:, 1] > 0, 8.0, 0.0)
    kept, notes = unseparated_terms(x, changed, np.full(100, 8.0), NAMES[:3])
    assert kept == [NAMES[0], NAMES[2]]
    assert notes == [
        "The margin tells perfectly which images change class, so it has no finite odds ratio and is left out of the "
        "regression."
    ]


def test_mixed_images_end_separation():
    x = np.linspace(-1, 1, 20)[:, None]
    changed = np.where(x[:, 0] > 0, 8.0, 0.0)
    steps = np.full(20, 8.0)
    assert separating_direction(x, changed, steps) is not None
    changed[[3, 16]] = 4
    assert separating_direction(x, changed, steps) is None


def test_inflation_is_that_of_statsmodels():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4))
    x[:, 3] += 2 * x[:, 0] - x[:, 1]
    x -= x.mean(axis=0)
    expected = [variance_inflation_factor(np.column_stack([np.ones(300), x]), at + 1) for at in range(4)]
    np.testing.assert_allclose(inflation(x), expected, rtol=1e-8)
    np.testing.assert_allclose(inflation(x[:, :1]), [1.0])


def test_collinear_terms():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    x -= x.mean(axis=0)
    x[:, 2] = x[:, 0] - x[:, 1]
    kept, notes = independent_terms(x, NAMES[:3])
    assert kept == NAMES[:2]
    assert notes == [
        "The distance of the object from the centre is left out of the regression: it follows from the distance to the "
        "nearest training image and the margin."
    ]
    x[:, 2] += 0.1 * rng.normal(size=300)
    assert independent_terms(x, NAMES[:3]) == (NAMES[:3], [])
    (note,) = inflation_notes(inflation(x), NAMES[:3])
    assert "can hardly be told from the other terms" in note
    assert inflation_notes(np.array([1.0, 9.9]), NAMES[:2]) == []


def test_terms_that_are_there():
    table = pd.DataFrame({name: [1.0, 2.0, np.nan, 4.0] for name in NAMES})
    assert terms_that_are_there(table) == (NAMES, [])
    table["centre_distance"] = [np.nan, np.nan, np.nan, 1.0]
    kept, (note,) = terms_that_are_there(table)
    assert kept == [name for name in NAMES if name != "centre_distance"]
    assert note.endswith("is left out of the regression: fewer than half of the images have a box.")
    kept, (note,) = terms_that_are_there(table[["nn_distance", "margin"]])
    assert kept == ["nn_distance", "margin"]
    assert note.endswith("are left out of the regression: no test image has a box.")
    _, (note,) = terms_that_are_there(table.drop(columns="nn_distance").assign(centre_distance=1.0))
    assert note == (
        "The distance to the nearest training image is left out of the regression: no test image has its value."
    )


def test_constant_terms():
    table = pd.DataFrame({"nn_distance": [1e6] * 5, "margin": [0.1, 0.2, 0.3, 0.4, 0.5]})
    kept, notes = terms_that_vary(table, ["nn_distance", "margin"])
    assert kept == ["margin"]
    assert notes == ["The distance to the nearest training image is left out of the regression: all images share it."]


def test_too_few():
    steps = np.full(40, 8.0)
    changed = np.zeros(40)
    assert too_few(changed[:29], steps[:29], 1) == (
        "No regression was made: 29 images have all its terms, and it needs 30."
    )
    changed[:9] = 1
    assert "only 9 of 40 images change class at any step, and 2 terms need 10" in too_few(changed, steps, 2)
    assert too_few(changed, steps, 1) is None
    changed[9] = 1
    assert too_few(changed, steps, 2) is None
    assert "only 4 of 40 images keep their class at any step, and 1 term needs 5" in too_few(
        np.where(np.arange(40) < 4, 7.0, 8.0), steps, 1
    )


def test_far_out():
    x = np.random.default_rng(0).normal(size=(1000, 2))
    assert outlier_notes(x, NAMES[:2]) == []
    x[0, 1] = -19.4
    (note,) = outlier_notes(x, NAMES[:2])
    assert note.startswith("One image's value of the margin lies 19 standard deviations from the mean")
