"""A CSV, TSV or Parquet table of paths, labels and boxes: one row per object, or per image without objects.

| column | content |
| --- | --- |
| `path` | the image file below the table's folder, relative to it or absolute |
| `label` | optional: the image's label, the same in all its rows that have one |
| `x0`, `y0`, `x1`, `y1` | optional, all four or none: continuous pixel edges; all empty in a row without an object |
| `category` | optional: the object's category; by default the label |
| `width`, `height` | optional: the size of the image on which the boxes were drawn |

The names that other tools write are known too (`annotation_table`). Beside boxes, `class` is the category, and an
image's label that of its objects, if they have one. Notes name the columns that are read by another name, and those
that are passed over. An empty cell is a missing value. Blanks around a path are left out, if there is no file of that
name. A path that leads out of the table's folder is refused; use a symbolic link in the folder for images elsewhere.
"""

import csv
import os
from functools import partial
from itertools import chain
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bias_toolkit.datasets.annotation_table import (
    TEXT_COLUMNS,
    annotations_in,
    blanks_note,
    column_notes,
    our_columns,
    without_blanks,
)
from bias_toolkit.datasets.annotation_text import check_fits, decoded_lines
from bias_toolkit.datasets.dataset import Dataset
from bias_toolkit.datasets.file_names import check_inside, shortened
from bias_toolkit.datasets.layouts.layout import Layout
from bias_toolkit.datasets.schema import BOX_EDGES
from bias_toolkit.foundation.errors import InputError

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_PARQUET = (".parquet", ".pq")
_BYTES_A_CELL = 100


def _recognise(path: Path, asked: bool) -> str | None:
    suffix = path.suffix.lower()
    return f"a {suffix[1:]} file" if path.is_file() and suffix in (*_SEPARATORS, *_PARQUET) else None


def _read(path: Path, reason: str, images: Path | None = None) -> Dataset:
    folder, place = images or path.parent, partial(_place, f"{path}, {'row' if _is_parquet(path) else 'line'}")
    table, header = _read_parquet(path) if _is_parquet(path) else _read_text(path)
    notes = column_notes(our_columns(str(path), header), header)
    table["path"], changed = found_paths(table["path"], folder)
    image_ids, annotations = annotations_in(
        table, str(path), place, lambda row, text: _image_id(text, folder, place(row)), notes + blanks_note(changed)
    )
    return LAYOUT.dataset(path, reason, image_ids, lambda progress: annotations, folder, annotation_files=[path])


def found_paths(paths: pd.Series, folder: Path) -> tuple[pd.Series, list[str]]:
    """Paths, without the blanks around them where there is no file of that name, and the paths that were changed."""
    plain, changed = without_blanks(paths)
    # Names may begin with a blank.
    kept = {path for path in changed if "\0" not in path and os.path.exists(folder / path)}
    return plain.mask(paths.isin(kept), paths) if kept else plain, [path for path in changed if path not in kept]


def _read_text(file: Path) -> tuple[pd.DataFrame, list[str]]:
    """The columns of a text table, by our names, and its header; the index is the line on which a row begins."""
    separator, lines = _SEPARATORS[file.suffix.lower()], decoded_lines(file)
    first = next(lines, "")
    # Blanks after the separators are no part of the cells if they are none of the names.
    blanks = f"{separator} " in first
    rows = csv.reader(chain([first] if first else [], lines), delimiter=separator, strict=True, skipinitialspace=blanks)
    try:
        header = next(rows, None)
        if header is None:
            raise InputError(f"{file} is empty")
        places = {ours: header.index(name) for ours, name in our_columns(str(file), header).items()}
        numbers, columns = [], {name: [] for name in places}
        number = rows.line_num + 1
        for row in rows:
            if row:
                if len(row) < len(header) or any(row[len(header) :]):
                    raise InputError(f"{file}, line {number}: {len(row)} cells, where the header has {len(header)}")
                numbers.append(number)
                for name, place in places.items():
                    columns[name].append(row[place] or None)
            number = rows.line_num + 1
    except csv.Error as error:
        reason = f"{error}; is a quotation mark missing?"
        if "new-line" in str(error):
            reason = "it has a carriage return that ends no line; save the file with line feeds"
        raise InputError(f"{file}, line {rows.line_num}: this is not a row of a table: {reason}") from error
    return pd.DataFrame(columns, index=numbers, dtype=object), header


def _read_parquet(file: Path) -> tuple[pd.DataFrame, list[str]]:
    """The columns of a Parquet table, by our names, and all its columns' names; the index is the row, from 1."""
    try:
        arrow = pq.ParquetFile(file)
        header = arrow.schema_arrow.names
        columns = our_columns(str(file), header)
        check_fits(file, arrow.metadata.num_rows * len(columns) * _BYTES_A_CELL)
        table = arrow.read(columns=list(columns.values())).select(list(columns.values())).rename_columns(list(columns))
        table.validate(full=True)
        for name in columns:
            if name in BOX_EDGES and not _is_number_or_text(table[name].type):
                raise InputError(f"{file}: the column {name!r} holds {table[name].type}, and has to hold numbers")
        frame = pd.DataFrame(
            {
                name: (table[name].cast(pa.string()) if name in TEXT_COLUMNS else table[name]).to_pandas()
                for name in columns
            }
        )
    except InputError:
        raise
    except (ValueError, OverflowError, pa.ArrowException, OSError, MemoryError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = shortened(str(error).strip().partition("\n")[0] or type(error).__name__)
        raise InputError(f"{file} cannot be read as a table ({reason}): it is damaged, write it anew") from error
    frame.index += 1
    return frame, header


def _is_parquet(file: Path) -> bool:
    return file.suffix.lower() in _PARQUET


def _is_number_or_text(kind: pa.DataType) -> bool:
    kinds = pa.types
    numbers = (kinds.is_integer, kinds.is_floating, kinds.is_decimal, kinds.is_null)
    return any(is_of(kind) for is_of in (*numbers, kinds.is_string, kinds.is_large_string))


def _place(kind: str, number: int) -> str:
    return f"{kind} {number}"


def _image_id(text: str, folder: Path, where: str) -> str:
    """Path relative to the table's folder; InputError if it leads out of the folder."""
    if os.path.isabs(text):
        inside = next((base for base in (folder, folder.resolve()) if Path(text).is_relative_to(base)), None)
        if inside is not None:
            text = os.path.relpath(text, inside)
    return check_inside(text, where)


LAYOUT = Layout("table", "a .csv, .tsv or .parquet file with a column path", _recognise, _read, takes_images=True)
