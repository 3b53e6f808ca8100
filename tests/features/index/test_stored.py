"""Features on disk: read in pieces, searched in blocks, with the same bits and within the memory limit."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bias_toolkit.features.index import StoredFeatures, TrainingIndex, leave_one_out_distances, nearest_neighbours
from bias_toolkit.features.index.distance import class_nn_distances
from bias_toolkit.features.index.exact import Groups
from bias_toolkit.foundation.choices import METRICS
from bias_toolkit.foundation.errors import InputError

RNG = np.random.default_rng(12)
SIZES = (5, 1, 30, 64)
TRAINING = np.abs(RNG.normal(size=(100, 7))).astype(np.float16)
# The same vectors on both sides of a file's border.
TRAINING[[4, 5, 6, 99]] = TRAINING[4]
IDS = [f"train/{row}.png" for row in range(100)]
QUERIES = np.concatenate([np.abs(RNG.normal(size=(20, 7))), TRAINING[[4, 50]]]).astype(np.float32)


def stored(folder, features=TRAINING, sizes=SIZES):
    paths, start = [], 0
    for number, size in enumerate(sizes):
        paths.append(folder / f"features-{number:05d}.npy")
        np.save(paths[-1], features[start : start + size])
        start += size
    return StoredFeatures(paths)


@pytest.fixture
def in_blocks(monkeypatch):
    """A function after which an index is read in blocks of so many rows of 7 numbers."""

    def cut(rows):
        monkeypatch.setattr("bias_toolkit.features.index.placement.HELD_SHARE", 0)
        monkeypatch.setattr("bias_toolkit.features.index.vectors.LARGEST_BLOCK", rows * 4 * 7)

    return cut


def test_reads_as_one_array(tmp_path):
    features = stored(tmp_path)
    whole = TRAINING.astype(np.float32)
    assert (features.shape, len(features), features.ndim) == ((100, 7), 100, 2)
    for part in (slice(0, 100), slice(3, 8), slice(36, 36), slice(99, 100), slice(90, 200)):
        np.testing.assert_array_equal(features[part], whole[part])
    rows = np.array([99, 0, 5, 5, 36, 35])
    np.testing.assert_array_equal(features[rows], whole[rows])
    assert features[rows].dtype == features[2:3].dtype == np.float32


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ([], "no file"),
        ([np.eye(3), np.eye(4)], "one dimension"),
        ([np.zeros(3)], "one dimension"),
        ([np.eye(3, dtype=int)], "int64"),
    ],
)
def test_files_that_are_no_features(tmp_path, arrays, said):
    paths = [tmp_path / f"{number}.npy" for number in range(len(arrays))]
    for path, array in zip(paths, arrays, strict=True):
        np.save(path, array)
    with pytest.raises(InputError, match=said):
        StoredFeatures(paths)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.npy"):
        StoredFeatures([tmp_path / "none.npy"])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("rows", [1, 3, 33, 1000])
def test_blocks_give_the_same_bits(tmp_path, in_blocks, metric, rows):
    own = np.full(22, -1)
    own[20:] = 4, 50
    labels, training_labels = list("ab") * 11, [*"abca"] * 25

    def everything(index):
        return [
            nearest_neighbours(index, QUERIES, [str(i) for i in range(22)], own, 5),
            class_nn_distances(index, QUERIES, labels, training_labels, own),
            leave_one_out_distances(index),
            index.search_rows(np.array([99, 4, 5]), 2)[1],
        ]

    held = everything(TrainingIndex.build(TRAINING, IDS, metric))
    in_blocks(rows)
    index = TrainingIndex.build(stored(tmp_path), IDS, metric)
    assert "in blocks" in index.reason
    assert index._vectors._held is None
    for one, other in zip(everything(index), held, strict=True):
        np.testing.assert_array_equal(one, other)
    assert index._vectors._held is None


def test_what_fits_is_held_once_it_is_searched(tmp_path):
    TrainingIndex.build(stored(tmp_path), IDS).save(tmp_path)
    index = TrainingIndex.load(tmp_path)
    assert index._vectors._held is None
    index.search(QUERIES, 1)
    assert index._vectors._held.shape == (100, 7)


@pytest.mark.parametrize("metric", METRICS)
def test_a_saved_index_of_a_store_has_no_copy_of_it_and_gives_the_same_bits(tmp_path, metric):
    store = tmp_path / "study" / "features"
    store.mkdir(parents=True)
    index = TrainingIndex.build(stored(store), IDS, metric)
    folder = tmp_path / "study" / "index"
    index.save(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["index.json", "index.parquet"]
    moved = (tmp_path / "study").rename(tmp_path / "moved")
    again = TrainingIndex.load(moved / "index")
    for one, other in zip(index.search(QUERIES[:0], 3), again.search(QUERIES[:0], 3), strict=True):
        assert one.shape == other.shape == (0, 3)
    wanted = TrainingIndex.build(TRAINING, IDS, metric).search(QUERIES, 3)
    for one, other in zip(wanted, again.search(QUERIES, 3), strict=True):
        np.testing.assert_array_equal(one, other)
    (moved / "features" / "features-00002.npy").unlink()
    with pytest.raises(InputError, match="features-00002"):
        TrainingIndex.load(moved / "index")


def test_stored_queries_are_searched_like_an_array(tmp_path, monkeypatch):
    monkeypatch.setattr("bias_toolkit.features.index.training_index.CHUNK", 8)
    index = TrainingIndex.build(TRAINING, IDS)
    queries = stored(tmp_path, QUERIES, (10, 12))
    for one, other in zip(index.search(queries, 4), index.search(QUERIES, 4), strict=True):
        np.testing.assert_array_equal(one, other)


def test_progress_counts_every_query_once_while_blocks_go_by(tmp_path, in_blocks):
    in_blocks(9)
    told = []

    class Counting:
        def __init__(self, task, total):
            told.append(total)

        def __enter__(self):
            return told.append

        def __exit__(self, *_):
            pass

    TrainingIndex.build(stored(tmp_path), IDS).search(QUERIES, 2, progress=Counting)
    assert told[0] == sum(told[1:]) == 22
    assert len(told) > 5


def test_a_bad_row_is_named_by_its_place_in_the_store(tmp_path, in_blocks, monkeypatch):
    bad = TRAINING.copy()
    bad[61, 2] = np.nan
    said = "row 61 of the training features"
    monkeypatch.setattr("bias_toolkit.features.index.vectors.LARGEST_BLOCK", 4 * 4 * 7)
    with pytest.raises(InputError, match=said):
        TrainingIndex.build(stored(tmp_path, bad), IDS)
    in_blocks(4)
    index = TrainingIndex.build(stored(tmp_path, bad), IDS)
    with pytest.raises(InputError, match=said):
        index.search(QUERIES, 1)
    with pytest.raises(InputError, match=said):
        index.search_rows(np.array([3, 61]), 1)


def brute_force(training, queries, k, own, allowed):
    """Rows by distance, then by number, one pair at a time."""
    found = []
    for number, query in enumerate(queries.astype(np.float64)):
        rows = [row for row in range(len(training)) if row != own[number] and allowed(number, row)]
        pairs = sorted((np.float32(np.sqrt(((training[row] - query) ** 2).sum())), row) for row in rows)[:k]
        pairs += [(np.nan, -1)] * (k - len(pairs))
        found.append(pairs)
    distances, rows = np.moveaxis(np.array(found, dtype=np.float64).reshape(len(queries), k, 2), 2, 0)
    return distances.astype(np.float32), rows.astype(np.int64)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_blocks_ties_and_groups_agree_with_every_pair(tmp_path, monkeypatch, data):
    """Few distinct vectors, so that ties and duplicates lie on both sides of nearly every border."""
    seed = data.draw(st.integers(0, 2**32))
    rng = np.random.default_rng(seed)
    n, q, values = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 7)), data.draw(st.integers(1, 4))
    training = rng.integers(0, values, (n, 2)).astype(np.float32)
    queries = rng.integers(0, values, (q, 2)).astype(np.float32)
    own = rng.integers(-1, n, q)
    k = data.draw(st.integers(1, n))
    groups = None
    if data.draw(st.booleans()):
        groups = Groups(rng.integers(-1, 3, q), rng.integers(-1, 3, n))
    sizes = rng.multinomial(n, np.ones(4) / 4)
    monkeypatch.setattr("bias_toolkit.features.index.placement.HELD_SHARE", data.draw(st.sampled_from([0, 0.75])))
    monkeypatch.setattr("bias_toolkit.features.index.vectors.LARGEST_BLOCK", 8 * data.draw(st.integers(1, 61)))
    monkeypatch.setattr("bias_toolkit.features.index.training_index.CHUNK", data.draw(st.integers(1, 8)))
    # So few spare candidates that the scan for ties has to do its work.
    monkeypatch.setattr("bias_toolkit.features.index.exact.SPARE", data.draw(st.sampled_from([1, 2, 16])))
    monkeypatch.setattr("bias_toolkit.features.index.exact.TILE_ROWS", data.draw(st.integers(1, 64)))
    monkeypatch.setattr("bias_toolkit.features.index.exact.TILE_QUERIES", data.draw(st.integers(1, 8)))
    monkeypatch.setattr("bias_toolkit.features.index.exact.PAIR_BYTES", 16 * data.draw(st.integers(1, 40)))
    index = TrainingIndex.build(stored(tmp_path, training, sizes[sizes > 0]), [str(row) for row in range(n)])
    distances, rows = index.search(queries, k, own_rows=own, groups=groups)

    def allowed(number, row):
        return groups is None or (groups.queries[number] == groups.rows[row] >= 0)

    wanted, wanted_rows = brute_force(training, queries, k, own, allowed)
    np.testing.assert_array_equal(rows, wanted_rows)
    np.testing.assert_array_equal(distances, wanted)


@pytest.mark.parametrize("metric", METRICS)
def test_ties_beyond_any_number_of_candidates_come_in_the_order_of_rows(tmp_path, in_blocks, metric):
    """5,000 copies of one vector: the lowest rows are the answer, wherever they are searched."""
    training = np.tile(np.arange(1, 8, dtype=np.float32), (5000, 1))
    training[::7] += 0.5
    ids = [str(row) for row in range(5000)]
    copies = np.flatnonzero(np.arange(5000) % 7)
    held = TrainingIndex.build(training, ids, metric).search(training[1:3], 12, own_rows=np.array([1, -1]))
    np.testing.assert_array_equal(held[1], [copies[1:13], copies[:12]])
    in_blocks(512)
    index = TrainingIndex.build(stored(tmp_path, training, (3000, 2000)), ids, metric)
    for one, other in zip(index.search(training[1:3], 12, own_rows=np.array([1, -1])), held, strict=True):
        np.testing.assert_array_equal(one, other)


def test_groups_that_do_not_fit_are_refused():
    index = TrainingIndex.build(TRAINING, IDS)
    with pytest.raises(InputError, match="groups of 22 queries and 99 rows"):
        index.search(QUERIES, 1, groups=Groups(np.zeros(22, int), np.zeros(99, int)))


MEASURED = """
import json, sys
import numpy as np
import faiss
faiss.omp_set_num_threads(1)
from bias_toolkit.features.index import StoredFeatures, TrainingIndex, leave_one_out_distances
from bias_toolkit.features.index.distance import class_nn_distances
faiss.knn(np.eye(64, dtype=np.float32), np.eye(64, dtype=np.float32), 3)

def resident(name):
    status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
    return int(status[name].split()[0]) * 1024

before = resident("VmRSS")
features = StoredFeatures(json.loads(sys.argv[1]))
index = TrainingIndex.build(features, [str(row) for row in range(len(features))], sys.argv[2], memory="100MB")
queries = np.ones((10, features.shape[1]), dtype=np.float32)
index.search(queries, 10)
leave_one_out_distances(index, sample=10)
class_nn_distances(index, queries, ["a", "b"] * 5, (["a"] * 5 + ["b"]) * (len(features) // 6))
print(json.dumps([resident("VmHWM") - before, index.reason]))
"""


def test_the_search_holds_no_more_than_its_limit(tmp_path):
    if not sys.platform.startswith("linux"):
        pytest.skip("peak resident memory is read from Linux's /proc")
    rows, dimension = 60_000, 1024
    part = np.random.default_rng(0).normal(size=(rows // 6, dimension)).astype(np.float16)
    paths = [str(tmp_path / f"features-{number:05d}.npy") for number in range(6)]
    for path in paths:
        np.save(path, part)
    command = [sys.executable, "-c", MEASURED, json.dumps(paths), "cosine"]
    grown, reason = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert "in blocks" in reason
    assert grown < 110 * 10**6
    assert 4 * rows * dimension > 2 * 110 * 10**6
