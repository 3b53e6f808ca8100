"""Datasets that a program holds in memory: a DataFrame, a torch Dataset, or a Dataset of Hugging Face's library.

Such a dataset has no files whose times could tell that it changed. So its fingerprint is of its content: each image is
read once for it. A study keeps no copy of the images.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from bias_toolkit.datasets.annotation_table import (
    IMAGE,
    LABELS,
    PATHS,
    annotations_in,
    blanks_note,
    column_notes,
    our_columns,
    plain_names,
)
from bias_toolkit.datasets.arrow_rows import ImageRows, find_columns, labels_of, no_image_column, objects_of, row_names
from bias_toolkit.datasets.dataset import Dataset
from bias_toolkit.datasets.file_names import from_system
from bias_toolkit.datasets.image_facts import Header, Note, ReducedImage, Reduction
from bias_toolkit.datasets.layouts.table_file import found_paths
from bias_toolkit.datasets.listing import BOX_COLUMNS, Annotations, Listing
from bias_toolkit.datasets.pixels import ImageFiles, header_of, pixels_of, read_pixels, upright_rgb
from bias_toolkit.datasets.records import box_table, label_text
from bias_toolkit.datasets.schema import Tables
from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.foundation.progress import Progress, silent

_MEMORY = "memory:"
"""The names of these datasets begin so."""
TAKES = (
    "a path, a pandas DataFrame with a column path or image, a torch Dataset of (image, label), or a datasets.Dataset"
)

_LAYOUT = "memory"
_ROWS_A_PART = 64
_READ_TWICE = 3
_PIXELS = "uint8 from 0 to 255, or floats from 0 to 1"


def held_dataset(held: Any) -> Dataset:
    """The dataset of an object in memory; InputError if it is of no known kind."""
    if isinstance(held, pd.DataFrame):
        return _from_frame(held)
    kind, library = type(held).__name__, type(held).__module__.partition(".")[0]
    if library == "datasets":
        if kind == "DatasetDict":
            raise InputError(f"this DatasetDict holds the splits {', '.join(held)}: give one of them")
        if kind == "Dataset":
            return _from_hugging_face(held)
    is_text = isinstance(held, str | bytes | Mapping)
    if not is_text and hasattr(held, "__getitem__") and hasattr(held, "__len__"):
        return _from_items(held)
    raise InputError(f"{kind} is no dataset: give {TAKES}")


def is_held(name: str) -> bool:
    """Whether a name in a study's record is that of a dataset in memory."""
    return name.startswith(_MEMORY)


def away(name: str) -> InputError:
    """The error for a dataset that a study's record names, and that was in memory."""
    return InputError(
        f"the images of {name.removeprefix(_MEMORY).strip()} were given in memory and are not kept: to go on, open the "
        "study in Python with the same objects, as in Study(folder, train=..., test=...)"
    )


def dataset_away(name: str, tables: Tables) -> Dataset:
    """A dataset that was in memory, as a study's record names it, with the tables of its scan and without its pixels.

    Reading a pixel raises InputError.
    """

    def refuse(*_: object) -> Any:
        raise away(name)

    pixels = SimpleNamespace(header=refuse, read=refuse, read_reduced=refuse, source=refuse, stamp=refuse)
    image_ids = tables.images["image_id"].tolist()
    return Dataset(Listing(name, _LAYOUT, "it was in memory, and is not given now", image_ids, refuse), pixels)


class HeldImages:
    """The pixels of images in memory; a `dataset.PixelSource`.

    `item` gives the image of an id, as `pixels_in` takes it, and its label, if that comes with it. All items are read
    once, before the first answer.
    """

    def __init__(
        self, root: str, image_ids: Sequence[str], item: Callable[[str], tuple[Any, Any]], more: bytes
    ) -> None:
        self._root, self._image_ids, self._item = root, image_ids, item
        self._lock = threading.Lock()
        self._headers: dict[str, Header | UnreadableImageError] | None = None
        self._digest = hashlib.sha256(more)
        self.labels: list[Any] = []

    def look(self, progress: Progress = silent) -> None:
        """Read each item once: its size, label and digest; InputError if an item differs when it is read again."""
        with self._lock:
            if self._headers is not None:
                return
            headers: dict[str, Header | UnreadableImageError] = {}
            labels = []
            with progress("Reading all images, once", len(self._image_ids)) as advance:
                for number, image_id in enumerate(self._image_ids):
                    header, digest, label = self._seen(image_id)
                    if number < _READ_TWICE and self._seen(image_id)[1] != digest:
                        raise InputError(
                            f"{self._root.removeprefix(_MEMORY).strip()} gives another image {image_id} when it is "
                            "read again: give it without random transforms"
                        )
                    self._digest.update(digest)
                    headers[image_id] = header
                    labels.append(label)
                    advance(1)
            self.labels, self._headers = labels, headers

    def _seen(self, image_id: str) -> tuple[Header | UnreadableImageError, bytes, Any]:
        try:
            image, label = self._item(image_id)
            if isinstance(image, bytes):
                header, content = header_of(image), image
            else:
                content = pixels_in(image, image_id)
                header = Header(*content.shape[1::-1])
        except UnreadableImageError as error:
            return error, b"", None
        digest = hashlib.sha256(f"{tuple(header)}{label!r}".encode())
        digest.update(content)
        return header, digest.digest(), label

    def header(self, image_id: str) -> Header:
        self.look()
        header = self._headers.get(image_id, UnreadableImageError("there is no such image"))
        if isinstance(header, UnreadableImageError):
            raise header
        return header

    def read(self, image_id: str) -> np.ndarray:
        return pixels_in(self._item(image_id)[0], image_id)

    def read_reduced(self, image_id: str, reduction: Reduction) -> ReducedImage:
        image = self._item(image_id)[0]
        if isinstance(image, bytes):
            return pixels_of(image, reduction)
        pixels = pixels_in(image, image_id)
        return ReducedImage(pixels, *pixels.shape[1::-1])

    def source(self, image_id: str) -> str:
        self.look()
        return f"{_MEMORY}{self._digest.hexdigest()}/{image_id}"

    def stamp(self, image_ids: Sequence[str]) -> bytes:
        self.look()
        return self._digest.digest()


def pixels_in(value: Any, name: str) -> np.ndarray:
    """Upright RGB pixels, uint8 (height, width, 3), of an image in memory.

    It is a Pillow image; the content of an image file (bytes); a path; an array (height, width) or (height, width, 1, 3
    or 4), or a tensor (1 or 3, height, width), of uint8 or of floats from 0 to 1. Raises UnreadableImageError if it is
    none of them, and InputError if its values are out of this range.
    """
    if isinstance(value, bytes):
        return pixels_of(value).pixels
    if isinstance(value, Image.Image):
        return upright_rgb(value)
    if isinstance(value, str | os.PathLike):
        return read_pixels(os.fspath(value))
    is_tensor = type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "numpy")
    array = value.detach().cpu().numpy() if is_tensor else value
    if is_tensor and array.ndim == 3:
        array = array.transpose(1, 2, 0)
    if not isinstance(array, np.ndarray) or array.ndim not in (2, 3) or not array.size:
        raise UnreadableImageError(f"it is no image, but {type(value).__name__}")
    if array.ndim == 3 and array.shape[2] not in (1, 3, 4):
        raise UnreadableImageError(f"an array of the shape {array.shape} is no image")
    array = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if array.dtype == bool or array.dtype.kind == "f":
        low, high = float(array.min()), float(array.max())
        if not (low >= 0 and high <= 1):
            raise InputError(f"the image {name} has values from {low:.3g} to {high:.3g}; images have to be {_PIXELS}")
        array = np.rint(array * 255.0).astype(np.uint8)
    if array.dtype != np.uint8:
        raise InputError(f"the image {name} has values of the type {array.dtype}; images have to be {_PIXELS}")
    return upright_rgb(Image.fromarray(array))


def _numbered(n: int) -> list[str]:
    return row_names("", n, [None] * n)


def _held(
    root: str,
    what: str,
    image_ids: Sequence[str],
    item: Callable[[str], tuple[Any, Any]],
    annotate: Callable[[HeldImages, Progress], Annotations],
    more: bytes = b"",
) -> Dataset:
    pixels = HeldImages(f"{_MEMORY} {root}", image_ids, item, more)
    reason = f"{what}; all images were read once, as the fingerprint of a set in memory is of its content"
    annotated = partial(annotate, pixels)
    return Dataset(Listing(f"{_MEMORY} {root}", _LAYOUT, reason, image_ids, annotated, prepare=pixels.look), pixels)


def _from_frame(frame: pd.DataFrame) -> Dataset:
    """The dataset of a frame with the columns of a table file, or with images in place of their paths."""
    name = f"a DataFrame of {len(frame):,} rows"
    frame = frame.reset_index(drop=True).rename(columns=str)
    plain = plain_names(list(frame))
    holds_images = "path" not in plain and plain.count(IMAGE) == 1 and not _are_paths(frame.iloc[:, plain.index(IMAGE)])
    if not holds_images:
        return _from_paths(name, frame)
    known = {each: column for each, column in zip(plain, frame, strict=True) if each in (IMAGE, "image_id")}
    image_ids = [str(each) for each in frame[known["image_id"]]] if "image_id" in known else _numbered(len(frame))
    values = dict(zip(reversed(image_ids), reversed(frame[known[IMAGE]].tolist()), strict=True))
    rest = frame.drop(columns=known.values()).assign(path=image_ids)
    image_ids, annotations = _annotations(rest, name)

    def item(image_id: str) -> tuple[Any, Any]:
        return _plain(values[image_id]), None

    what = f"a DataFrame with a column {IMAGE}"
    return _held(name, what, image_ids, item, lambda pixels, progress: annotations, _bytes_of(annotations))


def _are_paths(values: pd.Series) -> bool:
    there = values.dropna()
    return len(there) > 0 and all(isinstance(value, str | os.PathLike) for value in there)


def _annotations(frame: pd.DataFrame, name: str, notes: Sequence[Note] = ()) -> tuple[list[str], Annotations]:
    """The image ids of a frame, sorted, and their annotations; the paths of its rows are image ids."""
    header = list(frame)
    columns = our_columns(name, header)
    table = pd.DataFrame({ours: frame[column] for ours, column in columns.items()})
    for column in {*LABELS, "class"}.intersection(table):
        values = [value.item() if isinstance(value, np.generic) else value for value in table[column]]
        values = [None if pd.api.types.is_scalar(value) and pd.isna(value) else value for value in values]
        rows = enumerate(values)
        texts = [value if isinstance(value, str) else label_text(value, (), f"row {row}") for row, value in rows]
        table[column] = pd.Series(texts, dtype=object)
    notes = [*column_notes(columns, header), *notes]
    return annotations_in(table, name, lambda row: f"row {row} of {name}", lambda row, path: path, notes)


def _from_paths(name: str, frame: pd.DataFrame) -> Dataset:
    """The dataset of a frame with a column of paths: the images are files, which are read where they are."""
    if not len(frame):
        raise InputError(f"{name} has no row")
    if PATHS.isdisjoint(plain_names(list(frame))):
        raise InputError(f"{name} has neither a column path nor a column {IMAGE}")
    column = our_columns(name, list(frame))["path"]
    if frame[column].isna().any():
        raise InputError(f"{name} has a row without a path")
    given = pd.Series([os.path.expanduser(os.fspath(path)) for path in frame[column]], dtype=object)
    paths, changed = found_paths(given, Path())
    files = [os.path.abspath(path) for path in paths]
    folder = Path(os.path.commonpath([os.path.dirname(file) for file in files]))
    names = [from_system(os.path.relpath(file, folder).replace(os.sep, "/")) for file in files]
    if None in names:
        raise InputError(f"{name} has a path that is not valid UTF-8")
    image_ids, annotations = _annotations(frame.assign(**{column: names}), name, blanks_note(changed))
    pixels = _StampedFiles(str(folder), _bytes_of(annotations))
    reason = f"a DataFrame with a column {column}, of files in {folder}"
    return Dataset(Listing(f"{_MEMORY} {name}", _LAYOUT, reason, image_ids, lambda progress: annotations), pixels)


class _StampedFiles(ImageFiles):
    """Image files whose annotations are in memory."""

    def __init__(self, root: str, annotations: bytes) -> None:
        super().__init__(root)
        self._annotations = hashlib.sha256(annotations).digest()

    def stamp(self, image_ids: Sequence[str]) -> bytes:
        return self._annotations + super().stamp(image_ids)


def _bytes_of(annotations: Annotations) -> bytes:
    """Labels, boxes and stated sizes as bytes that differ if they differ."""
    sizes = repr(annotations.sizes) if annotations.sizes else ""
    return (annotations.boxes.to_csv(columns=BOX_COLUMNS, index=False) + repr(annotations.labels) + sizes).encode()


def _plain(value: Any) -> Any:
    """An image as `pixels_in` takes it; Hugging Face's bytes and path are a mapping."""
    if isinstance(value, Mapping):
        return value.get("bytes") or value.get("path")
    return value


def _from_items(held: Any) -> Dataset:
    """The dataset of a torch Dataset, or another sequence, of (image, label)."""
    kind = type(held).__name__
    image_ids = _numbered(len(held))
    if not image_ids:
        raise InputError(f"this {kind} has no item")
    row_of = {image_id: row for row, image_id in enumerate(image_ids)}
    names = _class_names(held)
    one_at_a_time = threading.Lock()

    def item(image_id: str) -> tuple[Any, Any]:
        with one_at_a_time:  # a Dataset may hold a file open
            found = held[row_of[image_id]]
        is_other = isinstance(found, Mapping) and found.keys().isdisjoint(("bytes", "path"))
        if not isinstance(found, tuple | list) and not is_other:
            return found, None
        if is_other or len(found) < 2:
            raise InputError(f"item {image_id} of this {kind} has to be (image, label)")
        label = found[1]
        label = label.item() if hasattr(label, "item") and getattr(label, "ndim", 1) == 0 else label
        return _plain(found[0]), label_text(label, names, f"item {image_id} of this {kind}")

    return _held(
        f"a {kind} of {len(held):,} items",
        "items of (image, label)",
        image_ids,
        item,
        lambda pixels, progress: Annotations(pixels.labels),
    )


def _class_names(held: Any) -> Sequence[str]:
    """The names of numbered classes that torchvision's datasets have, also those that Subset and ConcatDataset wrap."""
    while not hasattr(held, "classes") and hasattr(held, "dataset"):
        held = held.dataset
    if not hasattr(held, "classes") and hasattr(held, "datasets"):
        several = {tuple(_class_names(each)) for each in held.datasets}
        return several.pop() if len(several) == 1 else ()
    names = getattr(held, "classes", ())
    return names if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names) else ()


def _from_hugging_face(held: Any) -> Dataset:
    """The dataset of a `datasets.Dataset`; its images are not decoded by that library."""
    columns = find_columns(held.features.arrow_schema)
    if columns is None:
        raise no_image_column("this Dataset")
    name = f"a datasets.Dataset of {len(held):,} rows"
    rows = held.with_format("arrow")
    wanted = [each for each in (columns.label, columns.objects) if each]
    table = rows.select_columns(wanted)[:] if wanted else None
    image_ids = _numbered(len(held))
    row_of = {image_id: row for row, image_id in enumerate(image_ids)}
    labels = labels_of(table, columns, name) if wanted else [None] * len(image_ids)
    found = objects_of(table, columns, name) if wanted else ()
    objects = [(image_ids[row], category, box) for row, category, box in found]
    starts = range(0, len(held), _ROWS_A_PART)
    only_images = rows.select_columns([columns.image])
    images = ImageRows(
        [min(_ROWS_A_PART, len(held) - start) for start in starts],
        lambda part: only_images[starts[part] : starts[part] + _ROWS_A_PART][columns.image],
    )

    def item(image_id: str) -> tuple[Any, Any]:
        content, path = images[row_of[image_id]]
        return content if content is not None else Path(path).read_bytes(), None

    boxes, notes = box_table(objects, lambda image_id: header_of(item(image_id)[0]))
    annotations = Annotations(labels, boxes, notes=notes)
    return _held(name, columns.sentence, image_ids, item, lambda pixels, progress: annotations, _bytes_of(annotations))
