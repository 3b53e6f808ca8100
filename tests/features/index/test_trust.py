"""Scores from the search, against an independent computation."""

import numpy as np
import pandas as pd
import pytest

from bias_toolkit.features.index import TrainingIndex, search_scores, training_index
from bias_toolkit.features.index import exact as exact_module
from bias_toolkit.features.index import vectors as vectors_module
from bias_toolkit.foundation.resampling import named_generator


def slowly(training, classes, feature, predicted, own, metric):
    """nn_distance, knn_distance, disagreement and distrust of one image, in plain loops."""
    near = []
    for row, vector in enumerate(training):
        if row == own:
            continue
        if metric == "euclidean":
            distance = float(np.sqrt(((feature - vector) ** 2).sum()))
        else:
            distance = 1 - float(feature @ vector / np.linalg.norm(feature) / np.linalg.norm(vector))
        near.append((distance, classes[row]))
    near.sort()
    ten = near[:10]
    same = [distance for distance, label in near if label == predicted]
    other = [distance for distance, label in near if label != predicted]
    distrust = 1.0 if not same else 0.0 if not other else same[0] / (same[0] + other[0])
    return ten[0][0], np.mean([each for each, _ in ten]), np.mean([label != predicted for _, label in ten]), distrust


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("tile", [7, 13, 100])
def test_scores_agree_with_plain_loops(metric, tile, monkeypatch):
    monkeypatch.setattr(exact_module, "TILE_ROWS", tile)
    monkeypatch.setattr(exact_module, "TILE_QUERIES", tile)
    # 16 rows of 8 numbers.
    monkeypatch.setattr(vectors_module, "LARGEST_BLOCK", 512)
    rng = np.random.default_rng(0)
    training, features = (rng.normal(size=(n, 8)).astype(np.float32) for n in (50, 20))
    features[:5] = training[:5]
    classes = rng.integers(-1, 4, 50)
    # Class 7 has no training image.
    predicted = np.append(rng.integers(0, 4, 18), [7, 7])
    own = np.append(np.arange(5), np.full(15, -1))
    index = TrainingIndex.build(training, [str(row) for row in range(50)], metric)
    scores, rows = search_scores(index, features, predicted, classes, own)
    expected = [
        slowly(training.astype(float), classes, *each, metric)
        for each in zip(features.astype(float), predicted, own, strict=True)
    ]
    np.testing.assert_allclose(scores[["nn_distance", "knn_distance", "disagreement", "distrust"]], expected, atol=1e-5)
    assert scores["distrust"].tolist()[-2:] == [1, 1]
    assert scores["disagreement"].tolist()[-2:] == [1, 1]
    assert rows.shape == (20, 10)
    assert not (rows[:5] == own[:5, None]).any()
    assert list(search_scores(index, features, predicted, classes, own, trust=False)[0]) == list(scores)[:-1]


def test_without_another_class_an_image_is_trusted():
    training = np.eye(3, dtype=np.float32)
    index = TrainingIndex.build(training, ["a", "b", "c"])
    scores, rows = search_scores(index, training[:1], np.array([2]), np.array([2, 2, 2]), np.array([0]))
    assert scores["distrust"].tolist() == [0]
    assert scores["disagreement"].tolist() == [0]
    assert rows.tolist() == [[1, 2, -1]]


def test_training_images_of_both_kinds_at_distance_0_give_no_preference():
    training = np.ones((4, 3), dtype=np.float32)
    index = TrainingIndex.build(training, list("abcd"))
    scores, _ = search_scores(index, training[:1], np.array([1]), np.array([1, 0, 0, 0]))
    assert scores["distrust"].tolist() == [0.5]


def test_distances_by_class_are_among_a_sample_of_many_training_images(monkeypatch):
    monkeypatch.setattr(training_index, "CLASS_SAMPLE", 30)
    rng = np.random.default_rng(4)
    training, features = rng.normal(size=(200, 6)).astype(np.float32), rng.normal(size=(9, 6)).astype(np.float32)
    classes, predicted = rng.integers(0, 3, 200), rng.integers(0, 3, 9)
    index = TrainingIndex.build(training, [str(row) for row in range(200)])
    same, other = index.class_distances(features, predicted, classes)
    among = np.sort(named_generator(0, "class distances").permutation(200)[:30])
    apart = np.linalg.norm(features[:, None] - training[among], axis=2)
    is_same = predicted[:, None] == classes[among]
    np.testing.assert_allclose(same, np.where(is_same, apart, np.inf).min(axis=1), rtol=1e-5)
    np.testing.assert_allclose(other, np.where(is_same, np.inf, apart).min(axis=1), rtol=1e-5)


def test_neighbours_that_are_known_give_the_same_scores():
    rng = np.random.default_rng(5)
    training, features = rng.normal(size=(40, 6)).astype(np.float32), rng.normal(size=(9, 6)).astype(np.float32)
    classes, predicted = rng.integers(0, 3, 40), rng.integers(0, 3, 9)
    index = TrainingIndex.build(training, [str(row) for row in range(40)])
    found = index.search(features, 10)
    scores, rows = search_scores(index, features, predicted, classes, found=found)
    searched, searched_rows = search_scores(index, features, predicted, classes)
    pd.testing.assert_frame_equal(scores, searched)
    np.testing.assert_array_equal(rows, searched_rows)
