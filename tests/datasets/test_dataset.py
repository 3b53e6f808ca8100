"""Scanning, skipping, restoring, fingerprints, and datasets whose pixels are not files."""

import os
import re

import numpy as np
import pandas as pd
import pytest

from bias_toolkit.datasets import (
    BOX_COLUMNS,
    IMAGES,
    OBJECTS,
    SKIPPED,
    Annotations,
    Dataset,
    Header,
    Listing,
    Note,
    load_dataset,
)
from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.foundation.files import read_table, write_table


class Painted:
    """Pixels made in memory: images of any id, but those called broken."""

    def header(self, image_id):
        if image_id.startswith("broken"):
            raise UnreadableImageError(f"{image_id} is broken", transient=True)
        return Header(6, 4)

    def read(self, image_id):
        return np.full((4, 6, 3), len(image_id), np.uint8)

    def source(self, image_id):
        return f"painted/{image_id}"

    def stamp(self, image_ids):
        return b"first version"


def painted(image_ids, labels, boxes=(), absent=()):
    annotations = Annotations(labels, pd.DataFrame(boxes, columns=BOX_COLUMNS), absent)
    return Dataset(Listing("painted", "painted", "made here", image_ids, lambda progress: annotations), Painted())


def test_a_dataset_of_another_origin(rows):
    dataset = painted(["a", "bb"], ["cat", None], [("bb", "dog", 1, 1, 3, 9)])

    assert rows(dataset.images) == [("a", "cat", 6, 4), ("bb", None, 6, 4)]
    assert rows(dataset.objects) == [("bb", 0, "dog", 1, 1, 3, 4)]
    assert rows(dataset.skipped) == []
    assert dataset.dropped_boxes == 0
    assert dataset.read("bb")[0, 0].tolist() == [2, 2, 2]
    assert dataset.source("a") == "painted/a"
    assert dataset.class_names == {}
    assert repr(dataset) == "Dataset('painted', layout='painted', 2 images, 1 label, 1 box)"
    assert [note.text for note in dataset.notes] == [
        "1 box reaches out of the image, and the part outside is cut off (for example in bb)."
    ]


def test_the_notes_of_a_listing_and_of_its_annotations_are_gathered():
    early, late = Note("1 folder was passed over."), Note("1 box may be wrong.", warns=True)
    annotations = Annotations(["cat"], notes=[late])
    listing = Listing("painted", "painted", "made here", ["a"], lambda progress: annotations, notes=[early])
    assert Dataset(listing, Painted()).notes == [early, late]


def test_what_cannot_be_read_or_is_not_there_is_skipped_with_its_objects(rows):
    boxes = [
        ("broken", "x", 0, 0, 1, 1),
        ("good", "y", 0, 0, 1, 1),
        ("gone", "z", 0, 0, 1, 1),
        ("gone", "z", 5, 5, 5, 5),
    ]
    dataset = painted(["broken", "good"], ["u", "v"], boxes, absent=["also gone", "gone"])

    assert rows(dataset.images) == [("good", "v", 6, 4)]
    assert rows(dataset.objects) == [("good", 0, "y", 0, 0, 1, 1)]
    assert rows(dataset.skipped[["image_id", "reason"]]) == [
        ("broken", "broken is broken"),
        ("also gone", "the annotations name it, but there is no such file"),
        ("gone", "the annotations name it, but there is no such file"),
    ]
    assert dataset.skipped["transient"].tolist() == [True, True, True]
    assert dataset.dropped_boxes == 0


def test_a_dataset_of_which_nothing_can_be_read_is_an_error():
    dataset = painted(["broken 1", "broken 2"], [None, None])
    with pytest.raises(InputError, match=r"none of the 2 images of painted can be read .*broken 1 is broken"):
        dataset.scan()


def test_tables_keep_to_their_schemas_and_come_back_from_disk_alike(tmp_path):
    for labels, boxes in [(["cat", None], [("a", None, 0, 0, 2, 2)]), ([None, None], [])]:
        tables = painted(["a", "b"], labels, boxes).scan()
        for name, schema in [("images", IMAGES), ("objects", OBJECTS), ("skipped", SKIPPED)]:
            table = getattr(tables, name)
            write_table(table, tmp_path / name, schema)
            pd.testing.assert_frame_equal(read_table(tmp_path / name), table)


def test_restored_tables_stand_for_a_scan():
    tables = painted(["a"], ["cat"]).scan()
    dataset = painted(["a", "broken"], ["dog", "dog"])
    dataset.restore(tables)
    with pytest.raises(InputError, match="the table of images names a, which is not in painted"):
        painted(["b"], ["dog"]).restore(tables)

    assert dataset.images is tables.images
    assert dataset.objects is tables.objects
    assert dataset.skipped is tables.skipped


def test_progress_counts_every_image():
    calls = []

    class Recorder:
        def __init__(self, description, total, done=0):
            calls.append([description, total, 0])

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def __call__(self, count):
            calls[-1][2] += count

    image_ids = [f"{number:03d}" for number in range(150)]
    painted(image_ids, [None] * 150).scan(Recorder)
    assert calls == [["Reading image headers", 150, 150]]


def test_order_does_not_depend_on_threads(rows):
    image_ids = [f"{number:04d}" for number in range(1000)]
    dataset = painted(image_ids, [f"label {number}" for number in range(1000)])
    assert rows(dataset.images) == [(image_id, f"label {int(image_id)}", 6, 4) for image_id in image_ids]


@pytest.fixture
def tree(tmp_path, make_image, make_text):
    """A Tiny-ImageNet validation folder of two images."""
    make_image("val/images/val_0.png")
    make_image("val/images/val_1.png")
    make_text("val/val_annotations.txt", "val_0.png\tn01443537\t0\t0\t3\t3\nval_1.png\tn01443537\t0\t0\t3\t3\n")
    return tmp_path / "val"


def test_a_fingerprint_is_of_contents_not_of_place_or_reading(tree, tmp_path):
    before = load_dataset(tree).fingerprint
    assert re.fullmatch(r"[0-9a-f]{64}", before)

    again = load_dataset(tree)
    again.scan()
    again.read("images/val_0.png")
    assert again.fingerprint == before

    os.rename(tree, tmp_path / "elsewhere")
    assert load_dataset(tmp_path / "elsewhere").fingerprint == before


def test_a_fingerprint_tells_every_change(tree, make_image, make_text):
    seen = {load_dataset(tree).fingerprint, load_dataset(tree, layout="images").fingerprint}
    assert len(seen) == 2

    def changed():
        fingerprint = load_dataset(tree).fingerprint
        new = fingerprint not in seen
        seen.add(fingerprint)
        return new

    image, annotations = tree / "images" / "val_0.png", tree / "val_annotations.txt"
    assert not changed()
    os.utime(image, ns=(0, image.stat().st_mtime_ns + 1))
    assert changed()
    stamp = image.stat().st_mtime_ns
    image.write_bytes(image.read_bytes() + b"\x00")
    os.utime(image, ns=(stamp, stamp))
    assert changed()
    annotations.write_text(annotations.read_text().replace("3\t3", "3\t4", 1))
    assert changed()
    make_image("val/images/val_2.png")
    assert changed()
    os.rename(tree / "images" / "val_2.png", tree / "images" / "val_3.png")
    assert changed()
    (tree / "images" / "val_1.png").unlink()
    assert changed()
    make_text("words.txt", "n01443537\tgoldfish\n")
    assert changed()
    os.utime(annotations, ns=(0, 0))
    assert not changed()


def test_a_fingerprint_does_not_open_images(tree):
    before = load_dataset(tree).fingerprint
    image = tree / "images" / "val_0.png"
    status = image.stat()
    image.write_bytes(b"\x00" * status.st_size)
    os.utime(image, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert load_dataset(tree).fingerprint == before


def test_an_unreadable_file_in_a_folder_is_skipped(tmp_path, make_image, make_text, rows):
    make_image("a.png")
    make_text("b.jpg", "no image")
    (tmp_path / "c.png").symlink_to(tmp_path / "nowhere")
    dataset = load_dataset(tmp_path)

    assert rows(dataset.images) == [("a.png", None, 10, 8)]
    assert rows(dataset.skipped[["image_id", "reason"]]) == [
        ("b.jpg", "not an image in a known format (JPEG, PNG, WEBP, BMP, TIFF, PPM, GIF)"),
        ("c.png", "a link to a file that is not there"),
    ]
    with pytest.raises(UnreadableImageError, match="not an image in a known format"):
        dataset.read("b.jpg")
