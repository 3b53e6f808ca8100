"""Tiny-ImageNet's folders."""

import pytest

from bias_toolkit.datasets import load_dataset
from bias_toolkit.foundation.errors import InputError

FISH, LOBSTER = "n01443537", "n01983481"


@pytest.fixture
def root(tmp_path, make_image, make_text):
    for wnid in (FISH, LOBSTER):
        for number in range(2):
            make_image(f"train/{wnid}/images/{wnid}_{number}.JPEG", (64, 64))
    make_text(f"train/{FISH}/{FISH}_boxes.txt", f"{FISH}_0.JPEG\t0\t10\t63\t58\n{FISH}_1.JPEG\t14\t2\t54\t49\n")
    make_text(f"train/{LOBSTER}/{LOBSTER}_boxes.txt", f"{LOBSTER}_0.JPEG\t5\t6\t5\t6\n")
    for number in range(2):
        make_image(f"val/images/val_{number}.JPEG", (64, 64))
    make_text("val/val_annotations.txt", f"val_0.JPEG\t{LOBSTER}\t27\t28\t61\t63\nval_7.JPEG\t{FISH}\t0\t0\t1\t1\n")
    make_image("test/images/test_0.JPEG", (64, 64))
    make_text("wnids.txt", f"{FISH}\n{LOBSTER}\n")
    make_text("words.txt", f"{FISH}\tgoldfish, Carassius auratus\nn00001740\tentity\n{LOBSTER}\tAmerican lobster\n")
    return tmp_path


def test_train(root, rows):
    dataset = load_dataset(root / "train")

    assert dataset.layout == "tiny-imagenet"
    assert dataset.layout_reason == f"its class folders hold boxes, as in {FISH}_boxes.txt"
    assert rows(dataset.images) == [
        (f"{wnid}/images/{wnid}_{number}.JPEG", wnid, 64, 64) for wnid in (FISH, LOBSTER) for number in range(2)
    ]
    assert rows(dataset.objects) == [
        (f"{FISH}/images/{FISH}_0.JPEG", 0, FISH, 0, 10, 64, 59),
        (f"{FISH}/images/{FISH}_1.JPEG", 0, FISH, 14, 2, 55, 50),
        (f"{LOBSTER}/images/{LOBSTER}_0.JPEG", 0, LOBSTER, 5, 6, 6, 7),
    ]
    assert rows(dataset.skipped) == []
    assert dataset.class_names == {FISH: "goldfish, Carassius auratus", LOBSTER: "American lobster"}


def test_val(root, rows):
    dataset = load_dataset(root / "val")

    assert dataset.layout == "tiny-imagenet"
    assert dataset.layout_reason == "it holds val_annotations.txt"
    assert rows(dataset.images) == [("images/val_0.JPEG", LOBSTER, 64, 64), ("images/val_1.JPEG", None, 64, 64)]
    assert rows(dataset.objects) == [("images/val_0.JPEG", 0, LOBSTER, 27, 28, 62, 64)]
    assert rows(dataset.skipped[["image_id", "reason"]]) == [
        ("images/val_7.JPEG", "the annotations name it, but there is no such file")
    ]
    assert dataset.class_names == {FISH: "goldfish, Carassius auratus", LOBSTER: "American lobster"}


def test_without_words_there_are_no_class_names(root):
    (root / "words.txt").unlink()
    (root / "wnids.txt").unlink()
    assert load_dataset(root / "train").class_names == {}


def test_the_unlabelled_test_folder_is_a_plain_folder(root, rows):
    dataset = load_dataset(root / "test")
    assert dataset.layout == "images"
    assert rows(dataset.images) == [("images/test_0.JPEG", None, 64, 64)]


@pytest.mark.parametrize("layout", [None, "tiny-imagenet"])
def test_the_root_has_to_be_named_more_closely(root, layout):
    with pytest.raises(InputError, match=f"is the root of Tiny-ImageNet: name {root}/train or {root}/val"):
        load_dataset(root, layout=layout)


@pytest.mark.parametrize(
    "line",
    [f"{FISH}_0.JPEG\t0\t10\t63", f"{FISH}_0.JPEG\t0\tten\t63\t58", f"{FISH}_0.JPEG\tnan\t1\t2\t3", f"{FISH}_0.JPEG"],
)
def test_a_malformed_line_is_named(root, make_text, line):
    file = make_text(f"train/{FISH}/{FISH}_boxes.txt", f"{FISH}_1.JPEG\t1\t1\t2\t2\n\n{line}\n")
    with pytest.raises(InputError, match=f"{file}, line 3: a box has to be four finite numbers, not '.*'"):
        load_dataset(root / "train").scan()


def test_annotations_that_are_no_text_are_named(root):
    file = root / "val" / "val_annotations.txt"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=f"{file} is in UTF-16"):
        load_dataset(root / "val").scan()
