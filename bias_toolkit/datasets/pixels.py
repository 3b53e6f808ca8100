"""Image files to upright 8-bit RGB, as a person sees them.

The measured pixels are those that an image viewer shows:

- The EXIF orientation is applied.
- Transparency is shown on white, as on a page, whatever the colour of the hidden pixels.
- Pillow converts CMYK to RGB; it treats every CMYK JPEG as inverted, Adobe's convention. Embedded colour profiles
  are not applied: the classifiers' own training pipelines ignore them too.
- Greyscale of more than 8 bits is scaled by its full range (65535 for 16 bits, 4095 for a 12-bit TIFF), not clipped;
  or each image by its own largest value, if that is asked for.
  Colour of 16 bits per channel keeps its high byte.
- Floating-point and 32-bit images have no fixed range. It is the first of [0, 1] (floating point only), [0, 255] and
  [0, 65535] that holds all their values, or else their own minimum and maximum. NaN pixels are black.
- Of several frames or pages, the first is used.

Images of up to `image_file.MOST_PIXELS` pixels are read. Images that may take long to decode are decoded in a separate
process, which `decoding_apart` ends at a limit.
"""

import errno
import functools
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, TypeVar

import numpy as np
from PIL import ExifTags, Image, TiffTags, UnidentifiedImageError

from bias_toolkit.datasets.decoding_apart import decoded_apart
from bias_toolkit.datasets.deep_grey import FULL, MAXIMUM, eight_bits, grey_notes, is_deep_grey
from bias_toolkit.datasets.file_names import to_system
from bias_toolkit.datasets.image_facts import Header, Note, ReducedImage, Reduction
from bias_toolkit.datasets.image_file import FORMATS, check_pixels, costs_much, is_suspect, open_regular
from bias_toolkit.datasets.stamps import file_stamps
from bias_toolkit.foundation.errors import InputError, UnreadableImageError

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
_JPEG = ("JPEG", "MPO")
_FIRST_ON_ITS_SIDE = 5
"""Among the EXIF orientations."""
_EIGHT_BITS_OF: dict[str, Callable[[int], int]] = {
    "L;2": lambda value: value * 85,
    "L;4": lambda value: value * 17,
    "RGB;16B": lambda value: value >> 8,
}
"""What Pillow makes of the values of a PNG whose channels have not 8 bits, by its name for them."""
_PNG_TEXTS_OF_ORIENTATION = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")

_NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM}
_OF_ONE_FILE = _NOT_THERE | {errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO}
"""What the system says of one file; anything else is about the disk or the network."""
_NETWORK = {errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH}
_DISK = {errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ENODEV}
_PASSING = _NOT_THERE | _NETWORK | _DISK | {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE}
"""What the system says of a file, its disk or this process that can be otherwise in the next run."""

Result = TypeVar("Result")
_OF_A_LINK = {errno.ENOENT: "a link to a file that is not there", errno.ELOOP: "a link that leads back to itself"}


class ImageFiles:
    """The pixels of image files below a folder, to which image ids are relative; a `dataset.PixelSource`.

    `deep_grey`, one of `DEEP_GREYS`, says how greyscale of more than 8 bits is scaled.
    """

    def __init__(self, root: str, deep_grey: str = FULL) -> None:
        self._root = root
        self._deep_grey = deep_grey

    def scaled(self, deep_grey: str) -> "ImageFiles":
        """The same files with another scaling of deep greyscale."""
        return ImageFiles(self._root, deep_grey)

    def notes(self, image_ids: Sequence[str]) -> Sequence[Note]:
        """What is taken in another sense in these images."""
        files = ((each, functools.partial(open_regular, self._path(each))) for each in image_ids)
        return grey_notes(files, self._deep_grey)

    def header(self, image_id: str) -> Header:
        """Size as stored and EXIF orientation, without decoding; raises UnreadableImageError."""
        return read_header(self._path(image_id))

    def read(self, image_id: str) -> np.ndarray:
        """Upright RGB pixels, uint8 (height, width, 3).

        Raises UnreadableImageError if the image cannot be decoded, or its file is missing while others exist. Raises
        InputError if the disk or the network fails: that is not the image's fault, so the image must not be left out
        permanently.
        """
        return self.read_reduced(image_id, _whole).pixels

    def read_reduced(self, image_id: str, reduction: Reduction) -> ReducedImage:
        """A JPEG at a fraction of its size that `reduction` allows; other files at full size.

        JPEG stores the frequencies of blocks of 8 × 8 pixels; only the lower frequencies are then decoded.
        """
        path = self._path(image_id)
        try:
            return _decoded(path, reduction, self._deep_grey)
        except OSError as error:
            if error.errno in _OF_ONE_FILE and self._is_there():
                raise UnreadableImageError(
                    f"the file was there when the dataset was listed, and cannot be read now ({error.strerror})",
                    transient=True,
                ) from error
            raise InputError(
                f"{path} could be opened before and cannot be now ({_reason(error)}); "
                "see that the disk is there, and run the same command again."
            ) from error

    def source(self, image_id: str) -> str:
        """Absolute path of the file with every symbolic link resolved."""
        path = self._path(image_id)
        return _resolved_file(*os.path.split(path), os.path.islink(path))

    def sources(self, image_ids: Iterable[str]) -> Iterator[str]:
        """`source` of each image. Folders are listed for links, which is faster than asking for each file."""
        links_in = functools.lru_cache(maxsize=4096)(_links_in)
        for image_id in image_ids:
            path = self._path(image_id)
            folder, name = os.path.split(path)
            links = links_in(folder)
            yield _resolved_file(folder, name, os.path.islink(path) if links is None else name in links)

    def stamp(self, image_ids: Sequence[str]) -> bytes:
        """Size and time of change of each file, as bytes."""
        stamps = file_stamps(map(self._path, image_ids))
        return stamps if self._deep_grey == FULL else stamps + self._deep_grey.encode()

    def _path(self, image_id: str) -> str:
        return f"{self._root}{os.sep}{to_system(image_id)}"

    def _is_there(self) -> bool:
        """Whether the dataset's folder holds anything; the mount point of an unmounted disk is empty."""
        try:
            with os.scandir(self._root) as entries:
                return next(entries, None) is not None
        except OSError:
            return False


def read_header(path: str) -> Header:
    """Stored size in pixels and EXIF orientation of an image file; raises UnreadableImageError."""
    try:
        with _unreadable(), open_regular(path) as file:
            return _if_cheap(_header, file) or _header_in_child(path)
    except OSError as error:
        reason = _OF_A_LINK.get(error.errno) if os.path.islink(path) else None
        raise UnreadableImageError(reason or _reason(error), transient=error.errno in _PASSING) from error


def header_of(content: bytes) -> Header:
    """As `read_header`, of the content of an image file."""
    with _unreadable():
        return _if_cheap(_header, BytesIO(content)) or _from_file(_header_in_child, content)


def pixels_of(content: bytes, reduction: Reduction | None = None, scaling: str = FULL) -> ReducedImage:
    """As `ImageFiles.read_reduced`, of the content of an image file; raises UnreadableImageError."""
    decode = functools.partial(_pixels, reduction=reduction or _whole, scaling=scaling)
    apart = functools.partial(_pixels_in_child, scaling=scaling)
    with _unreadable():
        return _if_cheap(decode, BytesIO(content)) or _from_file(apart, content)


def read_pixels(path: str, scaling: str = FULL) -> np.ndarray:
    """Decode an image file to upright RGB, uint8 (height, width, 3).

    `scaling`, one of `DEEP_GREYS`, is that of greyscale of more than 8 bits. Raises UnreadableImageError if the image
    cannot be decoded, and InputError if the file cannot be reached.
    """
    try:
        return _decoded(path, _whole, scaling).pixels
    except OSError as error:
        raise InputError(f"{os.fspath(path)} cannot be opened ({_reason(error)}).") from error


def _whole(width: int, height: int) -> int:
    return 1


class _NeedsLimits(Exception):
    """Raised for an image that is so costly that it is decoded in a separate process."""


def _decoded(path: str, reduction: Reduction, scaling: str = FULL) -> ReducedImage:
    """As `read_reduced`, but raises OSError with a number if the file cannot be reached."""
    with _unreadable(), open_regular(path) as file:
        read = functools.partial(_pixels, reduction=reduction, scaling=scaling)
        return _if_cheap(read, file) or _pixels_in_child(path, scaling)


def _if_cheap(read: Callable[[BinaryIO], Result], file: BinaryIO) -> Result | None:
    """What `read` makes of an image file; None if it is so costly that a separate process has to read it."""
    if is_suspect(file):
        return None
    try:
        return read(file)
    except (_NeedsLimits, MemoryError):
        return None


def _header_in_child(path: str) -> Header:
    return Header(*decoded_apart("header", path)[0]["header"])


def _pixels_in_child(path: str, scaling: str = FULL) -> ReducedImage:
    pixels = decoded_apart("pixels" if scaling == FULL else _BY_MAXIMUM, path)[1]
    return ReducedImage(pixels, *pixels.shape[1::-1])


def _from_file(read: Callable[[str], Result], content: bytes) -> Result:
    """What `read` makes of a temporary file with this content."""
    with TemporaryDirectory(prefix="bias-toolkit-") as folder:
        path = Path(folder, "image")
        path.write_bytes(content)
        return read(str(path))


def _header(file: BinaryIO, apart: bool = False) -> Header:
    with _opened(file, apart) as image:
        # Pillow gives a TIFF's size upright already, other formats' as stored.
        tags = image.tag_v2 if image.format == "TIFF" else {}
        width = tags.get(_TIFF_TAG["ImageWidth"], image.width)
        height = tags.get(_TIFF_TAG["ImageLength"], image.height)
        if image.format == "PNG" and _has_late_orientation(file):
            if not apart and costs_much(image, file):
                raise _NeedsLimits
            image.load()
        return Header(width, height, _orientation(image))


def _pixels(file: BinaryIO, apart: bool = False, reduction: Reduction = _whole, scaling: str = FULL) -> ReducedImage:
    with _opened(file, apart) as image:
        if not apart and costs_much(image, file):
            raise _NeedsLimits
        width, height, factor = _begin_reduced(image, reduction)
        if image.format == "PNG":
            _match_transparent_colour(image)
        pixels = upright_rgb(image, scaling)
        # A PNG may store its orientation after its pixels.
        return ReducedImage(pixels, width, height, factor) if factor > 1 else ReducedImage(pixels, *pixels.shape[1::-1])


def upright_rgb(image: Image.Image, scaling: str = FULL) -> np.ndarray:
    """The pixels of a Pillow image as the module's docstring says: upright RGB, uint8 (height, width, 3)."""
    image.load()
    orientation = _orientation(image)
    rgb = _eight_bit_rgb(image, scaling)
    if orientation in _TRANSPOSITIONS:
        rgb = rgb.transpose(_TRANSPOSITIONS[orientation])
    return np.array(rgb)


def _begin_reduced(image: Image.Image, reduction: Reduction) -> tuple[int, int, int]:
    """Make Pillow decode a JPEG at the allowed fraction; returns its upright width and height, and f."""
    stored = image.size
    orientation = _orientation(image) if image.format in _JPEG else 1
    width, height = stored[::-1] if orientation >= _FIRST_ON_ITS_SIDE else stored
    factor = reduction(width, height) if image.format in _JPEG else 1
    # After a rotation, a block that the border cuts would lie at the other end.
    if factor == 1 or (orientation != 1 and any(side % factor for side in stored)):
        return width, height, 1
    image.draft(None, (stored[0] // factor, stored[1] // factor))
    return width, height, factor


@contextmanager
def _opened(file: BinaryIO, apart: bool) -> Iterator[Image.Image]:
    """The image in a file, not yet decoded."""
    if apart:
        # Only in this process, whose memory is limited; `check_pixels` replaces Pillow's limit.
        Image.MAX_IMAGE_PIXELS = None
    if file.seek(0, os.SEEK_END) == 0:
        raise UnreadableImageError("the file is empty")
    file.seek(0)
    try:
        image = Image.open(file, formats=FORMATS)
    except Image.DecompressionBombError:
        raise _NeedsLimits from None
    with image:
        check_pixels(*image.size)
        yield image


def _header_apart(path: str) -> tuple[dict[str, Any], None]:
    with _unreadable(), open_regular(path) as file:
        return {"header": list(_header(file, apart=True))}, None


def _pixels_apart(path: str, scaling: str = FULL) -> tuple[dict[str, Any], np.ndarray]:
    with _unreadable(), open_regular(path) as file:
        pixels = _pixels(file, apart=True, scaling=scaling).pixels
    return {"shape": list(pixels.shape)}, pixels


_BY_MAXIMUM = "pixels-by-maximum"
TASKS = {
    "header": _header_apart,
    "pixels": _pixels_apart,
    _BY_MAXIMUM: functools.partial(_pixels_apart, scaling=MAXIMUM),
}
"""What `decoding_apart` does to an image, by name."""


@contextmanager
def _unreadable() -> Iterator[None]:
    """Turn any fault inside one file into UnreadableImageError with a reason.

    The operating system's errors about the file stay OSError with a number.
    """
    try:
        yield
    except (_NeedsLimits, UnreadableImageError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise UnreadableImageError(f"not an image in a known format ({', '.join(FORMATS)})") from error
    except OSError as error:
        # Pillow raises OSError without a number for faults inside a file.
        if error.errno is not None:
            raise
        raise UnreadableImageError(_damage(error)) from error
    except Exception as error:
        # Pillow's plugins do not catch struct.error, IndexError and others on broken files.
        raise UnreadableImageError(_damage(error)) from error


def _damage(error: Exception) -> str:
    """The fault inside a file, from its decoder's error."""
    if "truncated" in str(error).lower():
        return "the file is cut off"
    return "the file is damaged, or of a kind that is not read"


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _orientation(image: Image.Image) -> int:
    """EXIF orientation; 1 if it is missing, unknown or not legible."""
    try:
        # The method for PNG files would decode the pixels first.
        orientation = Image.Image.getexif(image).get(ExifTags.Base.Orientation)
    except Exception:
        return 1
    return orientation if orientation in _TRANSPOSITIONS else 1


def _has_late_orientation(file: BinaryIO) -> bool:
    """Whether a PNG may store its orientation after its pixels, where Pillow finds it only by decoding them."""
    place = file.tell()
    try:
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
    finally:
        file.seek(place)


def _match_transparent_colour(image: Image.Image) -> None:
    """Convert a PNG's transparent colour to 8 bits, as Pillow does with the pixels; call this before decoding."""
    colour = image.info.get("transparency")
    eight_bits = _EIGHT_BITS_OF.get(image.tile[0][3]) if image.tile else None
    if colour is not None and eight_bits:
        image.info["transparency"] = tuple(map(eight_bits, colour)) if isinstance(colour, tuple) else eight_bits(colour)


def _eight_bit_rgb(image: Image.Image, scaling: str) -> Image.Image:
    if is_deep_grey(image):
        return Image.fromarray(eight_bits(image, scaling)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _links_in(folder: str) -> frozenset[str] | None:
    """The names of the symbolic links in a folder; None if it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries if entry.is_symlink())
    except OSError:
        return None


def _resolved_file(folder: str, name: str, is_link: bool) -> str:
    return os.path.realpath(os.path.join(folder, name)) if is_link else os.path.join(_resolved(folder), name)


@functools.lru_cache(maxsize=4096)
def _resolved(folder: str) -> str:
    return os.path.realpath(folder)
