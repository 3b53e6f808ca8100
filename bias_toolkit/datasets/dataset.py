"""A dataset: its tables and its pixels."""

import dataclasses
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa

from bias_toolkit.datasets.boxes import upright_objects
from bias_toolkit.datasets.file_names import check_inside, escaped
from bias_toolkit.datasets.image_facts import Header, Note, ReducedImage, Reduction
from bias_toolkit.datasets.listing import Annotations, Listing
from bias_toolkit.datasets.pictures import upright_sizes
from bias_toolkit.datasets.schema import IMAGES, Tables, skipped_table
from bias_toolkit.datasets.stamps import file_stamps
from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.foundation.resampling import named_generator
from bias_toolkit.foundation.shown import html_table, public_names
from bias_toolkit.foundation.threads import map_in_parts
from bias_toolkit.foundation.words import count

_HEADERS_A_TASK = 64
_BYTES_AT_A_TIME = 2**20
_ABSENT = "the annotations name it, but there is no such file"


class Example(NamedTuple):
    """An image of a dataset: its upright RGB pixels, uint8 (height, width, 3), its label, and its rows of `OBJECTS`."""

    image_id: str
    pixels: np.ndarray
    label: str | None
    objects: pd.DataFrame


class PixelSource(Protocol):
    """The source of a dataset's pixels: `pixels.ImageFiles`, or another object. Its methods run in several threads."""

    def header(self, image_id: str) -> Header:
        """Size and orientation, without decoding; raises UnreadableImageError."""

    def read(self, image_id: str) -> np.ndarray:
        """Upright RGB pixels, uint8 (height, width, 3); raises UnreadableImageError."""

    def read_reduced(self, image_id: str, reduction: Reduction) -> ReducedImage:
        """The image at a fraction of its size that `reduction` allows, or at full size."""

    def source(self, image_id: str) -> str:
        """A name of the pixels. Two datasets have the same name only if they share the image."""

    def stamp(self, image_ids: Sequence[str]) -> bytes:
        """Bytes that change when an image may have changed."""

    # A source of files also has `sources(image_ids)`, `notes(image_ids)`, and `scaled(deep_grey)`, which gives another
    # source.


class Dataset:
    """Images with labels and, if there are any, object boxes.

    `load_dataset` makes one from files. For other data, pass a `Listing`, which names the images, and an object with
    the methods of `PixelSource`, which gives their pixels::

        listing = Listing(
            root="mine", layout="mine", layout_reason="made in memory", image_ids=["a", "b"],
            annotate=lambda progress: Annotations(labels=["cat", None], boxes=frame_with_BOX_COLUMNS),
        )
        dataset = Dataset(listing, my_pixels)

    `root` is the path or name that the user gave. `layout` is the layout used, and `layout_reason` says how it was
    recognised. `class_names` has readable names by label; it is empty if the layout has none.
    """

    def __init__(self, listing: Listing, pixels: PixelSource) -> None:
        self.root = listing.root
        self.layout = listing.layout
        self.layout_reason = listing.layout_reason
        self.class_names = listing.class_names
        self._listing = listing
        self._pixels = pixels
        self._tables: Tables | None = None
        self.sample_of: int | None = None
        """How many images the dataset lists of which this one is a sample; None if it is none."""

    def __repr__(self) -> str:
        return f"Dataset({self.root!r}, layout={self.layout!r}, {', '.join(self._counts())})"

    def _repr_html_(self) -> str:
        """Shown in a notebook."""
        return html_table("Dataset", {"root": self.root, "layout": self.layout, "holds": ", ".join(self._counts())})

    def _counts(self) -> list[str]:
        """What the dataset holds, in words; without labels and boxes before a scan, which may take long."""
        if self._tables is None:
            return [count(self.n_listed, "image")]
        images = self._tables.images
        labels, boxes = images["label"].nunique(), len(self._tables.objects)
        return [count(len(images), "image"), count(labels, "label"), count(boxes, "box", "boxes")]

    def __dir__(self) -> list[str]:
        return public_names(self)

    def __len__(self) -> int:
        """Number of readable images: the rows of `images`; scans at first use."""
        return len(self.images)

    def __getitem__(self, image: int | str | slice) -> Example | list[Example]:
        """An image by its place in `images`, or by its image_id; a list of images by a slice of places.

        Raises IndexError or KeyError if there is none, and UnreadableImageError if it cannot be decoded.
        """
        place = self._place_of[image] if isinstance(image, str) else range(len(self))[image]
        if isinstance(place, range):
            return [self[each] for each in place]
        image_id, label = self.images.iloc[place][["image_id", "label"]]
        objects = self.objects[self.objects["image_id"] == image_id].reset_index(drop=True)
        return Example(image_id, self.read(image_id), label if isinstance(label, str) else None, objects)

    def __iter__(self) -> Iterator[Example]:
        """Each image in the order of `images`, decoded when it is reached; raises as indexing does."""
        return (self[place] for place in range(len(self)))

    def __contains__(self, image_id: object) -> bool:
        """Whether `images` has this image_id."""
        return isinstance(image_id, str) and image_id in self._place_of

    @cached_property
    def _place_of(self) -> dict[str, int]:
        image_ids = self.images["image_id"].tolist()
        return dict(zip(image_ids, range(len(image_ids)), strict=True))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hex, of the layout, each image's path, size and time of change, and the annotations.

        No image is opened, but of a dataset in memory, the content of each image counts. The location of the root does
        not count: a dataset that is moved unchanged keeps its fingerprint.
        """
        listing = self._listing
        digest = hashlib.sha256()

        def add(part: bytes) -> None:
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(part)

        add(listing.layout.encode())
        add("\n".join(listing.image_ids).encode())
        add(self._pixels.stamp(listing.image_ids))
        for file in listing.annotation_files:
            digest.update(os.stat(file).st_size.to_bytes(8, "little"))
            with open(file, "rb") as content:
                while part := content.read(_BYTES_AT_A_TIME):
                    digest.update(part)
        add(os.fsencode("\n".join(file.name for file in listing.stamped_files)))
        add(file_stamps(listing.stamped_files))
        if listing.unlisted:
            add("\n".join(name for name, _ in listing.unlisted).encode())
        return digest.hexdigest()

    def prepare(self, progress: Progress = silent) -> None:
        """Read what the fingerprint needs: all images of a dataset in memory, and nothing of others."""
        self._listing.prepare(progress)

    @property
    def n_listed(self) -> int:
        """Number of images that the dataset lists, whether or not they can be read."""
        return len(self._listing.image_ids)

    def scan(self, progress: Progress = silent) -> Tables:
        """Read the annotations and every image's header, and keep the resulting tables.

        An image goes to `skipped` if its header cannot be read, or if the annotations name it and it does not exist.
        Boxes are rotated with their image and clipped to it; a box with no area left is dropped and counted. Raises
        InputError if an annotation file is malformed, or if no image can be read.
        """
        image_ids = self._listing.image_ids
        self.prepare(progress)
        try:
            annotations = self._listing.annotate(progress)
        except OSError as error:
            raise InputError(f"{error.filename or self.root} cannot be read: {error.strerror or error}") from error
        headers, unreadable = self._read_headers(progress)
        readable = headers[:, 2] > 0
        if not readable.any():
            first = min(unreadable)
            raise InputError(
                f"none of the {len(image_ids)} images of {self.root} can be read"
                f" (the first, {image_ids[first]}: {unreadable[first]})"
            )

        objects, unknown, dropped, of_boxes = upright_objects(annotations, image_ids, headers)
        sizes = upright_sizes(headers[:, :2], headers[:, 2])[readable]
        images = pa.table(
            {
                "image_id": pa.array(image_ids, pa.string()).filter(pa.array(readable)),
                "label": pa.array(annotations.labels, pa.string()).filter(pa.array(readable)),
                "width": sizes[:, 0],
                "height": sizes[:, 1],
            },
            schema=IMAGES,
        )
        absent = sorted(set(unknown).union(annotations.absent).difference(image_ids))
        unlisted = self._listing.unlisted
        skipped = [(image_ids[row], error) for row, error in unreadable.items()]
        skipped += [(name, UnreadableImageError(_ABSENT, transient=True)) for name in absent]
        skipped += [(name, UnreadableImageError(reason)) for name, reason in unlisted]
        notes = [*self._listing.notes, *annotations.notes, *of_boxes, *self._pixels_notes()]
        self.restore(Tables(images.to_pandas(), objects.to_pandas(), skipped_table(skipped), dropped, notes))
        return self._tables

    def _pixels_notes(self) -> Sequence[Note]:
        notes = getattr(self._pixels, "notes", None)
        return [] if notes is None else notes(self._listing.image_ids)

    def scaled(self, deep_grey: str) -> "Dataset":
        """The same dataset, not scanned, with greyscale of more than 8 bits scaled by one of `DEEP_GREYS`.

        Raises InputError if its pixels are from memory.
        """
        if not hasattr(self._pixels, "scaled"):
            raise InputError(f"--deep-grey is for image files, and {self.root} has none; leave it out.")
        return Dataset(self._listing, self._pixels.scaled(deep_grey))

    def sampled(self, n: int, seed: int) -> "Dataset":
        """A dataset, not scanned, of `n` of the listed images, drawn at random; itself if it lists no more.

        What is not listed, or has no file, is left out of it.
        """
        whole = self._listing
        if n >= self.n_listed:
            return self
        rows = np.sort(named_generator(seed, "sample of a dataset").permutation(self.n_listed)[:n])
        image_ids = [whole.image_ids[row] for row in rows]

        def annotate(progress: Progress) -> Annotations:
            every = whole.annotate(progress)
            boxes = every.boxes[every.boxes["image_id"].isin(image_ids)]
            return dataclasses.replace(every, labels=[every.labels[row] for row in rows], boxes=boxes, absent=())

        listing = dataclasses.replace(whole, image_ids=image_ids, annotate=annotate, unlisted=())
        sample = Dataset(listing, self._pixels)
        sample.sample_of = self.n_listed
        # The annotations of all images enter it.
        sample.fingerprint = hashlib.sha256("\n".join([self.fingerprint, *image_ids]).encode()).hexdigest()
        return sample

    def restore(self, tables: Tables) -> None:
        """Use the tables of an earlier scan of the same dataset, instead of scanning.

        Raises InputError if they name an image that the dataset does not list.
        """
        if unknown := set(tables.images["image_id"]).difference(self._listing.image_ids):
            raise InputError(f"the table of images names {escaped(min(unknown))}, which is not in {self.root}")
        self._tables = tables
        for name in ("_sizes", "_place_of"):
            self.__dict__.pop(name, None)

    @property
    def is_scanned(self) -> bool:
        """Whether the tables are available, from a scan or restored."""
        return self._tables is not None

    @property
    def images(self) -> pd.DataFrame:
        """Table of `schema.IMAGES`; scans at first use."""
        return self._scanned().images

    @property
    def objects(self) -> pd.DataFrame:
        """Table of `schema.OBJECTS`; scans at first use."""
        return self._scanned().objects

    @property
    def skipped(self) -> pd.DataFrame:
        """Table of `schema.SKIPPED`; scans at first use."""
        return self._scanned().skipped

    @property
    def dropped_boxes(self) -> int:
        """Number of boxes that have no area inside their image and were left out; scans at first use."""
        return self._scanned().dropped_boxes

    @property
    def notes(self) -> Sequence[Note]:
        """What the reader left out, guessed or took in another sense, in sentences; scans at first use."""
        return self._scanned().notes

    def read(self, image_id: str) -> np.ndarray:
        """Upright RGB pixels, uint8 (height, width, 3).

        Raises UnreadableImageError, with the reason, if the image cannot be decoded or has changed its size since the
        scan, to which its boxes belong.
        """
        pixels = self._pixels.read(image_id)
        height, width = pixels.shape[:2]
        self._check_size(image_id, width, height)
        return pixels

    def read_reduced(self, image_id: str, reduction: Reduction) -> ReducedImage:
        """The image at a fraction of its size that `reduction` allows, or at full size; raises as `read`.

        Only JPEG files are decoded at a fraction, which takes a fraction of the time.
        """
        image = self._pixels.read_reduced(image_id, reduction)
        self._check_size(image_id, image.width, image.height)
        return image

    @property
    def has_frames(self) -> bool:
        """Whether the images are frames of clips, so that `read_frames` can be called."""
        return self._listing.frames is not None

    def read_frames(self, image_id: str) -> Iterator[np.ndarray]:
        """Yield the frames of the clip around an image, the middle one; each as `read` returns it, which may raise."""
        return map(self._pixels.read, self._listing.frames[image_id])

    def _check_size(self, image_id: str, width: int, height: int) -> None:
        place = self._place_of.get(image_id) if self.is_scanned else None
        expected = None if place is None else tuple(self._sizes[place].tolist())
        if expected not in (None, (width, height)):
            raise UnreadableImageError(
                f"it has {width} × {height} pixels, and had {expected[0]} × {expected[1]} when the dataset was read"
            )

    def is_back(self, image_id: str) -> bool:
        """Whether an image that was left out for a transient reason can be opened now; only its header is read."""
        try:
            check_inside(image_id, self.root)
            self._pixels.header(image_id)
        except (InputError, UnreadableImageError):
            return False
        return True

    def source(self, image_id: str) -> str:
        """Identity of an image's pixels: its resolved file. Two datasets that share the file have the same identity."""
        return self._pixels.source(image_id)

    def sources(self, image_ids: Iterable[str]) -> Iterator[str]:
        """`source` of each of many images."""
        many = getattr(self._pixels, "sources", None)
        return map(self._pixels.source, image_ids) if many is None else many(image_ids)

    @cached_property
    def _sizes(self) -> np.ndarray:
        """Width and height of each image of the table, int32 (n, 2)."""
        return self.images[["width", "height"]].to_numpy(np.int32)

    def _scanned(self) -> Tables:
        return self._tables or self.scan()

    def _read_headers(self, progress: Progress) -> tuple[np.ndarray, dict[int, UnreadableImageError]]:
        """Width, height and orientation of each image, int32 (n, 3), orientation 0 if unreadable; the errors by row."""
        image_ids = self._listing.image_ids
        headers = np.zeros((len(image_ids), 3), np.int32)
        unreadable = {}
        results = map_in_parts(self._header_of, image_ids, _HEADERS_A_TASK, progress, "Reading image headers")
        for row, result in enumerate(results):
            if isinstance(result, Header):
                headers[row] = result
            else:
                unreadable[row] = result
        return headers, unreadable

    def _header_of(self, image_id: str) -> Header | UnreadableImageError:
        try:
            return self._pixels.header(image_id)
        except UnreadableImageError as error:
            return error
