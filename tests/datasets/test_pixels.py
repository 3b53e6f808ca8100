"""What the pixels of each format and mode become."""

import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw

from bias_toolkit.datasets.pixels import ImageFiles, read_header, read_pixels
from bias_toolkit.foundation.errors import InputError, UnreadableImageError

RAMP = np.arange(0, 256, 5, dtype=np.uint8).reshape(4, 13)


def saved(tmp_path, image, name, **options):
    path = tmp_path / name
    image.save(path, **options)
    return str(path)


def grey(path):
    """The one channel of an image whose three channels have to be alike."""
    pixels = read_pixels(path)
    assert pixels.dtype == np.uint8
    assert (pixels == pixels[..., :1]).all()
    return pixels[..., 0]


def write_png(path, rows, bits, colour_type, *chunks):
    """A PNG of rows of integers (height, width × channels), of kinds that Pillow does not write."""
    height, values = rows.shape
    width = values // {0: 1, 2: 3, 4: 2, 6: 4}[colour_type]
    bits_of_rows = (rows[..., None] >> np.arange(bits)[::-1]) & 1
    data = b"".join(b"\x00" + np.packbits(row).tobytes() for row in bits_of_rows)
    content = b"\x89PNG\r\n\x1a\n"
    for kind, body in [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)),
        *chunks,
        (b"IDAT", zlib.compress(data)),
        (b"IEND", b""),
    ]:
        content += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    path.write_bytes(content)
    return str(path)


def write_tiff(path, width, height, bits, data, photometric=1):
    """A little-endian greyscale TIFF of one uncompressed strip."""
    entries = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 277: 1, 278: height, 279: len(data)}
    entries[273] = offset = 8 + 2 + 12 * (len(entries) + 1) + 4
    assert len(entries) == 9
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, entries[tag]) for tag in sorted(entries))
    path.write_bytes(b"II*\x00" + struct.pack("<IH", 8, 9) + directory + struct.pack("<I", 0) + data)
    assert path.stat().st_size == offset + len(data)
    return str(path)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.ppm", "a.webp"])
def test_lossless_colour_comes_back_exactly(tmp_path, picture, name):
    options = {"lossless": True} if name == "a.webp" else {}
    path = saved(tmp_path, Image.fromarray(picture), name, **options)

    pixels = read_pixels(path)
    assert np.array_equal(pixels, picture)
    assert pixels.flags.writeable
    assert pixels.flags.c_contiguous
    assert read_header(path) == (9, 6, 1)


def test_jpeg_is_what_pillow_decodes(tmp_path, picture):
    path = saved(tmp_path, Image.fromarray(picture), "a.jpg")

    assert np.array_equal(read_pixels(path), np.asarray(Image.open(path)))


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp", "a.pgm"])
def test_greyscale_has_three_equal_channels(tmp_path, name):
    assert np.array_equal(grey(saved(tmp_path, Image.fromarray(RAMP), name)), RAMP)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp"])
def test_one_bit(tmp_path, name):
    path = saved(tmp_path, Image.fromarray(RAMP > 100), name)

    assert np.array_equal(grey(path), np.where(RAMP > 100, 255, 0))


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif"])
def test_palette(tmp_path, name):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)

    assert read_pixels(saved(tmp_path, image, name)).tolist() == [[[10, 20, 30], [200, 100, 50]]]


@pytest.mark.parametrize(
    ("transparency", "expected"), [(1, [[10, 20, 30], [255, 255, 255]]), (b"\xff\x80", [[10, 20, 30], [227, 177, 152]])]
)
def test_a_transparent_palette_entry_shows_white(tmp_path, transparency, expected):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    pixels = read_pixels(saved(tmp_path, image, "a.png", transparency=transparency))

    assert np.abs(pixels[0].astype(int) - expected).max() <= 1


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
def test_alpha_is_shown_on_white(tmp_path, name):
    colours = np.array([[[0, 100, 200, 255], [0, 100, 200, 128], [0, 100, 200, 0]]], np.uint8)
    options = {"lossless": True} if name == "a.webp" else {}
    pixels = read_pixels(saved(tmp_path, Image.fromarray(colours), name, **options))

    share = colours[..., 3:] / 255
    assert np.abs(pixels - (share * colours[..., :3] + (1 - share) * 255)).max() <= 1
    assert pixels[0, 2].tolist() == [255, 255, 255]


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_grey_with_alpha_is_shown_on_white(tmp_path, name):
    image = Image.merge("LA", [Image.fromarray(RAMP), Image.fromarray(RAMP[::-1].copy())])
    share = RAMP[::-1] / 255

    shown = grey(saved(tmp_path, image, name))
    assert np.abs(shown - (share * RAMP + (1 - share) * 255)).max() <= 1


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_transparent_colour_of_a_png_shows_white(tmp_path, mode):
    image = Image.new(mode, (2, 1), "black")
    image.putpixel((1, 0), 90 if mode == "L" else (90, 90, 90))
    path = saved(tmp_path, image, "a.png", transparency=90 if mode == "L" else (90, 90, 90))

    assert read_pixels(path).tolist() == [[[0, 0, 0], [255, 255, 255]]]


@pytest.mark.parametrize(("name", "tolerance"), [("a.jpg", 6), ("a.tif", 1)])
@pytest.mark.parametrize("colour", [(220, 30, 40), (20, 20, 20), (250, 250, 250)])
def test_cmyk_is_not_inverted(tmp_path, name, tolerance, colour):
    image = Image.new("RGB", (16, 16), colour).convert("CMYK")
    path = saved(tmp_path, image, name)
    if name == "a.jpg":
        with open(path, "rb") as file:
            assert b"Adobe" in file.read()

    assert np.abs(read_pixels(path).astype(int) - colour).max() <= tolerance


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bit_grey_is_scaled(tmp_path, name):
    values = RAMP.astype(np.uint16) * 257
    assert np.array_equal(grey(saved(tmp_path, Image.fromarray(values), name)), RAMP)


def test_sixteen_bit_grey_is_rounded_to_the_nearest(tmp_path):
    values = np.array([[0, 128, 129, 385, 386, 65535]], np.uint16)
    assert grey(saved(tmp_path, Image.fromarray(values), "a.png")).tolist() == [[0, 0, 1, 1, 2, 255]]


def test_sixteen_bit_grey_in_big_endian(tmp_path):
    path = saved(tmp_path, Image.frombytes("I;16B", (13, 4), (RAMP.astype(">u2") * 257).tobytes()), "a.tif")
    assert np.array_equal(grey(path), RAMP)


def test_dark_sixteen_bit_grey_stays_dark(tmp_path):
    values = np.full((3, 3), 200, np.uint16)
    assert grey(saved(tmp_path, Image.fromarray(values), "a.png")).max() == 1


def test_sixteen_bit_grey_png_with_a_transparent_value(tmp_path):
    rows = np.array([[0, 257 * 40, 257 * 41]])
    path = write_png(tmp_path / "a.png", rows, 16, 0, (b"tRNS", struct.pack(">H", 257 * 40)))
    assert grey(path).tolist() == [[0, 255, 41]]


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_transparent_grey_of_few_bits_shows_white(tmp_path, bits):
    white = 2**bits - 1
    rows = np.array([[0, white, white // 2], [white // 3, 0, white]])
    for transparent in np.unique(rows).tolist():
        path = write_png(tmp_path / "a.png", rows, bits, 0, (b"tRNS", struct.pack(">H", transparent)))
        assert np.array_equal(grey(path), np.where(rows == transparent, 255, rows * 255 // white))


def test_a_transparent_colour_of_sixteen_bits_shows_white(tmp_path):
    rows = np.array([[0x12CD, 0x34AB, 0x56EF, 0xCD12, 0xAB34, 0xEF56, 0, 0, 0]])
    path = write_png(tmp_path / "a.png", rows, 16, 2, (b"tRNS", struct.pack(">HHH", 0x12CD, 0x34AB, 0x56EF)))
    assert read_pixels(path).tolist() == [[[255, 255, 255], [0xCD, 0xAB, 0xEF], [0, 0, 0]]]


def test_sixteen_bit_colour_keeps_its_high_byte(tmp_path):
    rows = np.array([[0x1234, 0xFF00, 0x00FF, 0xABCD, 0x8000, 0x7FFF]])
    path = write_png(tmp_path / "a.png", rows, 16, 2)
    assert read_pixels(path).tolist() == [[[0x12, 0xFF, 0x00], [0xAB, 0x80, 0x7F]]]


def test_sixteen_bit_grey_tiff_whose_zero_is_white(tmp_path):
    data = np.array([0, 257 * 10, 65535], "<u2").tobytes()
    assert grey(write_tiff(tmp_path / "a.tif", 3, 1, 16, data, photometric=0)).tolist() == [[255, 245, 0]]


def test_twelve_bit_tiff_is_scaled_by_its_own_range(tmp_path):
    # 0x000, 0xFFF, 0x808, 0x010, packed.
    path = write_tiff(tmp_path / "a.tif", 4, 1, 12, bytes.fromhex("000FFF808010"))
    assert grey(path).tolist() == [[0, 255, round(0x808 / 4095 * 255), 1]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 100.0, 200.0], [0, 100, 200]),
        ([0.0, 257.0, 25700.0], [0, 1, 100]),
        ([-1.0, 0.0, 1.0], [0, 128, 255]),
        ([0.0, np.nan, 1.0], [0, 0, 255]),
        ([-3.0, -3.0, -3.0], [0, 0, 0]),
        ([np.nan, np.nan, np.nan], [0, 0, 0]),
    ],
)
def test_floating_point_tiff(tmp_path, values, expected):
    path = saved(tmp_path, Image.fromarray(np.array([values], np.float32)), "a.tif")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert grey(path).tolist() == [expected]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0, 1, 200], [0, 1, 200]), ([0, 257, 65535], [0, 1, 255]), ([-100, 0, 100], [0, 128, 255])],
)
def test_32_bit_integer_tiff(tmp_path, values, expected):
    path = saved(tmp_path, Image.fromarray(np.array([values], np.int32)), "a.tif")
    assert grey(path).tolist() == [expected]


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.webp", "a.bmp"])
def test_a_truncated_image_is_unreadable(tmp_path, name):
    image = Image.effect_noise((80, 80), 100).convert("RGB")
    path = tmp_path / name
    image.save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    with pytest.raises(UnreadableImageError) as caught:
        read_pixels(str(path))
    assert str(tmp_path) not in str(caught.value)


def test_a_truncated_jpeg_says_so_and_keeps_its_header(tmp_path):
    path = tmp_path / "a.jpg"
    Image.effect_noise((80, 80), 100).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    assert read_header(str(path)) == (80, 80, 1)
    with pytest.raises(UnreadableImageError, match="cut off"):
        read_pixels(str(path))


def test_an_absent_file_is_an_unreadable_header_but_stops_the_decoding(tmp_path):
    with pytest.raises(UnreadableImageError, match="No such file"):
        read_header(str(tmp_path / "absent.jpg"))
    with pytest.raises(InputError, match=r"absent\.jpg cannot be opened \(No such file or directory\)"):
        read_pixels(str(tmp_path / "absent.jpg"))


@pytest.mark.parametrize("function", [read_header, read_pixels])
def test_what_is_no_image_is_unreadable_with_the_reason(tmp_path, function):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("not an image")
    with pytest.raises(UnreadableImageError, match="the file is empty"):
        function(str(tmp_path / "empty.jpg"))
    with pytest.raises(UnreadableImageError, match="not an image in a known format"):
        function(str(tmp_path / "text.jpg"))


def test_an_animation_shows_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("red", "blue")]
    path = saved(tmp_path, frames[0], "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    assert read_pixels(path)[0, 0].tolist() == [255, 0, 0]


def test_two_names_of_one_file_have_one_source(tmp_path, make_image):
    path = make_image("real/a.png")
    make_image("real/b.png")
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    (tmp_path / "other.png").symlink_to(path)

    sources = [
        ImageFiles(str(tmp_path)).source("real/a.png"),
        ImageFiles(str(tmp_path / "linked")).source("a.png"),
        ImageFiles(str(tmp_path)).source("other.png"),
    ]
    assert set(sources) == {str(path.resolve())}
    assert ImageFiles(str(tmp_path)).source("real/b.png") != sources[0]


def test_the_sources_of_many_images_are_those_of_each(tmp_path, make_image, monkeypatch):
    for name in ("a.png", "sub/b.png", "sub/c.png", "sub/deep/d.png"):
        make_image(name)
    (tmp_path / "sub" / "linked").symlink_to(tmp_path / "sub" / "deep")
    (tmp_path / "sub" / "a.png").symlink_to("../a.png")
    (tmp_path / "sub" / "gone.png").symlink_to("nowhere.png")
    names = [
        "sub/c.png",
        "a.png",
        "sub/a.png",
        "sub/linked/d.png",
        "sub/b.png",
        "sub/gone.png",
        "sub/deep/d.png",
        "e/f.png",
    ]
    files = ImageFiles(str(tmp_path))
    each = [files.source(name) for name in names]
    assert each[1] == each[2] == str((tmp_path / "a.png").resolve())
    assert each[3] == each[6]
    assert list(files.sources(names)) == each

    def refuse(folder):
        raise PermissionError

    # A folder may be entered, and not be listed.
    monkeypatch.setattr(os, "scandir", refuse)
    assert list(files.sources(names)) == each


def test_a_drawing_is_not_smoothed(tmp_path):
    image = Image.new("1", (20, 20))
    ImageDraw.Draw(image).line((0, 0, 19, 19), fill=1)
    assert np.array_equal(grey(saved(tmp_path, image, "a.png")), np.eye(20, dtype=np.uint8) * 255)
