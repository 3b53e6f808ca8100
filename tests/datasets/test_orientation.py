"""EXIF orientation of pixels, sizes and boxes, against Pillow's own."""

import struct
import zlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps, PngImagePlugin

from bias_toolkit.datasets import BOX_COLUMNS, Annotations, Dataset, Listing
from bias_toolkit.datasets.pictures import upright_boxes, upright_sizes
from bias_toolkit.datasets.pixels import ImageFiles, read_header, read_pixels

ORIENTATIONS = range(1, 9)
LOSSLESS = {"webp": {"lossless": True}}


def save_oriented(path, pixels, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif, **LOSSLESS.get(path.suffix[1:], {}))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
def test_pixels_and_size_are_those_of_exif_transpose(tmp_path, picture, suffix, orientation):
    path = tmp_path / f"a.{suffix}"
    save_oriented(path, picture, orientation)

    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    assert np.array_equal(read_pixels(str(path)), expected)
    assert read_header(str(path)) == (9, 6, orientation)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_box_stays_on_its_object(tmp_path, suffix, orientation):
    pixels = np.zeros((6, 9, 3), np.uint8)
    pixels[1:3, 4:9] = 255
    save_oriented(tmp_path / f"a.{suffix}", pixels, orientation)
    boxes = pd.DataFrame([(f"a.{suffix}", "object", 4, 1, 9, 3)], columns=BOX_COLUMNS)
    listing = Listing(
        "root", "mine", "made here", [f"a.{suffix}"], lambda progress: Annotations([None], boxes, upright=False)
    )
    dataset = Dataset(listing, ImageFiles(str(tmp_path)))

    upright = dataset.read(f"a.{suffix}")
    ys, xs = np.nonzero(upright[..., 0])
    (box,) = dataset.objects[["x0", "y0", "x1", "y1"]].to_numpy().tolist()
    assert box == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
    (image,) = dataset.images[["height", "width"]].to_numpy().tolist()
    assert image == list(upright.shape[:2])


def test_orientation_in_xmp_counts(tmp_path, picture):
    path = tmp_path / "a.png"
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>')
    Image.fromarray(picture).save(path, pnginfo=texts)

    assert read_header(str(path)).orientation == 6
    assert read_pixels(str(path)).shape == (9, 6, 3)


def test_orientation_after_the_pixels_of_a_png_counts(tmp_path, picture):
    path = tmp_path / "a.png"
    save_oriented(path, picture, 6)
    content = path.read_bytes()
    start = content.index(b"eXIf") - 4
    (length,) = struct.unpack(">I", content[start : start + 4])
    chunk, end = content[start : start + 12 + length], content.index(b"IEND") - 4
    assert start < content.index(b"IDAT")
    path.write_bytes(content[:start] + content[start + 12 + length : end] + chunk + content[end:])

    assert read_header(str(path)) == (9, 6, 6)
    assert read_pixels(str(path)).shape == (9, 6, 3)


def test_the_header_of_a_png_is_read_without_its_pixels(tmp_path, picture):
    path = tmp_path / "a.png"
    Image.fromarray(picture).save(path)
    content = path.read_bytes()
    at = content.index(b"IDAT")
    (length,) = struct.unpack(">I", content[at - 4 : at])
    broken = b"IDAT" + b"\x00" * length
    path.write_bytes(content[:at] + broken + struct.pack(">I", zlib.crc32(broken)) + content[at + 4 + length + 4 :])

    assert read_header(str(path)) == (9, 6, 1)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("exif", [b"Exif\x00\x00broken", b"Exif\x00\x00II*\x00\xff\xff\xff\xff"])
def test_exif_that_is_broken_counts_as_upright(tmp_path, picture, exif):
    path = tmp_path / "a.jpg"
    Image.fromarray(picture).save(path, exif=exif)

    assert read_header(str(path)) == (9, 6, 1)
    assert read_pixels(str(path)).shape == (6, 9, 3)


@pytest.mark.parametrize("orientation", [0, 9, 300])
def test_an_unknown_orientation_counts_as_upright(tmp_path, picture, orientation):
    save_oriented(tmp_path / "a.png", picture, orientation)

    assert read_header(str(tmp_path / "a.png")) == (9, 6, 1)
    assert np.array_equal(read_pixels(str(tmp_path / "a.png")), picture)


edges = st.lists(st.floats(-50, 150, width=32), min_size=4, max_size=4)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(edges, st.integers(1, 100), st.integers(1, 100), st.sampled_from(ORIENTATIONS))
def test_turning_keeps_area_and_margins(box, width, height, orientation):
    boxes, sizes, orientations = np.array([box]), np.array([[width, height]]), np.array([orientation])
    (turned,) = upright_boxes(boxes, sizes, orientations)
    (upright_width, upright_height) = upright_sizes(sizes, orientations)[0]

    def signed_area(x0, y0, x1, y1):
        return (x1 - x0) * (y1 - y0)

    assert signed_area(*turned) == pytest.approx(signed_area(*box))
    margins = [box[0], box[1], width - box[2], height - box[3]]
    turned_margins = [turned[0], turned[1], upright_width - turned[2], upright_height - turned[3]]
    assert sorted(turned_margins) == pytest.approx(sorted(margins))
