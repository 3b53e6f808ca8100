"""Arrow tables with an image in each row, as Hugging Face's library stores them: which columns are what, and the rows.

The table's schema describes the columns, if that library made it: images, classes with names, objects. Otherwise
their types and names do.
"""

import json
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import pyarrow as pa

from bias_toolkit.datasets.contained import check_size
from bias_toolkit.datasets.file_names import is_utf8
from bias_toolkit.datasets.records import BOXES, CATEGORIES, LABELS, label_text, objects_in
from bias_toolkit.foundation.errors import InputError, UnreadableImageError

_MOST_HELD = 4
"""Parts of a table that are held in memory: those that several threads read, which go through the rows in order."""
_NAME_LENGTH = 120


@dataclass(frozen=True)
class Columns:
    """The columns of a table: of images, labels and objects, and the names of numbered classes."""

    image: str
    label: str | None
    objects: str | None
    label_names: Sequence[str] = ()
    category_names: Sequence[str] = ()
    others: Sequence[str] = ()  # more columns of images or labels, which are not read

    @property
    def sentence(self) -> str:
        """One clause on which columns were taken, and which could have been."""
        taken = [f"images from the column {self.image!r}"]
        taken.append(f"labels from {self.label!r}" if self.label else "without labels")
        if self.others:
            taken.append(f"not read: {', '.join(map(repr, self.others))}")
        return ", ".join(taken)


def find_columns(schema: pa.Schema) -> Columns | None:
    """The columns of a table, or None if it has no column of images, or has paths of image files."""
    features = _features(schema)
    images = [field.name for field in schema if _is_image(field, features)]
    if not images or "path" in schema.names:
        return None
    numbered = {name: _class_names(features.get(name)) for name in schema.names}
    labels = [name for name in schema.names if (numbered[name] or name in LABELS) and _is_plain(schema.field(name))]
    labels.sort(key=lambda name: (name not in LABELS, not numbered[name], name in LABELS and LABELS.index(name)))
    objects = next((field.name for field in schema if _child(field.type, BOXES)), None)
    category = objects and _child(schema.field(objects).type, CATEGORIES)
    return Columns(
        images[0],
        labels[0] if labels else None,
        objects,
        numbered[labels[0]] if labels else (),
        _class_names(_within(features.get(objects), category)) if category else (),
        [*images[1:], *labels[1:]],
    )


def _features(schema: pa.Schema) -> Mapping[str, Any]:
    """The description of the columns by Hugging Face's library; empty if there is none."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError, RecursionError):
        return {}
    return features if isinstance(features, dict) else {}


def _is_image(field: pa.Field, features: Mapping[str, Any]) -> bool:
    feature = features.get(field.name)
    is_other = isinstance(feature, dict) and feature.get("_type", "Image") not in ("Image", "Value")
    return _holds_bytes(field.type) and not is_other


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _holds_bytes(kind.field("bytes").type)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _is_plain(field: pa.Field) -> bool:
    kinds = pa.types
    return any(is_of(field.type) for is_of in (kinds.is_integer, kinds.is_string, kinds.is_large_string))


def _child(kind: pa.DataType, names: Sequence[str]) -> str | None:
    """The first of these names that the objects of a column have: a struct of lists, or a list of structs."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    if not pa.types.is_struct(kind):
        return None
    return next((name for name in names if kind.get_field_index(name) >= 0), None)


def _within(feature: Any, name: str) -> Any:
    """The description of a column's child, below any lists."""
    while isinstance(feature, list | dict):
        if isinstance(feature, list):
            feature = feature[0] if feature else None
        elif name in feature:
            return feature[name]
        else:
            feature = feature.get("feature")
    return None


def _class_names(feature: Any) -> Sequence[str]:
    """The names of numbered classes in the description of a column, below any lists; empty if it has none."""
    while isinstance(feature, list | dict):
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel":
            names = feature.get("names")
            return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else ()
        feature = (feature[0] if feature else None) if isinstance(feature, list) else feature.get("feature")
    return ()


def labels_of(table: pa.Table, columns: Columns, where: str) -> list[str | None]:
    """The label of each row of a table."""
    if columns.label is None:
        return [None] * len(table)
    labels: dict[int | str | None, str | None] = {}
    values = table[columns.label].to_pylist()
    for row, value in enumerate(values, 1):
        if value not in labels:
            labels[value] = label_text(value, columns.label_names, f"{where}, row {row}")
    return [labels[value] for value in values]


def objects_of(table: pa.Table, columns: Columns, where: str) -> Iterator[tuple[int, str | None, Any]]:
    """The row, from 0, the category and the box of each object of a table."""
    if columns.objects is None:
        return
    for row, value in enumerate(table[columns.objects].to_pylist()):
        for box, category in objects_in(value):
            yield row, label_text(category, columns.category_names, f"{where}, row {row + 1}"), box


def row_names(prefix: str, n_rows: int, paths: Sequence[str | None]) -> list[str]:
    """Image ids of the rows of one file, in its order: the row's number, from 0, and the name of the image's file."""
    width = len(str(max(n_rows - 1, 0)))
    return [f"{prefix}{row:0{width}}{_file_name(path)}" for row, path in enumerate(paths)]


def _file_name(path: str | None) -> str:
    name = (path or "").replace("\\", "/").rpartition("/")[2]
    fits = name.strip(".") and name.isprintable() and is_utf8(name) and len(name) <= _NAME_LENGTH
    return f"/{name}" if fits else ""


class ImageRows:
    """The images in the rows of a table that is read in parts, of which a few are held in memory.

    `sizes` has the number of rows of each part, and `load` reads a part: its column of images. Methods may be called
    from several threads.
    """

    def __init__(self, sizes: Sequence[int], load: Callable[[int], pa.ChunkedArray]) -> None:
        self._starts = [0, *accumulate(sizes)]
        self._load = load
        self._held: OrderedDict[int, _Part] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, row: int) -> tuple[bytes | None, str | None]:
        """The content and the path of a row's image; raises UnreadableImageError if it has neither."""
        number = bisect_right(self._starts, row) - 1
        value, path = self._part(number)[row - self._starts[number]], None
        if value.is_valid and pa.types.is_struct(value.type):
            path = value["path"].as_py() if "path" in value else None
            value = value["bytes"]
        if value.is_valid:
            check_size(value.as_buffer().size)
        elif path is None:
            raise UnreadableImageError("its row has no image")
        return value.as_py(), path

    def _part(self, number: int) -> pa.ChunkedArray:
        with self._lock:
            part = self._held.setdefault(number, _Part())
            self._held.move_to_end(number)
        with part.lock:
            if part.column is None:
                part.column = self._load(number)
        with self._lock:
            while len(self._held) > _MOST_HELD:
                self._held.popitem(last=False)
        return part.column


class _Part:
    """A part of a table, which one thread loads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.column: pa.ChunkedArray | None = None


def no_image_column(place: object) -> InputError:
    """The error for a table without a column of images."""
    return InputError(f"{place} has no column of images: bytes, or Hugging Face's bytes and path")
