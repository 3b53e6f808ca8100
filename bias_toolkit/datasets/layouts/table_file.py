"""A CSV, TSV or Parquet table of paths, labels and boxes: one row per object, or per image without objects.

| column | content |
| --- | --- |
| `path` | the image file below the table's folder, relative to it or absolute |
| `label` | optional: the image's label, the same in all its rows that have one |
| `x0`, `y0`, `x1`, `y1` | optional, all four or none: continuous pixel edges; all empty in a row without an object |
| `category` | optional: the object's category; by default the label |

Other columns are ignored. An empty cell is a missing value. A path that leads out of the table's folder is refused; use
a symbolic link in the folder for images elsewhere.
"""

import csv
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bias_toolkit.datasets.annotation_text import check_fits, decoded_lines
from bias_toolkit.datasets.dataset import Dataset
from bias_toolkit.datasets.file_names import check_inside, listed, shortened
from bias_toolkit.datasets.layouts.layout import Layout
from bias_toolkit.datasets.listing import Annotations
from bias_toolkit.datasets.schema import BOX_EDGES
from bias_toolkit.foundation.errors import InputError

_TEXTS = ["path", "label", "category"]
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_PARQUET = (".parquet", ".pq")
_BYTES_A_CELL = 100


def _recognise(path: Path, asked: bool) -> str | None:
    suffix = path.suffix.lower()
    return f"a {suffix[1:]} file" if path.is_file() and suffix in (*_SEPARATORS, *_PARQUET) else None


def _read(path: Path, reason: str) -> Dataset:
    table = _read_columns(path)
    distinct = table.drop_duplicates("path")
    places = [_place(path, row) for row in distinct.index]
    texts = distinct["path"].tolist()
    paths = {text: _image_id(text, path.parent, place) for text, place in zip(texts, places, strict=True)}
    table["image_id"] = table["path"].map(paths)
    image_ids = sorted(set(paths.values()))
    labels = _labels(path, table).reindex(image_ids).astype(object)
    boxes = table[table["x0"].notna()]
    annotations = Annotations(labels.where(labels.notna(), None).tolist(), boxes)
    return LAYOUT.dataset(path, reason, image_ids, lambda progress: annotations, path.parent, annotation_files=[path])


def _read_columns(file: Path) -> pd.DataFrame:
    """The documented columns, text as strings and edges as float64; missing columns are filled with missing values.

    The index is the line on which a row begins, or the row's number from 1 in a Parquet file.
    """
    table = _read_parquet(file) if _is_parquet(file) else _read_text(file)
    if not len(table):
        raise InputError(f"{file} has no row")
    if missing := [name for name in BOX_EDGES if name not in table]:
        if len(missing) < len(BOX_EDGES):
            raise InputError(f"{file} lacks the column {missing[0]!r}: a box needs {', '.join(BOX_EDGES)}")
        table[BOX_EDGES] = np.nan
    table = table.reindex(columns=_TEXTS + BOX_EDGES)
    if table["path"].isna().any():
        raise InputError(f"{_first_place(file, table['path'].isna())} has no path")
    for name in BOX_EDGES:
        numbers = pd.to_numeric(table[name], errors="coerce").astype(float)
        wrong = (numbers.isna() & table[name].notna()) | np.isinf(numbers)
        if wrong.any():
            raise InputError(
                f"{_first_place(file, wrong)} has {shortened(str(table[name][wrong].iloc[0]))} as {name}, which is not "
                "a finite number"
            )
        table[name] = numbers
    partial = table[BOX_EDGES].isna().any(axis=1) & table[BOX_EDGES].notna().any(axis=1)
    if partial.any():
        raise InputError(f"{_first_place(file, partial)} has some of {', '.join(BOX_EDGES)}, and not all of them")
    table["category"] = table["category"].where(table["category"].notna(), table["label"])
    return table


def _read_text(file: Path) -> pd.DataFrame:
    rows = csv.reader(decoded_lines(file), delimiter=_SEPARATORS[file.suffix.lower()], strict=True)
    try:
        header = next(rows, None)
        if header is None:
            raise InputError(f"{file} is empty")
        places = {name: header.index(name) for name in _our_columns(file, header)}
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
    return pd.DataFrame(columns, index=numbers, dtype=object)


def _read_parquet(file: Path) -> pd.DataFrame:
    try:
        arrow = pq.ParquetFile(file)
        columns = _our_columns(file, arrow.schema_arrow.names)
        check_fits(file, arrow.metadata.num_rows * len(columns) * _BYTES_A_CELL)
        table = arrow.read(columns=columns)
        table.validate(full=True)
        for name in columns:
            if name in BOX_EDGES and not _is_number_or_text(table[name].type):
                raise InputError(f"{file}: the column {name!r} holds {table[name].type}, and has to hold numbers")
        frame = pd.DataFrame(
            {name: (table[name].cast(pa.string()) if name in _TEXTS else table[name]).to_pandas() for name in columns}
        )
    except InputError:
        raise
    except (ValueError, OverflowError, pa.ArrowException, OSError, MemoryError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = shortened(str(error).strip().partition("\n")[0] or type(error).__name__)
        raise InputError(f"{file} cannot be read as a table ({reason}): it is damaged, write it anew") from error
    frame.index += 1
    return frame


def _is_parquet(file: Path) -> bool:
    return file.suffix.lower() in _PARQUET


def _is_number_or_text(kind: pa.DataType) -> bool:
    kinds = pa.types
    numbers = (kinds.is_integer, kinds.is_floating, kinds.is_decimal, kinds.is_null)
    return any(is_of(kind) for is_of in (*numbers, kinds.is_string, kinds.is_large_string))


def _our_columns(file: Path, header: Sequence[str]) -> list[str]:
    """The documented columns in a table; InputError if `path` is missing, or a column appears twice."""
    columns = [name for name in header if name in _TEXTS + BOX_EDGES]
    if "path" not in columns:
        raise InputError(f"{file} lacks the column 'path' (its columns are: {listed(header) or 'none'})")
    for name in columns:
        if columns.count(name) > 1:
            raise InputError(f"{file} has the column {name!r} twice: which is meant is not clear")
    return columns


def _place(file: Path, number: int) -> str:
    return f"{file}, {'row' if _is_parquet(file) else 'line'} {number}"


def _first_place(file: Path, flags: pd.Series) -> str:
    return _place(file, int(flags.index[int(np.argmax(flags))]))


def _image_id(text: str, folder: Path, where: str) -> str:
    """Path relative to the table's folder; InputError if it leads out of the folder."""
    if os.path.isabs(text):
        inside = next((base for base in (folder, folder.resolve()) if Path(text).is_relative_to(base)), None)
        if inside is not None:
            text = os.path.relpath(text, inside)
    return check_inside(text, where)


def _labels(file: Path, table: pd.DataFrame) -> pd.Series:
    """Label by image id."""
    labelled = table[["image_id", "label"]].dropna().drop_duplicates()
    repeated = labelled["image_id"].duplicated(keep=False)
    if repeated.any():
        first = labelled[repeated]["image_id"].iloc[0]
        labels = labelled["label"][labelled["image_id"] == first]
        raise InputError(f"{file} gives {listed([first])} the labels {listed(labels)}: an image has one")
    return labelled.set_index("image_id")["label"]


LAYOUT = Layout("table", "a .csv, .tsv or .parquet file with a column path", _recognise, _read)
