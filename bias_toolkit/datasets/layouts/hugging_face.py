"""Hugging Face's datasets: Parquet files with a column of images, and folders of `save_to_disk`.

A Parquet dataset is one file, a folder (or its folder `data`), or a pattern such as `data/train-*.parquet`. Each image
is read where it lies: of a Parquet file, the row group around it is read; the Arrow files of `save_to_disk` are mapped
into memory. Names of classes become labels. Numbers of `objects` become boxes, see `records.box_table`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bias_toolkit.datasets.annotation_text import check_fits, read_json
from bias_toolkit.datasets.arrow_rows import (
    Columns,
    ImageRows,
    find_columns,
    labels_of,
    no_image_column,
    objects_of,
    row_names,
)
from bias_toolkit.datasets.contained import ContainedImages
from bias_toolkit.datasets.dataset import Dataset
from bias_toolkit.datasets.file_names import check_inside, escaped, listed, shortened
from bias_toolkit.datasets.image_file import open_regular
from bias_toolkit.datasets.layouts.layout import Layout
from bias_toolkit.datasets.listing import Annotations, Listing
from bias_toolkit.datasets.records import box_table
from bias_toolkit.datasets.shard_files import place_of, shard_files
from bias_toolkit.foundation.errors import InputError, UnreadableImageError

_PARQUET = ".parquet"
_STATE = "state.json"
_SPLITS = "dataset_dict.json"
_BYTES_A_VALUE = 100


@dataclass(frozen=True)
class _File:
    """A file of rows: its schema, the rows of each part, and how its columns and the images of a part are read."""

    path: Path
    schema: pa.Schema
    sizes: Sequence[int]
    columns: Callable[[Sequence[str]], pa.Table]
    images: Callable[[int, str], pa.ChunkedArray]


def _recognise(path: Path, asked: bool) -> str | None:
    if (path / _SPLITS).is_file():
        splits = read_json(path / _SPLITS)
        names = splits.get("splits") if isinstance(splits, dict) else None
        known = [name for name in names or () if isinstance(name, str) and (path / name / _STATE).is_file()]
        example = f", for example {path / known[0]}" if known else ""
        raise InputError(f"{path} holds the splits {listed(known) or 'of a dataset'}: name one of them{example}")
    if (path / _STATE).is_file():
        return "a folder of Hugging Face's save_to_disk"
    files = _parquet_files(path)
    try:
        if not files or find_columns(_parquet(files[0]).schema) is None:
            return None
    except ValueError:
        return None  # the reader of tables says what is wrong with it
    return f"{len(files):,} Parquet file{'s' if len(files) > 1 else ''} with a column of images"


def _parquet_files(path: Path) -> list[Path]:
    return shard_files(path, _PARQUET) or (shard_files(path / "data", _PARQUET) if (path / "data").is_dir() else [])


def _read(path: Path, reason: str) -> Dataset:
    is_saved = (path / _STATE).is_file()
    files = [_arrow(file) for file in _saved_files(path)] if is_saved else list(map(_parquet, _parquet_files(path)))
    place, prefixes = place_of(path, [file.path for file in files])
    with _faults_of(files[0].path):
        columns = find_columns(files[0].schema)
    if columns is None:
        raise no_image_column(path)
    wanted = [name for name in (columns.label, columns.objects) if name]
    image_ids: list[str] = []
    labels: list[str | None] = []
    rows: list[tuple[str, str | None, Any]] = []
    for file, prefix in zip(files, prefixes, strict=True):
        with _faults_of(file.path):
            if find_columns(file.schema) != columns:
                raise InputError(f"{file.path} has other columns than {files[0].path}: name the files of one set")
            table, ids = file.columns(wanted), row_names(prefix, sum(file.sizes), _paths(file, columns))
            image_ids += ids
            labels += labels_of(table, columns, str(file.path))
            rows += [(ids[row], category, box) for row, category, box in objects_of(table, columns, str(file.path))]
    if not image_ids:
        raise InputError(f"{path} has no row")

    parts = [(file, part) for file in files for part in range(len(file.sizes))]

    def load(number: int) -> pa.ChunkedArray:
        file, part = parts[number]
        return file.images(part, columns.image)

    images = ImageRows([file.sizes[part] for file, part in parts], load)
    row_of = {image_id: row for row, image_id in enumerate(image_ids)}
    folder = place if place.is_dir() else place.parent

    def content_of(image_id: str) -> bytes:
        content, linked = images[row_of[image_id]]
        if content is None:
            with open_regular(str(folder / _inside(linked))) as file:
                content = file.read()
        return content

    pixels = ContainedImages(str(place), [file.path for file in files], content_of)
    boxes, notes = box_table(rows, pixels.header)
    listing = Listing(
        root=str(path),
        layout=LAYOUT.name,
        layout_reason=f"{reason}, {columns.sentence}",
        image_ids=image_ids,
        annotate=lambda progress: Annotations(labels, boxes),
        notes=notes,
    )
    return Dataset(listing, pixels)


def _inside(name: str) -> str:
    try:
        return check_inside(name, "the row")
    except InputError as error:
        raise UnreadableImageError("its row names a file that leads out of the dataset's folder") from error


def _paths(file: _File, columns: Columns) -> Sequence[str | None]:
    """The path of each row's image, where the column has paths."""
    kind = file.schema.field(columns.image).type
    if not pa.types.is_struct(kind) or kind.get_field_index("path") < 0:
        return [None] * sum(file.sizes)
    column = file.columns([f"{columns.image}.path"])[columns.image]
    return [path for chunk in column.chunks for path in chunk.field("path").to_pylist()]


def _parquet(path: Path) -> _File:
    with _faults_of(path):
        metadata = pq.read_metadata(path)
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        schema = metadata.schema.to_arrow_schema()

    def columns(names: Sequence[str]) -> pa.Table:
        check_fits(path, metadata.num_rows * len(names) * _BYTES_A_VALUE)
        with _faults_of(path), pq.ParquetFile(path, metadata=metadata) as file:
            table = file.read(columns=list(names))
            table.validate(full=True)
            return table

    def images(group: int, name: str) -> pa.ChunkedArray:
        check_fits(path, groups[group].total_byte_size)
        with _faults_of(path), pq.ParquetFile(path, metadata=metadata) as file:
            column = file.read_row_group(group, columns=[name])[name]
            column.validate(full=True)
            return column

    return _File(path, schema, [group.num_rows for group in groups], columns, images)


def _saved_files(folder: Path) -> list[Path]:
    """The Arrow files of a folder of `save_to_disk`, in their order."""
    state = read_json(folder / _STATE)
    state = state if isinstance(state, dict) else {}
    if any(value for name, value in state.items() if name.startswith("_indices")):
        raise InputError(f"{folder} selects rows of another table: call flatten_indices() on it, and save it again")
    named = state.get("_data_files")
    if not isinstance(named, list) or not all(isinstance(each, dict) for each in named) or not named:
        raise InputError(f"{folder / _STATE} names no files of data")
    files = [folder / check_inside(each.get("filename"), str(folder / _STATE)) for each in named]
    if missing := [file for file in files if not file.is_file()]:
        raise InputError(f"{folder / _STATE} names {escaped(missing[0].name)}, and there is no such file")
    return files


def _arrow(path: Path) -> _File:
    with _faults_of(path), pa.memory_map(str(path)) as file:
        table = pa.ipc.open_stream(file).read_all()
        # Values at places outside a damaged file would end this process.
        table.validate(full=True)

    def columns(names: Sequence[str]) -> pa.Table:
        return table.select([name.partition(".")[0] for name in names])

    return _File(path, table.schema, [len(table)], columns, lambda part, name: table[name])


@contextmanager
def _faults_of(path: Path) -> Iterator[None]:
    """Turn what Arrow says of a damaged file into InputError; the system's errors stay OSError with a number."""
    try:
        yield
    except (ValueError, OverflowError, pa.ArrowException, OSError, MemoryError) as error:
        if isinstance(error, InputError) or (isinstance(error, OSError) and error.errno is not None):
            raise
        reason = shortened(str(error).strip().partition("\n")[0] or type(error).__name__)
        raise InputError(f"{path} cannot be read ({reason}): it is damaged, get it again") from error


LAYOUT = Layout(
    "hugging-face",
    "a Parquet file with a column of images, a folder of them, a pattern, or a folder of save_to_disk",
    _recognise,
    _read,
)
