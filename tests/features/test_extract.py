"""Extraction into shards: what is written, what is left out, and what a killed run leaves."""

import threading
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq
import pytest

from bias_toolkit.features import FEATURE_ROWS, FeatureStore, extract_features
from bias_toolkit.foundation.errors import InputError, UnreadableImageError

SIDE = 6
IDS = [f"folder/{number:03d}.png" for number in range(23)]


class Killed(BaseException):
    """Stands for the signal that ends a run."""


@dataclass
class Outputs:
    features: np.ndarray


class ToyModel:
    """The feature is a fixed random projection of the pixels, shifted by the batch's mean.

    The shift makes a feature depend on what else is in the batch, so batches cut at other places show.
    """

    feature_dimension = 5

    def __init__(self, die_at_call=None, factor=1.0):
        self.batches = []
        self.outsides = []
        self.die_at_call = die_at_call
        self.factor = factor

    def evaluate(self, pixels, outside=None):
        if len(self.batches) == self.die_at_call:
            raise Killed
        self.batches.append(len(pixels))
        self.outsides.append(outside)
        flat = pixels.reshape(len(pixels), -1).astype(np.float32)
        weights = np.random.default_rng(0).normal(size=(flat.shape[1], 5)).astype(np.float32)
        features = flat @ weights
        return Outputs((features + features.mean(axis=0)) * np.float32(self.factor))

    def evaluate_batches(self, batches, precision="float32"):
        return (self.evaluate(*batch) for batch in batches)


class Images:
    def __init__(self, broken=()):
        self.broken = set(broken)
        self.opened = []

    def read(self, image_id):
        self.opened.append(image_id)
        if image_id in self.broken:
            raise UnreadableImageError(f"cannot decode {image_id}, it is truncated")
        number = int(image_id[-7:-4])
        return np.random.default_rng(number).integers(0, 256, (SIDE + 2, SIDE + 2, 3), dtype=np.uint8)


def crop(image, image_id):
    return image[1:-1, 1:-1], None


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def extract(folder, model=None, images=None, ids=IDS, **options):
    options = {"batch_size": 4, "shard_size": 10, **options}
    return extract_features(model or ToyModel(), (images or Images()).read, crop, ids, folder, **options)


def test_features_are_the_models_in_the_order_of_the_ids(tmp_path):
    model = ToyModel()
    store = extract(tmp_path, model)
    ids, features = store.load()
    assert ids == IDS
    assert model.batches == [4, 4, 2, 4, 4, 2, 3]
    expected, images = [], Images()
    for batch in (IDS[0:4], IDS[4:8], IDS[8:10], IDS[10:14], IDS[14:18], IDS[18:20], IDS[20:23]):
        pixels = np.stack([crop(images.read(image_id), image_id)[0] for image_id in batch])
        expected.append(ToyModel().evaluate(pixels).features)
    np.testing.assert_array_equal(features, np.concatenate(expected))


def test_the_folder_has_the_documented_layout(tmp_path):
    extract(tmp_path, dtype="float16")
    assert sorted(contents(tmp_path)) == [
        f"features-0000{number}.{kind}" for number in range(3) for kind in ("npy", "parquet", "sha256")
    ]
    assert pq.read_schema(tmp_path / "features-00002.parquet").equals(FEATURE_ROWS)
    array = np.load(tmp_path / "features-00002.npy")
    assert array.shape == (3, 5)
    assert array.dtype == np.float16


def test_half_precision_is_the_rounded_full(tmp_path):
    full = extract(tmp_path / "full").load()[1]
    half = extract(tmp_path / "half", dtype="float16").load()[1]
    np.testing.assert_array_equal(half, full.astype(np.float16).astype(np.float32))


@pytest.mark.parametrize("die_at_call", range(7))
def test_a_killed_and_continued_run_gives_the_same_bits(tmp_path, die_at_call):
    broken = {IDS[3], IDS[12]}
    extract(tmp_path / "whole", images=Images(broken))
    with pytest.raises(Killed):
        extract(tmp_path / "killed", ToyModel(die_at_call), Images(broken))
    left = set(contents(tmp_path / "killed")) if (tmp_path / "killed").exists() else set()
    assert left <= set(contents(tmp_path / "whole"))
    images = Images(broken)
    extract(tmp_path / "killed", images=images)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    finished = 10 * sum(name.endswith(".parquet") for name in left)
    assert sorted(images.opened) == IDS[finished:]


def test_a_finished_store_is_not_computed_again(tmp_path):
    extract(tmp_path)
    model, images = ToyModel(), Images()
    extract(tmp_path, model, images)
    assert model.batches == []
    assert images.opened == []


def test_only_the_missing_shard_is_computed(tmp_path):
    extract(tmp_path)
    before = contents(tmp_path)
    (tmp_path / "features-00001.parquet").unlink()
    images = Images()
    extract(tmp_path, images=images)
    assert contents(tmp_path) == before
    assert sorted(images.opened) == IDS[10:20]


def test_shards_may_be_done_apart(tmp_path):
    extract(tmp_path / "whole")
    for number in (2, 0, 1):
        extract(tmp_path / "parts", shards=[number])
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_unreadable_images_are_left_out_with_the_reason(tmp_path):
    broken = [IDS[0], IDS[11], IDS[22]]
    store = extract(tmp_path, images=Images(broken))
    assert store.image_ids == [image_id for image_id in IDS if image_id not in broken]
    assert store.skipped.values.tolist() == [
        [image_id, f"cannot decode {image_id}, it is truncated"] for image_id in broken
    ]
    assert FeatureStore(tmp_path).skipped.equals(store.skipped)
    unbroken = dict(zip(*extract(tmp_path / "all", ToyModel(), batch_size=1).load(), strict=True))
    single = extract(tmp_path / "single", ToyModel(), Images(broken), batch_size=1)
    for image_id, feature in zip(*single.load(), strict=True):
        np.testing.assert_array_equal(feature, unbroken[image_id])


def test_a_view_that_cannot_be_made_is_left_out_too(tmp_path):
    def view(image, image_id):
        if image_id == IDS[1]:
            raise UnreadableImageError("too small")
        return crop(image, image_id)

    store = extract_features(ToyModel(), Images().read, view, IDS[:3], tmp_path)
    assert store.image_ids == [IDS[0], IDS[2]]
    assert store.skipped.values.tolist() == [[IDS[1], "too small"]]


def test_a_whole_shard_of_unreadable_images_is_kept_empty(tmp_path):
    store = extract(tmp_path, images=Images(IDS[10:20]))
    assert np.load(tmp_path / "features-00001.npy").shape == (0, 5)
    assert store.rows == 13
    images = Images()
    extract(tmp_path, images=images)
    assert images.opened == []


def test_a_stale_list_of_skipped_images_goes_with_its_unfinished_shard(tmp_path):
    extract(tmp_path, images=Images([IDS[2]]))
    (tmp_path / "features-00000.parquet").unlink()
    store = extract(tmp_path)
    assert store.image_ids == IDS
    assert store.skipped.empty


def test_a_run_that_reads_nothing_fails_and_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match=r"none of the 23 images.*folder/000\.png: cannot decode"):
        extract(tmp_path, images=Images(IDS))
    assert contents(tmp_path) == {}
    assert extract(tmp_path).rows == 23


def test_an_error_that_is_no_unreadable_image_ends_the_run(tmp_path):
    def view(image, image_id):
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        extract_features(ToyModel(), Images().read, view, IDS, tmp_path)


def test_outside_reaches_the_model_beside_views_without_one(tmp_path):
    def view(image, image_id):
        pixels, _ = crop(image, image_id)
        return pixels, np.tri(SIDE, dtype=bool) if image_id == IDS[1] else None

    model = ToyModel()
    extract_features(model, Images().read, view, IDS[:4], tmp_path, batch_size=2)
    assert model.outsides[1] is None
    np.testing.assert_array_equal(model.outsides[0], [np.zeros((SIDE, SIDE), bool), np.tri(SIDE, dtype=bool)])


def test_decoding_runs_ahead_of_the_model_in_other_threads(tmp_path):
    images, threads, next_batch_opened = Images(), set(), threading.Event()

    def read(image_id):
        threads.add(threading.get_ident())
        if image_id == IDS[3]:
            next_batch_opened.set()
        return images.read(image_id)

    class Waiting(ToyModel):
        def evaluate(self, pixels, outside=None):
            assert next_batch_opened.wait(timeout=30)
            return super().evaluate(pixels, outside)

    extract_features(Waiting(), read, crop, IDS, tmp_path, batch_size=2, shard_size=10)
    assert threading.get_ident() not in threads


def test_progress_counts_every_image_and_those_of_the_earlier_run(tmp_path):
    tasks = []

    @contextmanager
    def progress(description, total, done=0):
        counts = []
        tasks.append((total, done, counts))
        yield counts.append

    with pytest.raises(Killed):
        extract(tmp_path, ToyModel(die_at_call=4), Images([IDS[1]]), progress=progress)
    extract(tmp_path, ToyModel(), Images([IDS[21]]), progress=progress)
    (total, done, counts) = tasks[1]
    assert (tasks[0][0], tasks[0][1]) == (23, 0)
    assert (total, done, sum(counts)) == (23, 10, 13)


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"ids": IDS[:20]}, r"features-00002\.parquet holds features of other images"),
        ({"ids": IDS[:21]}, r"features-00002\.parquet holds features of other images"),
        ({"ids": [*IDS, "folder/099.png"]}, r"features-00002\.parquet holds features of other images"),
        ({"ids": [IDS[1], IDS[0], *IDS[2:]]}, r"features-00000\.parquet holds features of other images"),
        ({"shard_size": 5}, "other images"),
        ({"dtype": "float16"}, r"features-00000\.npy holds float32"),
    ],
)
def test_features_of_another_run_are_not_mixed_in(tmp_path, second, said):
    extract(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(InputError, match=said):
        extract(tmp_path, **second)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("ids", [IDS[:22], [*IDS[:22], "folder/099.png"]])
def test_a_skipped_image_that_is_not_asked_for_now_counts_as_other_images(tmp_path, ids):
    extract(tmp_path, images=Images([IDS[22]]))
    with pytest.raises(InputError, match="other images"):
        extract(tmp_path, ids=ids)


def test_features_of_another_dimension_are_not_mixed_in(tmp_path):
    extract(tmp_path)
    model = ToyModel()
    model.feature_dimension = 8
    with pytest.raises(InputError, match="was asked for"):
        extract(tmp_path, model)


@pytest.mark.parametrize(("factor", "dtype"), [(np.nan, "float32"), (1e6, "float16")])
def test_features_that_are_not_finite_are_named(tmp_path, factor, dtype):
    with pytest.raises(InputError, match=r"folder/000\.png is not finite as " + dtype):
        extract(tmp_path, ToyModel(factor=factor), dtype=dtype)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ids": []}, "no images"),
        ({"ids": ["folder/001.png"] * 2}, "twice"),
        ({"dtype": "int8"}, "float16, float32"),
        ({"batch_size": 0}, "batch_size"),
        ({"shard_size": 0}, "shard_size"),
        ({"shards": [3]}, "0 to 2"),
        ({"shards": []}, "0 to 2"),
    ],
)
def test_options_out_of_range_are_named(tmp_path, options, said):
    with pytest.raises(InputError, match=said):
        extract(tmp_path, **options)
