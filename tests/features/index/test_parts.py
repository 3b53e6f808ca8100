"""A search in parts of the training features finds what one search finds, to the bit."""

from itertools import pairwise

import numpy as np
import pytest

from bias_toolkit.features.index import (
    Search,
    StoredFeatures,
    TrainingIndex,
    groups_of,
    leave_one_out_distances,
    merge,
    search_part,
    spacing_rows,
)
from bias_toolkit.foundation.choices import METRICS

RNG = np.random.default_rng(5)
TRAINING = np.abs(RNG.normal(size=(90, 7))).astype(np.float32)
# Equal vectors in several parts: of equal distances, the lower row comes first.
TRAINING[[17, 40, 88]] = TRAINING[3]
QUERIES = np.concatenate([np.abs(RNG.normal(size=(20, 7))), TRAINING[[3, 40, 89]]]).astype(np.float32)
OWN = np.array([-1] * 20 + [3, 40, 89])
LABELS = ["a", "b", None, "nowhere"] * 5 + ["a"] * 3
TRAINING_LABELS = ["a", "b", "c"] * 30
ENDS = [0, 4, 4, 41, 42, 90]
"""Parts of 4, 0, 37, 1 and 48 rows: some have fewer than the neighbours that are wanted."""


@pytest.fixture(params=METRICS)
def index(request, tmp_path):
    paths = [tmp_path / f"{number}.npy" for number in range(3)]
    for path, part in zip(paths, np.split(TRAINING, [25, 60]), strict=True):
        np.save(path, part)
    return TrainingIndex.build(StoredFeatures(paths), [f"{row}.png" for row in range(90)], request.param)


def in_parts(index, search):
    parts = [search_part(index.part(start, stop), start, search) for start, stop in pairwise(ENDS)]
    return merge(parts, search.k)


@pytest.mark.parametrize("k", [1, 10, 89, 90])
def test_nearest_of_all_are_the_nearest_of_the_parts(index, k):
    found = in_parts(index, Search(QUERIES, k, OWN))
    expected = index.search(QUERIES, k, own_rows=OWN)
    assert [each.dtype for each in found] == [np.float32, np.int64]
    for each, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(each, other)


def test_nearest_within_the_class(index):
    groups = groups_of(LABELS, TRAINING_LABELS)
    distances, rows = in_parts(index, Search(QUERIES, 1, OWN, groups))
    expected = index.search(QUERIES, 1, own_rows=OWN, groups=groups)
    np.testing.assert_array_equal(distances, expected[0])
    np.testing.assert_array_equal(rows, expected[1])
    assert np.isnan(distances[2, 0])
    assert rows[2, 0] == -1


@pytest.mark.parametrize("sample", [90, 30])
def test_spacing(index, sample):
    rows = spacing_rows(index, sample, seed=2)
    distances, _ = in_parts(index, Search(index.features_at(rows), 1, rows))
    np.testing.assert_array_equal(np.sort(distances[:, 0]), leave_one_out_distances(index, sample, seed=2))
