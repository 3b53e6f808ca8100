"""Extraction in shards: the features, and what is left out."""

import threading
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from bias_toolkit.datasets import SKIPPED
from bias_toolkit.features import FEATURE_ROWS, FeatureStore, feature_shards
from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.foundation.files import write_table
from bias_toolkit.foundation.shards import cut_into_shards

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


def shards_of(model=None, read=None, ids=IDS, view=crop, shard_size=10, **options):
    options = {"batch_size": 4, "advance": lambda _: None, **options}
    shards = cut_into_shards(ids, shard_size)
    return feature_shards(model or ToyModel(), read or Images().read, view, shards, **options)


def extract(*arguments, **options):
    """The ids, the features and the skipped images of all shards."""
    shards = list(shards_of(*arguments, **options))
    ids = [image_id for shard in shards for image_id in shard["rows"]["image_id"]]
    skipped = pd.concat([shard["skipped"] for shard in shards], ignore_index=True)
    return ids, np.concatenate([shard["features"] for shard in shards]), skipped


def test_features_are_the_models_in_the_order_of_the_ids():
    model = ToyModel()
    ids, features, _ = extract(model)
    assert ids == IDS
    assert features.dtype == np.float32
    assert model.batches == [4, 4, 2, 4, 4, 2, 3]
    expected, images = [], Images()
    for batch in (IDS[0:4], IDS[4:8], IDS[8:10], IDS[10:14], IDS[14:18], IDS[18:20], IDS[20:23]):
        pixels = np.stack([crop(images.read(image_id), image_id)[0] for image_id in batch])
        expected.append(ToyModel().evaluate(pixels).features)
    np.testing.assert_array_equal(features, np.concatenate(expected))


def test_half_precision_is_the_rounded_full():
    _, full, _ = extract()
    _, half, _ = extract(dtype="float16")
    assert half.dtype == np.float16
    np.testing.assert_array_equal(half, full.astype(np.float16))


def test_a_shard_does_not_depend_on_those_before_it():
    """Also where images of those before it cannot be read."""
    read = Images({IDS[3], IDS[12]}).read
    whole = list(shards_of(read=read))
    (apart,) = feature_shards(
        ToyModel(), read, crop, cut_into_shards(IDS, 10)[1:2], batch_size=4, advance=lambda _: None
    )
    np.testing.assert_array_equal(apart["features"], whole[1]["features"])
    pd.testing.assert_frame_equal(apart["skipped"], whole[1]["skipped"])


@pytest.mark.parametrize("die_at_call", range(7))
def test_an_end_of_the_run_comes_after_the_shards_that_were_whole(die_at_call):
    """A shard is known to be whole when the next shard's first batch is asked for."""
    shards = shards_of(ToyModel(die_at_call))
    for _ in range(max(die_at_call - 1, 0) // 3):
        assert len(next(shards)["features"]) == 10
    with pytest.raises(Killed):
        next(shards)


def test_unreadable_images_are_left_out_with_the_reason():
    broken = [IDS[0], IDS[11], IDS[22]]
    ids, _, skipped = extract(read=Images(broken).read)
    assert ids == [image_id for image_id in IDS if image_id not in broken]
    assert skipped["transient"].tolist() == [False] * 3
    assert skipped[["image_id", "reason"]].values.tolist() == [
        [image_id, f"cannot decode {image_id}, it is truncated"] for image_id in broken
    ]
    unbroken = dict(zip(*extract(batch_size=1)[:2], strict=True))
    for image_id, feature in zip(*extract(read=Images(broken).read, batch_size=1)[:2], strict=True):
        np.testing.assert_array_equal(feature, unbroken[image_id])


def test_a_view_that_cannot_be_made_is_left_out_too():
    def view(image, image_id):
        if image_id == IDS[1]:
            raise UnreadableImageError("too small", transient=True)
        return crop(image, image_id)

    ids, _, skipped = extract(ids=IDS[:3], view=view)
    assert ids == [IDS[0], IDS[2]]
    assert skipped.values.tolist() == [[IDS[1], "too small", True]]


def test_a_whole_shard_of_unreadable_images_is_empty():
    shards = list(shards_of(read=Images(IDS[10:20]).read, dtype="float16"))
    assert [shard["features"].shape for shard in shards] == [(10, 5), (0, 5), (3, 5)]
    assert {shard["features"].dtype for shard in shards} == {np.dtype(np.float16)}
    assert shards[1]["skipped"]["image_id"].tolist() == IDS[10:20]


def test_the_tables_are_those_of_the_store(tmp_path):
    """What another step writes of them under the store's names, the store reads."""
    for number, shard in enumerate(shards_of(read=Images([IDS[11]]).read)):
        np.save(tmp_path / f"features-{number:05d}.npy", shard["features"])
        write_table(shard["rows"], tmp_path / f"features-{number:05d}.parquet", FEATURE_ROWS)
        write_table(shard["skipped"], tmp_path / f"skipped-{number:05d}.parquet", SKIPPED)
    store = FeatureStore(tmp_path)
    ids, features, skipped = extract(read=Images([IDS[11]]).read)
    np.testing.assert_array_equal(store.load()[1], features)
    assert store.image_ids == ids
    pd.testing.assert_frame_equal(store.skipped, skipped)


def test_an_error_that_is_no_unreadable_image_ends_the_run():
    def view(image, image_id):
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        extract(view=view)


def test_outside_reaches_the_model_beside_views_without_one():
    def view(image, image_id):
        pixels, _ = crop(image, image_id)
        return pixels, np.tri(SIDE, dtype=bool) if image_id == IDS[1] else None

    model = ToyModel()
    extract(model, ids=IDS[:4], view=view, batch_size=2)
    assert model.outsides[1] is None
    np.testing.assert_array_equal(model.outsides[0], [np.zeros((SIDE, SIDE), bool), np.tri(SIDE, dtype=bool)])


def test_decoding_runs_ahead_of_the_model_in_other_threads():
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

    extract(Waiting(), read, batch_size=2)
    assert threading.get_ident() not in threads


def test_the_model_is_given_the_next_shard_before_it_answers_the_last_batch():
    class TwoAhead(ToyModel):
        def evaluate_batches(self, batches, precision="float32"):
            under_way = []
            for batch in batches:
                under_way.append(self.evaluate(*batch))
                if len(under_way) == 2:
                    yield under_way.pop(0)
            yield from under_way

    model = TwoAhead()
    shards = shards_of(model, batch_size=10)
    assert next(shards)["rows"]["image_id"].tolist() == IDS[:10]
    assert model.batches == [10, 10]
    expected = extract(batch_size=10)[1]
    np.testing.assert_array_equal(np.concatenate([shard["features"] for shard in shards]), expected[10:])


def test_closing_early_ends_the_threads():
    before = threading.active_count()
    shards = shards_of()
    next(shards)
    shards.close()
    assert threading.active_count() == before


def test_advance_counts_every_image():
    counts = []
    extract(read=Images([IDS[1]]).read, advance=counts.append)
    assert sum(counts) == 23


@pytest.mark.parametrize(("factor", "dtype"), [(np.nan, "float32"), (1e6, "float16")])
def test_features_that_are_not_finite_are_named(factor, dtype):
    with pytest.raises(InputError, match=r"folder/000\.png is not finite as " + dtype):
        extract(ToyModel(factor=factor), dtype=dtype)


@pytest.mark.parametrize(
    ("options", "said"), [({"dtype": "int8"}, "float32, float16"), ({"batch_size": 0}, "batch_size")]
)
def test_options_out_of_range_are_named(options, said):
    with pytest.raises(InputError, match=said):
        extract(**options)
