"""Distances to the training set against loops over all pairs."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bias_toolkit.features.index import (
    DISTANCES,
    TrainingIndex,
    distances_table,
    leave_one_out_distances,
    nearest_neighbours,
)
from bias_toolkit.features.index.distance import LEAK_FRACTION, class_nn_distances, leak_threshold
from bias_toolkit.foundation.choices import METRICS
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import read_table, write_table

RNG = np.random.default_rng(21)
TRAINING = np.abs(RNG.normal(size=(80, 6))).astype(np.float32)
TRAINING[17] = TRAINING[3]
TRAINING_LABELS = [("cat", "dog", "cow", None)[row % 4] for row in range(80)]
TEST = np.concatenate([np.abs(RNG.normal(size=(12, 6))), TRAINING[[3, 40, 41, 3]]]).astype(np.float32)
TEST_IDS = [f"val/{row}.png" for row in range(16)]
TEST_LABELS = ["dog", "cat", None, "bat", np.nan, *["cat", "cow", "dog"] * 2, "cat", "cow", "cat", "dog", "dog"]
OWN = np.array([-1] * 12 + [3, 40, 41, -1])

both_metrics = pytest.mark.parametrize("metric", METRICS)


def ids(count):
    return [f"train/{row}.png" for row in range(count)]


def naive_distance(x, y, metric):
    x, y = x.astype(np.float64), y.astype(np.float64)
    if metric == "euclidean":
        return float(np.linalg.norm(x - y))
    return 1 - float(x @ y) / float(np.linalg.norm(x) * np.linalg.norm(y))


def naive_spacing(training, metric):
    return [
        min(naive_distance(training[i], training[j], metric) for j in range(len(training)) if j != i)
        for i in range(len(training))
    ]


def table_of(training, test, labels, training_labels, own=None, metric="euclidean", k=10):
    index = TrainingIndex.build(training, ids(len(training)), metric)
    test_ids = [f"val/{row}.png" for row in range(len(test))]
    neighbours = nearest_neighbours(index, test, test_ids, own, k)
    within = class_nn_distances(index, test, labels, training_labels, own)
    reference = leave_one_out_distances(index)
    return distances_table(index, neighbours, test_ids, within, own, reference=reference, k=k)


@both_metrics
@pytest.mark.parametrize("own", [None, OWN])
def test_agrees_with_loops_over_all_pairs(metric, own):
    table = table_of(TRAINING, TEST, TEST_LABELS, TRAINING_LABELS, own, metric, k=7)
    assert table["image_id"].tolist() == TEST_IDS
    spacing = naive_spacing(TRAINING, metric)
    for i, row in enumerate(table.itertuples()):
        others = [j for j in range(80) if own is None or j != own[i]]
        every = sorted(naive_distance(TEST[i], TRAINING[j], metric) for j in others)
        same = [naive_distance(TEST[i], TRAINING[j], metric) for j in others if TRAINING_LABELS[j] == TEST_LABELS[i]]
        assert row.nn_distance == pytest.approx(every[0], rel=1e-5, abs=1e-7)
        assert row.knn_distance == pytest.approx(sum(every[:7]) / 7, rel=1e-5)
        if TEST_LABELS[i] in ("cat", "dog", "cow"):
            assert row.class_nn_distance == pytest.approx(min(same), rel=1e-5, abs=1e-7)
        else:
            assert np.isnan(row.class_nn_distance)
        below = sum(1 for distance in spacing if distance < every[0] - 1e-9)
        assert row.distance_percentile == pytest.approx(below / 80)


def test_known_percentiles():
    """Training points at 0, 1, 3, 7: their spacing is 1, 1, 2, 4."""
    training = np.array([[0.0], [1.0], [3.0], [7.0]])
    test = np.array([[0.5], [-1.0], [9.0], [-5.0], [100.0]])
    table = table_of(training, test, [None] * 5, [None] * 4)
    assert table["nn_distance"].tolist() == [0.5, 1, 2, 5, 93]
    assert table["distance_percentile"].tolist() == [0, 0, 0.5, 1, 1]


@both_metrics
def test_leave_one_out_agrees_with_a_loop_and_keeps_duplicates(metric):
    index = TrainingIndex.build(TRAINING, ids(80), metric)
    distances = leave_one_out_distances(index)
    np.testing.assert_allclose(distances, sorted(naive_spacing(TRAINING, metric)), rtol=1e-5, atol=1e-7)
    assert (distances == 0).sum() == 2


def test_leave_one_out_takes_a_seeded_sample():
    index = TrainingIndex.build(TRAINING, ids(80))
    every = leave_one_out_distances(index)
    sample = leave_one_out_distances(index, sample=30, seed=5)
    assert len(sample) == 30
    assert set(sample) <= set(every)
    np.testing.assert_array_equal(sample, leave_one_out_distances(index, sample=30, seed=5))
    assert not np.array_equal(sample, leave_one_out_distances(index, sample=30, seed=6))
    np.testing.assert_array_equal(every, leave_one_out_distances(index, sample=80, seed=5))


def test_one_training_image_has_no_spacing():
    table = table_of(TRAINING[:1], TEST[:2], ["dog", "dog"], ["dog"], np.array([-1, 0]))
    assert np.isfinite(table.loc[0, ["nn_distance", "knn_distance", "class_nn_distance"]].astype(float)).all()
    assert table.loc[1, ["nn_distance", "knn_distance", "class_nn_distance"]].isna().all()
    assert table["distance_percentile"].isna().all()
    assert table["leak"].tolist() == [False, False]


def test_fewer_training_images_than_k_are_all_averaged():
    table = table_of(
        np.array([[0.0], [4.0], [10.0]]), np.array([[1.0], [0.0]]), [None] * 2, [None] * 3, np.array([-1, 0])
    )
    assert table["knn_distance"].tolist() == [pytest.approx((1 + 3 + 9) / 3), 7]


def test_a_class_of_which_the_image_is_the_only_one_is_absent():
    index = TrainingIndex.build(TRAINING[:3], ids(3))
    labels = ["cat", "dog", "dog"]
    distances = class_nn_distances(index, TRAINING[:3], labels, labels, np.arange(3))
    assert np.isnan(distances[0])
    assert distances[1] == distances[2] == np.float32(naive_distance(TRAINING[1], TRAINING[2], "euclidean"))


def test_a_large_class_is_searched_in_blocks(monkeypatch):
    index = TrainingIndex.build(TRAINING, ids(80))
    whole = class_nn_distances(index, TEST, TEST_LABELS, TRAINING_LABELS, OWN)
    monkeypatch.setattr("bias_toolkit.features.index.vectors.LARGEST_BLOCK", 3 * 4 * 6)
    assert index._vectors.block_rows == 3
    np.testing.assert_array_equal(class_nn_distances(index, TEST, TEST_LABELS, TRAINING_LABELS, OWN), whole)


def test_a_duplicate_and_a_near_duplicate_are_leaks_and_a_neighbour_is_not():
    training = np.array([[0.0], [10.0], [20.0], [30.0], [40.0]])
    test = np.array([[10.0], [20.0 + 10 * LEAK_FRACTION], [10.0 - 10.1 * LEAK_FRACTION], [25.0], [30.0]])
    table = table_of(training, test, [None] * 5, [None] * 5, np.array([-1, -1, -1, -1, 3]))
    assert table["leak"].tolist() == [True, True, False, False, False]


def test_the_leak_threshold_leaves_duplicates_aside():
    reference = np.array([0, 0, 0, 1, 2, 3], dtype=np.float32)
    assert leak_threshold(reference, "euclidean") == pytest.approx(LEAK_FRACTION * 2)
    assert leak_threshold(np.zeros(4, dtype=np.float32), "euclidean") == 0
    assert leak_threshold(np.empty(0, dtype=np.float32), "cosine") == 0


def test_the_two_metrics_call_the_same_difference_a_leak():
    """For unit vectors 1 − cos is half the squared Euclidean distance, so the fractions must be squared too."""
    angles = np.linspace(0, 0.4, 9)
    training = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    for share, leak in ((LEAK_FRACTION * 0.98, True), (LEAK_FRACTION * 1.02, False)):
        angle = angles[4] + share * (angles[1] - angles[0])
        test = np.array([[np.cos(angle), np.sin(angle)]])
        for metric in METRICS:
            assert table_of(training, test, [None], [None] * 9, metric=metric)["leak"].tolist() == [leak]


def test_the_table_fits_its_schema(tmp_path):
    table = table_of(TRAINING, TEST, TEST_LABELS, TRAINING_LABELS, OWN)
    write_table(table, tmp_path / "distances.parquet", DISTANCES)
    pd.testing.assert_frame_equal(read_table(tmp_path / "distances.parquet"), table)


def test_labels_may_be_a_column_of_a_table():
    column = pd.Series(TEST_LABELS, dtype="str")
    table = table_of(TRAINING, TEST, column, pd.Series(TRAINING_LABELS, dtype="str"), OWN)
    pd.testing.assert_frame_equal(table, table_of(TRAINING, TEST, TEST_LABELS, TRAINING_LABELS, OWN))


def test_neighbours_of_another_search_are_refused():
    index = TrainingIndex.build(TRAINING, ids(80))
    reference, within = leave_one_out_distances(index), np.zeros(16)
    few = nearest_neighbours(index, TEST, TEST_IDS, k=3)
    for neighbours, test_ids in ((few, TEST_IDS), (few, [*TEST_IDS[:-1], "other.png"]), (few, ["a.png"] * 16)):
        with pytest.raises(InputError, match=r"neighbours table|twice"):
            distances_table(index, neighbours, test_ids, within, reference=reference, k=4)


def test_labels_that_do_not_fit_are_refused():
    index = TrainingIndex.build(TRAINING, ids(80))
    with pytest.raises(InputError, match="16 and 79 labels"):
        class_nn_distances(index, TEST, TEST_LABELS, TRAINING_LABELS[1:])


values = arrays.arrays(np.float32, st.tuples(st.integers(1, 30), st.just(2)), elements=st.floats(-50, 50, width=32))


@settings(deadline=None, max_examples=60)
@given(values, values, st.sampled_from(METRICS), st.integers(1, 12))
def test_nearest_is_below_the_mean_of_the_nearest_and_below_the_nearest_of_the_class(training, test, metric, k):
    labels, training_labels = ["a", "b"] * 15, ["a", "b", None] * 10
    table = table_of(training, test, labels[: len(test)], training_labels[: len(training)], metric=metric, k=k)
    assert (table["nn_distance"] <= table["knn_distance"]).all()
    present = table["class_nn_distance"].notna()
    assert (table["nn_distance"] <= table["class_nn_distance"])[present].all()
    if len(training) > 1:
        assert table["distance_percentile"].between(0, 1).all()
        by_distance = table.sort_values("nn_distance")["distance_percentile"]
        assert by_distance.is_monotonic_increasing
