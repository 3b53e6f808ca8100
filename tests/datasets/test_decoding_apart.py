"""Decoding in a process of its own: the same pixels, and an end in any case."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from bias_toolkit.datasets import decoding_apart, decoding_child
from bias_toolkit.datasets.decoding_apart import decoded_apart
from bias_toolkit.datasets.pixels import read_header, read_pixels
from bias_toolkit.foundation.errors import UnreadableImageError


@pytest.fixture
def apart(monkeypatch):
    """Has every image decoded apart; gives the list of what was."""
    tasks = []
    real = decoded_apart

    def count(task, path):
        tasks.append(task)
        return real(task, path)

    monkeypatch.setattr("bias_toolkit.datasets.pixels.costs_much", lambda image, file: True)
    monkeypatch.setattr("bias_toolkit.datasets.pixels.decoded_apart", count)
    return tasks


def test_the_pixels_are_the_same(tmp_path, picture, apart, monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = str(tmp_path / "it's a \n name.jpg")
    Image.fromarray(picture).save(path, exif=exif)
    seen = read_pixels(path)
    assert apart == ["pixels"]
    monkeypatch.undo()
    assert np.array_equal(seen, read_pixels(path))
    assert seen.shape == (9, 6, 3)
    assert seen.flags.writeable


def test_a_header_that_has_to_be_looked_for_behind_the_pixels(tmp_path, picture, apart):
    path = str(tmp_path / "a.png")
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(picture).save(path, exif=exif)
    content = (tmp_path / "a.png").read_bytes()
    start = content.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(content[start : start + 4], "big")
    late = content[:start] + content[end:-12] + content[start:end] + content[-12:]
    (tmp_path / "a.png").write_bytes(late)
    assert read_header(path) == (9, 6, 8)
    assert apart == ["header"]


def test_a_large_compressed_file_is_not_even_opened_here(tmp_path, picture, apart, monkeypatch):
    path = tmp_path / "a.png"
    Image.fromarray(picture).save(path)
    monkeypatch.setattr("bias_toolkit.datasets.image_file._LARGE", path.stat().st_size - 1)
    assert read_header(str(path)) == (9, 6, 1)
    assert apart == ["header"]
    monkeypatch.setattr("bias_toolkit.datasets.image_file._LARGE", path.stat().st_size)
    read_header(str(path))
    assert apart == ["header"]


def test_what_it_says_of_a_file_that_cannot_be_read(tmp_path):
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(UnreadableImageError, match="the file is empty") as caught:
        decoded_apart("pixels", str(tmp_path / "empty.jpg"))
    assert not caught.value.transient
    with pytest.raises(FileNotFoundError):
        decoded_apart("pixels", str(tmp_path / "absent.jpg"))


def test_more_memory_than_there_may_be(tmp_path, monkeypatch):
    Image.new("L", (6_000, 6_000)).save(tmp_path / "a.png")
    monkeypatch.setattr(decoding_apart, "BYTES", 20 * 2**20)
    with pytest.raises(UnreadableImageError, match=r"decoding it takes more than 0.02 GB of memory") as caught:
        decoded_apart("pixels", str(tmp_path / "a.png"))
    assert caught.value.transient


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("import os; os.abort()", "its decoder crashed"),
        ("print('{\"shape\": [2, 2, 3]}'); print('few')", "its decoder crashed"),
        ("print('not JSON')", "its decoder crashed"),
        ("print('{\"shape\": [1', end='')", "its decoder crashed"),
        ("import time; time.sleep(60)", "it could not be decoded in 1 seconds"),
    ],
)
def test_a_process_that_ends_otherwise(tmp_path, monkeypatch, script, reason):
    real = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda command, **more: real([sys.executable, "-c", script], **more))
    monkeypatch.setattr(decoding_apart, "WAITING_SECONDS", 1)
    with pytest.raises(UnreadableImageError, match=reason) as caught:
        decoded_apart("pixels", str(tmp_path / "a.png"))
    assert caught.value.transient


@pytest.mark.parametrize("transient", [True, False])
def test_whether_a_reason_can_pass_is_carried_over(tmp_path, transient):
    def fail(path):
        raise UnreadableImageError("reason", transient)

    line, _ = decoding_child.answer_for(fail, "a.png", 10**9)
    assert json.loads(line) == {"reason": "reason", "transient": transient}
