"""Clips: videos, and folders of frames."""

import struct
import sys

import numpy as np
import pytest

from bias_toolkit.datasets import clip_of, load_dataset
from bias_toolkit.foundation.errors import InputError, UnreadableImageError

av = pytest.importorskip("av")
WIDTH, HEIGHT = 64, 48


def grey(number):
    """The level of a frame."""
    return 20 + 4 * number


@pytest.fixture
def make_video(tmp_path):
    """A function that writes a video of frames whose grey says their number; the left half of each is black."""

    def make(name, frames=50, codec="libx264"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=30)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            stream.gop_size, stream.bit_rate = 12, 4_000_000
            for number in range(frames):
                pixels = np.full((HEIGHT, WIDTH, 3), grey(number), np.uint8)
                pixels[:, : WIDTH // 2] = 0
                for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                    container.mux(packet)
            for packet in stream.encode():
                container.mux(packet)
        return path

    return make


def number_of(pixels):
    """The number of a frame, from its grey."""
    return round((float(pixels[:, WIDTH // 2 + 8 :].mean()) - grey(0)) / 4)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.avi", "mpeg4")])
def test_windows_of_a_video(make_video, rows, name, codec):
    path = make_video(name, codec=codec)
    dataset = load_dataset(path)
    assert (dataset.layout, dataset.layout_reason, dataset.has_frames) == ("clips", "a video", True)
    anchors = [f"{name}#000010", f"{name}#000031"]
    assert [note.text for note in dataset.notes] == [
        "The 2 images are of 1 clip. Frames of one clip are alike, so that intervals over images, other than those of "
        "frames, are too narrow."
    ]
    assert rows(dataset.images) == [(anchor, None, WIDTH, HEIGHT) for anchor in anchors]
    for anchor, first in ((anchors[1], 21), (anchors[0], 0)):
        frames = list(dataset.read_frames(anchor))
        assert [number_of(frame) for frame in frames] == list(range(first, first + 21))
        assert frames[0].shape == (HEIGHT, WIDTH, 3)
        assert frames[0][:, : WIDTH // 2 - 8].max() < 16
        assert number_of(dataset.read(anchor)) == first + 10


def test_a_folder_of_videos_with_labels(tmp_path, make_video, rows):
    make_video("n01440764/a.mp4", 25)
    make_video("n02102040/b.mp4", 21)
    make_video("c.mp4", 21)
    make_video("n02102040/short.mp4", 20)
    (tmp_path / "n02102040" / "damaged.mp4").write_bytes(b"\0" * 1000)
    dataset = load_dataset(tmp_path)
    assert dataset.layout_reason == "it holds videos"
    assert not dataset.notes
    assert [row[:2] for row in rows(dataset.images)] == [
        ("c.mp4#000010", None),
        ("n01440764/a.mp4#000010", "n01440764"),
        ("n02102040/b.mp4#000010", "n02102040"),
    ]
    reasons = dict(rows(dataset.skipped[["image_id", "reason"]]))
    assert reasons["n02102040/short.mp4"] == "it has 20 frames, and a window has 21"
    assert reasons["n02102040/damaged.mp4"].startswith("the video cannot be decoded: ")
    before = dataset.fingerprint
    make_video("c.mp4", 23)
    assert load_dataset(tmp_path).fingerprint != before
    assert dataset.source("c.mp4#000010") == f"{tmp_path}/c.mp4#000010"


def test_a_video_that_was_filmed_upright_is_turned(make_video):
    path = make_video("a.mp4", 21)
    content = bytearray(path.read_bytes())
    # The matrix of the header of the track: turned by 90° clockwise, as phones write it.
    place = content.index(b"tkhd") + 44
    content[place : place + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    dataset = load_dataset(path)
    assert dataset.images[["width", "height"]].to_numpy().tolist() == [[HEIGHT, WIDTH]]
    pixels = dataset.read("a.mp4#000010")
    assert pixels.shape == (WIDTH, HEIGHT, 3)
    assert pixels[:20].max() < 16
    assert pixels[-20:].min() > 40


@pytest.mark.parametrize("kind", ["EOFError", "PatchWelcomeError", "InvalidDataError", "MemoryError"])
def test_each_fault_of_ffmpeg_is_a_sentence(make_video, monkeypatch, kind):
    path = make_video("a.mp4", 2)

    def fail(*_, **__):
        raise getattr(av.error, kind)(1, "it went wrong", "a.mp4")

    monkeypatch.setattr(av, "open", fail)
    with pytest.raises(InputError, match=r"a\.mp4: the video cannot be decoded: it went wrong"):
        load_dataset(path)


def test_a_video_that_was_cut_after_it_was_listed(make_video):
    path = make_video("a.mkv", 50)
    dataset = load_dataset(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(
        UnreadableImageError, match=r"the video cannot be decoded: it is damaged|frame 21 of the video cannot"
    ):
        list(dataset.read_frames("a.mkv#000031"))
    path.unlink()
    with pytest.raises(UnreadableImageError, match="No such file") as caught:
        dataset.read("a.mkv#000010")
    assert caught.value.transient
    assert dataset.is_back("a.mkv#000010") is False


def test_folders_of_frames(tmp_path, make_image, rows):
    for clip in ("cat/one", "dog/two"):
        for number in range(43):
            make_image(f"{clip}/{number:03d}.png", colour=(number, 0, 0))
    dataset = load_dataset(tmp_path, "clips")
    assert dataset.layout_reason == "asked for; its images are frames"
    assert [row[:2] for row in rows(dataset.images)] == [
        ("cat/one/010.png", "cat"),
        ("cat/one/031.png", "cat"),
        ("dog/two/010.png", "dog"),
        ("dog/two/031.png", "dog"),
    ]
    frames = list(dataset.read_frames("dog/two/031.png"))
    assert [int(frame[0, 0, 0]) for frame in frames] == list(range(21, 42))
    before = dataset.fingerprint
    make_image("cat/one/000.png", size=(20, 20))
    assert load_dataset(tmp_path, "clips").fingerprint != before
    one = load_dataset(tmp_path / "cat" / "one", "clips")
    assert [row[:2] for row in rows(one.images)] == [("010.png", None), ("031.png", None)]
    assert load_dataset(tmp_path).layout == "class-folders"


def test_clips_that_are_too_short(tmp_path, make_image):
    make_image("a.png")
    with pytest.raises(InputError, match=r"has no clip of 21 frames or more \(the first, \.: it has 1 frame, and"):
        load_dataset(tmp_path, "clips")


def test_the_clip_of_a_frame():
    assert clip_of("a/walk.mp4#000010") == "a/walk.mp4"
    assert clip_of("a/b/010.png") == "a/b"
    assert clip_of("010.png") == ""
    assert clip_of("a#1/b#000010") == "a#1"


def test_without_pyav_the_sentence_names_the_extra(make_video, monkeypatch):
    path = make_video("a.mp4", 21)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r"install PyAV: pip install 'bias-toolkit\[video\]'"):
        load_dataset(path)
