"""Opening an image file, if it is a regular file, and judging the cost of decoding it.

Images of up to `MOST_PIXELS` are read, which is more than any camera's sensor has; a decoded image of that size takes
600 MB.
"""

import ctypes
import os
import stat
import struct
import warnings
from typing import BinaryIO

from PIL import Image

from bias_toolkit.foundation.errors import UnreadableImageError
from bias_toolkit.foundation.untrusted import kind_of

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM", "GIF")
"""What is opened: without a choice, Pillow tries some forty formats on each file, and its list grows while it does,
which several threads do not survive."""

MOST_PIXELS = 200_000_000
MOST_BYTES = 4 * 2**30

_LARGE = 64_000_000
"""Pixels, and bytes of a compressed file, from which an image costs much."""
_MANY_PASSES = 1_000_000_000
"""Pixels times scans from which a progressive JPEG costs much: each scan goes over all of them."""
_LARGE_IN_PYTHON = 4_000_000
"""Pixels from which an image costs much that Pillow decodes in Python, such as a PPM of 16 bits."""
_START_OF_SCAN = b"\xff\xda"
_COMPRESSED = (b"\xff\xd8", b"\x89PNG", b"RIFF", b"GIF8")
_TIFF_STARTS = {b"II*\0": "<", b"MM\0*": ">"}
_TIFF_UNITS = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
"""Bytes of a value of each type, where they are several."""


def open_regular(path: str) -> BinaryIO:
    """Open a regular file for reading, without blocking on anything else; raises OSError if it cannot be reached.

    Raises UnreadableImageError if it is a folder, a pipe, a socket or a device, or larger than `MOST_BYTES`.
    """
    _check_kind(os.stat(path))
    number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        _check_kind(os.fstat(number))
    except UnreadableImageError:
        os.close(number)
        raise
    return os.fdopen(number, "rb")


def _check_kind(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableImageError(f"it is {kind_of(status)}, not a file")
    if status.st_size > MOST_BYTES:
        raise UnreadableImageError(
            f"the file has {status.st_size / 2**30:.1f} GB; at most {MOST_BYTES // 2**30} are read"
        )


def check_pixels(width: int, height: int) -> None:
    """Raise UnreadableImageError if an image has more than `MOST_PIXELS`."""
    if width * height > MOST_PIXELS:
        raise UnreadableImageError(
            f"it has {width:,} × {height:,} pixels, {width * height / 1e6:,.0f} million; "
            f"at most {MOST_PIXELS // 10**6} million are read"
        )


def is_suspect(file: BinaryIO) -> bool:
    """Whether parsing a file alone may take much time or memory; the file position is reset to the start."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(8)
    suspect = size > _LARGE if start.startswith(_COMPRESSED) else _bytes_of_tags(file, start, size) > size
    file.seek(0)
    return suspect


def _bytes_of_tags(file: BinaryIO, start: bytes, size: int) -> int:
    """Memory in bytes that the tags of a TIFF take: many tags may refer to the same bytes of the file."""
    order = _TIFF_STARTS.get(start[:4])
    if order is None or len(start) < 8:
        return 0
    file.seek(struct.unpack(f"{order}I", start[4:])[0])
    count = int.from_bytes(file.read(2), "little" if order == "<" else "big")
    entries = file.read(12 * count)
    tags = struct.iter_unpack(f"{order}HHII", entries[: len(entries) // 12 * 12])
    sizes = (number * _TIFF_UNITS.get(kind, 1) for _, kind, number, _ in tags)
    return sum(taken for taken in sizes if taken <= size)


def costs_much(image: Image.Image, file: BinaryIO) -> bool:
    """Whether decoding an image may take much time or memory, judged from its header and its number of scans."""
    pixels = image.width * image.height
    if pixels > _LARGE:
        return True
    if any(tile[0] in Image.DECODERS for tile in getattr(image, "tile", ())):
        return pixels > _LARGE_IN_PYTHON
    scans = 1
    if image.format == "JPEG" or "jpeg" in str(image.info.get("compression")):
        place = file.tell()
        file.seek(0)
        # Inside the coded pixels, 0xff is always followed by another value.
        scans = file.read().count(_START_OF_SCAN)
        file.seek(place)
    return pixels * scans > _MANY_PASSES


def _hush() -> None:
    """Silence Pillow's warnings, and the errors that libtiff prints itself, in this process."""
    warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as file:
            library = next(line.split(maxsplit=5)[-1].strip() for line in file if "libtiff" in line)
        set_handler = ctypes.CDLL(library).TIFFSetErrorHandler
    except (OSError, StopIteration, AttributeError):
        return
    set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
    set_handler(None)


# `skipped.csv` states each file's fault in a sentence.
_hush()
