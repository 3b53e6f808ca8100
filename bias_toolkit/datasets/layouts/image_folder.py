"""Hugging Face's imagefolder: a folder of images with `metadata.csv`, `metadata.jsonl` or `metadata.parquet`.

The column `file_name` has the path of each image below the folder. A column such as `label` has its label; without
one, the images' folders are their labels, if each is in one. `objects` in JSON lines and Parquet are boxes, as
`records.box_table` reads them.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from bias_toolkit.datasets.annotation_text import check_fits, decoded_lines, parse_json, read_lines
from bias_toolkit.datasets.dataset import Dataset
from bias_toolkit.datasets.file_names import check_inside
from bias_toolkit.datasets.layouts.layout import Layout
from bias_toolkit.datasets.listing import Annotations
from bias_toolkit.datasets.pixels import ImageFiles
from bias_toolkit.datasets.records import LABELS, box_table, label_text, objects_in
from bias_toolkit.datasets.walk import walk_images
from bias_toolkit.foundation.errors import InputError

_NAME = "file_name"
_FILES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_BYTES_A_VALUE = 100


def _metadata(path: Path) -> Path | None:
    return next((path / name for name in _FILES if (path / name).is_file()), None)


def _recognise(path: Path, asked: bool) -> str | None:
    file = _metadata(path)
    if file is None:
        return None
    record = next((record for _, record in _records(file)), {})
    return f"its {file.name} has a column {_NAME}" if _NAME in record else None


def _read(path: Path, reason: str) -> Dataset:
    file = _metadata(path)
    found, unlisted = walk_images(path)
    records: dict[str, Mapping[str, Any]] = {}
    there = set(found)
    for where, record in _records(file):
        name = record.get(_NAME)
        image_id = check_inside(name if name in there or not isinstance(name, str) else name.strip(), where)
        if image_id in records:
            raise InputError(f"{where}: {image_id} has a row above already")
        records[image_id] = record
    image_ids = sorted(there.intersection(records))
    if not image_ids:
        raise InputError(f"{file} names none of the images below {path}; the first it names is {next(iter(records))}")
    unlisted = [*unlisted, *((name, f"{file.name} does not name it") for name in found if name not in records)]
    labels, source = _labels(image_ids, records, file)
    rows = [
        (image_id, label_text(category, (), f"{file}, {image_id}"), box)
        for image_id in image_ids
        for box, category in objects_in(records[image_id].get("objects"))
    ]
    boxes, notes = box_table(rows, ImageFiles(str(path)).header)
    absent = sorted(set(records).difference(there))
    return LAYOUT.dataset(
        path,
        f"{reason}, {source}",
        image_ids,
        lambda progress: Annotations(labels, boxes, absent),
        annotation_files=[file],
        unlisted=unlisted,
        notes=notes,
    )


def _records(file: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """Each row of the metadata, and where it is, for errors."""
    if file.suffix == ".csv":
        try:
            rows = csv.DictReader(decoded_lines(file), strict=True)
            return [
                (f"{file}, line {rows.line_num}", {name.strip(): row[name] for name in row if isinstance(name, str)})
                for row in rows
            ]
        except csv.Error as error:
            raise InputError(f"{file} is not a table: {error}") from error
    if file.suffix == ".jsonl":
        values = [(f"{file}, line {number}", line) for number, line in read_lines(file)]
        records = [(where, parse_json(line, where)) for where, line in values]
    else:
        try:
            metadata = pq.read_metadata(file)
            check_fits(file, metadata.num_rows * metadata.num_columns * _BYTES_A_VALUE)
            table = pq.read_table(file).to_pylist()
        except (ValueError, OSError) as error:
            if isinstance(error, InputError) or (isinstance(error, OSError) and error.errno is not None):
                raise
            raise InputError(f"{file} cannot be read as a table: it is damaged, get it again") from error
        records = [(f"{file}, row {number}", record) for number, record in enumerate(table, 1)]
    for where, record in records:
        if not isinstance(record, dict):
            raise InputError(f"{where} has to be a JSON object")
    return records


def _labels(
    image_ids: Sequence[str], records: Mapping[str, Mapping[str, Any]], file: Path
) -> tuple[list[str | None], str]:
    """The label of each image, and one clause on where they are from."""
    column = next((name for name in LABELS if any(name in record for record in records.values())), None)
    if column is not None:
        labels = [label_text(records[each].get(column), (), f"{file}, {each}") for each in image_ids]
        return labels, f"labels from its column {column!r}"
    if all("/" in image_id for image_id in image_ids):
        return [image_id.split("/")[-2] for image_id in image_ids], "labels from the images' folders"
    return [None] * len(image_ids), "without labels"


LAYOUT = Layout("image-folder", f"a folder of images with {', '.join(_FILES[:-1])} or {_FILES[-1]}", _recognise, _read)
