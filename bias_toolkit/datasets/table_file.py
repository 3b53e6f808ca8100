"""A CSV, TSV or Parquet table of paths, labels and boxes, one row an object or an image without objects.

| column | content |
| --- | --- |
| `path` | the image file, absolute or relative to the table's folder; several rows with one path are several objects |
| `label` | optional: the image's label, the same in all its rows that have one |
| `x0`, `y0`, `x1`, `y1` | optional, all four or none: continuous pixel edges; all empty in a row without an object |
| `category` | optional: the object's category; the label, where there is none |

Other columns are passed over. An empty cell means that there is no value.
"""

from __future__ import annotations

import os
import posixpath
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bias_toolkit.datasets.dataset import Dataset
from bias_toolkit.datasets.layout import Layout
from bias_toolkit.datasets.listing import Annotations, Listing
from bias_toolkit.datasets.pixels import ImageFiles
from bias_toolkit.errors import InputError

_EDGES = ["x0", "y0", "x1", "y1"]
_TEXTS = ["path", "label", "category"]
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_PARQUET = (".parquet", ".pq")


def _recognise(path: Path, asked: bool) -> str | None:
    suffix = path.suffix.lower()
    return f"a {suffix[1:]} file" if path.is_file() and suffix in (*_SEPARATORS, *_PARQUET) else None


def _read(path: Path, reason: str) -> Dataset:
    table = _read_columns(path)
    paths = {text: _image_id(text, path.parent) for text in table["path"].unique()}
    table["image_id"] = table["path"].map(paths)
    image_ids = sorted(set(paths.values()))
    labels = _labels(path, table).reindex(image_ids).astype(object)
    boxes = table[table["x0"].notna()]
    annotations = Annotations(labels.where(labels.notna(), None).tolist(), boxes)
    listing = Listing(
        root=str(path),
        layout=LAYOUT.name,
        layout_reason=reason,
        image_ids=image_ids,
        annotate=lambda progress: annotations,
        annotation_files=[path],
    )
    return Dataset(listing, ImageFiles(str(path.parent)))


def _read_columns(file: Path) -> pd.DataFrame:
    """The documented columns, texts as strings and edges as float64; missing ones filled with missing values."""
    try:
        table = _read_parquet(file) if file.suffix.lower() in _PARQUET else _read_text(file)
    except (ValueError, pa.ArrowException) as error:
        raise InputError(f"{file} cannot be read as a table: {error}") from error
    if "path" not in table:
        found = ", ".join(map(str, table.columns)) or "none"
        raise InputError(f"{file} lacks the column 'path' (its columns are: {found})")
    if not len(table):
        raise InputError(f"{file} has no row")
    if missing := [name for name in _EDGES if name not in table]:
        if len(missing) < len(_EDGES):
            raise InputError(f"{file} lacks the column {missing[0]!r}: a box needs {', '.join(_EDGES)}")
        table[_EDGES] = np.nan
    table = table.reindex(columns=_TEXTS + _EDGES)
    if table["path"].isna().any():
        raise InputError(f"{_row(file, table['path'].isna())} has no path")
    for name in _EDGES:
        numbers = pd.to_numeric(table[name], errors="coerce").astype(float)
        wrong = (numbers.isna() & table[name].notna()) | np.isinf(numbers)
        if wrong.any():
            raise InputError(
                f"{_row(file, wrong)} has {str(table[name][wrong].iloc[0])!r} as {name}, which is not a finite number"
            )
        table[name] = numbers
    partial = table[_EDGES].isna().any(axis=1) & table[_EDGES].notna().any(axis=1)
    if partial.any():
        raise InputError(f"{_row(file, partial)} has some of {', '.join(_EDGES)}, and not all of them")
    table["category"] = table["category"].where(table["category"].notna(), table["label"])
    return table


def _read_text(file: Path) -> pd.DataFrame:
    separator = _SEPARATORS[file.suffix.lower()]
    return pd.read_csv(file, sep=separator, dtype=str, keep_default_na=False, na_values=[""], encoding="utf-8-sig")


def _read_parquet(file: Path) -> pd.DataFrame:
    arrow = pq.ParquetFile(file)
    columns = [name for name in arrow.schema_arrow.names if name in _TEXTS + _EDGES]
    if "path" not in columns:
        return pd.DataFrame(columns=arrow.schema_arrow.names)
    table = arrow.read(columns=columns)
    return pd.DataFrame(
        {name: (table[name].cast(pa.string()) if name in _TEXTS else table[name]).to_pandas() for name in columns}
    )


def _row(file: Path, flags: pd.Series) -> str:
    return f"{file}: data row {int(np.argmax(flags)) + 1}"


def _image_id(text: str, folder: Path) -> str:
    """Path relative to the table's folder if it lies below it, or else as given; without `.` and double `/`."""
    if os.path.isabs(text) and Path(text).is_relative_to(folder):
        text = os.path.relpath(text, folder)
    return posixpath.normpath(text.replace(os.sep, "/"))


def _labels(file: Path, table: pd.DataFrame) -> pd.Series:
    """Label by image id."""
    labelled = table[["image_id", "label"]].dropna().drop_duplicates()
    repeated = labelled["image_id"].duplicated(keep=False)
    if repeated.any():
        first = labelled[repeated]["image_id"].iloc[0]
        labels = labelled["label"][labelled["image_id"] == first]
        raise InputError(f"{file} gives {first} the labels {', '.join(labels)}: an image has one")
    return labelled.set_index("image_id")["label"]


LAYOUT = Layout("table", "a .csv, .tsv or .parquet file with a column path", _recognise, _read)
