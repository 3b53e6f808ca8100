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


ASIDE = "1 file that may be annotations was not read (for example {}). Name the annotation file, or the folder"


@pytest.mark.parametrize(
    ("name", "text", "warns"),
    [
        ("labels.csv", "path,label\na.png,cat\n", False),
        ("below/a.XML", "<annotations/>", True),
        ("../labels/a.txt", "0 0.5 0.5 0.2 0.2\n", True),
        ("../annotations/x.json", "{}", False),
    ],
)
def test_annotations_that_are_not_read_are_named(tmp_path, make_image, make_text, name, text, warns):
    make_image("photos/a.png")
    make_text("photos/b.txt", "no annotation of an image")
    assert load_dataset(tmp_path / "photos").notes == []
    make_text(f"photos/{name}", text)
    for layout in (None, "images"):
        (note,) = load_dataset(tmp_path / "photos", layout).notes
        assert note.text.startswith(ASIDE.format(name))
        assert note.warns is warns


def test_folders_of_splits_are_no_classes(tmp_path, make_image):
    for name in ("Training/glioma/1.png", "Testing/glioma/1.png", "mri/Training/glioma/1.png"):
        make_image(name)
    with pytest.raises(InputError, match="holds the splits Testing, Training: name one of them"):
        load_dataset(tmp_path)
    assert load_dataset(tmp_path / "Training").images["label"].tolist() == ["glioma"]


def test_classes_in_one_folder_below_are_found(tmp_path, make_image, rows):
    for name in ("1.png", "2.png"):
        make_image(f"seg/all/inner/forest/{name}")
    make_image("seg/all/inner/sea/deep/1.png")
    make_image("seg/all/__MACOSX/forest/1.png")
    dataset = load_dataset(tmp_path / "seg")
    assert rows(dataset.images[["image_id", "label"]]) == [
        ("all/inner/forest/1.png", "forest"),
        ("all/inner/forest/2.png", "forest"),
        ("all/inner/sea/deep/1.png", "sea"),
    ]
    assert dataset.layout_reason == "2 folders of images in all/inner, taken as classes"
    (note,) = dataset.notes
    assert note.text.endswith("(2 classes, for example forest).")
    asked = load_dataset(tmp_path / "seg", layout="class-folders")
    assert asked.images["label"].unique().tolist() == ["all"]
    assert asked.notes == []


@pytest.mark.parametrize("name", ["@eaDir", "#recycle", "$RECYCLE.BIN", "__MACOSX"])
def test_folders_of_systems_hold_no_images(tmp_path, make_image, name):
    for folder in ("cat", f"cat/{name}/1.png", name, f"{name}/dog"):
        make_image(f"nas/{folder}/1.png")
    dataset = load_dataset(tmp_path / "nas")
    assert dataset.images[["image_id", "label"]].to_numpy().tolist() == [["cat/1.png", "cat"]]


def test_images_beside_classes_are_said(tmp_path, make_image):
    for name in ("cat/1.png", "dog/1.png", "thumbnail.png"):
        make_image(name)
    (note,) = load_dataset(tmp_path).notes
    assert note.text == (
        "2 folders are not taken as classes, as images lie beside them (for example cat); --layout class-folders takes "
        "them so."
    )
    (note,) = load_dataset(tmp_path, layout="class-folders").notes
    assert note.text == "1 image is left out, beside the class folders and in none (for example thumbnail.png)."


@pytest.mark.parametrize(("one", "other"), [("train", "test"), ("train_set", "test_set"), ("training_set", "val_set")])
def test_splits_in_one_folder_below_are_no_classes(tmp_path, make_image, one, other):
    for split in (one, other):
        for name in ("NORMAL", "PNEUMONIA"):
            make_image(f"chest_xray/{split}/{name}/1.png")
    first = min(one, other)
    message = f"chest_xray holds the splits .*: name one of them, for example {tmp_path}/chest_xray/{first}$"
    for path in (tmp_path, tmp_path / "chest_xray"):
        with pytest.raises(InputError, match=message):
            load_dataset(path)
