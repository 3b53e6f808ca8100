"""A CSV, TSV or Parquet table of paths, labels and boxes: one row per object, or per image without objects.

| column | content |
| --- | --- |
| `path` | the image file below the table's folder, relative to it or absolute |
| `label` | optional: the image's label, the same in all its rows that have one |
| `x0`, `y0`, `x1`, `y1` | optional, all four or none: continuous pixel edges; all empty in a row without an object |
| `category` | optional: the object's category; by default the label |
| `width`, `height` | optional: the size of the image on which the boxes were drawn |

The names that other tools write are known too (`_NAMES`, `_EDGES`), in small or capital letters and with blanks around
them. Beside boxes, `class` is the category, and an image's label that of its objects, if they have one. Notes name the
columns that are read by another name, and those that are passed over. An empty cell is a missing value. A path that
leads out of the table's folder is refused; use a symbolic link in the folder for images elsewhere.
"""

import csv
import os
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bias_toolkit.datasets.annotation_text import check_fits, decoded_lines, parse_size
from bias_toolkit.datasets.dataset import Dataset
from bias_toolkit.datasets.file_names import check_inside, listed, shortened
from bias_toolkit.datasets.layouts.layout import Layout
from bias_toolkit.datasets.listing import Annotations, sole_category
from bias_toolkit.datasets.schema import BOX_EDGES, Note
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.words import count

_TEXTS = ["path", "label", "category"]
_SIZE = ["width", "height"]
_NAMES = {
    "path": ("path", "filename", "file_name", "filepath", "file_path", "image_path", "image", "file"),
    "label": ("label",),
    "category": ("category",),
    "class": ("class", "class_name"),
    "width": ("width", "image_width"),
    "height": ("height", "image_height"),
}
"""The names of each column; the first that there is counts. A `class` is a category, or without boxes a label."""
_EDGES = (
    ("x0", "y0", "x1", "y1"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("x1", "y1", "x2", "y2"),
    ("left", "top", "right", "bottom"),
)
_WRITTEN_AS_FLOAT = r"\d+\.0"
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_PARQUET = (".parquet", ".pq")
_BYTES_A_CELL = 100


def _recognise(path: Path, asked: bool) -> str | None:
    suffix = path.suffix.lower()
    return f"a {suffix[1:]} file" if path.is_file() and suffix in (*_SEPARATORS, *_PARQUET) else None


def _read(path: Path, reason: str, images: Path | None = None) -> Dataset:
    folder = images or path.parent
    table, columns, notes = _read_columns(path)
    distinct = table.drop_duplicates("path")
    places = [_place(path, row) for row in distinct.index]
    texts = distinct["path"].tolist()
    paths = {text: _image_id(text, folder, place) for text, place in zip(texts, places, strict=True)}
    table["image_id"] = table["path"].map(paths)
    image_ids = sorted(set(paths.values()))
    labels = labels_by_image(table, str(path)).reindex(image_ids).astype(object)
    labels = labels.where(labels.notna(), None)
    boxes = table[table["x0"].notna()]
    if "class" in columns:
        categories = boxes.dropna(subset="category").groupby("image_id")["category"].agg(list)
        labels = labels.where(labels.notna(), categories.map(sole_category).reindex(image_ids))
        labels = labels.where(labels.notna(), None)
    sizes = {}
    if not table[_SIZE].isna().all(axis=None):
        stated = table.drop_duplicates("image_id")
        sizes = dict(zip(stated["image_id"], map(parse_size, stated["width"], stated["height"]), strict=True))
    # The edges are documented as those of the upright picture.
    annotations = Annotations(labels.tolist(), boxes, sizes=sizes, upright=True, notes=notes)
    return LAYOUT.dataset(path, reason, image_ids, lambda progress: annotations, folder, annotation_files=[path])


def _read_columns(file: Path) -> tuple[pd.DataFrame, dict[str, str], list[Note]]:
    """The documented columns, text as strings and edges as float64; missing columns are filled with missing values.

    The index is the line on which a row begins, or the row's number from 1 in a Parquet file. Also returns the name in
    the file of each column that was read, and notes.
    """
    table, header = _read_parquet(file) if _is_parquet(file) else _read_text(file)
    columns = _our_columns(file, header)
    notes = _notes_on_columns(columns, header)
    if "class" in columns:
        table = table.rename(columns={"class": "category" if "x0" in columns else "label"})
    table, more = checked(table, str(file), partial(_place, file))
    return table, columns, notes + more


def checked(table: pd.DataFrame, name_of_table: str, place: Callable[[int], str]) -> tuple[pd.DataFrame, list[Note]]:
    """The documented columns of a table, and notes; missing columns are filled. `place` names a row by its index."""
    notes = []
    if not len(table):
        raise InputError(f"{name_of_table} has no row")
    if missing := [name for name in BOX_EDGES if name not in table]:
        if len(missing) < len(BOX_EDGES):
            raise InputError(f"{name_of_table} lacks the column {missing[0]!r}: a box needs {', '.join(BOX_EDGES)}")
        table[BOX_EDGES] = np.nan
    table = table.reindex(columns=_TEXTS + BOX_EDGES + _SIZE)
    if table["path"].isna().any():
        raise InputError(f"{_first_place(place, table['path'].isna())} has no path")
    for name in BOX_EDGES:
        numbers = pd.to_numeric(table[name], errors="coerce").astype(float)
        wrong = (numbers.isna() & table[name].notna()) | np.isinf(numbers)
        if wrong.any():
            value = shortened(str(table[name][wrong].iloc[0]))
            raise InputError(f"{_first_place(place, wrong)} has {value} as {name}, which is not a finite number")
        table[name] = numbers
    partial = table[BOX_EDGES].isna().any(axis=1) & table[BOX_EDGES].notna().any(axis=1)
    if partial.any():
        raise InputError(f"{_first_place(place, partial)} has some of {', '.join(BOX_EDGES)}, and not all of them")
    for name in ("label", "category"):
        given = table[name].dropna()
        if len(given) and given.str.fullmatch(_WRITTEN_AS_FLOAT).all():
            table[name] = table[name].str.removesuffix(".0")
            text = f"{count(len(given), f'{name} is', f'{name}s are'.replace('ys ', 'ies '))} read as a whole number"
            notes.append(Note(f"{text} (for example {given.iloc[0]} as {table[name].dropna().iloc[0]})."))
    table["category"] = table["category"].where(table["category"].notna(), table["label"])
    return table, notes


def _notes_on_columns(columns: dict[str, str], header: Sequence[str]) -> list[Note]:
    """Notes on the columns that are read by another name than the documented one, and on those that are passed over."""
    notes = []
    if others := [f"{name!r} as {ours}" for ours, name in columns.items() if name != ours]:
        notes.append(Note(f"{count(len(others), 'column is', 'columns are')} read by another name: {listed(others)}."))
    if passed := [name for name in header if name not in columns.values()]:
        notes.append(Note(f"{count(len(passed), 'column is', 'columns are')} passed over: {listed(passed)}."))
    return notes


def _read_text(file: Path) -> tuple[pd.DataFrame, list[str]]:
    """The columns of a text table, by our names, and its header."""
    separator, lines = _SEPARATORS[file.suffix.lower()], decoded_lines(file)
    first = next(lines, "")
    # Blanks after the separators are no part of the cells if they are none of the names.
    blanks = f"{separator} " in first
    rows = csv.reader(chain([first] if first else [], lines), delimiter=separator, strict=True, skipinitialspace=blanks)
    try:
        header = next(rows, None)
        if header is None:
            raise InputError(f"{file} is empty")
        places = {ours: header.index(name) for ours, name in _our_columns(file, header).items()}
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
    """The columns of a Parquet table, by our names, and all its columns' names."""
    try:
        arrow = pq.ParquetFile(file)
        header = arrow.schema_arrow.names
        columns = _our_columns(file, header)
        check_fits(file, arrow.metadata.num_rows * len(columns) * _BYTES_A_CELL)
        table = arrow.read(columns=list(columns.values())).select(list(columns.values())).rename_columns(list(columns))
        table.validate(full=True)
        for name in columns:
            if name in BOX_EDGES and not _is_number_or_text(table[name].type):
                raise InputError(f"{file}: the column {name!r} holds {table[name].type}, and has to hold numbers")
        frame = pd.DataFrame(
            {name: (table[name].cast(pa.string()) if name in _NAMES else table[name]).to_pandas() for name in columns}
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


def _our_columns(file: Path, header: Sequence[str]) -> dict[str, str]:
    """The column of a table for each of our names; InputError if `path` is missing, or a column appears twice."""
    plain = [name.strip().lower() for name in header]

    def column(name: str) -> str:
        exact = header.count(name)
        if exact > 1 or (not exact and plain.count(name) > 1):
            raise InputError(f"{file} has the column {name!r} twice: which is meant is not clear")
        return name if exact else header[plain.index(name)]

    found = {ours: next(filter(plain.__contains__, names), None) for ours, names in _NAMES.items()}
    edges = next((names for names in _EDGES if set(names) <= set(plain)), [])
    if not edges:
        # A box that lacks an edge is refused later.
        edges = [name if name in plain else None for name in BOX_EDGES]
    found |= dict(zip(BOX_EDGES, edges, strict=True))
    if found["category" if found["x0"] else "label"]:
        found["class"] = None
    if not found["path"]:
        raise InputError(f"{file} lacks the column 'path' (its columns are: {listed(header) or 'none'})")
    return {ours: column(name) for ours, name in found.items() if name}


def _place(file: Path, number: int) -> str:
    return f"{file}, {'row' if _is_parquet(file) else 'line'} {number}"


def _first_place(place: Callable[[int], str], flags: pd.Series) -> str:
    return place(int(flags.index[int(np.argmax(flags))]))


def _image_id(text: str, folder: Path, where: str) -> str:
    """Path relative to the table's folder; InputError if it leads out of the folder."""
    if os.path.isabs(text):
        inside = next((base for base in (folder, folder.resolve()) if Path(text).is_relative_to(base)), None)
        if inside is not None:
            text = os.path.relpath(text, inside)
    return check_inside(text, where)


def labels_by_image(table: pd.DataFrame, name_of_table: str) -> pd.Series:
    """Label by image id."""
    labelled = table[["image_id", "label"]].dropna().drop_duplicates()
    repeated = labelled["image_id"].duplicated(keep=False)
    if repeated.any():
        first = labelled[repeated]["image_id"].iloc[0]
        labels = labelled["label"][labelled["image_id"] == first]
        raise InputError(f"{name_of_table} gives {listed([first])} the labels {listed(labels)}: an image has one")
    return labelled.set_index("image_id")["label"]


LAYOUT = Layout("table", "a .csv, .tsv or .parquet file with a column path", _recognise, _read, takes_images=True)
