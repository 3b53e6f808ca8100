"""The test images of a study in other tools' formats, read back and compared with the study's tables."""

import errno
import json
import os
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from bias_toolkit import InputError, load_dataset
from bias_toolkit.invariance import CENTRE
from bias_toolkit.report import ReportPage
from bias_toolkit.report.source import class_names
from bias_toolkit.study.explore import LAYOUT, NEAREST, TYPES
from bias_toolkit.study.export import FORMATS
from bias_toolkit.study.image_table import OTHERS, schemas
from bias_toolkit.study.per_image import per_image_schema


@pytest.fixture(scope="module")
def exported(finished, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    return {name: finished.export(name, folder / name) for name in FORMATS}


@pytest.fixture
def images(exported):
    return pd.read_parquet(exported["parquet"] / "images.parquet").set_index("image_id")


def test_the_images_table_has_all_that_the_study_has_of_each(finished, images):
    own = finished.per_image
    for name in per_image_schema().names[1:]:
        pd.testing.assert_series_equal(images[name], own[name], check_dtype=False, check_exact=True)
    responses = finished.reference_responses.set_index("image_id").loc[images.index]
    top1 = responses["top1"].str[CENTRE]
    indices = finished.label_record["indices"]
    assert images["right"].tolist() == (top1 == images["label"].map(indices)).tolist()
    assert 0 < images["right"].mean() < 1
    names = class_names(finished.results)
    assert images["class_name"].tolist() == [names.shown(label) for label in images["label"]]
    by_index = {index: names.shown(label) for label, index in indices.items()}
    known = top1.isin(by_index)
    assert images["predicted"][known].tolist() == [by_index[index] for index in top1[known]]
    assert images["path"].tolist() == [finished.test.source(image_id) for image_id in images.index]


def test_a_table_as_csv_is_the_table_as_parquet(exported):
    for name in ("images", "objects", "neighbours", "dictionary"):
        text = pd.read_csv(exported["csv"] / f"{name}.csv")
        binary = pd.read_parquet(exported["parquet"] / f"{name}.parquet")
        assert list(text) == list(binary)
        for column in binary.select_dtypes("number"):
            np.testing.assert_allclose(text[column], binary[column], rtol=1e-6)
        kept = [column for column in binary.select_dtypes(["object", "string"]) if binary[column].notna().all()]
        assert kept
        for column in kept:
            assert text[column].fillna("").astype(str).tolist() == binary[column].astype(str).tolist()


def test_the_dictionary_has_every_column_with_its_type_and_no_other(exported):
    dictionary = pd.read_parquet(exported["parquet"] / "dictionary.parquet")
    for name, rows in dictionary.groupby("table"):
        stored = pq.read_schema(exported["parquet"] / f"{name}.parquet")
        assert rows["column"].tolist() == stored.names
        assert rows["column"].tolist() == schemas()[name].names
        # Every definition is a sentence; a unit is given where there is one.
        assert rows["definition"].str.fullmatch(r"[A-Z0-9].+\.").all()
    assert set(dictionary["table"]) == {"images", "objects", "neighbours"}
    units = dictionary.set_index(["table", "column"])["unit"]
    assert units["images", "width"] == "pixels"
    assert units["images", "p_top1_change"] == "share, 0 to 1"
    assert units["images", "nn_distance"] == "feature distance"
    assert set(OTHERS) <= set(dictionary["column"])


def test_fiftyone_gets_paths_labels_and_relative_boxes(finished, exported, images):
    """The format as FiftyOne documents it: filepath, tags, and labels with the class that holds them."""
    folder = exported["fiftyone"]
    metadata = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
    samples = json.loads((folder / "samples.json").read_text(encoding="utf-8"))["samples"]
    assert metadata["media_type"] == "image"
    # With a version, FiftyOne would expect ids of its database.
    assert "version" not in metadata
    assert len(samples) == len(images)
    framing = finished.framing("test")
    sizes = images[["width", "height"]]
    objects = finished.objects("test").set_index(["image_id", "object_id"])
    for sample in samples:
        row = images.loc[sample["image_id"]]
        assert sample["filepath"] == row["path"]
        assert sample["tags"] == ["test"]
        assert sample["metadata"] == {"_cls": "ImageMetadata", "width": row["width"], "height": row["height"]}
        assert sample["ground_truth"] == {"_cls": "Classification", "label": row["class_name"]}
        assert sample["prediction"]["label"] == row["predicted"]
        assert sample["prediction"]["confidence"] == pytest.approx(row["confidence"])
        assert sample["p_top1_change"] == row["p_top1_change"]
        assert type(sample["right"]) is bool
        nearest = finished.neighbours.query("image_id == @sample['image_id']").sort_values("rank")
        assert sample["nearest"] == nearest["neighbour_id"].tolist()
        boxes = [each["bounding_box"] for each in sample["objects"]["detections"]]
        width, height = sizes.loc[sample["image_id"]]
        for number, (x, y, w, h) in enumerate(boxes):
            edges = objects.loc[(sample["image_id"], number), ["x0", "y0", "x1", "y1"]].astype(float)
            assert [x * width, y * height, (x + w) * width, (y + h) * height] == pytest.approx(edges.tolist(), abs=1e-3)
        assert len(boxes) == framing["image_id"].eq(sample["image_id"]).sum()
        assert not {"id", "_id"} & sample.keys()
        assert all(value is not None for value in sample.values())
    assert not list(folder.glob("**/*.png"))


def test_the_toolkit_reads_the_folder_for_fiftyone(finished, exported, images, tmp_path):
    """Its reader of FiftyOne's format knows nothing of the export; FiftyOne would read files that lie elsewhere too."""
    folder = shutil.copytree(exported["fiftyone"], tmp_path / "folder")
    (folder / "data").mkdir()
    for path in images["path"]:
        shutil.copy(path, folder / "data")
    dataset = load_dataset(folder)
    assert dataset.layout == "fiftyone"
    own = finished.images("test").assign(image_id=lambda table: "data/" + table["image_id"])
    named = own["label"].map(class_names(finished.results).shown)
    pd.testing.assert_frame_equal(dataset.images, own.assign(label=named), check_dtype=False, check_like=True)
    edges = ["x0", "y0", "x1", "y1"]
    np.testing.assert_allclose(dataset.objects[edges], finished.objects("test")[edges], atol=1e-3)


def test_what_cannot_be_exported_is_refused(finished, tmp_path):
    with pytest.raises(InputError, match="--to is 'xml', but must be one of fiftyone, csv, parquet, spotlight"):
        finished.export("xml", tmp_path / "out")
    (tmp_path / "file").touch()
    for out in (tmp_path, tmp_path / "file"):
        with pytest.raises(InputError, match=re.escape(f"{out} exists and is not empty")):
            finished.export("csv", out)


def test_a_place_that_cannot_be_written_gives_one_sentence(finished, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"out cannot be written to \(Not a directory\); name another folder\.$"):
        finished.export("csv", tmp_path / "file" / "out")

    def fill_the_disk(text, path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("bias_toolkit.study.export.write_text", fill_the_disk)
    with pytest.raises(InputError, match=r"out cannot be written to \(No space left on device\); name another folder"):
        finished.export("csv", tmp_path / "out")


def test_boxes_and_images_have_the_same_readable_names_in_fiftyone(finished, tmp_path, monkeypatch):
    monkeypatch.setattr("bias_toolkit.report.words.sentences.ClassNames.shown", lambda self, label: f"digit {label}")
    folder = finished.export("fiftyone", tmp_path / "out")
    samples = json.loads((folder / "samples.json").read_text(encoding="utf-8"))["samples"]
    for sample in samples:
        assert sample["ground_truth"]["label"] == f"digit {sample['label']}"
        for each in sample["objects"]["detections"]:
            assert each["label"] == f"digit {each['category']}"
            assert each["category"] == sample["label"]


def test_images_that_are_in_no_files(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(type(finished.test), "source", lambda self, image_id: f"memory:{image_id}")
    with pytest.raises(InputError, match="in no files of their own"):
        finished.export("fiftyone", tmp_path / "fiftyone")
    assert not (tmp_path / "fiftyone").exists()
    assert pd.read_csv(finished.export("csv", tmp_path / "csv") / "images.csv")["path"].isna().all()


def test_spotlight_gets_images_boxes_nearest_training_images_and_features(finished, exported, images):
    table = pd.read_parquet(exported["spotlight"] / "images.parquet").set_index("image_id")
    assert set(TYPES) <= set(table)
    assert table["image"].tolist() == images["path"].tolist()
    assert table["right"].tolist() == images["right"].map({True: "right", False: "wrong"}).tolist()
    nearest = finished.neighbours.set_index(["image_id", "rank"])["neighbour_id"]
    ids, features = finished.features("test").load()
    features = dict(zip(ids, features, strict=True))
    edges = images[["cx", "cy", "width_fraction", "height_fraction"]]
    for image_id, row in table.iterrows():
        for rank, name in enumerate(NEAREST, start=1):
            assert row[name] == finished.train.source(nearest[image_id, rank])
        np.testing.assert_allclose(row["features"], features[image_id])
        cx, cy, width, height = edges.loc[image_id]
        wanted = [cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2]
        np.testing.assert_allclose(row["box"], wanted)
    line = (exported["spotlight"] / "open.txt").read_text(encoding="utf-8")
    assert line.startswith("spotlight images.parquet --layout layout.json --dtype image=Image ")
    assert line.count("--dtype") == len(TYPES)


def test_the_layout_opens_on_distance_and_names_only_columns_that_are_there(exported):
    layout = json.loads((exported["spotlight"] / "layout.json").read_text(encoding="utf-8"))
    assert layout == json.loads(json.dumps(LAYOUT))
    first = layout["children"][0]["children"][0]["children"][0]
    assert (first["config"]["x_column"], first["config"]["y_column"]) == ("nn_distance", "p_top1_change")
    named = re.findall(r'"(?:x_column|y_column|color_by_column|stack_by_column|column)": "(\w+)"', json.dumps(layout))
    named += [
        name
        for found in re.findall(r'"columns": \[([^\]]*)\]', json.dumps(layout))
        for name in json.loads(f"[{found}]")
    ]
    assert set(named) <= set(pd.read_parquet(exported["spotlight"] / "images.parquet"))


def test_explore_opens_spotlight_on_this_machine_alone(finished, monkeypatch):
    shown = {}
    spotlight = SimpleNamespace(
        show=lambda table, **options: shown.update(options, table=table, modules=[*Path.cwd().iterdir()])
    )
    layout = SimpleNamespace(Layout=SimpleNamespace(model_validate_json=json.loads))
    monkeypatch.setitem(sys.modules, "renumics", SimpleNamespace(spotlight=spotlight))
    monkeypatch.setitem(sys.modules, "renumics.spotlight", spotlight)
    monkeypatch.setitem(sys.modules, "renumics.spotlight.layout", layout)
    finished.explore()
    assert shown["host"] == "127.0.0.1"
    # Its server imports modules from the current folder.
    assert shown["modules"] == []
    assert all(Path(image).is_absolute() for image in shown["table"]["image"])
    assert shown["dtype"] == TYPES
    assert shown["layout"] == json.loads(json.dumps(LAYOUT))
    assert len(shown["table"]) == len(finished.per_image)


def test_without_spotlight_explore_says_what_to_install(finished, monkeypatch):
    monkeypatch.setitem(sys.modules, "renumics", None)
    with pytest.raises(InputError, match="install bias-toolkit with the extra explore"):
        finished.explore()


def test_a_notebook_shows_the_report(finished, tmp_path, monkeypatch):
    monkeypatch.chdir(finished.folder.parent)
    assert 'src="study/report/index.html"' in finished.report()._repr_html_()
    monkeypatch.chdir(tmp_path)
    found = re.search('src="([^"]*)"', finished.report()._repr_html_())[1]
    assert (tmp_path / found).resolve() == (finished.folder / "report" / "index.html").resolve()
    with pytest.raises(InputError, match="is no report; `bias-toolkit report` writes it"):
        _ = ReportPage(tmp_path).path
