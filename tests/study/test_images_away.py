"""Images that cannot be read for a moment are left out, and tried again by the next run."""

import shutil

import pandas as pd
import pytest

from bias_toolkit import Study, load_dataset
from bias_toolkit.datasets.pixels import ImageFiles
from bias_toolkit.foundation.errors import UnreadableImageError

MAP = {"map_positions": (0.5,), "map_scales": (0.48,), "map_images": 4, "map_surroundings": ("mean",)}

AFTER = {
    "responses": ("measures", "analysis"),
    "features": ("index", "neighbours", "analysis"),
    "mean-images": (),
    "map": ("map/relation",),
}
"""The steps that need a step."""


@pytest.fixture(scope="module")
def whole(small, tmp_path_factory):
    """A finished study of 24 training and 20 test images, of which none was ever missed."""
    return Study(shutil.copytree(small.folder, tmp_path_factory.mktemp("whole") / "study"), **MAP).measure_map()


class Away:
    """Moves some images of a set away, and back with the times that they had."""

    def __init__(self, folder, places):
        self.images = [folder / name for name in pd.read_csv(folder / "images.csv")["path"].iloc[places]]
        self.names = {image.name for image in self.images}

    def __enter__(self):
        for image in self.images:
            image.rename(image.with_suffix(".away"))
        return self

    def __exit__(self, *_):
        for image in self.images:
            image.with_suffix(".away").rename(image)


@pytest.fixture
def without(whole, few, tmp_path):
    """A function that gives a copy of it, of the same images in other folders; a step and those after it are undone."""

    def copy(step):
        tables = [shutil.copytree(table.parent, tmp_path / split) / "images.csv" for split, table in few.items()]
        folder = shutil.copytree(whole.folder, tmp_path / "study")
        for name in (step, *AFTER[step.partition("/")[0]]):
            shutil.rmtree(folder / name)
        return Study(folder, *tables).read_images()

    return copy


def compare(study, whole, names):
    for name in names:
        pd.testing.assert_frame_equal(table_of(study, name), table_of(whole, name), check_exact=True, obj=name)


def table_of(study, name):
    kind, _, split = name.partition(".")
    if kind == "features":
        store = study.features(split)
        return pd.DataFrame(store.load()[1], index=store.image_ids)
    if kind == "means":
        found = study.mean_images(split)
        return found.table.assign(pixels=[picture.tobytes() for picture in found.pixels])
    found = getattr(study, kind)
    return found(split) if split else found


CASES = {
    "a sweep": (
        "test",
        [0, 7, 19],
        lambda study: study.sweep(),
        "responses/crop-1-diagonal",
        ["measures", "responses", "per_image", "neighbours"],
    ),
    "features": (
        "train",
        [1, 2, 23],
        lambda study: study.embed(),
        "features/train",
        ["features.train", "features.test", "neighbours", "distances", "per_image"],
    ),
    "mean images": ("train", [3], lambda study: study.measure_objects(), "mean-images/train", ["means.train"]),
    "the map": ("test", slice(0, 15), lambda study: study.measure_map(), "map/mean", ["framed", "images.test"]),
}


@pytest.mark.parametrize("case", CASES)
def test_images_that_are_back_are_tried_again_and_the_tables_are_as_if_never_missed(without, whole, caplog, case):
    split, places, do, step, names = CASES[case]
    study = without(step)
    folder = study.folder.parent / split
    with Away(folder, places) as away:
        do(study)
        left_out = study.skipped_images.query(f"step == '{step}'")
        assert 0 < len(left_out) <= len(away.names)
        assert set(left_out["image_id"]) <= away.names
        assert left_out["reason"].str.contains("cannot be read now").all()
    # Away and back again, while nobody looked.
    caplog.clear()
    again = Study(study.folder).analyse()
    again.measure_map()
    assert f"{step}: {len(left_out)} of those that were left out can be read now" in caplog.text
    assert again.skipped_images.empty
    assert len((study.folder / "skipped.csv").read_text().splitlines()) == 1
    compare(again, whole, names)
    caplog.clear()
    Study(study.folder).analyse()
    assert caplog.messages == []


def test_what_stays_away_is_not_tried_in_vain(without, caplog):
    study = without("responses/crop-1-diagonal")
    with Away(study.folder.parent / "test", [0, 7]):
        study.sweep()
        before = {path: path.stat().st_mtime_ns for path in study.folder.rglob("*.parquet")}
        study.sweep()
        assert {path: path.stat().st_mtime_ns for path in before} == before
    assert "can be read now" not in caplog.text


def test_only_some_are_back(without, whole, caplog):
    study = without("responses/crop-1-diagonal")
    folder = study.folder.parent / "test"
    with Away(folder, [0, 7]):
        with Away(folder, [3]):
            study.sweep()
            assert len(study.measures) == 17
        study.sweep()
        assert "1 of those that were left out can be read now" in caplog.text
        assert len(study.measures) == 18
    compare(Study(study.folder).analyse(), whole, ["measures", "per_image"])


def test_headers_that_could_not_be_read_are_tried_again(few, fast, tmp_path, monkeypatch, caplog):
    table = few["test"]
    away = set(load_dataset(table).images["image_id"].iloc[[2, 5]])
    header = ImageFiles.header

    def failing(self, image_id):
        if image_id in away:
            raise UnreadableImageError("Input/output error", transient=True)
        return header(self, image_id)

    study = Study(tmp_path / "study", few["train"], table, "demo", **fast)
    with monkeypatch.context() as patch:
        patch.setattr(ImageFiles, "header", failing)
        study.read_images()
        assert set(study.skipped("test")["image_id"]) == away
        assert len(study.images("test")) == 18
    again = Study(study.folder).read_images()
    assert "images/test: 2 of those that were left out can be read now" in caplog.text
    assert again.skipped("test").empty
    pd.testing.assert_frame_equal(again.images("test"), load_dataset(table).images)
