"""Reasons to leave an image out that can pass, and images that are back."""

import errno
import os

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bias_toolkit.datasets import load_dataset
from bias_toolkit.datasets.pixels import ImageFiles, read_header
from bias_toolkit.foundation.errors import UnreadableImageError


@pytest.fixture
def photographs(tmp_path):
    for number in range(4):
        Image.fromarray(np.full((8, 9, 3), 60 * number, np.uint8)).save(tmp_path / f"{number}.png")
    return tmp_path


def reading_error(read, path):
    with pytest.raises(UnreadableImageError) as caught:
        read(path)
    return caught.value


@pytest.mark.parametrize("number", ["ENOENT", "EACCES", "EPERM", "EIO", "ESTALE", "ETIMEDOUT", "ENOTCONN", "EHOSTDOWN"])
def test_what_the_system_says_of_a_file_can_pass(photographs, monkeypatch, number):
    code = getattr(errno, number)

    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("bias_toolkit.datasets.image_file.os.open", refuse)
    assert reading_error(read_header, str(photographs / "0.png")).transient


def test_a_link_to_nothing_can_be_mended_and_one_to_itself_is_wrong(photographs):
    (photographs / "gone.png").symlink_to("nowhere.png")
    (photographs / "loop.png").symlink_to("loop.png")
    gone, loop = (reading_error(read_header, str(photographs / name)) for name in ("gone.png", "loop.png"))
    assert str(gone) == "a link to a file that is not there"
    assert gone.transient
    assert not loop.transient


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_what_is_wrong_inside_a_file_stays(photographs, content):
    path = photographs / "0.png"
    path.write_bytes(path.read_bytes()[:40] if content is None else content)
    assert not reading_error(ImageFiles(str(photographs)).read, "0.png").transient


def test_a_file_that_goes_after_the_listing_can_come_back(photographs):
    dataset = load_dataset(photographs)
    dataset.scan()
    content = (photographs / "0.png").read_bytes()
    (photographs / "0.png").unlink()
    assert reading_error(dataset.read, "0.png").transient
    assert not dataset.is_back("0.png")
    (photographs / "0.png").write_bytes(content)
    assert dataset.is_back("0.png")
    Image.new("RGB", (3, 3)).save(photographs / "1.png")
    assert not reading_error(dataset.read, "1.png").transient


def test_images_that_annotations_name_and_that_are_not_there_are_listed_as_transient(photographs):
    rows = [(f"{number}.png", "owl", 1, 1, 5, 5) for number in range(5)]
    pd.DataFrame(rows, columns=["path", "label", "x0", "y0", "x1", "y1"]).to_csv(photographs / "t.csv", index=False)
    (photographs / "3.png").write_bytes(b"no image")
    dataset = load_dataset(photographs / "t.csv")
    skipped = dataset.skipped.set_index("image_id")["transient"]
    assert skipped.to_dict() == {"3.png": False, "4.png": True}
    assert not dataset.is_back("4.png")
    Image.new("RGB", (9, 8)).save(photographs / "4.png")
    assert dataset.is_back("4.png")


@pytest.mark.parametrize("name", ["../outside.png", "/etc/passwd", "", "a\0b", None, 3])
def test_a_name_from_a_table_that_leads_out_is_not_looked_for(photographs, name):
    Image.new("RGB", (9, 8)).save(photographs.parent / "outside.png")
    assert not load_dataset(photographs).is_back(name)
