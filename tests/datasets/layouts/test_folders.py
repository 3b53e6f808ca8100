"""Folders of images, with and without a folder a class."""

import pytest
from torchvision.datasets import ImageFolder

from bias_toolkit.datasets import load_dataset
from bias_toolkit.foundation.errors import InputError


def test_a_plain_folder_has_no_labels_or_boxes(tmp_path, make_image, make_text, rows):
    make_image("b.JPG", (10, 8))
    make_image("a.png", (7, 5))
    make_image("more/below/c.bmp", (3, 4))
    for other in ("notes.txt", ".hidden.jpg", "._a.png", "a.svg", ".cache/d.png", "__MACOSX/e.png"):
        make_text(other, "")
    dataset = load_dataset(tmp_path)

    assert dataset.layout == "images"
    assert dataset.layout_reason == "images without class folders or annotations"
    assert dataset.root == str(tmp_path)
    assert rows(dataset.images) == [("a.png", None, 7, 5), ("b.JPG", None, 10, 8), ("more/below/c.bmp", None, 3, 4)]
    assert rows(dataset.objects) == []
    assert rows(dataset.skipped) == []
    assert dataset.class_names == {}


def test_class_folders_are_read_as_torchvision_reads_them(tmp_path, make_image, make_text, rows):
    names = ["cat/2.jpg", "cat/1.png", "cat/young/3.webp", "dog/a.tiff", "dog/deep/er/b.pgm", "a cat/x.jpeg"]
    for name in names:
        make_image(name)
    make_text("cat/notes.txt", "")
    dataset = load_dataset(tmp_path)
    expected = ImageFolder(str(tmp_path))

    assert dataset.layout == "class-folders"
    assert dataset.layout_reason == "3 folders of images, taken as classes"
    assert {(str(tmp_path / image_id), label) for image_id, label, *_ in rows(dataset.images)} == {
        (path, expected.classes[index]) for path, index in expected.samples
    }
    assert dataset.images["image_id"].tolist() == sorted(names)


def test_folders_without_images_are_no_classes(tmp_path, make_image, make_text):
    make_image("cat/1.png")
    make_text("docs/readme.txt", "")
    dataset = load_dataset(tmp_path)

    assert dataset.layout_reason == "1 folder of images, taken as classes"
    assert dataset.images["label"].tolist() == ["cat"]


def test_a_lone_folder_called_images_is_no_class(tmp_path, make_image, rows):
    make_image("images/test_0.JPEG", (10, 8))

    dataset = load_dataset(tmp_path)
    assert dataset.layout == "images"
    assert rows(dataset.images) == [("images/test_0.JPEG", None, 10, 8)]
    assert load_dataset(tmp_path, layout="class-folders").images["label"].tolist() == ["images"]


def test_images_beside_class_folders_make_it_a_plain_folder_unless_asked(tmp_path, make_image, rows):
    make_image("cat/1.png")
    make_image("dog/1.png")
    make_image("thumbnail.png")

    assert rows(load_dataset(tmp_path).images)[2] == ("thumbnail.png", None, 10, 8)
    asked = load_dataset(tmp_path, layout="class-folders")
    assert asked.layout_reason == "asked for; 2 folders of images, taken as classes"
    assert rows(asked.images) == [("cat/1.png", "cat", 10, 8), ("dog/1.png", "dog", 10, 8)]


def test_a_folder_of_splits_has_to_be_named_more_closely(tmp_path, make_image):
    make_image("train/cat/1.png")
    make_image("val/cat/1.png")

    with pytest.raises(InputError, match=f"holds the splits train, val: .* for example {tmp_path}/train"):
        load_dataset(tmp_path)
    assert load_dataset(tmp_path, layout="class-folders").images["label"].tolist() == ["train", "val"]
    assert load_dataset(tmp_path / "train").images["label"].tolist() == ["cat"]


def test_labels_can_be_refused(tmp_path, make_image):
    make_image("cat/1.png")
    make_image("dog/1.png")
    dataset = load_dataset(tmp_path, layout="images")

    assert dataset.layout == "images"
    assert dataset.images["label"].isna().all()


def test_links_are_followed_and_circles_are_not(tmp_path, make_image):
    make_image("photos/cat/1.png")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cat").symlink_to(tmp_path / "photos" / "cat")
    (tmp_path / "photos" / "cat" / "round").symlink_to(tmp_path / "photos")
    (tmp_path / "photos" / "cat" / "itself").symlink_to(tmp_path / "photos" / "cat")

    assert load_dataset(tmp_path / "data").images["image_id"].tolist() == ["cat/1.png"]
    assert load_dataset(tmp_path / "photos").images["image_id"].tolist() == ["cat/1.png"]


def test_a_table_beside_the_images_is_pointed_out(make_image, make_text, tmp_path):
    make_image("a.png")
    assert "not read" not in load_dataset(tmp_path).layout_reason
    make_text("labels.csv", "path,label\na.png,cat\n")
    assert "labels.csv beside them was not read" in load_dataset(tmp_path).layout_reason
