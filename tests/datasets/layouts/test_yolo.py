"""YOLO's text files of labels, and data.yaml."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bias_toolkit.datasets import load_dataset
from bias_toolkit.datasets.layouts import yolo
from bias_toolkit.foundation.errors import InputError

NAMES = "names:\n  0: cat\n  1: dog\n  2: no\n"
DATA = f"path: .\ntrain: images/train\nval: images/val\n{NAMES}"
# The images have 10 × 8 pixels.
BOX = "1 0.5 0.5 0.4 0.5\n"
POLYGON = "0 0.1 0.25 0.3 0.75 0.2 1.0\n"


def lay_out(make_image, make_text, images="images/train", labels="labels/train", file="data.yaml", data=DATA):
    for name in "abcd":
        make_image(f"{images}/{name}.png")
    make_text(f"{labels}/a.txt", BOX + POLYGON)
    make_text(f"{labels}/b.txt", "2 0.5 0.5 1 1")
    make_text(f"{labels}/c.txt", "")
    return make_text(file, data) if file else None


def check(dataset, rows, names=("cat", "dog", "no"), prefix=""):
    assert dataset.layout == "yolo"
    of = {name: f"{prefix}{name}.png" for name in "abcd"}
    assert rows(dataset.images) == [
        (of["a"], None, 10, 8),
        (of["b"], names[2], 10, 8),
        (of["c"], None, 10, 8),
        (of["d"], None, 10, 8),
    ]
    assert [row[:3] for row in rows(dataset.objects)] == [
        (of["a"], 0, names[1]),
        (of["a"], 1, names[0]),
        (of["b"], 0, names[2]),
    ]
    edges = [(3, 2, 7, 6), (1, 2, 3, 8), (0, 0, 10, 8)]
    assert [row[3:] for row in rows(dataset.objects)] == [pytest.approx(each, abs=1e-5) for each in edges]
    assert rows(dataset.skipped) == []
    assert dataset.dropped_boxes == 0


@pytest.mark.parametrize(
    ("images", "labels", "named"),
    [
        ("images/train", "labels/train", "images/train"),
        ("train/images", "train/labels", "train/images"),
        ("train/images", "train/labels", "train"),
        ("obj_train_data", "obj_train_data", "obj_train_data"),
        ("images", "images", "images"),
    ],
)
def test_a_folder_of_images(tmp_path, make_image, make_text, rows, images, labels, named):
    lay_out(make_image, make_text, images, labels)
    dataset = load_dataset(tmp_path / named)
    check(dataset, rows, prefix="images/" if named == "train" else "")
    assert dataset.layout_reason == "the labels are YOLO's, with the classes of data.yaml"
    assert not dataset.notes


@pytest.mark.parametrize(
    ("file", "data"),
    [
        ("coco8.yaml", DATA),
        ("images/dataset.yml", "names: [cat, dog, no]\nnc: 3"),
        ("classes.txt", "cat\ndog\nno\n"),
        ("labels/train/classes.txt", "cat\ndog\nno\n"),
        ("obj.names", "cat\ndog\nno"),
    ],
)
def test_where_the_names_of_classes_may_be(tmp_path, make_image, make_text, rows, file, data):
    lay_out(make_image, make_text, file=file, data=data)
    check(load_dataset(tmp_path / "images" / "train"), rows)


def test_without_names_the_categories_are_numbers(tmp_path, make_image, make_text, rows):
    lay_out(make_image, make_text, file=None)
    dataset = load_dataset(tmp_path / "images" / "train")
    check(dataset, rows, names="012")
    (note,) = dataset.notes
    assert note.text == (
        f"The category of 3 objects is a class number, such as 1 ({tmp_path}/labels/train/a.txt, line 1), "
        "because no data.yaml or classes.txt was found above the labels."
    )


def test_a_list_of_images(tmp_path, make_image, make_text, rows):
    lay_out(make_image, make_text)
    make_image("images/val/e.png")
    place = tmp_path / "images" / "train"
    file = make_text("train.txt", f"./images/train/b.png\n{place}/a.png\nimages/train/gone.png\n")
    dataset = load_dataset(file)
    assert dataset.layout == "yolo"
    assert [row[:2] for row in rows(dataset.images)] == [("images/train/a.png", None), ("images/train/b.png", "no")]
    assert len(dataset.objects) == 3
    assert dataset.skipped["image_id"].tolist() == ["images/train/gone.png"]
    before = dataset.fingerprint
    make_text("train.txt", "images/train/b.png\n")
    assert load_dataset(file).fingerprint != before


@pytest.mark.parametrize("named", ["data.yaml", "."])
def test_a_data_yaml_of_several_splits_is_not_enough(tmp_path, make_image, make_text, named):
    lay_out(make_image, make_text)
    make_image("images/val/e.png")
    first = tmp_path / "images" / "train"
    with pytest.raises(InputError, match=f"data.yaml has the splits train, val: name one folder, for example {first}$"):
        load_dataset(tmp_path / named)


@pytest.mark.parametrize(
    ("val", "what"),
    [
        ("", "the split train (train has 2 folders; to read them as one, list their images in a .txt file)"),
        (
            "val: images/val\n",
            "the splits train, val (train has 2 folders; to read them as one, list their images in a .txt file)",
        ),
    ],
)
def test_a_split_of_two_folders(tmp_path, make_image, make_text, val, what):
    file = lay_out(make_image, make_text, data=f"train: [images/train, images/more]\n{val}{NAMES}")
    make_image("images/more/e.png")
    make_image("images/val/f.png")
    with pytest.raises(InputError) as raised:
        load_dataset(file)
    assert str(raised.value) == f"{file} has {what}: name one folder, for example {tmp_path}/images/train"


def test_labels_that_are_no_text_are_named(tmp_path, make_image, make_text):
    make_image("images/a.png")
    file = make_text("labels/a.txt", "")
    file.write_bytes("0 0.5 0.5 0.1 0.1".encode("utf-16"))
    with pytest.raises(InputError, match=f"{file} is in UTF-16 .line 1.: save it as UTF-8"):
        load_dataset(tmp_path / "images").scan()


@pytest.mark.parametrize("train", ["images/train", "../images/train", "[images/train]"])
def test_a_data_yaml_of_one_split(tmp_path, make_image, make_text, rows, train):
    file = lay_out(make_image, make_text, data=f"train: {train}\nval: images/train\n{NAMES}")
    for path in (file, tmp_path):
        dataset = load_dataset(path)
        check(dataset, rows)
        assert dataset.root == str(path)
        assert f"its split {tmp_path / 'images' / 'train'}" in dataset.layout_reason


def test_the_images_of_a_data_yaml_are_outside(tmp_path, make_image, make_text):
    lay_out(make_image, make_text, file="set/data.yaml", data=f"path: {tmp_path}\ntrain: images/train\n{NAMES}")
    with pytest.raises(InputError, match=f"outside its folder: name them, that is {tmp_path}/images/train"):
        load_dataset(tmp_path / "set" / "data.yaml")
    make_text("set/data.yaml", f"train: /nowhere/at/all\n{NAMES}")
    with pytest.raises(InputError, match="says that train is /nowhere/at/all, which does not exist: name the folder"):
        load_dataset(tmp_path / "set")


def test_labels_without_an_image_are_listed(tmp_path, make_image, make_text):
    lay_out(make_image, make_text)
    make_text("labels/train/gone.txt", BOX)
    make_text("labels/train/classes.txt", "cat")
    assert load_dataset(tmp_path / "images" / "train").skipped["image_id"].tolist() == ["gone.jpg"]


@pytest.mark.parametrize(
    "row", ["cat 0.5 0.5 0.1 0.1", "0 0.5 0.5 0.1", "0 300 200 40 30", "-1 0.5 0.5 0.1 0.1", "0.5 0.5 0.5 0.1 0.1",
            "0 nan 0.5 0.1 0.1", "0 0.5 0.5 0.1 0.1 0.9", "0 0.1 0.1 0.2 0.2 0.3 0.3 0.4", "1e400 0.5 0.5 0.1 0.1"],
)  # fmt: skip
def test_rows_that_are_no_labels_are_left_out_and_said(tmp_path, make_image, make_text, row):
    lay_out(make_image, make_text)
    make_text("labels/train/a.txt", f"{BOX}{row}\n")
    dataset = load_dataset(tmp_path / "images" / "train")
    assert dataset.objects["category"].tolist() == ["dog", "no"]
    (note,) = dataset.notes
    assert note.warns
    assert note.text.startswith(
        f"1 row was left out, such as {row!r} in {tmp_path}/labels/train/a.txt, line 2: a row is"
    )


def test_a_class_number_that_has_no_name(tmp_path, make_image, make_text):
    file = lay_out(make_image, make_text)
    make_text("labels/train/a.txt", "7 0.5 0.5 0.1 0.1")
    dataset = load_dataset(tmp_path / "images" / "train")
    assert dataset.objects["category"].tolist() == ["7", "no"]
    assert f"such as 7 ({tmp_path}/labels/train/a.txt, line 1), because {file} has no name" in dataset.notes[0].text


def test_keypoints_after_a_box_are_not_a_polygon(tmp_path, make_image, make_text, rows):
    lay_out(make_image, make_text, data=f"kpt_shape: [2, 2]\n{DATA}")
    make_text("labels/train/a.txt", "0 0.5 0.5 0.4 0.5 0.0 0.0 1.0 1.0")
    dataset = load_dataset(tmp_path / "images" / "train")
    assert rows(dataset.objects)[0][3:] == pytest.approx((3, 2, 7, 6), abs=1e-5)


def test_fractions_are_of_the_upright_image(tmp_path, make_image, make_text, rows):
    tags = Image.Exif()
    tags[0x0112] = 6
    make_image("images/a.jpg", exif=tags)
    make_text("labels/a.txt", "0 0.25 0.5 0.5 0.2")
    dataset = load_dataset(tmp_path / "images")
    assert rows(dataset.images) == [("a.jpg", "0", 8, 10)]
    assert rows(dataset.objects)[0][3:] == pytest.approx((0, 4, 4, 6), abs=1e-5)


@settings(max_examples=30)
@given(st.data())
def test_boxes_come_back_as_they_were_written(data):
    edge = st.floats(0, 1, allow_subnormal=False)
    boxes = [[min(a, c), min(b, d), max(a, c), max(b, d)] for a, b, c, d in data.draw(st.lists(st.tuples(*[edge] * 4)))]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "a.txt")
        lines = [
            f"0 {(x0 + x1) / 2} {(y0 + y1) / 2} {x1 - x0} {y1 - y0}\n1 {x0} {y0} {x1} {y0} {x1} {y1} {x0} {y1}\n"
            for x0, y0, x1, y1 in boxes
        ]
        file.write_text("".join(lines))
        read = [row.edges for row in yolo._rows(file, False)]
    assert read == [pytest.approx(box, abs=1e-9) for box in boxes for _ in range(2)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: [a, b\ntrain: x", r"data.yaml, line \d: this is not valid YAML"),
        ("a: &a [1]\nnames: *a\n", "it has an alias"),
        ("[\n" * 5_000, "not valid YAML"),
        ("names: {0: a, x: b}", "names has to be a list of texts, or a text for each class number"),
        ("names: [a, [b]]", "names has to be a list of texts"),
        ("names: [a]\ntrain: {x: y}", "a split has to be a folder or a list of images"),
        ('names: [a]\ntrain: "\\ud800"', "a split has to be a folder or a list of images|not valid YAML"),
        ("names: [a]\n" + "#" * 2**20, "has more than 1 MB"),
    ],
)
def test_what_is_no_data_yaml(tmp_path, make_image, make_text, text, message):
    file = lay_out(make_image, make_text, data=text)
    with pytest.raises(InputError, match=message) as caught:
        load_dataset(file)
    assert str(caught.value).startswith(str(file))
    assert len(str(caught.value)) < 600
    with pytest.raises(InputError, match=message):
        load_dataset(tmp_path / "images" / "train")


def test_other_files_of_text_beside_images_are_no_labels(tmp_path, make_image, make_text):
    make_image("cat/a.png")
    make_text("cat/a.txt", "a cat on a mat")
    make_text("config.yaml", "a: &a [1]\nb: *a")
    assert load_dataset(tmp_path).layout == "class-folders"
    assert load_dataset(tmp_path / "cat").layout == "images"
    file = make_text("config.yaml", "a: b")
    with pytest.raises(InputError, match=r"config.yaml is of no known layout"):
        load_dataset(file)


KEYPOINTS = f"0 0.5 0.5 0.4 0.5 {'0.5 0.5 2 ' * 17}\n"


def test_a_box_and_three_numbers_a_keypoint(tmp_path, make_image, make_text, rows):
    file = lay_out(make_image, make_text, data=f"kpt_shape: [17, 3]\ntrain: images/train\n{NAMES}")
    for name in "abc":
        make_text(f"labels/train/{name}.txt", KEYPOINTS)
    dataset = load_dataset(file)
    assert [row[2] for row in rows(dataset.objects)] == ["cat"] * 3
    assert rows(dataset.objects)[0][3:] == pytest.approx((3, 2, 7, 6), abs=1e-5)
    assert list(dataset.notes) == []


def test_keypoints_that_data_yaml_does_not_state_are_said(tmp_path, make_image, make_text):
    file = lay_out(make_image, make_text, data=f"train: images/train\n{NAMES}")
    for name in "abc":
        make_text(f"labels/train/{name}.txt", KEYPOINTS)
    dataset = load_dataset(file)
    assert dataset.objects.empty
    (note,) = dataset.notes
    assert note.text.startswith("3 rows were left out, such as ")
    assert note.text.endswith(" If keypoints follow the boxes, data.yaml has to state kpt_shape.")
    assert note.warns
