"""The real Tiny-ImageNet, and full-size ImageNet photographs."""

import os
import tarfile
from pathlib import Path

import pytest

from bias_toolkit.datasets import load_dataset

DATA = os.environ.get("BIAS_TOOLKIT_DATA")

pytestmark = pytest.mark.skipif(not DATA, reason="BIAS_TOOLKIT_DATA does not name the folder of real data")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """A function that unpacks an archive of the real data once, and returns the folder that it holds."""
    folder = tmp_path_factory.mktemp("real")

    def unpack(name):
        with tarfile.open(Path(DATA) / name) as archive:
            archive.extractall(folder, filter="data")
        return folder

    return unpack


def test_tiny_imagenet(unpacked):
    folder = unpacked("tiny-imagenet-20.tar.gz")
    (root,) = [path.parent for path in folder.rglob("wnids.txt")]
    train, val = load_dataset(root / "train"), load_dataset(root / "val")

    for dataset, images in [(train, 10_000), (val, 1_000)]:
        assert dataset.layout == "tiny-imagenet"
        assert len(dataset.images) == images
        assert len(dataset.objects) == images
        assert len(dataset.skipped) == 0
        assert dataset.dropped_boxes == 0
        assert (dataset.images[["width", "height"]] == 64).all(axis=None)
        assert (dataset.images["label"].value_counts() == images / 20).all()
        assert set(dataset.images["label"]) == set(dataset.class_names)
        merged = dataset.objects.merge(dataset.images, on="image_id")
        assert (merged["category"] == merged["label"]).all()

    def box(dataset, image_id):
        return dataset.objects.set_index("image_id").loc[image_id, ["x0", "y0", "x1", "y1"]].tolist()

    assert box(train, "n01443537/images/n01443537_0.JPEG") == [0, 10, 64, 59]
    assert box(val, "images/val_22.JPEG") == [27, 28, 62, 64]
    assert train.class_names["n01443537"] == "goldfish, Carassius auratus"
    assert train.read("n01443537/images/n01443537_0.JPEG").shape == (64, 64, 3)


def test_full_size_photographs(unpacked):
    folder = unpacked("imagenet-sample-100.tar")
    (root,) = {path.parent for path in folder.rglob("n0*_*.JPEG") if "images" not in path.parts}
    dataset = load_dataset(root)

    assert dataset.layout == "imagenet"
    assert len(dataset.images) == 100
    assert dataset.images["label"].nunique() == 100
    assert dataset.class_names["n01601694"] == "water ouzel"
    first = dataset.images.iloc[0]
    assert dataset.read(first["image_id"]).shape == (first["height"], first["width"], 3)
