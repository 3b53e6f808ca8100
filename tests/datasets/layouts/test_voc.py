"""Pascal VOC's folders."""

import pytest

from bias_toolkit.datasets import load_dataset
from bias_toolkit.foundation.errors import InputError


@pytest.fixture
def root(tmp_path, make_image, make_text, voc_xml):
    for name in ("000001", "000002", "000003"):
        make_image(f"VOC2007/JPEGImages/{name}.jpg")
    make_text("VOC2007/Annotations/000001.xml", voc_xml(("dog", 1, 1, 10, 8), ("person", 2, 3, 4, 5)))
    make_text("VOC2007/Annotations/000002.xml", voc_xml(("dog", "3.5", 2, 20, 4), ("dog", 2, 2, 2, 2)))
    make_text("VOC2007/Annotations/000009.xml", voc_xml(("dog", 1, 1, 2, 2)))
    make_text("VOC2007/ImageSets/Main/trainval.txt", "000002\n000003\n000008\n")
    make_text("VOC2007/ImageSets/Main/dog_trainval.txt", "000001  1\n000002  0\n000003 -1\n")
    return tmp_path / "VOC2007"


def test_the_folder(root, rows):
    dataset = load_dataset(root)

    assert dataset.layout == "voc"
    assert dataset.layout_reason == "it holds JPEGImages and Annotations"
    assert rows(dataset.images) == [
        ("JPEGImages/000001.jpg", None, 10, 8),
        ("JPEGImages/000002.jpg", "dog", 10, 8),
        ("JPEGImages/000003.jpg", None, 10, 8),
    ]
    assert rows(dataset.objects) == [
        ("JPEGImages/000001.jpg", 0, "dog", 0, 0, 10, 8),
        ("JPEGImages/000001.jpg", 1, "person", 1, 2, 4, 5),
        ("JPEGImages/000002.jpg", 0, "dog", 2.5, 1, 10, 4),
        ("JPEGImages/000002.jpg", 1, "dog", 1, 1, 2, 2),
    ]
    assert rows(dataset.skipped[["image_id", "reason"]]) == [
        ("JPEGImages/000009.jpg", "the annotations name it, but there is no such file")
    ]


def test_a_list_of_images(root, rows):
    dataset = load_dataset(root / "ImageSets/Main/trainval.txt")

    assert dataset.layout == "voc"
    assert dataset.layout_reason == "a list of VOC2007"
    assert [row[0] for row in rows(dataset.images)] == ["JPEGImages/000002.jpg", "JPEGImages/000003.jpg"]
    assert len(dataset.objects) == 2
    assert rows(dataset.skipped[["image_id", "reason"]]) == [
        ("JPEGImages/000008.jpg", "the annotations name it, but there is no such file")
    ]
    assert dataset.source("JPEGImages/000002.jpg") == load_dataset(root).source("JPEGImages/000002.jpg")


def test_a_list_of_one_class_leaves_out_the_images_without_it(root):
    dataset = load_dataset(root / "ImageSets/Main/dog_trainval.txt")
    assert dataset.images["image_id"].tolist() == ["JPEGImages/000001.jpg", "JPEGImages/000002.jpg"]


def test_parts_of_an_object_are_no_objects(root, make_text):
    part = "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>"
    box = "<bndbox><xmin>3</xmin><ymin>3</ymin><xmax>6</xmax><ymax>6</ymax></bndbox>"
    text = f"<annotation><object>{part}<name>person</name>{box}</object></annotation>"
    make_text("VOC2007/Annotations/000003.xml", text)

    objects = load_dataset(root).objects
    assert objects[objects["image_id"] == "JPEGImages/000003.jpg"].iloc[0].tolist()[1:] == [0, "person", 2, 2, 6, 6]


def test_the_fingerprint_tells_changed_annotations(root, make_text, voc_xml):
    before = load_dataset(root).fingerprint
    assert load_dataset(root).fingerprint == before
    make_text("VOC2007/Annotations/000003.xml", voc_xml(("cat", 1, 1, 2, 2)))
    added = load_dataset(root).fingerprint
    make_text("VOC2007/Annotations/000003.xml", voc_xml(("horse", 1, 1, 2, 2)))
    assert len({before, added, load_dataset(root).fingerprint}) == 3


def test_the_devkit_has_to_be_named_more_closely(tmp_path, root):
    with pytest.raises(InputError, match=f"holds VOC2007: name one of them, for example {root}"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(("text", "message"), [("", "names no image"), ("x\ny\n", "none of the 2 images")])
def test_a_list_without_images_is_an_error(root, make_text, text, message):
    file = make_text("VOC2007/ImageSets/Main/empty.txt", text)
    with pytest.raises(InputError, match=message) as caught:
        load_dataset(file)
    assert str(file) in str(caught.value)
