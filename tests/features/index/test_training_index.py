"""The exact index against brute force in float64."""

import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bias_toolkit.features.index import StoredFeatures, TrainingIndex
from bias_toolkit.foundation.choices import METRICS
from bias_toolkit.foundation.errors import InputError

both_metrics = pytest.mark.parametrize("metric", METRICS)


def ids(count):
    return [f"train/{row:05d}.png" for row in range(count)]


def distances_in_float64(queries, training, metric):
    queries, training = queries.astype(np.float64), training.astype(np.float64)
    if metric == "euclidean":
        return np.sqrt(np.square(queries[:, None] - training[None]).sum(axis=2))
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    training /= np.linalg.norm(training, axis=1, keepdims=True)
    return 1 - queries @ training.T


@both_metrics
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_agrees_with_brute_force(metric, dtype):
    rng = np.random.default_rng(1)
    training = np.abs(rng.normal(size=(700, 48))).astype(dtype)
    queries = np.abs(rng.normal(size=(90, 48))).astype(dtype)
    distances, rows = TrainingIndex.build(training, ids(700), metric).search(queries, 12)
    truth = distances_in_float64(queries, training, metric)
    order = np.argsort(truth, axis=1)[:, :12]
    np.testing.assert_array_equal(rows, order)
    np.testing.assert_allclose(distances, np.take_along_axis(truth, order, axis=1), rtol=1e-6)
    assert (distances.dtype, rows.dtype) == (np.float32, np.int64)


def test_known_distances():
    index = TrainingIndex.build(np.array([[3.0, 4.0], [0.0, 1.0], [-1.0, 0.0]]), ids(3))
    distances, rows = index.search(np.array([[0.0, 0.0]]), 3)
    np.testing.assert_array_equal(distances, [[1, 1, 5]])
    np.testing.assert_array_equal(rows, [[1, 2, 0]])
    index = TrainingIndex.build(np.array([[2.0, 0.0], [0.0, 5.0], [-3.0, 0.0]]), ids(3), "cosine")
    distances, rows = index.search(np.array([[7.0, 0.0]]), 3)
    np.testing.assert_array_equal(distances, [[0, 1, 2]])
    np.testing.assert_array_equal(rows, [[0, 1, 2]])


@both_metrics
def test_a_duplicate_is_at_distance_zero_however_long_the_vectors(metric):
    rng = np.random.default_rng(2)
    training = (1000 + rng.normal(size=(400, 300))).astype(np.float32)
    distances, rows = TrainingIndex.build(training, ids(400), metric).search(training[100:160], 1)
    np.testing.assert_array_equal(distances, 0)
    np.testing.assert_array_equal(rows[:, 0], np.arange(100, 160))


def test_the_nearest_is_found_where_float32_cannot_tell():
    """Squared distances near 0.02 where |x|² is 2.6e8, so |x|² + |y|² − 2xy in float32 is off by tens."""
    rng = np.random.default_rng(3)
    training = (1000 + np.round(rng.normal(size=(90, 256)) * 8) / 1024).astype(np.float32)
    queries = (1000 + np.round(rng.normal(size=(800, 256)) * 8) / 1024).astype(np.float32)
    distances, rows = TrainingIndex.build(training, ids(90), "euclidean").search(queries, 1)
    truth = distances_in_float64(queries, training, "euclidean")
    np.testing.assert_array_equal(rows[:, 0], truth.argmin(axis=1))
    np.testing.assert_allclose(distances[:, 0], truth.min(axis=1), rtol=1e-6)


@both_metrics
def test_equal_distances_come_in_the_order_of_rows(metric):
    training = np.tile(np.array([[1.0, 2.0], [2.0, 1.0], [5.0, -1.0]], dtype=np.float32), (60, 1))
    distances, rows = TrainingIndex.build(training, ids(180), metric).search(training[1:2], 5)
    np.testing.assert_array_equal(rows, [[1, 4, 7, 10, 13]])
    np.testing.assert_array_equal(distances, 0)


@both_metrics
def test_the_own_row_is_left_out_by_identity(metric):
    training = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    index = TrainingIndex.build(training, ids(4), metric)
    _, rows = index.search(training[[1, 0, 2]], 2, own_rows=np.array([1, -1, 2]))
    np.testing.assert_array_equal(rows, [[0, 3], [0, 1], [3, 0]])
    distances, _ = index.search(training[[1]], 1, own_rows=np.array([1]))
    assert distances[0, 0] == 0


def test_the_own_row_need_not_be_near():
    index = TrainingIndex.build(np.arange(50.0)[:, None], ids(50))
    _, rows = index.search(np.array([[0.0]]), 3, own_rows=np.array([49]))
    np.testing.assert_array_equal(rows, [[0, 1, 2]])


def test_more_neighbours_than_training_images_gives_all_of_them():
    index = TrainingIndex.build(np.array([[0.0], [2.0], [5.0]]), ids(3))
    distances, rows = index.search(np.array([[1.9], [5.0]]), 10, own_rows=np.array([-1, 2]))
    np.testing.assert_allclose(distances, [[0.1, 1.9, 3.1], [3, 5, np.nan]], rtol=1e-6)
    np.testing.assert_array_equal(rows, [[1, 0, 2], [1, 0, -1]])


def test_an_index_of_one_image_that_is_the_query_has_nothing_to_give():
    index = TrainingIndex.build(np.array([[1.0]]), ids(1))
    distances, rows = index.search(np.array([[1.0]]), 1, own_rows=np.array([0]))
    assert np.isnan(distances).all()
    assert rows.tolist() == [[-1]]


def test_a_zero_vector_is_at_cosine_distance_one_from_everything():
    index = TrainingIndex.build(np.array([[0.0, 0.0], [3.0, 4.0]]), ids(2), "cosine")
    distances, rows = index.search(np.array([[0.0, 0.0], [3.0, 4.0]]), 2)
    np.testing.assert_array_equal(distances, [[1, 1], [0, 1]])
    np.testing.assert_array_equal(rows, [[0, 1], [1, 0]])


def test_cosine_does_not_see_lengths():
    rng = np.random.default_rng(4)
    training, queries = rng.normal(size=(50, 7)), rng.normal(size=(9, 7))
    plain = TrainingIndex.build(training, ids(50), "cosine").search(queries, 4)
    scaled = TrainingIndex.build(training * rng.uniform(0.1, 9, (50, 1)), ids(50), "cosine").search(queries * 3, 4)
    np.testing.assert_array_equal(plain[1], scaled[1])
    np.testing.assert_allclose(plain[0], scaled[0], rtol=1e-5)


def test_build_leaves_the_callers_array_as_it_was():
    training = np.random.default_rng(5).normal(size=(20, 3)).astype(np.float32)
    before = training.copy()
    TrainingIndex.build(training, ids(20), "cosine")
    np.testing.assert_array_equal(training, before)


def test_search_rows_finds_the_nearest_other_row():
    training = np.array([[0.0], [1.0], [1.0], [7.0]])
    distances, rows = TrainingIndex.build(training, ids(4)).search_rows(np.array([3, 1, 0]), 1)
    np.testing.assert_array_equal(distances, [[6], [0], [1]])
    np.testing.assert_array_equal(rows, [[1], [2], [1]])


@both_metrics
def test_a_saved_index_gives_the_same_bits(tmp_path, metric):
    rng = np.random.default_rng(7)
    training, queries = rng.normal(size=(500, 33)), rng.normal(size=(70, 33))
    index = TrainingIndex.build(training, ids(500), metric)
    index.save(tmp_path)
    again = TrainingIndex.load(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.json", "index.parquet", "vectors.npy"]
    assert (again.image_ids, again.metric, again.rows, again.dimension) == (ids(500), metric, 500, 33)
    for one, other in zip(index.search(queries, 10), again.search(queries, 10), strict=True):
        np.testing.assert_array_equal(one, other)


def test_saved_vectors_are_not_made_of_unit_length_twice(tmp_path):
    """In two dimensions rounding leaves lengths off by so much that doing it again changes the last bit."""
    index = TrainingIndex.build(np.random.default_rng(3).normal(size=(20_000, 2)), ids(20_000), "cosine")
    index.save(tmp_path)
    every = slice(0, 20_000)
    np.testing.assert_array_equal(TrainingIndex.load(tmp_path)._vectors.read(every), index._vectors.read(every))


def test_an_index_of_which_the_saving_was_killed_is_not_loaded(tmp_path, monkeypatch):
    TrainingIndex.build(np.eye(3), ids(3)).save(tmp_path)

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("bias_toolkit.features.index.training_index.write_table", fail)
    with pytest.raises(KeyboardInterrupt):
        TrainingIndex.build(2 * np.eye(3), ids(3)).save(tmp_path)
    with pytest.raises(InputError, match="no whole index"):
        TrainingIndex.load(tmp_path)


@pytest.mark.parametrize("name", ["vectors.npy", "index.json", "index.parquet"])
@pytest.mark.parametrize("content", [None, b"broken"])
def test_a_broken_index_is_named(tmp_path, name, content):
    TrainingIndex.build(np.eye(3), ids(3)).save(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=str(tmp_path)):
        TrainingIndex.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"features": ["../../outside.npy"]}, "relative, with /, and stay inside"),
        ({"features": ["/etc/passwd"]}, "relative, with /, and stay inside"),
        ({"features": ["../link/outside.npy"]}, "leads out of"),
        ({"features": ["..\\..\\outside.npy"]}, "relative, with /"),
        ({"features": []}, "features: List should have at least 1 item"),
        ({"features": "vectors.npy"}, "features: Input should be a valid list"),
        ({"features": [3]}, r"features\.0: Input should be a valid string"),
        ({"metric": "taxicab"}, "metric: Input should be 'euclidean' or 'cosine'"),
        ({"index": "F" * 1000}, "index: String should have at most 200"),
        ({"prepared": 1}, "prepared: Input should be a valid boolean"),
        ({"more": 1}, "more: Extra inputs"),
    ],
)
def test_a_record_that_someone_else_made_leads_nowhere(tmp_path, change, said):
    study = tmp_path / "study"
    (study / "index").mkdir(parents=True)
    np.save(tmp_path / "outside.npy", np.eye(3, dtype=np.float32))
    (study / "link").symlink_to(tmp_path)
    TrainingIndex.build(np.eye(3), ids(3)).save(study / "index")
    path = study / "index" / "index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=said) as caught:
        TrainingIndex.load(study / "index")
    assert "\n" not in str(caught.value)


def test_a_record_of_brackets_and_a_pipe_in_the_place_of_features_are_refused(tmp_path):
    TrainingIndex.build(np.eye(3), ids(3)).save(tmp_path)
    record = (tmp_path / "index.json").read_text()
    (tmp_path / "index.json").write_text("[" * 200_000)
    with pytest.raises(InputError, match="nested too deeply"):
        TrainingIndex.load(tmp_path)
    (tmp_path / "index.json").write_text(record)
    (tmp_path / "vectors.npy").unlink()
    os.mkfifo(tmp_path / "vectors.npy")
    with pytest.raises(InputError, match="has to be a regular file"):
        TrainingIndex.load(tmp_path)


def test_features_outside_of_the_folder_above_are_read_where_a_root_is_named(tmp_path):
    (tmp_path / "features").mkdir()
    np.save(tmp_path / "features" / "features-00000.npy", np.eye(3, dtype=np.float32))
    stored = StoredFeatures([tmp_path / "features" / "features-00000.npy"])
    folder = tmp_path / "a" / "index"
    folder.mkdir(parents=True)
    TrainingIndex.build(stored, ids(3)).save(folder)
    with pytest.raises(InputError, match="stay inside"):
        TrainingIndex.load(folder)
    assert TrainingIndex.load(folder, root=tmp_path).image_ids == ids(3)


def test_an_index_that_does_not_fit_its_files_is_refused(tmp_path):
    TrainingIndex.build(np.eye(3), ids(3)).save(tmp_path)
    np.save(tmp_path / "vectors.npy", np.eye(4, dtype=np.float32))
    with pytest.raises(InputError, match=r"index\.parquet.* names 3 images"):
        TrainingIndex.load(tmp_path)
    np.save(tmp_path / "vectors.npy", np.eye(3, dtype=np.int32))
    with pytest.raises(InputError, match=r"vectors\.npy holds int32"):
        TrainingIndex.load(tmp_path)


@pytest.mark.parametrize(
    ("features", "count", "metric", "said"),
    [
        (np.zeros((2, 3)), 3, "euclidean", "3 image ids"),
        (np.zeros((0, 3)), 0, "euclidean", "shape"),
        (np.zeros(3), 3, "euclidean", "shape"),
        (np.array([[0.0], [np.nan]]), 2, "euclidean", "row 1"),
        (np.array([[0.0], [1.0], [-np.inf]]), 3, "cosine", "row 2"),
        (np.array([[3e38, 3e38]]), 1, "euclidean", "too large"),
        (np.zeros((1, 1)), 1, "manhattan", "euclidean, cosine"),
    ],
)
def test_training_features_that_cannot_be_indexed(features, count, metric, said):
    with pytest.raises(InputError, match=said):
        TrainingIndex.build(features, ids(count), metric)


@pytest.mark.parametrize(
    ("queries", "options", "said"),
    [
        (np.zeros((2, 3)), {}, "dimension 2"),
        (np.zeros(2), {}, "dimension 2"),
        (np.zeros((2, 2)), {"k": 0}, "at least 1"),
        (np.array([[0.0, 0.0], [0.0, np.nan]]), {}, "row 1 of the searched features"),
        (np.zeros((2, 2)), {"own_rows": np.array([0])}, "own_rows"),
        (np.zeros((2, 2)), {"own_rows": np.array([0, 2])}, "own_rows"),
        (np.zeros((2, 2)), {"own_rows": np.array([-2, 0])}, "own_rows"),
    ],
)
def test_searches_that_cannot_be_done(queries, options, said):
    index = TrainingIndex.build(np.eye(2), ids(2))
    with pytest.raises(InputError, match=said):
        index.search(queries, **{"k": 1, **options})


def test_the_row_of_a_bad_feature_is_counted_from_the_first(monkeypatch):
    monkeypatch.setattr("bias_toolkit.features.index.metric.PREPARED_ROWS", 4)
    monkeypatch.setattr("bias_toolkit.features.index.training_index.CHUNK", 4)
    bad = np.zeros((10, 2))
    bad[9, 1] = np.nan
    with pytest.raises(InputError, match="row 9 of the training features"):
        TrainingIndex.build(bad, ids(10))
    with pytest.raises(InputError, match="row 9 of the searched features"):
        TrainingIndex.build(np.eye(2), ids(2)).search(bad, 1)


@both_metrics
def test_results_do_not_depend_on_chunks(monkeypatch, metric):
    rng = np.random.default_rng(8)
    training, queries = rng.normal(size=(300, 20)), rng.normal(size=(65, 20))
    whole = TrainingIndex.build(training, ids(300), metric).search(queries, 6)
    monkeypatch.setattr("bias_toolkit.features.index.metric.PREPARED_ROWS", 7)
    monkeypatch.setattr("bias_toolkit.features.index.training_index.CHUNK", 3)
    monkeypatch.setattr("bias_toolkit.features.index.exact.PAIR_BYTES", 1)
    for one, other in zip(whole, TrainingIndex.build(training, ids(300), metric).search(queries, 6), strict=True):
        np.testing.assert_array_equal(one, other)


coordinates = st.integers(-6, 6).map(float) | st.floats(-100, 100, width=32)


def features(rows, dimension):
    return arrays.arrays(np.float32, (rows, dimension), elements=coordinates)


@st.composite
def searches(draw, most=40):
    """Training features, queries of which some are copies of training features, and a metric."""
    dimension = draw(st.integers(1, 4))
    training = draw(features(draw(st.integers(1, most)), dimension))
    queries = draw(features(draw(st.integers(1, 6)), dimension))
    copied = draw(st.lists(st.integers(0, len(training) - 1), max_size=3))
    return training, np.concatenate([queries, training[copied]]), draw(st.sampled_from(METRICS))


@settings(deadline=None, max_examples=20)
@given(searches(), st.randoms(use_true_random=False))
def test_distances_do_not_depend_on_the_order_of_the_training_rows(search, random):
    training, queries, metric = search
    order = random.sample(range(len(training)), len(training))
    k = min(5, len(training))
    plain, _ = TrainingIndex.build(training, ids(len(training)), metric).search(queries, k)
    permuted, _ = TrainingIndex.build(training[order], ids(len(training)), metric).search(queries, k)
    np.testing.assert_array_equal(plain, permuted)


@settings(deadline=None, max_examples=20)
@given(searches(), st.data())
def test_more_training_images_never_move_the_nearest_away(search, data):
    training, queries, metric = search
    more = data.draw(features(data.draw(st.integers(1, 30)), training.shape[1]))
    few, _ = TrainingIndex.build(training, ids(len(training)), metric).search(queries, 1)
    grown = np.concatenate([training, more])
    many, _ = TrainingIndex.build(grown, ids(len(grown)), metric).search(queries, 1)
    assert (many <= few).all()


@settings(deadline=None, max_examples=20)
@given(searches())
def test_distances_rise_with_rank_and_rows_are_distinct(search):
    training, queries, metric = search
    distances, rows = TrainingIndex.build(training, ids(len(training)), metric).search(queries, 8)
    assert (np.diff(distances, axis=1) >= 0).all()
    assert (distances >= 0).all()
    assert all(len(set(row)) == rows.shape[1] for row in rows.tolist())
    ties = np.diff(distances, axis=1) == 0
    assert (np.diff(rows, axis=1)[ties] > 0).all()
