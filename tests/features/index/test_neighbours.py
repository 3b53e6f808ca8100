"""The neighbours table against a loop over all pairs."""

import numpy as np
import pandas as pd
import pytest

from bias_toolkit.features.index import NEIGHBOURS, TrainingIndex, nearest_neighbours
from bias_toolkit.foundation.choices import METRICS
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import read_table, write_table

RNG = np.random.default_rng(11)
TRAINING = np.abs(RNG.normal(size=(60, 5))).astype(np.float32)
TRAINING[17] = TRAINING[3]
TRAINING_IDS = [f"train/{row}.png" for row in range(60)]
TEST = np.concatenate([np.abs(RNG.normal(size=(9, 5))), TRAINING[[3, 17, 40, 3]]]).astype(np.float32)
TEST_IDS = [f"val/{row}.png" for row in range(13)]
OWN = np.array([-1] * 9 + [3, 17, 40, -1])


def naive_distance(x, y, metric):
    x, y = x.astype(np.float64), y.astype(np.float64)
    if metric == "euclidean":
        return sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) ** 0.5
    return 1 - float(x @ y) / float((x @ x) ** 0.5 * (y @ y) ** 0.5)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("own", [None, OWN])
def test_agrees_with_a_loop_over_all_pairs(metric, own):
    index = TrainingIndex.build(TRAINING, TRAINING_IDS, metric)
    table = nearest_neighbours(index, TEST, TEST_IDS, own, 4)
    expected = []
    for i, image_id in enumerate(TEST_IDS):
        others = [row for row in range(60) if own is None or row != own[i]]
        pairs = sorted((round(naive_distance(TEST[i], TRAINING[row], metric), 9), row) for row in others)
        expected += [(image_id, rank, TRAINING_IDS[row], d) for rank, (d, row) in enumerate(pairs[:4], start=1)]
    expected = pd.DataFrame(expected, columns=NEIGHBOURS.names)
    for column in ("image_id", "rank", "neighbour_id"):
        assert table[column].tolist() == expected[column].tolist()
    np.testing.assert_allclose(table["distance"], expected["distance"], rtol=1e-5, atol=1e-9)


def test_an_image_is_not_its_own_neighbour_but_its_duplicate_is():
    index = TrainingIndex.build(TRAINING, TRAINING_IDS)
    first = nearest_neighbours(index, TEST, TEST_IDS, OWN, 1).set_index("image_id")
    assert first.loc["val/9.png", ["neighbour_id", "distance"]].tolist() == ["train/17.png", 0.0]
    assert first.loc["val/10.png", ["neighbour_id", "distance"]].tolist() == ["train/3.png", 0.0]
    assert first.loc["val/11.png", "distance"] > 0
    assert first.loc["val/12.png", ["neighbour_id", "distance"]].tolist() == ["train/3.png", 0.0]


def test_the_training_set_may_be_smaller_than_k():
    index = TrainingIndex.build(TRAINING[:3], TRAINING_IDS[:3])
    table = nearest_neighbours(index, TEST[:2], TEST_IDS[:2], np.array([-1, 1]))
    assert table.groupby("image_id")["rank"].apply(list).tolist() == [[1, 2, 3], [1, 2]]
    assert "train/1.png" not in set(table.loc[table["image_id"] == "val/1.png", "neighbour_id"])


def test_the_table_fits_its_schema(tmp_path):
    table = nearest_neighbours(TrainingIndex.build(TRAINING, TRAINING_IDS), TEST, TEST_IDS)
    write_table(table, tmp_path / "neighbours.parquet", NEIGHBOURS)
    pd.testing.assert_frame_equal(read_table(tmp_path / "neighbours.parquet"), table)
    assert len(table) == 130


def test_nothing_left_gives_an_empty_table_of_the_schema(tmp_path):
    index = TrainingIndex.build(TRAINING[:1], TRAINING_IDS[:1])
    table = nearest_neighbours(index, TEST[:1], TEST_IDS[:1], np.array([0]))
    assert table.empty
    write_table(table, tmp_path / "neighbours.parquet", NEIGHBOURS)


def test_ids_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="13 test features do not fit 2"):
        nearest_neighbours(TrainingIndex.build(TRAINING, TRAINING_IDS), TEST, TEST_IDS[:2])
