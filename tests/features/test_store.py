"""The sharded store of features."""

import hashlib
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from bias_toolkit.datasets import SKIPPED, skipped_table
from bias_toolkit.features import FEATURE_ROWS, FeatureStore
from bias_toolkit.features.store import StoredShard
from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.foundation.files import seal_shard, write_array, write_table


def write_foreign_shard(folder, number, ids, features, **columns):
    """A shard as another tool writes it, with nothing of the toolkit's own code."""
    np.save(folder / f"features-{number:05d}.npy", features)
    pd.DataFrame({"image_id": ids, **columns}).to_parquet(folder / f"features-{number:05d}.parquet")


def skipped(image_id, reason):
    return skipped_table([(image_id, UnreadableImageError(reason))])


def test_reads_the_shards_of_another_tool(tmp_path):
    half = np.array([[1.5, 2.0], [3.0, -4.25]], dtype=np.float16)
    write_foreign_shard(tmp_path, 0, ["a", "b"], half, caption=["x", "y"])
    write_foreign_shard(tmp_path, 2, ["c"], np.array([[0.1, 0.2]], dtype=np.float32))
    store = FeatureStore(tmp_path)
    ids, features = store.load()
    assert ids == store.image_ids == ["a", "b", "c"]
    assert (store.rows, store.dimension) == (3, 2)
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, np.array([[1.5, 2], [3, -4.25], [0.1, 0.2]], dtype=np.float32))
    assert store.skipped.empty
    assert list(store.skipped.columns) == ["image_id", "reason", "transient"]


def test_shards_are_memory_mapped_in_the_type_on_disk(tmp_path):
    write_foreign_shard(tmp_path, 0, ["a"], np.ones((1, 3), dtype=np.float16))
    ((ids, features),) = FeatureStore(tmp_path).shards()
    assert ids == ["a"]
    assert isinstance(features, np.memmap)
    assert features.dtype == np.float16


def test_shards_come_in_the_order_of_their_numbers(tmp_path):
    for number in (100_000, 3, 99_999):
        write_foreign_shard(tmp_path, number, [str(number)], np.full((1, 1), number, dtype=np.float32))
    assert FeatureStore(tmp_path).image_ids == ["3", "99999", "100000"]


def test_a_shard_without_its_table_is_unfinished(tmp_path):
    write_foreign_shard(tmp_path, 0, ["a"], np.zeros((1, 2), dtype=np.float32))
    np.save(tmp_path / "features-00001.npy", np.zeros((4, 2), dtype=np.float32))
    write_table(skipped("b", "truncated"), tmp_path / "skipped-00001.parquet", SKIPPED)
    store = FeatureStore(tmp_path)
    assert store.image_ids == ["a"]
    assert store.skipped.empty


def test_a_table_of_skipped_images_without_its_columns_is_named(tmp_path):
    write_foreign_shard(tmp_path, 0, ["a"], np.zeros((1, 2), dtype=np.float32))
    pd.DataFrame({"image_id": ["b"]}).to_parquet(tmp_path / "skipped-00000.parquet")
    with pytest.raises(InputError, match=r"skipped-00000\.parquet is no Parquet table with columns image_id, reason"):
        FeatureStore(tmp_path).skipped  # noqa: B018


@pytest.mark.parametrize(
    ("ids", "features", "said"),
    [
        (["a", "b"], np.zeros((1, 2), np.float32), "call for"),
        (["a"], np.zeros(2, np.float32), "shape"),
        (["a"], np.zeros((1, 2), np.int32), "float16 or float32"),
        (["a", "a"], np.zeros((2, 2), np.float32), "twice"),
    ],
)
def test_a_shard_whose_files_do_not_fit_is_refused(tmp_path, ids, features, said):
    write_foreign_shard(tmp_path, 0, ids, features)
    with pytest.raises(InputError, match=said):
        FeatureStore(tmp_path)


def test_shards_of_different_dimension_are_refused(tmp_path):
    write_foreign_shard(tmp_path, 0, ["a"], np.zeros((1, 2), np.float32))
    write_foreign_shard(tmp_path, 1, ["b"], np.zeros((1, 3), np.float32))
    with pytest.raises(InputError, match=r"features-00001\.npy"):
        FeatureStore(tmp_path)


def test_an_image_in_two_shards_is_refused(tmp_path):
    for number in (0, 1):
        write_foreign_shard(tmp_path, number, ["a"], np.zeros((1, 2), np.float32))
    with pytest.raises(InputError, match="twice"):
        FeatureStore(tmp_path)


def test_a_folder_without_features_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        FeatureStore(tmp_path / "nowhere")


def sealed(folder, number=0, value=0.5):
    """A shard as the toolkit writes it."""
    shard = StoredShard(folder, number)
    write_array(np.full((2, 3), value, np.float32), shard.array_path)
    write_table(pd.DataFrame({"image_id": [f"a{number}", f"b{number}"]}), shard.rows_path, FEATURE_ROWS)
    write_table(skipped(f"c{number}", "no image"), shard.skipped_path, SKIPPED)
    seal_shard(folder, "features", number, [shard.array_path.name, shard.rows_path.name, shard.skipped_path.name])
    return shard


def test_a_shards_digests_are_those_that_sha256sum_checks(tmp_path):
    seal = sealed(tmp_path).seal_path
    expected = {
        name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        for name in ("features-00000.npy", "features-00000.parquet", "skipped-00000.parquet")
    }
    assert dict(reversed(line.split("  ")) for line in seal.read_text().splitlines()) == expected
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", seal.name], cwd=tmp_path, check=True)


@pytest.mark.parametrize("name", ["features-00001.npy", "features-00001.parquet", "skipped-00001.parquet"])
def test_damage_is_noticed_when_features_are_read(tmp_path, name):
    for number in range(2):
        sealed(tmp_path, number)
    store = FeatureStore(tmp_path)
    assert store.rows == 4
    content = bytearray((tmp_path / name).read_bytes())
    content[-1] ^= 1
    (tmp_path / name).write_bytes(content)
    for read in (store.load, lambda: list(store.shards())):
        with pytest.raises(InputError, match=rf"{name} was damaged"):
            read()


def test_features_that_were_written_anew_are_not_mixed_with_those_that_were_opened(tmp_path):
    store = FeatureStore(sealed(tmp_path).folder)
    sealed(tmp_path, value=1)
    with pytest.raises(InputError, match="open it again"):
        store.load()


def test_broken_files_are_named(tmp_path):
    write_foreign_shard(tmp_path, 0, ["a"], np.zeros((1, 2), np.float32))
    (tmp_path / "features-00000.npy").write_bytes(b"not an array")
    with pytest.raises(InputError, match=r"features-00000\.npy"):
        FeatureStore(tmp_path)


def test_a_table_without_image_id_is_named(tmp_path):
    np.save(tmp_path / "features-00000.npy", np.zeros((1, 2), np.float32))
    pd.DataFrame({"key": ["a"]}).to_parquet(tmp_path / "features-00000.parquet")
    with pytest.raises(InputError, match="image_id"):
        FeatureStore(tmp_path)
