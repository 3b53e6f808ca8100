"""Files that are no images, or hostile ones: each is read or skipped with the reason, and nothing waits for ever."""

import errno
import io
import os
import re
import shutil
import struct
import time
import warnings

import numpy as np
import pytest
from PIL import Image

from bias_toolkit import Study
from bias_toolkit.datasets import image_file, load_dataset
from bias_toolkit.datasets.image_file import check_pixels, costs_much, is_suspect, open_regular
from bias_toolkit.datasets.pixels import ImageFiles, read_header, read_pixels
from bias_toolkit.foundation.errors import InputError, UnreadableImageError


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def with_size(jpeg, width, height):
    """A JPEG whose header claims another size."""
    start = next(jpeg.index(marker) for marker in (b"\xff\xc0", b"\xff\xc2") if marker in jpeg)
    return jpeg[: start + 5] + struct.pack(">HH", height, width) + jpeg[start + 9 :]


def with_scans(side, scans):
    """A flat progressive JPEG that goes over its pixels again and again."""
    jpeg = encoded(Image.new("L", (side, side), 128), "JPEG", progressive=True)
    last = jpeg.rindex(b"\xff\xda")
    return jpeg[:-2] + jpeg[last:-2] * scans + b"\xff\xd9"


pytestmark = pytest.mark.filterwarnings("ignore:::PIL")


@pytest.fixture
def scene():
    coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(coarse).resize((40, 30), Image.Resampling.BICUBIC)


FORMATS = [
    ("a.jpg", {}),
    ("a.jpg", {"progressive": True}),
    ("a.png", {}),
    ("a.webp", {}),
    ("a.webp", {"lossless": True}),
    ("a.tif", {}),
    ("a.tif", {"compression": "tiff_lzw"}),
    ("a.tif", {"compression": "jpeg"}),
    ("a.bmp", {}),
    ("a.ppm", {}),
]


@pytest.mark.parametrize(("name", "options"), FORMATS)
def test_a_file_cut_anywhere_is_read_or_told_quietly(tmp_path, scene, name, options, capfd):
    scene.save(tmp_path / name, **options)
    whole = (tmp_path / name).read_bytes()
    reasons = []
    for length in range(0, len(whole), max(1, len(whole) // 40)):
        (tmp_path / name).write_bytes(whole[:length])
        for function in (read_header, read_pixels):
            try:
                function(str(tmp_path / name))
            except UnreadableImageError as error:
                reasons.append(str(error))
    assert len(reasons) >= 40
    assert all(reason and str(tmp_path) not in reason for reason in reasons)
    output = capfd.readouterr()
    assert output.out + output.err == ""


@pytest.mark.parametrize(("name", "options"), [(name, options) for name, options in FORMATS if name != "a.bmp"])
def test_flipped_bytes_are_read_or_told_quietly(tmp_path, scene, name, options, capfd):
    scene.save(tmp_path / name, **options)
    whole = (tmp_path / name).read_bytes()
    generator, reasons = np.random.default_rng(0), []
    for _ in range(40):
        content = bytearray(whole)
        for place in generator.integers(0, min(len(whole), 600), 4):
            content[place] = generator.integers(256)
        (tmp_path / name).write_bytes(content)
        for function in (read_header, read_pixels):
            try:
                function(str(tmp_path / name))
            except UnreadableImageError as error:
                reasons.append(str(error))
    assert all(reasons)
    output = capfd.readouterr()
    assert output.out + output.err == ""


def test_a_cut_file_is_said_to_be_cut_and_a_damaged_one_to_be_damaged(tmp_path, scene):
    scene.save(tmp_path / "a.jpg")
    whole = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableImageError, match=r"^the file is cut off$"):
        read_pixels(str(tmp_path / "a.jpg"))
    whole = encoded(scene, "PNG")
    (tmp_path / "a.png").write_bytes(whole[:100] + bytes(200) + whole[300:])
    with pytest.raises(UnreadableImageError, match=r"^the file is damaged, or of a kind that is not read$"):
        read_pixels(str(tmp_path / "a.png"))


def test_a_web_page_under_an_images_name_and_the_smallest_image(tmp_path):
    (tmp_path / "a.jpg").write_text("<!DOCTYPE html><html><body>404</body></html>")
    Image.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "b.png")
    dataset = load_dataset(tmp_path)
    assert dataset.skipped[["image_id", "reason"]].values.tolist() == [
        ["a.jpg", "not an image in a known format (JPEG, PNG, WEBP, BMP, TIFF, PPM, GIF)"]
    ]
    assert dataset.images[["width", "height"]].values.tolist() == [[1, 1]]
    assert dataset.read("b.png").tolist() == [[[1, 2, 3]]]


def test_an_image_of_more_pixels_than_any_camera_has(tmp_path, scene):
    (tmp_path / "a.jpg").write_bytes(with_size(encoded(scene, "JPEG"), 20_000, 20_000))
    with (
        warnings.catch_warnings(record=True) as shown,
        pytest.raises(
            UnreadableImageError, match=r"it has 20,000 × 20,000 pixels, 400 million; at most 200 million are read"
        ),
    ):
        read_header(str(tmp_path / "a.jpg"))
    assert not shown


def test_the_most_pixels():
    check_pixels(16_320, 12_240)
    check_pixels(20_000, 10_000)
    with pytest.raises(UnreadableImageError):
        check_pixels(20_000, 10_001)


def test_a_header_of_more_pixels_than_pillow_takes_is_read(tmp_path, scene):
    (tmp_path / "a.jpg").write_bytes(with_size(encoded(scene, "JPEG"), 19_000, 10_000))
    assert read_header(str(tmp_path / "a.jpg")) == (19_000, 10_000, 1)


def test_a_large_file_is_not_read(tmp_path, monkeypatch):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    monkeypatch.setattr(image_file, "MOST_BYTES", 50)
    with pytest.raises(UnreadableImageError, match=r"the file has 0.0 GB; at most 0 are read"):
        read_header(str(tmp_path / "a.png"))


def is_costly(content):
    with Image.open(io.BytesIO(content)) as image:
        return costs_much(image, io.BytesIO(content))


def test_what_costs_much(scene):
    plain = encoded(scene, "JPEG")
    assert not is_costly(plain)
    assert not is_costly(with_size(plain, 8_000, 8_000))
    assert is_costly(with_size(plain, 8_000, 8_001))
    # A photograph of 50 megapixels in ten scans is none of them, one of 25 megapixels in sixty is.
    assert not is_costly(with_size(encoded(scene, "JPEG", progressive=True), 8_000, 6_250))
    assert is_costly(with_size(with_scans(16, 60), 5_000, 5_000))
    assert is_costly(with_scans(1_000, 1_100))
    assert not is_costly(encoded(scene, "TIFF", compression="jpeg"))
    deep = b"P6\n2001 2000\n65535\n"
    assert is_costly(deep)
    assert not is_costly(b"P6\n2001 2000\n255\n")
    assert not is_costly(b"P6\n2000 2000\n65535\n")


@pytest.mark.parametrize(("order", "start"), [("<", b"II*\0"), (">", b"MM\0*")])
def test_tags_of_a_tiff_that_stand_for_the_same_bytes_many_times(tmp_path, scene, order, start):
    scene.save(tmp_path / "a.tif")
    with open_regular(str(tmp_path / "a.tif")) as file:
        assert not is_suspect(file)
        assert file.tell() == 0

    def suspects(count, each):
        tags = b"".join(struct.pack(f"{order}HHII", 1000 + number, 4, each // 4, 8) for number in range(count))
        content = start + struct.pack(f"{order}I", 2_000) + bytes(1_992) + struct.pack(f"{order}H", count) + tags
        (tmp_path / "b.tif").write_bytes(content)
        with open_regular(str(tmp_path / "b.tif")) as file:
            return is_suspect(file)

    assert suspects(3, 1_000)
    assert not suspects(2, 1_000)
    # Pillow passes over a tag that is larger than the file.
    assert not suspects(2, 4_000)
    (tmp_path / "b.tif").write_bytes(start + b"\0\0")
    with pytest.raises(UnreadableImageError):
        read_header(str(tmp_path / "b.tif"))


def test_a_jpeg_of_endless_scans_is_given_up(tmp_path, monkeypatch):
    (tmp_path / "a.jpg").write_bytes(with_scans(4_000, 3_000))
    monkeypatch.setattr("bias_toolkit.datasets.decoding_apart.SECONDS", 1)
    started = time.monotonic()
    with pytest.raises(UnreadableImageError, match="decoding it takes more than 1 seconds of computing"):
        read_pixels(str(tmp_path / "a.jpg"))
    assert time.monotonic() - started < 60
    assert read_header(str(tmp_path / "a.jpg")) == (4_000, 4_000, 1)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_file_is_not_waited_for(tmp_path, kind):
    path = tmp_path / "a.jpg"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    expected = {"pipe": "a named pipe", "device": "a device", "folder": "a folder"}[kind]
    for function in (read_header, read_pixels, open_regular):
        with pytest.raises(UnreadableImageError, match=f"it is {expected}, not a file"):
            function(str(path))


def test_a_file_that_becomes_a_pipe_while_it_is_opened(tmp_path, make_image, monkeypatch):
    make_image("a.png")
    os.mkfifo(tmp_path / "pipe")
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, flags, *rest: real(tmp_path / "pipe", flags, *rest))
    with pytest.raises(UnreadableImageError, match="it is a named pipe"):
        open_regular(str(tmp_path / "a.png"))


def test_a_file_that_may_not_be_read(tmp_path, make_image, monkeypatch):
    make_image("a.png")
    make_image("b.png")
    real = os.open

    def refuse(path, *rest, **more):
        if str(path).endswith("a.png"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return real(path, *rest, **more)

    dataset = load_dataset(tmp_path)
    monkeypatch.setattr(os, "open", refuse)
    assert dataset.skipped.values.tolist() == [["a.png", "Permission denied", True]]
    with pytest.raises(UnreadableImageError, match=r"cannot be read now \(Permission denied\)"):
        dataset.read("a.png")


def test_a_file_that_goes_or_changes_after_the_scan(tmp_path, make_image):
    make_image("a.png")
    make_image("b.png")
    make_image("c.png", size=(8, 10))
    dataset = load_dataset(tmp_path)
    assert len(dataset.images) == 3
    (tmp_path / "a.png").unlink()
    make_image("b.png", size=(11, 8))
    with pytest.raises(
        UnreadableImageError, match=r"there when the dataset was listed, and cannot be read now .No such"
    ):
        dataset.read("a.png")
    with pytest.raises(UnreadableImageError, match="it has 11 × 8 pixels, and had 10 × 8 when the dataset was read"):
        dataset.read("b.png")
    assert dataset.read("c.png").shape == (10, 8, 3)
    dataset.scan()
    assert dataset.read("b.png").shape == (8, 11, 3)


@pytest.mark.parametrize("gone", ["its folder", "what is in its folder"])
def test_a_disk_that_is_gone_is_no_fault_of_the_images(tmp_path, make_image, gone):
    make_image("data/a.png")
    dataset = load_dataset(tmp_path / "data")
    dataset.scan()
    shutil.rmtree(tmp_path / "data")
    if gone == "what is in its folder":
        (tmp_path / "data").mkdir()
    with pytest.raises(InputError, match=r"a\.png could be opened before and cannot be now .*see that the disk is"):
        dataset.read("a.png")


def test_an_error_of_the_disk_is_no_fault_of_the_image(tmp_path, make_image, monkeypatch):
    make_image("a.png")

    def fail(path, *rest):
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(InputError, match=r"a.png could be opened before and cannot be now .Input/output error"):
        ImageFiles(str(tmp_path)).read("a.png")


NAMES = [
    "with space.png",
    'it\'s "quoted".png',
    "two\nlines.png",
    "comma, semicolon; tab\t.png",
    "100% #1?&=.png",
    "üñï 写真 😀.png",
    "-rf.png",
    "$(touch x).png",
    "a" * 251 + ".png",
    "back\\slash.png",
    "\x1b[31mred.png",
]


def test_files_of_any_name_are_read(tmp_path, make_image):
    for name in NAMES:
        make_image(f"data/{name}")
    dataset = load_dataset(tmp_path / "data")
    assert dataset.images["image_id"].tolist() == sorted(NAMES)
    assert all(dataset.read(name).shape == (8, 10, 3) for name in NAMES)
    assert re.fullmatch("[0-9a-f]{64}", dataset.fingerprint)


def test_names_that_are_not_utf8_are_listed_escaped(tmp_path, make_image):
    make_image("a.png")
    make_image("cat/b.png")
    shutil.copy(tmp_path / "a.png", os.fsencode(tmp_path) + b"/caf\xe9.png")
    os.rename(tmp_path / "cat", os.fsencode(tmp_path) + b"/\xff")
    before = load_dataset(tmp_path).fingerprint
    dataset = load_dataset(tmp_path)

    reason = "its name is not valid UTF-8, which the tables cannot hold; rename it"
    assert dataset.images["image_id"].tolist() == ["a.png"]
    assert dataset.skipped[["image_id", "reason"]].values.tolist() == [
        ["caf\\xe9.png", reason],
        ["\\xff/b.png", reason],
    ]
    os.rename(os.fsencode(tmp_path) + b"/caf\xe9.png", os.fsencode(tmp_path) + b"/caf\xe8.png")
    assert load_dataset(tmp_path).fingerprint != before


def test_a_dataset_of_such_names_alone_is_an_error(tmp_path, make_image):
    make_image("a.png").rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png"))
    with pytest.raises(InputError, match=r"holds no image: .* it holds \\xff.png, but its name is not valid UTF-8"):
        load_dataset(tmp_path)


def test_a_path_that_is_not_utf8_or_no_path(tmp_path, make_image):
    make_image("data/a.png")
    os.rename(tmp_path / "data", os.fsencode(tmp_path) + b"/\xff")
    with pytest.raises(InputError, match=r"\\xff is a path that is not valid UTF-8: rename it"):
        load_dataset(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    with pytest.raises(InputError, match="there is no file or folder"):
        load_dataset("a\0b")
    with pytest.raises(InputError, match=r"\\xff is a path that is not valid UTF-8"):
        Study(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))


def test_links(tmp_path, make_image):
    make_image("elsewhere/out.png")
    make_image("data/cat/a.png")
    data = tmp_path / "data"
    (data / "cat" / "link.png").symlink_to(tmp_path / "elsewhere" / "out.png")
    (data / "dog").symlink_to(tmp_path / "elsewhere")
    (data / "cat" / "up").symlink_to(data)
    (data / "cat" / "dangling.png").symlink_to(tmp_path / "nothing")
    (data / "cat" / "itself.png").symlink_to(data / "cat" / "itself.png")
    (data / "cat" / "there.png").symlink_to(data / "cat" / "back.png")
    (data / "cat" / "back.png").symlink_to(data / "cat" / "there.png")
    (data / "loop").symlink_to(data / "loop")
    dataset = load_dataset(data)

    assert dataset.layout == "class-folders"
    assert dataset.images["image_id"].tolist() == ["cat/a.png", "cat/link.png", "dog/out.png"]
    assert dict(dataset.skipped[["image_id", "reason"]].values.tolist()) == {
        "cat/dangling.png": "a link to a file that is not there",
        "cat/itself.png": "a link that leads back to itself",
        "cat/there.png": "a link that leads back to itself",
        "cat/back.png": "a link that leads back to itself",
    }
    assert dataset.source("dog/out.png") == dataset.source("cat/link.png") == str(tmp_path / "elsewhere" / "out.png")


def test_a_folder_that_cannot_be_opened_is_listed(tmp_path, make_image, monkeypatch):
    make_image("a.png")
    make_image("closed/b.png")
    real = os.scandir

    def refuse(path):
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    dataset = load_dataset(tmp_path)
    assert dataset.images["image_id"].tolist() == ["a.png"]
    assert dataset.skipped[["image_id", "reason"]].values.tolist() == [
        ["closed/", "the folder cannot be opened: Permission denied"]
    ]


def test_images_of_other_endings_are_listed(tmp_path, make_image):
    make_image("cat/a.png")
    make_image("dog/b.PNG")
    for name in ("cat/c.gif", "cat/d.HEIC", "dog/e.jfif", "dog/.f.gif", "dog/g.txt", "h.gif"):
        (tmp_path / name).touch()
    dataset = load_dataset(tmp_path)
    assert dataset.layout == "class-folders"
    assert dataset.images["label"].tolist() == ["cat", "dog"]
    assert dataset.skipped[["image_id", "reason"]].values.tolist() == [
        ["cat/c.gif", "files that end in .gif are not read; save it as .jpg or .png"],
        ["cat/d.HEIC", "files that end in .HEIC are not read; save it as .jpg or .png"],
        ["dog/e.jfif", "files that end in .jfif are not read; save it as .jpg or .png"],
    ]


@pytest.fixture
def thousand_folders_deep(tmp_path, monkeypatch):
    """The working directory, 1,200 folders below `tmp_path`; removed again, which no recursion would manage."""
    monkeypatch.chdir(tmp_path)
    for _ in range(1_200):
        os.mkdir("d")
        os.chdir("d")
    yield
    for name in os.listdir():
        os.remove(name)
    for _ in range(1_200):
        os.chdir("..")
        os.rmdir("d")


@pytest.mark.usefixtures("thousand_folders_deep")
def test_folders_in_folders_a_thousand_deep(tmp_path, make_image):
    make_image("a.png")
    shutil.copy(tmp_path / "a.png", "b.png")
    assert len(load_dataset(tmp_path, layout="images").images) == 2


def test_everything_found_is_read_or_skipped(tmp_path, make_image, scene):
    for name in NAMES:
        make_image(f"data/{name}")
    data = tmp_path / "data"
    os.mkfifo(data / "pipe.png")
    (data / "empty.jpg").touch()
    (data / "bomb.jpg").write_bytes(with_size(encoded(scene, "JPEG"), 60_000, 60_000))
    (data / "gone.png").symlink_to("nowhere")
    shutil.copy(data / "-rf.png", os.fsencode(data) + b"/\xe9.png")
    dataset = load_dataset(data)
    found = len(os.listdir(data))
    assert len(dataset.images) + len(dataset.skipped) == found == len(NAMES) + 5
    assert dataset.skipped["reason"].str.len().min() > 10
