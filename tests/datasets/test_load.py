"""Which layout a path is taken to be of, and what is said of a path that is none."""

import os
import re

import pytest

from bias_toolkit.datasets import LAYOUTS, load_dataset
from bias_toolkit.foundation.errors import InputError


def test_the_names_of_the_layouts():
    assert set(LAYOUTS) == {
        "table", "voc", "coco", "yolo", "open-images", "fiftyone", "webdataset", "hugging-face", "image-folder",
        "clips", "tiny-imagenet", "imagenet", "class-folders", "images",
    }  # fmt: skip


def test_a_relative_path_and_one_from_home(tmp_path, make_image, monkeypatch):
    make_image("photos/a.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in ("photos", "./photos/", "~/photos", tmp_path / "photos"):
        assert load_dataset(path).root == str(tmp_path / "photos")


def test_a_path_that_does_not_exist(tmp_path):
    with pytest.raises(InputError, match=f"there is no file or folder {tmp_path}/nothing"):
        load_dataset(tmp_path / "nothing")


@pytest.mark.parametrize("files", [[], ["notes.txt", "empty/folder/x.csv", ".hidden/a.png"]])
def test_a_folder_without_images(tmp_path, make_text, files):
    for name in files:
        make_text(name, "")
    with pytest.raises(InputError, match=f"{tmp_path} holds no image: no file below it ends in .jpg, .jpeg, .png"):
        load_dataset(tmp_path)


def test_an_unknown_layout(tmp_path):
    with pytest.raises(InputError, match=f"there is no layout 'darknet': use one of {', '.join(LAYOUTS)}"):
        load_dataset(tmp_path, layout="darknet")


@pytest.mark.parametrize("layout", sorted(set(LAYOUTS) - {"images", "class-folders", "clips"}))
def test_a_layout_that_does_not_fit(tmp_path, make_image, layout):
    make_image("cat/a.png")
    with pytest.raises(InputError, match=f"{tmp_path} is not of the layout '{layout}': that is .*"):
        load_dataset(tmp_path, layout=layout)


@pytest.mark.parametrize("name", ["a.png", "a.txt", "a.zip", "ImageSets/Main/train.txt"])
def test_a_file_of_no_layout(make_text, name):
    path = make_text(name, "")
    with pytest.raises(InputError, match=f"{re.escape(str(path))} is of no known layout: name a folder of images"):
        load_dataset(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read(tmp_path, make_image):
    make_image("closed/a.png")
    (tmp_path / "closed").chmod(0)
    try:
        with pytest.raises(InputError, match="closed cannot be read: Permission denied"):
            load_dataset(tmp_path)
    finally:
        (tmp_path / "closed").chmod(0o755)


def test_demo_datasets_are_dispatched():
    dataset = load_dataset("demo:photographer")
    assert dataset.root == "demo:photographer"
    assert dataset.layout == "demo"


def test_an_unknown_demo_dataset():
    with pytest.raises(InputError, match="'painter'"):
        load_dataset("demo:painter")


def test_a_demo_dataset_takes_no_layout():
    with pytest.raises(InputError, match="demo:train is built in and takes no layout: leave out 'images'"):
        load_dataset("demo:train", layout="images")


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_the_folder_of_images_can_be_named(tmp_path, make_image, make_text, kind):
    make_image("photographs/a.png")
    content = {
        "csv": "path,label\na.png,cat\n",
        "json": '{"images": [{"id": 1, "file_name": "a.png"}], "annotations": [], "categories": []}',
    }
    file = make_text(f"far/away/from/them/all.{kind}", content[kind])
    if kind == "json":
        with pytest.raises(InputError, match=r"are in none of .* name the folder of its images, with --train-"):
            load_dataset(file)
    dataset = load_dataset(file, images=tmp_path / "photographs")
    assert dataset.images["image_id"].tolist() == ["a.png"]
    assert dataset.read("a.png").shape == (8, 10, 3)
    with pytest.raises(InputError, match=r"there is no folder .*nowhere of the images of"):
        load_dataset(file, images=tmp_path / "nowhere")


def test_a_layout_that_names_its_images_itself_takes_no_folder(tmp_path, make_image):
    make_image("cat/a.png")
    with pytest.raises(InputError, match="is read as class-folders, which names its images itself: leave out"):
        load_dataset(tmp_path, images=tmp_path)
    with pytest.raises(InputError, match="demo:train is built in and takes no folder of images"):
        load_dataset("demo:train", images=tmp_path)
