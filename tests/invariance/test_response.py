import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bias_toolkit.invariance import Sweep, make_response
from bias_toolkit.invariance.response import cosine_distance, rank

CROP = Sweep("crop", "diagonal", 1.0)
FEATURES = np.ones((9, 3), dtype=np.float32)

probability_rows = arrays(np.float32, (9, 12), elements=st.sampled_from([0, 0.125, 0.25, 0.5, 0.75, 1]))


def spread(*rows):
    """Nine views: the rows given, then the last one again and again."""
    rows = [list(row) for row in rows]
    return np.array(rows + [rows[-1]] * (9 - len(rows)), dtype=np.float32)


def test_the_columns_say_what_they_should():
    probabilities = spread([0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7])
    row = make_response(probabilities, FEATURES, CROP, label_index=1)
    assert row["label_index"] == 1
    np.testing.assert_array_equal(row["top1"], [0, 1, 2, 2, 2, 2, 2, 2, 2])
    np.testing.assert_allclose(row["p_top1"], [0.6, 0.5, *[0.7] * 7])
    np.testing.assert_allclose(row["p_second"], [0.3, 0.3, *[0.2] * 7])
    np.testing.assert_allclose(row["p_reference"], [0.1, 0.3, *[0.7] * 7])
    np.testing.assert_allclose(row["p_label"], [0.3, 0.5, *[0.2] * 7])
    np.testing.assert_allclose(row["p_top1_next"], [0.2, 0.2, *[0.7] * 6])
    assert not row["top5_exit"].any()
    np.testing.assert_array_equal(row["feature_step"], np.zeros(8))


def test_without_a_label_there_is_no_probability_of_it():
    row = make_response(spread([0.6, 0.4]), FEATURES, CROP)
    assert row["label_index"] is None
    assert row["p_label"] is None


def test_offsets_have_no_reference_and_compare_within_pairs():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]], dtype=np.float32)
    features = np.array([[1, 0], [0, 1], [1, 1], [2, 2]], dtype=np.float32)
    row = make_response(probabilities, features, Sweep("offsets", "random", 1.0, draws=2))
    assert row["p_reference"] is None
    np.testing.assert_allclose(row["p_top1_next"], [0.2, 0.7])
    np.testing.assert_allclose(row["feature_step"], [1, 0], atol=1e-7)


def test_the_first_of_equal_classes_is_the_top_one():
    row = make_response(spread([0.25, 0.25, 0.25, 0.25]), FEATURES, CROP)
    np.testing.assert_array_equal(row["top1"], np.zeros(9))
    np.testing.assert_array_equal(row["p_second"], np.full(9, 0.25, dtype=np.float32))


def test_a_class_exits_the_top_five_when_five_come_before_it():
    first = [0.5, 0.1, 0.1, 0.1, 0.1, 0.1]
    fifth = [0.1, 0.2, 0.2, 0.2, 0.3, 0.0]
    sixth = [0.05, 0.2, 0.2, 0.2, 0.25, 0.1]
    row = make_response(spread(first, fifth, first, sixth), FEATURES, CROP)
    # Steps: 0 → rank 4 (in), then 4 → 0.1 in a tie of five behind 0 (in), 0 → rank 5 (out), 4 stays.
    np.testing.assert_array_equal(row["top5_exit"], [False, False, True, *[False] * 5])


@pytest.mark.parametrize("n_classes", [1, 2, 5])
def test_with_five_classes_or_fewer_nothing_exits(n_classes):
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.ones(n_classes), size=9).astype(np.float32)
    row = make_response(probabilities, FEATURES, CROP)
    assert not row["top5_exit"].any()
    if n_classes == 1:
        np.testing.assert_array_equal(row["p_second"], np.zeros(9))


@settings(deadline=None)
@given(probability_rows, st.integers(0, 11))
def test_rank_is_the_place_in_a_stable_descending_order(probabilities, chosen):
    places = [list(np.argsort(-row, kind="stable")).index(chosen) for row in probabilities]
    np.testing.assert_array_equal(rank(probabilities, np.full(9, chosen)), places)
    np.testing.assert_array_equal(rank(probabilities, probabilities.argmax(axis=1)), np.zeros(9))


def test_cosine_distance_at_known_angles():
    angles = np.array([0, 1e-5, 0.3, np.pi / 2, 2.5, np.pi])
    a = np.tile([3.0, 0.0], (6, 1))
    b = 0.2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    expected = 2 * np.sin(angles / 2) ** 2  # 1 − cos, without cancellation
    np.testing.assert_allclose(cosine_distance(a, b), expected, rtol=1e-6, atol=0)


def test_cosine_distance_of_zero_vectors():
    zero, one = np.zeros((1, 4), dtype=np.float32), np.ones((1, 4), dtype=np.float32)
    assert cosine_distance(zero, zero) == 0
    assert cosine_distance(zero, one) == 1
    assert cosine_distance(one, zero) == 1


@settings(deadline=None)
@given(arrays(np.float32, (5, 7), elements=st.floats(-1e3, 1e3, width=32)))
def test_cosine_distance_of_equal_vectors_is_exactly_zero(rows):
    np.testing.assert_array_equal(cosine_distance(rows, rows.copy()), np.zeros(5))
