"""COCO's detection JSON."""

import json
import re

import pytest

from bias_toolkit.datasets import load_dataset
from bias_toolkit.foundation.errors import InputError


def annotation(image_id, category_id, bbox, **more):
    return {"image_id": image_id, "category_id": category_id, "bbox": bbox, **more}


def content():
    return {
        "images": [
            {"id": 7, "file_name": "b.png", "width": 10, "height": 8},
            {"id": 3, "file_name": "a.png"},
            {"id": 4, "file_name": "c.png"},
            {"id": 5, "file_name": "gone.png"},
        ],
        "annotations": [
            annotation(7, 1, [1.5, 2, 3.25, 4], iscrowd=0),
            annotation(3, 2, [0, 0, 20, 3]),
            annotation(7, 18, [0, 0, 2, 2], iscrowd="0"),
            annotation(3, 2, [0, 0, 10, 8], iscrowd=1),
            annotation(3, 2, [0, 0, 10, 8], iscrowd="1"),
            annotation(3, 2, [4, 4, 0, 3]),
        ],
        "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "bicycle"}, {"id": 18, "name": "dog"}],
    }


def lay_out(make_image, make_text, folder="val2017", file="annotations/instances_val2017.json"):
    for name in "abc":
        make_image(f"{folder}/{name}.png")
    return make_text(file, json.dumps(content()))


def check(dataset, rows):
    assert dataset.layout == "coco"
    assert rows(dataset.images) == [("a.png", "bicycle", 10, 8), ("b.png", None, 10, 8), ("c.png", None, 10, 8)]
    assert rows(dataset.objects) == [
        ("a.png", 0, "bicycle", 0, 0, 10, 3),
        ("b.png", 0, "person", 1.5, 2, 4.75, 6),
        ("b.png", 1, "dog", 0, 0, 2, 2),
    ]
    assert rows(dataset.skipped[["image_id", "reason"]]) == [("gone.png", "No such file or directory")]
    assert dataset.dropped_boxes == 1
    assert dataset.read("a.png").shape == (8, 10, 3)


@pytest.mark.parametrize(
    ("folder", "file"),
    [
        ("val2017", "annotations/instances_val2017.json"),
        ("images/val2017", "annotations/instances_val2017.json"),
        ("images", "annotations/instances_default.json"),
        (".", "annotations/instances_x.json"),
        (".", "anything.json"),
        ("images", "labels.json"),
    ],
)
def test_a_json_file(make_image, make_text, rows, folder, file):
    path = lay_out(make_image, make_text, folder, file)
    dataset = load_dataset(path)

    check(dataset, rows)
    assert dataset.root == str(path)
    assert dataset.layout_reason == "a JSON file"


@pytest.mark.parametrize(
    ("folder", "file"),
    [
        ("val2017", "annotations/instances_val2017.json"),
        (".", "_annotations.coco.json"),
        ("images", "instances_all.json"),
    ],
)
def test_a_folder_that_holds_the_json(tmp_path, make_image, make_text, rows, folder, file):
    path = lay_out(make_image, make_text, folder, file)
    dataset = load_dataset(tmp_path)

    check(dataset, rows)
    assert dataset.layout_reason == f"annotated by {path.name}"


@pytest.mark.parametrize("folder", ["val2017", "images/val2017"])
def test_the_folder_of_images_beside_the_annotations(tmp_path, make_image, make_text, rows, folder):
    lay_out(make_image, make_text, folder)
    check(load_dataset(tmp_path / folder), rows)


def test_several_json_files_have_to_be_named(tmp_path, make_image, make_text):
    lay_out(make_image, make_text)
    make_text("annotations/instances_train2017.json", "{}")
    first = tmp_path / "annotations" / "instances_train2017.json"
    with pytest.raises(
        InputError, match=f"instances_train2017.json, instances_val2017.json: name .* for example {first}"
    ):
        load_dataset(tmp_path)


def test_without_objects(make_image, make_text, rows):
    make_image("a.png")
    images = [{"id": 1, "file_name": "a.png"}]
    dataset = load_dataset(make_text("x.json", json.dumps({"images": images, "annotations": [], "categories": []})))

    assert rows(dataset.images) == [("a.png", None, 10, 8)]
    assert rows(dataset.objects) == []


def test_images_that_are_nowhere_are_an_error(make_text):
    file = make_text("annotations/instances_val.json", json.dumps(content()))
    with pytest.raises(InputError, match=f"the images that {file} names, such as 'a.png', are in none of"):
        load_dataset(file)


def broken(**changes):
    return json.dumps({**content(), **changes})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "this is not valid JSON"),
        ("[]", "lacks the list 'images'"),
        (broken(images=None), "lacks the list 'images'"),
        (broken(images=[]), "names no image"),
        (broken(images=[{"id": 1}]), "entry 0 of 'images' lacks one of id, file_name"),
        (broken(images=["a.png"]), "entry 0 of 'images' lacks one of id, file_name"),
        (broken(categories=[{"id": 1, "name": None}]), "entry 0 of 'categories' lacks one of id, name"),
        (broken(annotations=[{"image_id": 3, "category_id": 1}]), "entry 0 of 'annotations' lacks one of"),
        (
            broken(annotations=[annotation(99, 1, [0, 0, 1, 1])]),
            "entry 0 of 'annotations' names an image or a category",
        ),
        (
            broken(annotations=[annotation(3, 99, [0, 0, 1, 1])]),
            "entry 0 of 'annotations' names an image or a category",
        ),
        (broken(annotations=[annotation(3, 1, [0, 0, 1])]), "entry 0 of 'annotations': a box has to be four finite"),
        (broken(annotations=[annotation(3, 1, 5)]), "a box has to be four finite numbers, not '5'"),
        (broken(annotations=[annotation(3, 1, [0, 0, 1, float("nan")])]), "four finite numbers, not '0 0 1 nan'"),
    ],
)
def test_a_malformed_file_is_named(make_image, make_text, text, message):
    make_image("a.png")
    file = make_text("x.json", text)
    with pytest.raises(InputError, match=f"{re.escape(str(file))}.*{message}"):
        load_dataset(file).scan()
