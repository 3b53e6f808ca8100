"""Images that lie inside other files, such as tars and Parquet files, and are read where they lie."""

import os
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np

from bias_toolkit.datasets.deep_grey import FULL, grey_notes
from bias_toolkit.datasets.image_facts import Header, Note, ReducedImage, Reduction
from bias_toolkit.datasets.pixels import header_of, pixels_of
from bias_toolkit.datasets.stamps import file_stamps
from bias_toolkit.foundation.errors import InputError, UnreadableImageError

MOST_BYTES = 2**29
"""Of one image: its content is held in memory while it is decoded."""


class ContainedImages:
    """The pixels of images inside other files; a `dataset.PixelSource`.

    `content` gives the bytes of an image; it raises UnreadableImageError, or OSError if its file cannot be read.
    `deep_grey` is as for `ImageFiles`.
    """

    def __init__(
        self, root: str, files: Sequence[Path], content: Callable[[str], bytes], deep_grey: str = FULL
    ) -> None:
        self._root, self._files, self._content = os.path.realpath(root), files, content
        self._deep_grey = deep_grey

    def scaled(self, deep_grey: str) -> "ContainedImages":
        return ContainedImages(self._root, self._files, self._content, deep_grey)

    def notes(self, image_ids: Sequence[str]) -> Sequence[Note]:
        files = ((each, lambda each=each: BytesIO(self._content(each))) for each in image_ids)
        return grey_notes(files, self._deep_grey)

    def header(self, image_id: str) -> Header:
        return header_of(self._read(image_id))

    def read(self, image_id: str) -> np.ndarray:
        return self.read_reduced(image_id, None).pixels

    def read_reduced(self, image_id: str, reduction: Reduction | None) -> ReducedImage:
        return pixels_of(self._read(image_id), reduction, self._deep_grey)

    def source(self, image_id: str) -> str:
        return f"{self._root}/{image_id}"

    def stamp(self, image_ids: Sequence[str]) -> bytes:
        return file_stamps(self._files) + (b"" if self._deep_grey == FULL else self._deep_grey.encode())

    def _read(self, image_id: str) -> bytes:
        try:
            return self._content(image_id)
        except OSError as error:
            raise InputError(
                f"{error.filename or self._root} could be opened before and cannot be now ({error.strerror or error});"
                " see that the disk is there, and run the same command again."
            ) from error


def check_size(n_bytes: int) -> None:
    """Raise UnreadableImageError if an image's content has more than `MOST_BYTES`."""
    if n_bytes > MOST_BYTES:
        raise UnreadableImageError(f"it has {n_bytes / 2**20:,.0f} MB; inside other files, at most 512 MB are read")
