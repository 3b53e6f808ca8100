"""Image files to upright 8-bit RGB, as a person sees them.

What a viewer shows is what is measured, so:

- The EXIF orientation is applied.
- Transparency is shown on white, as on a page, whatever colour the hidden pixels have.
- CMYK becomes RGB as Pillow does it, which takes every CMYK JPEG as inverted, Adobe's convention. Embedded colour
  profiles are not applied: the classifiers' own training pipelines ignore them too.
- Greyscale of more than 8 bits is scaled by its full range (65535 for 16 bits, 4095 for a 12-bit TIFF), not cut off.
  Colour of 16 bits a channel keeps its high byte.
- Floating-point and 32-bit images carry no range of their own: it is [0, 1] (floating point only), [0, 255] or
  [0, 65535], the first that holds all their values, or else their own least and greatest value. Pixels that are not
  a number are black.
- Of several frames or pages, the first.
"""

from __future__ import annotations

import functools
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from PIL import ExifTags, Image, TiffTags, UnidentifiedImageError

from bias_toolkit.datasets.dataset import Header
from bias_toolkit.datasets.stamps import file_stamps
from bias_toolkit.errors import InputError, UnreadableImageError

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM", "GIF")
"""What is opened: without a choice, Pillow tries some forty formats on each file, and its list grows while it does,
which several threads do not survive."""

_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TIFF_TAG = {tag.name: number for number, tag in TiffTags.TAGS_V2.items()}
_WHITE_IS_ZERO = 0
_PNG_TEXTS_OF_ORIENTATION = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")


class ImageFiles:
    """The pixels of image files below a folder; a `dataset.PixelSource`.

    Parameters
    ----------
    root : str
        Folder that image ids are relative to; an id that is an absolute path stands for itself.
    """

    def __init__(self, root: str):
        self._root = root

    def header(self, image_id: str) -> Header:
        """Size as stored and EXIF orientation, without decoding; raises UnreadableImageError."""
        return read_header(self._path(image_id))

    def read(self, image_id: str) -> np.ndarray:
        """Upright RGB pixels, uint8 (height, width, 3); raises UnreadableImageError."""
        return read_pixels(self._path(image_id))

    def source(self, image_id: str) -> str:
        """Absolute path of the file with every symbolic link resolved."""
        path = self._path(image_id)
        folder, name = os.path.split(path)
        if os.path.islink(path):
            return os.path.realpath(path)
        return os.path.join(_resolved(folder), name)

    def stamp(self, image_ids: Sequence[str]) -> bytes:
        """Size and time of change of each file, as bytes."""
        return file_stamps(map(self._path, image_ids))

    def _path(self, image_id: str) -> str:
        return os.path.join(self._root, image_id)


def read_header(path: str) -> Header:
    """Stored size in pixels and EXIF orientation of an image file; raises UnreadableImageError."""
    with _unreadable(path), Image.open(path, formats=_FORMATS) as image:
        # Pillow gives a TIFF's size upright already, other formats' as stored.
        tags = image.tag_v2 if image.format == "TIFF" else {}
        width = tags.get(_TIFF_TAG["ImageWidth"], image.width)
        height = tags.get(_TIFF_TAG["ImageLength"], image.height)
        if image.format == "PNG" and _has_late_orientation(path):
            image.load()
        return Header(width, height, _orientation(image))


def read_pixels(path: str) -> np.ndarray:
    """Decode an image file to upright RGB, uint8 (height, width, 3).

    Raises
    ------
    UnreadableImageError
        If the image cannot be decoded.
    InputError
        If the file cannot be reached.
    """
    with _unreadable(path, decoding=True), Image.open(path, formats=_FORMATS) as image:
        image.load()
        orientation = _orientation(image)
        rgb = _eight_bit_rgb(image)
        if orientation in _TRANSPOSITIONS:
            rgb = rgb.transpose(_TRANSPOSITIONS[orientation])
        return np.array(rgb)


@contextmanager
def _unreadable(path: str, decoding: bool = False) -> Iterator[None]:
    """Turn whatever is wrong with one file into UnreadableImageError with a reason that leaves out its path.

    While decoding, which follows a scan that could open the file, a failure of the disk or the network is an
    InputError instead: it says nothing about the image, which must not be left out for good because of it.
    """
    try:
        yield
    except MemoryError:
        raise
    except UnidentifiedImageError as error:
        empty = os.path.getsize(path) == 0
        raise UnreadableImageError("the file is empty" if empty else "not an image in a known format") from error
    except OSError as error:
        # Pillow raises OSError without a number for what is wrong inside a file.
        if decoding and error.errno is not None:
            raise InputError(
                f"{path} could be opened before and cannot be now ({error.strerror}); "
                "see that the disk is there, and run the same command again."
            ) from error
        raise UnreadableImageError(error.strerror or str(error)) from error
    except Exception as error:
        # Pillow's plugins let struct.error, IndexError and others through on broken files.
        raise UnreadableImageError(str(error) or type(error).__name__) from error


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 where it is missing, unknown or not legible."""
    try:
        # The method of PNG files would decode the pixels first.
        orientation = Image.Image.getexif(image).get(ExifTags.Base.Orientation)
    except Exception:
        return 1
    return orientation if orientation in _TRANSPOSITIONS else 1


def _has_late_orientation(path: str) -> bool:
    """Whether a PNG may tell its orientation after its pixels, where Pillow finds it only by decoding them."""
    with open(path, "rb", buffering=0) as file:
        file.seek(8)
        pixels_seen = False
        while len(start := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", start)
            next_chunk = file.tell() + length + 4
            if pixels_seen and (kind == b"eXIf" or file.read(32).startswith(_PNG_TEXTS_OF_ORIENTATION)):
                return True
            pixels_seen |= kind == b"IDAT"
            file.seek(next_chunk)
    return False


def _eight_bit_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_deep_grey(image)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _deep_grey(image: Image.Image) -> np.ndarray:
    """Greyscale of more than 8 bits as uint8 (height, width)."""
    values = np.asarray(image, np.float64)
    tags = image.tag_v2 if image.format == "TIFF" else {}
    if image.mode.startswith("I;16"):
        low, high = 0, 2 ** tags.get(_TIFF_TAG["BitsPerSample"], (16,))[0] - 1
    elif image.format in ("PNG", "PPM"):
        low, high = 0, 65535
    else:
        low, high = _range_of(values, unit=image.mode == "F")
    if tags.get(_TIFF_TAG["PhotometricInterpretation"]) == _WHITE_IS_ZERO:
        low, high = high, low
    scaled = (values - low) * 255 / (high - low) if high != low else np.zeros_like(values)
    grey = np.rint(np.clip(np.nan_to_num(scaled), 0, 255)).astype(np.uint8)
    if "transparency" in image.info:
        grey[values == image.info["transparency"]] = 255
    return grey


def _range_of(values: np.ndarray, unit: bool) -> tuple[float, float]:
    """Values that stand for black and white, as the module's description says."""
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0, 0)
    for white in (1, 255, 65535) if unit else (255, 65535):
        if low >= 0 and high <= white:
            return 0, white
    return low, high


@functools.lru_cache(maxsize=4096)
def _resolved(folder: str) -> str:
    return os.path.realpath(folder)
