"""Approximate indexes: what is refused, what they find, and how good they are said to be."""

import faiss
import numpy as np
import pytest

from bias_toolkit.features.index import (
    SEARCH_QUALITY,
    StoredFeatures,
    TrainingIndex,
    check_index,
    distances_table,
    leave_one_out_distances,
    nearest_neighbours,
    search_quality,
)
from bias_toolkit.features.index.distance import class_nn_distances
from bias_toolkit.foundation.choices import METRICS
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import read_table, write_table

RNG = np.random.default_rng(9)
TRAINING = np.abs(RNG.normal(size=(900, 16))).astype(np.float32)
QUERIES = np.abs(RNG.normal(size=(80, 16))).astype(np.float32)
IDS = [str(row) for row in range(900)]
NONE = np.full(80, -1)


@pytest.mark.parametrize(
    ("index", "dimension", "rows", "said"),
    [
        ("nonsense", 16, 900, "nothing that Faiss understands.*could not parse"),
        ("IVF16,Flat nprobe=0", 16, 900, "has 16 lists; nprobe must be from 1 to that"),
        ("IVF16,Flat nprobe=-1", 16, 900, "has 16 lists; nprobe must be from 1 to that"),
        ("IVF16,Flat nprobe=17", 16, 900, "has 16 lists; nprobe must be from 1 to that"),
        ("IVF0,Flat", 16, 900, "has a 0"),
        ("HNSW0", 16, 900, "has a 0"),
        ("PQ4x0", 16, 900, "has a 0"),
        ("HNSW1", 16, 900, "too few links for each vector; HNSW needs 4 or more"),
        ("IVF16_NSG2,Flat", 16, 900, "too few links for each vector; NSG needs 4 or more"),
        ("IVF16,Flat nprob=3", 16, 900, "nothing that Faiss understands.*nprob"),
        ("PQ7", 16, 900, "16 dimensions.*multiple"),
        ("IVF1024,Flat", 16, 900, "at least 1,024 images to train on, and has 900"),
        ("PQ8", 16, 255, "at least 256 images"),
        ("IVF16,PQ8", 16, 255, "at least 256 images"),
        ("OPQ8,IVF16,PQ8", 16, 255, "at least 256 images"),
        ("OPQ8,PQ8", 16, 255, "at least 256 images"),
        ("IVF200000,Flat", 16, 1_000_000, "200,000 images to train on, and has 100,000"),
        ("IDMap,Flat", 16, 900, "leave out IDMap"),
    ],
)
def test_refused_before_any_work(index, dimension, rows, said):
    with pytest.raises(InputError, match=f"--index '{index}'.*{said}"):
        check_index(index, dimension, rows)
    with pytest.raises(InputError, match=f"--index '{index}'"):
        TrainingIndex.build(TRAINING[:rows, :dimension], IDS[:rows], index=index)


@pytest.mark.parametrize(
    "index", ["exact", "IVF16,Flat nprobe=3", "HNSW8", "HNSW10", "PQ8", "IMI2x4,Flat", "SQ8", "LSH"]
)
def test_not_refused(index):
    check_index(index, 16, 900)


def test_what_faiss_refuses_only_while_searching_names_the_option(monkeypatch):
    built = TrainingIndex.build(TRAINING, IDS, index="SQ8")

    def search(queries, k):
        raise RuntimeError("Error in void faiss::search() at /project/faiss/IndexIVF.cpp:338: Error: 'k > 0' failed")

    monkeypatch.setattr(built._approximate._made, "search", search)
    with pytest.raises(InputError, match=r"^--index 'SQ8' cannot be searched: Error: 'k > 0' failed$"):
        built.search(QUERIES, 3)


def test_what_faiss_refuses_only_while_training_names_the_option():
    check_index("PCA12,Flat", 16, 5)
    with pytest.raises(InputError, match=r"--index 'PCA12,Flat' cannot be made of these features: .*PCA matrix"):
        TrainingIndex.build(TRAINING[:5], IDS[:5], index="PCA12,Flat")


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("index", ["HNSW32", "IVF16,Flat nprobe=16", "SQ8"])
def test_where_it_misses_none_it_is_the_exact_search_to_the_bit(metric, index):
    own = NONE.copy()
    queries = QUERIES.copy()
    queries[:30], own[:30] = TRAINING[:30], np.arange(30)
    exact = TrainingIndex.build(TRAINING, IDS, metric)
    built = TrainingIndex.build(TRAINING, IDS, metric, index=index)
    for one, other in zip(built.search(queries, 3, own_rows=own), exact.search(queries, 3, own_rows=own), strict=True):
        np.testing.assert_array_equal(one, other)
    assert built.reason.startswith(f"Approximate search by the Faiss index {index}, which --index names")
    np.testing.assert_array_equal(leave_one_out_distances(built), leave_one_out_distances(exact))


def test_distances_of_what_it_finds_are_exact_and_never_too_small():
    built = TrainingIndex.build(TRAINING, IDS, index="PQ4x4np")
    distances, rows = built.search(QUERIES, 5)
    truth = np.linalg.norm(QUERIES[:, None].astype(np.float64) - TRAINING[rows], axis=2)
    np.testing.assert_allclose(distances, truth, rtol=1e-6)
    exact, _ = built.search(QUERIES, 5, exact=True)
    assert (distances >= exact).all()
    assert (distances > exact).any()


def test_lists_are_searched_as_the_string_says_and_a_sixteenth_of_them_otherwise():
    assert "looks into 2 of its 32 lists" in TrainingIndex.build(TRAINING, IDS, index="IVF32,Flat").reason
    assert "looks into 5 of its 32 lists" in TrainingIndex.build(TRAINING, IDS, index="IVF32,Flat nprobe=5").reason
    few, many = (
        search_quality(TrainingIndex.build(TRAINING, IDS, index=f"IVF32,Flat nprobe={n}"), QUERIES, NONE, 1)
        for n in (1, 8)
    )
    assert few.loc[0, "recall"] < many.loc[0, "recall"]


def test_where_the_lists_hold_too_few_the_search_is_exact():
    built = TrainingIndex.build(TRAINING, IDS, index="IVF300,Flat nprobe=1")
    exact = TrainingIndex.build(TRAINING, IDS)
    ids = [str(row) for row in range(80)]
    neighbours = nearest_neighbours(built, QUERIES, ids, k=10)
    assert neighbours.groupby("image_id").size().eq(10).all()
    within = [class_nn_distances(each, QUERIES, ["a"] * 80, ["a", "b"] * 450) for each in (built, exact)]
    np.testing.assert_array_equal(*within)
    table = distances_table(built, neighbours, ids, within[0], reference=leave_one_out_distances(built))
    assert table[["nn_distance", "knn_distance"]].notna().all(axis=None)
    own = TrainingIndex.build(TRAINING[:1], ["0"], index="HNSW4").search(TRAINING[:1], 1, own_rows=np.array([0]))
    assert np.isnan(own[0]).all()
    assert own[1].tolist() == [[-1]]


def test_quality_is_of_as_many_neighbours_as_are_asked_for():
    """Where the lists hold fewer than are asked for, the search is exact, and so is what is measured."""
    built = TrainingIndex.build(TRAINING, IDS, index="IVF300,Flat nprobe=1")
    assert search_quality(built, QUERIES, NONE, 1).loc[0, "recall"] < 0.9
    assert search_quality(built, QUERIES, NONE, 200).loc[0, "recall"] == 1


@pytest.mark.parametrize("index", ["IVF16,Flat", "HNSW8", "OPQ4,IVF16,PQ4x4np"])
def test_the_same_seed_makes_the_same_index(tmp_path, index, monkeypatch):
    monkeypatch.setattr("bias_toolkit.features.index.approximate.TRAINING_ROWS", 300)
    training, ids = TRAINING[:450], IDS[:450]
    for number in range(2):
        TrainingIndex.build(training, ids, index=index, seed=3).save(tmp_path / str(number))
    one, other = ((tmp_path / str(number) / "index.faiss").read_bytes() for number in range(2))
    assert one == other
    if index.startswith("IVF"):
        TrainingIndex.build(training, ids, index=index, seed=4).save(tmp_path / "2")
        assert (tmp_path / "2" / "index.faiss").read_bytes() != one


def test_stored_features_make_the_same_index_and_it_is_loaded_again(tmp_path, monkeypatch):
    for number, part in enumerate((slice(0, 400), slice(400, 900))):
        np.save(tmp_path / f"{number}.npy", TRAINING[part])
    stored = StoredFeatures([tmp_path / "0.npy", tmp_path / "1.npy"])
    monkeypatch.setattr("bias_toolkit.features.index.approximate.ADDED_ROWS", 37)
    built = TrainingIndex.build(stored, IDS, "cosine", index="IVF32,Flat nprobe=3")
    built.save(tmp_path / "index")
    assert sorted(path.name for path in (tmp_path / "index").iterdir()) == [
        "index.faiss",
        "index.json",
        "index.parquet",
    ]
    wanted = TrainingIndex.build(TRAINING, IDS, "cosine", index="IVF32,Flat nprobe=3").search(QUERIES, 4)
    for index in (built, TrainingIndex.load(tmp_path / "index")):
        assert (index.index, index.metric) == ("IVF32,Flat nprobe=3", "cosine")
        assert "3 of its 32 lists" in index.reason
        for one, other in zip(index.search(QUERIES, 4), wanted, strict=True):
            np.testing.assert_array_equal(one, other)
    faiss.write_index(faiss.index_factory(16, "IVF1,Flat"), str(tmp_path / "index" / "index.faiss"))
    with pytest.raises(InputError, match="build it again"):
        TrainingIndex.load(tmp_path / "index")


def test_faiss_says_nothing_on_the_terminal(capfd):
    TrainingIndex.build(TRAINING[:40], IDS[:40], index="IVF30,Flat")
    assert capfd.readouterr() == ("", "")


class Known:
    """Stands in for an index of which the exact nearest distances and those it finds are known."""

    index, rows = "known", 5

    def __init__(self, exact, found):
        self._exact, self._found = np.float32(exact), np.float32(found)

    def search(self, queries, k, own_rows, exact=False, **_):
        rows = queries[:, 0].astype(int)
        return (self._exact if exact else self._found)[rows][:, None], None


def asked(n):
    return np.arange(n, dtype=np.float32)[:, None]


def test_known_quality():
    exact = [2, 4, 0, 0, 1, 1, 1, 1, 1, 1]
    found = [2, 5, 0, 3, 1, 1, 1, 1, 1, 2]
    table = search_quality(Known(exact, found), asked(10), np.full(10, -1), 1)
    row = table.iloc[0]
    assert (row["index"], row["n_images"], row["n_errors"]) == ("known", 10, 8)
    assert row["recall"] == pytest.approx(0.7)
    # Wilson's interval of 7 of 10.
    assert (row["recall_low"], row["recall_high"]) == (pytest.approx(0.3968, abs=1e-4), pytest.approx(0.8922, abs=1e-4))
    assert row["error"] == pytest.approx((0.25 + 1) / 8)
    assert row["largest_error"] == 1
    assert 0 <= row["error_low"] < row["error"] < row["error_high"] < 0.7


def test_quality_where_all_are_found_or_at_distance_zero(tmp_path):
    row = search_quality(Known([1, 1, 1], [1, 1, 1]), asked(3), np.full(3, -1), 1).iloc[0]
    assert (row["recall"], row["recall_high"], row["error"], row["largest_error"]) == (1, 1, 0, 0)
    assert 0.4 < row["recall_low"] < 0.5
    table = search_quality(Known([0, 0], [0, 1]), asked(2), np.full(2, -1), 1)
    assert table.loc[0, "recall"] == 0.5
    assert table[["error", "error_low", "largest_error"]].isna().all(axis=None)
    write_table(table, tmp_path / "quality.parquet", SEARCH_QUALITY)
    assert read_table(tmp_path / "quality.parquet").columns.tolist() == SEARCH_QUALITY.names


def test_quality_is_of_a_seeded_sample():
    rng = np.random.default_rng(1)
    exact = rng.uniform(1, 2, 400)
    index = Known(exact, exact * rng.choice([1, 1.5], 400))
    tables = [search_quality(index, asked(400), np.full(400, -1), 1, sample=100, seed=seed) for seed in (0, 0, 1)]
    assert tables[0].equals(tables[1])
    assert not tables[0].equals(tables[2])
    assert tables[0].loc[0, "n_images"] == 100
    whole = search_quality(index, asked(400), np.full(400, -1), 1).iloc[0]
    assert whole["error_low"] < whole["error"] < whole["error_high"]
    half = whole["error_high"] - whole["error"]
    assert half == pytest.approx(1.96 * 0.25 / 20, rel=0.15)
