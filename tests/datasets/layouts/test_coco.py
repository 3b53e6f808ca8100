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
        (broken(images=["a.png"]), "entry 0 of 'images' is no object with id"),
        (broken(annotations=["a.png"]), "entry 0 of 'annotations' is no object"),
        (broken(categories=[{"id": 1, "name": None}]), "entry 0 of 'categories' is no object with id and name"),
        (broken(categories=None), "lacks the list 'categories'"),
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


def written(make_text, entries, file="annotations/x.json", **images):
    """A JSON file of two images, named a.png and b.png by default, and annotations."""
    names = images or {"1": "a.png", "2": "b.png"}
    content = {
        "images": [{"id": int(key.strip("_")), "file_name": name} for key, name in names.items()],
        "annotations": entries,
        "categories": [{"id": 1, "name": "dog"}],
    }
    return make_text(file, json.dumps(content))


GOOD = annotation(1, 1, [1, 2, 3, 4])
SKIPPED = [
    ({"image_id": 2, "category_id": 1, "segmentation": [[1, 1, 5, 1, 5, 5]]}, "1 annotation without a box is left out"),
    (annotation(2, 1, []), "1 annotation without a box is left out"),
    (annotation(9, 1, [1, 1, 2, 2]), "1 annotation of an image or a category that the file does not list is left out"),
    (annotation(1, 9, [1, 1, 2, 2]), "1 annotation of an image or a category that the file does not list is left out"),
    ({"image_id": 1, "caption": "a dog"}, "1 annotation of an image or a category that the file does not list is"),
    (annotation(1, 1, [0, 0, 9, 8], iscrowd=1), "1 annotation of a crowd is left out"),
]


@pytest.mark.parametrize(("entry", "text"), SKIPPED)
def test_an_odd_entry_is_left_out_and_named(make_image, make_text, rows, entry, text):
    for name in ("a.png", "b.png"):
        make_image(f"images/{name}")
    dataset = load_dataset(written(make_text, [GOOD, entry]))
    assert rows(dataset.objects) == [("a.png", 0, "dog", 1, 2, 4, 6)]
    has_category = entry["image_id"] == 2
    assert rows(dataset.images[["image_id", "label"]]) == [("a.png", "dog"), ("b.png", "dog" if has_category else None)]
    (note,) = dataset.notes
    assert note.text.startswith(text)
    assert note.text.endswith("(for example entry 1 of x.json).")


@pytest.mark.parametrize("key", [1, "1", 1.0])
@pytest.mark.parametrize("edges", [[1, 2, 3, 4], ["1", "2.0", "3", "4"]])
def test_ids_and_edges_as_texts_and_with_points(make_image, make_text, rows, key, edges):
    make_image("images/a.png")
    dataset = load_dataset(written(make_text, [annotation(key, 1.0, edges)], _1="a.png"))
    assert rows(dataset.objects) == [("a.png", 0, "dog", 1, 2, 4, 6)]


def test_a_file_without_annotations(make_image, make_text, rows):
    make_image("images/a.png")
    images = [{"id": 1, "file_name": "a.png"}]
    dataset = load_dataset(make_text("image_info.json", json.dumps({"images": images})))
    assert rows(dataset.images) == [("a.png", None, 10, 8)]


SPELLINGS = {"images\\a.png": "images/a.png", "my%20photo.png": "my photo.png", "cafe\u0301.png": "caf\u00e9.png"}


@pytest.mark.parametrize(("named", "stored"), [*SPELLINGS.items(), ("caf\u00e9.png", "cafe\u0301.png")])
def test_names_that_are_spelt_otherwise(make_image, make_text, named, stored):
    make_image(f"set/{stored}")
    dataset = load_dataset(written(make_text, [GOOD], "set/x.json", _1=named))
    assert dataset.images[["image_id", "label"]].to_numpy().tolist() == [[stored, "dog"]]
    (note,) = dataset.notes
    assert note.text.startswith("1 file name is spelt otherwise on the disk than in the annotations (for example ")


def test_a_name_that_is_a_file_is_taken_as_it_is(make_image, make_text):
    for name in ("my%20photo.png", "my photo.png", "..%2f..%2fx.png"):
        make_image(f"set/{name}")
    dataset = load_dataset(written(make_text, [], "set/x.json", _1="my%20photo.png", _2="..%2fgone.png"))
    assert dataset.images["image_id"].tolist() == ["my%20photo.png"]
    assert dataset.skipped["image_id"].tolist() == ["..%2fgone.png"]


def test_an_image_is_named_by_its_address_where_it_has_no_name(make_image, make_text, rows):
    make_image("val2017/000000000001.png")
    images = [{"id": 1, "coco_url": "http://images.cocodataset.org/val2017/000000000001.png"}]
    content = {"images": images, "annotations": [GOOD], "categories": [{"id": 1, "name": "dog"}]}
    dataset = load_dataset(make_text("annotations/lvis_v1_val.json", json.dumps(content)))
    assert rows(dataset.objects) == [("val2017/000000000001.png", 0, "dog", 1, 2, 4, 6)]


@pytest.mark.parametrize(
    ("folder", "file", "path"),
    [
        ("val2017", "annotations/person_keypoints_val2017.json", None),
        ("val2017", "annotations/instances_minival2017.json", None),
        ("data", "labels.json", "."),
        ("data", "labels.json", None),
        ("data", "labels.json", "data"),
        ("images", "result.json", "."),
        ("images", "annotations/mine.json", "."),
        ("train", "train/_annotations.coco.json", "train"),
        ("val2017", "annotations/mine_val2017.json", "val2017"),
    ],
)
def test_images_and_annotations_of_other_names(tmp_path, make_image, make_text, rows, folder, file, path):
    for name in ("a.png", "b.png"):
        make_image(f"set/{folder}/{name}")
    json_file = written(make_text, [GOOD], f"set/{file}")
    dataset = load_dataset(json_file if path is None else tmp_path / "set" / path)
    assert dataset.layout == "coco"
    assert rows(dataset.objects) == [("a.png", 0, "dog", 1, 2, 4, 6)]
    assert (len(dataset.skipped), list(dataset.notes)) == (0, [])


def test_a_folder_that_the_annotations_do_not_name_is_said(make_image, make_text):
    make_image("photographs/a.png")
    make_image("thumbnails/c.png")
    dataset = load_dataset(written(make_text, [GOOD], "x.json", _1="a.png"))
    assert dataset.images["label"].tolist() == ["dog"]
    (note,) = dataset.notes
    assert note.text.startswith("The images are taken from the folder photographs, which x.json does not name")


def test_json_of_another_kind_is_none_of_coco(tmp_path, make_image, make_text):
    make_image("cat/a.png")
    make_text("package.json", '{"name": "x", "images": {}}')
    make_text("labels.json", '{"labels": {"a": 1}}')
    assert load_dataset(tmp_path).layout == "class-folders"
