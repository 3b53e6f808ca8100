"""Greyscale of more than 8 bits: as 8 bits, and a note on data that use a part of their range only."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import BinaryIO

import numpy as np
from PIL import Image, TiffTags

from bias_toolkit.datasets.image_facts import Note
from bias_toolkit.datasets.image_file import FORMATS, costs_much, is_suspect
from bias_toolkit.foundation.choices import DEEP_GREYS

FULL, MAXIMUM = DEEP_GREYS
_TIFF_TAG = {tag.name: number for number, tag in TiffTags.TAGS_V2.items()}
_WHITE_IS_ZERO = 0
_ENDINGS = (".png", ".tif", ".tiff", ".pgm")
"""Of names of files that may hold it."""
FILES_TRIED, FILES_READ = 50, 10
SIXTEEN_BITS = 65535
LEAST_USED = 4
"""One part in so many of the range: data of 14 bits or less reach no more."""


def is_deep_grey(image: Image.Image) -> bool:
    """Whether an image is greyscale of more than 8 bits."""
    return image.mode.startswith("I") or image.mode == "F"


def eight_bits(image: Image.Image, scaling: str = FULL) -> np.ndarray:
    """Greyscale of more than 8 bits as uint8 (height, width), by one of `DEEP_GREYS`."""
    values = np.asarray(image, np.float64)
    tags = image.tag_v2 if image.format == "TIFF" else {}
    low, high = _range_of(image, values)
    if scaling == MAXIMUM and values.size and low == 0 < np.nanmax(values) < high:
        high = float(np.nanmax(values))
    if tags.get(_TIFF_TAG["PhotometricInterpretation"]) == _WHITE_IS_ZERO:
        low, high = high, low
    scaled = (values - low) * 255 / (high - low) if high != low else np.zeros_like(values)
    grey = np.rint(np.clip(np.nan_to_num(scaled), 0, 255)).astype(np.uint8)
    if "transparency" in image.info:
        grey[values == image.info["transparency"]] = 255
    return grey


def _range_of(image: Image.Image, values: np.ndarray) -> tuple[float, float]:
    """The values that stand for black and white, as the docstring of `pixels` says."""
    if image.mode.startswith("I;16"):
        tags = image.tag_v2 if image.format == "TIFF" else {}
        return 0, 2 ** tags.get(_TIFF_TAG["BitsPerSample"], (16,))[0] - 1
    if image.format in ("PNG", "PPM"):
        return 0, SIXTEEN_BITS
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0, 0)
    for white in (1, 255, SIXTEEN_BITS) if image.mode == "F" else (255, SIXTEEN_BITS):
        if low >= 0 and high <= white:
            return 0, white
    return low, high


def grey_notes(files: Iterable[tuple[str, Callable[[], BinaryIO]]], scaling: str) -> list[Note]:
    """A note if greyscale of 16 bits uses a small part of its range, in the first such files.

    `files` has each image's id, and a function that opens it.
    """
    largest: dict[str, int] = {}
    deep = (each for each in files if each[0].lower().endswith(_ENDINGS))
    for _, (image_id, opened) in zip(range(FILES_TRIED), deep, strict=False):
        # What cannot be read is listed where it is read.
        with suppress(Exception), opened() as file:
            if len(largest) < FILES_READ and not is_suspect(file) and (value := _largest(file)) is not None:
                largest[image_id] = value
    most = max(largest.values(), default=0)
    if not 0 < most <= SIXTEEN_BITS // LEAST_USED:
        return []
    looked = f"Of the 16-bit greyscale images, {len(largest):,} were looked at, such as {next(iter(largest))}"
    if scaling == MAXIMUM:
        return [Note(f"{looked}: their values reach {most:,}. Each is scaled by its own largest value.")]
    return [
        Note(
            f"{looked}: their values reach {most:,} of {SIXTEEN_BITS:,} only, so they are shown dark. "
            f"--deep-grey {MAXIMUM} scales each by its own largest value."
        )
    ]


def _largest(file: BinaryIO) -> int | None:
    """The largest value of greyscale of 16 bits; None for any other image, or a costly one."""
    with Image.open(file, formats=FORMATS) as image:
        if not is_deep_grey(image) or image.mode == "F" or costs_much(image, file):
            return None
        values = np.asarray(image)
        return int(values.max()) if _range_of(image, values)[1] == SIXTEEN_BITS else None
