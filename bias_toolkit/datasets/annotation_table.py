"""A table of paths, labels and boxes, from a file or from memory: which columns are what, and what its rows say.

The columns are those of `layouts.table_file`. The names that other tools write are known too (`_NAMES`, `_EDGES`), in
small or capital letters and with blanks around them. Blanks around the text of a cell are no part of it.
"""

import operator
from collections.abc import Callable, Sequence
from itertools import islice

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bias_toolkit.datasets.annotation_text import parse_size
from bias_toolkit.datasets.file_names import listed, shortened
from bias_toolkit.datasets.image_facts import Note
from bias_toolkit.datasets.listing import Annotations
from bias_toolkit.datasets.schema import BOX_EDGES
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.words import count

LABELS = ["label", "category"]
_SIZE = ["width", "height"]
IMAGE = "image"
_NAMES = {
    "path": ("path", "filename", "file_name", "filepath", "file_path", "image_path", IMAGE, "file"),
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
TEXT_COLUMNS, PATHS = tuple(_NAMES), frozenset(_NAMES["path"])
_WRITTEN_AS_FLOAT = r"\d+\.0"
# Of a large table, only the texts and paths that these do not match are looked at one by one.
_WITHOUT_BLANKS = r"(?s)^[!-~](.*[!-~])?$"
_PLAIN_PATH = r"^[^/.\\\x00][^/\\\x00]*(/[^/.\\\x00][^/\\\x00]*)*$"


def plain_names(header: Sequence[str]) -> list[str]:
    """The names of columns in small letters, without blanks around them."""
    return [name.strip().lower() for name in header]


def our_columns(table: str, header: Sequence[str]) -> dict[str, str]:
    """The column of a table for each of our names; InputError if `path` is missing, or a column appears twice.

    `table` is its name, with which errors begin.
    """
    plain = plain_names(header)

    def column(name: str) -> str:
        exact = header.count(name)
        if exact > 1 or (not exact and plain.count(name) > 1):
            raise InputError(f"{table} has the column {name!r} twice: which is meant is not clear")
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
        raise InputError(f"{table} lacks the column 'path' (its columns are: {listed(header) or 'none'})")
    return {ours: column(name) for ours, name in found.items() if name}


def column_notes(columns: dict[str, str], header: Sequence[str]) -> list[Note]:
    """Notes on the columns that are read by another name than the documented one, and on those that are passed over."""
    notes = []
    if others := [f"{name!r} as {ours}" for ours, name in columns.items() if name != ours]:
        notes.append(Note(f"{count(len(others), 'column is', 'columns are')} read by another name: {listed(others)}."))
    if passed := [name for name in header if name not in columns.values()]:
        notes.append(Note(f"{count(len(passed), 'column is', 'columns are')} passed over: {listed(passed)}."))
    return notes


def annotations_in(
    table: pd.DataFrame,
    name_of_table: str,
    place: Callable[[int], str],
    image_id: Callable[[int, str], str],
    notes: Sequence[Note],
) -> tuple[list[str], Annotations]:
    """The image ids, sorted, and what a table says of them. Its columns have our names, and may be changed.

    `place` names a row by its index, for errors. `image_id` gives the id of an image from a row's index and its path;
    a plain path, such as a/b.jpg, is its own id. `notes` are those known before.
    """
    has_class = "class" in table
    if has_class:
        table = table.rename(columns={"class": "category" if "x0" in table else "label"})
    table, more = _checked(table, name_of_table, place)
    table["image_id"] = _ids_of_paths(table["path"], image_id)
    image_ids, images = _numbered(table["image_id"])
    has_box = table["x0"].notna().to_numpy()
    boxes = table[has_box]
    labels = _labels_of_images(table["label"], image_ids, images, name_of_table)
    if has_class:
        soles = _sole_categories(boxes["category"], images[has_box], len(image_ids))
        labels = np.where(pd.isna(labels), soles, labels)
    sizes = {}
    if any(table[name].notna().any() for name in _SIZE):
        stated = table.drop_duplicates("image_id")
        sizes = dict(zip(stated["image_id"], map(parse_size, stated["width"], stated["height"]), strict=True))
    # The edges are documented as those of the upright picture.
    return image_ids, Annotations(labels.tolist(), boxes, sizes=sizes, upright=True, notes=[*notes, *more])


def without_blanks(values: pd.Series) -> tuple[pd.Series, list[str]]:
    """Values without blanks around their text, None for a blank text; and the other texts that had some."""
    may_have = np.flatnonzero(~_match(values, _WITHOUT_BLANKS))
    old = values.iloc[may_have].tolist()
    new = [value.strip() or None if isinstance(value, str) else value for value in old]
    pairs = list(zip(old, new, strict=True))
    if any(old is not new and old != new for old, new in pairs):
        values = values.astype(object)
        values.iloc[may_have] = pd.Series(new, dtype=object)
    return values, [old for old, new in pairs if isinstance(new, str) and old != new]


def _match(values: pd.Series, pattern: str) -> np.ndarray:
    """Whether each value is missing, or a text that a pattern matches; False for all if some are no text."""
    try:
        texts = pa.array(values, pa.string(), from_pandas=True)
    except (UnicodeEncodeError, pa.ArrowException):
        return np.zeros(len(values), dtype=bool)
    return np.asarray(pc.match_substring_regex(texts, pattern).fill_null(True))


def _ids_of_paths(paths: pd.Series, image_id: Callable[[int, str], str]) -> pd.Series:
    plain = _match(paths, _PLAIN_PATH)
    if plain.all():
        return paths
    others = paths[~plain]
    ids = {path: image_id(row, path) for row, path in others.drop_duplicates().items()}
    return paths.astype(object).mask(~plain, others.map(ids))


def _numbered(ids: pd.Series) -> tuple[list[str], np.ndarray]:
    """The image ids, sorted, and for each row the number of its image among them."""
    rows = ids.tolist()
    if all(map(operator.lt, rows, islice(rows, 1, None))):
        return rows, np.arange(len(rows))
    image_ids = sorted(set(rows))
    return image_ids, pd.Index(image_ids).get_indexer(pd.Index(rows))


def blanks_note(texts: Sequence[str]) -> list[Note]:
    """A note on texts that had blanks around them, if there are any."""
    if not texts:
        return []
    has, are = ("cell has", "is") if len(texts) == 1 else ("cells have", "are")
    which = f"{len(texts):,} {has} blanks around the text, which {are} not read as a part of it"
    return [Note(f"{which} (for example {shortened(texts[0])}).")]


def _checked(table: pd.DataFrame, name_of_table: str, place: Callable[[int], str]) -> tuple[pd.DataFrame, list[Note]]:
    """The documented columns, with numbers as float64, and notes; missing columns are filled with missing values."""
    notes = []
    if not len(table):
        raise InputError(f"{name_of_table} has no row")
    if missing := [name for name in BOX_EDGES if name not in table]:
        if len(missing) < len(BOX_EDGES):
            raise InputError(f"{name_of_table} lacks the column {missing[0]!r}: a box needs {', '.join(BOX_EDGES)}")
        table[BOX_EDGES] = np.nan
    table = table.reindex(columns=["path", *LABELS, *BOX_EDGES, *_SIZE])
    lacking = table["path"].isna().to_numpy()
    if lacking.any():
        raise InputError(f"{_first_place(place, table, lacking)} has no path")
    changed: list[str] = []
    for name in (*LABELS, *BOX_EDGES):
        if table[name].dtype == object or pd.api.types.is_string_dtype(table[name]):
            table[name], texts = without_blanks(table[name])
            changed += texts if name in LABELS else []
    notes += blanks_note(changed)
    edges = np.empty((len(BOX_EDGES), len(table)))
    for numbers, name in zip(edges, BOX_EDGES, strict=True):
        is_text = pd.api.types.is_string_dtype(table[name])
        column = table[name].astype(object) if is_text else table[name]
        numbers[:] = pd.to_numeric(column, errors="coerce").astype(float)
        wrong = (np.isnan(numbers) & table[name].notna().to_numpy()) | np.isinf(numbers)
        if wrong.any():
            value = shortened(str(table[name][wrong].iloc[0]))
            raise InputError(f"{_first_place(place, table, wrong)} has {value} as {name}, which is not a finite number")
        table[name] = numbers
    partial = np.isnan(edges).any(axis=0) & ~np.isnan(edges).all(axis=0)
    if partial.any():
        names = ", ".join(BOX_EDGES)
        raise InputError(f"{_first_place(place, table, partial)} has some of {names}, and not all of them")
    for name in LABELS:
        given = table[name].dropna()
        if len(given) and pd.Series(given.unique()).str.fullmatch(_WRITTEN_AS_FLOAT).all():
            table[name] = table[name].str.removesuffix(".0")
            text = f"{count(len(given), f'{name} is', f'{name}s are'.replace('ys ', 'ies '))} read as a whole number"
            notes.append(Note(f"{text} (for example {given.iloc[0]} as {table[name].dropna().iloc[0]})."))
    table["category"] = table["category"].where(table["category"].notna(), table["label"])
    return table, notes


def _first_place(place: Callable[[int], str], table: pd.DataFrame, flags: np.ndarray) -> str:
    return place(int(table.index[int(np.argmax(flags))]))


def _labels_of_images(
    labels: pd.Series, image_ids: Sequence[str], images: np.ndarray, name_of_table: str
) -> np.ndarray:
    """The label of each image, None where it has none, from those of rows and the numbers of the rows' images."""
    codes, names = pd.factorize(labels)
    rows = np.flatnonzero(codes >= 0)
    own = np.full(len(image_ids), -1)
    # The first row of an image counts, so it is written last.
    own[images[rows[::-1]]] = codes[rows[::-1]]
    other = own[images[rows]] != codes[rows]
    if other.any():
        first = images[rows][np.isin(images[rows], images[rows[other]])][0]
        several = labels.iloc[rows[images[rows] == first]].unique()
        raise InputError(
            f"{name_of_table} gives {listed([image_ids[first]])} the labels {listed(several)}: an image has one"
        )
    return np.array([*names, None], dtype=object)[own]


def _sole_categories(categories: pd.Series, images: np.ndarray, n_images: int) -> np.ndarray:
    """The category of all objects of each image; None where they have several, or none."""
    codes, names = pd.factorize(categories)
    known = codes >= 0
    ends = pd.Series(codes[known]).groupby(images[known]).agg(["min", "max"])
    ends = ends[ends["min"] == ends["max"]]
    sole = np.full(n_images, -1)
    sole[ends.index] = ends["min"]
    return np.array([*names, None], dtype=object)[sole]
