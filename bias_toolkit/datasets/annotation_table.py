"""A table of paths, labels and boxes, from a file or from memory: which columns are what, and what its rows say.

The columns are those of `layouts.table_file`. The names that other tools write are known too (`_NAMES`, `_EDGES`), in
small or capital letters and with blanks around them. Blanks around the text of a cell are no part of it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bias_toolkit.datasets.annotation_text import parse_size
from bias_toolkit.datasets.file_names import listed, shortened
from bias_toolkit.datasets.image_facts import Note
from bias_toolkit.datasets.listing import Annotations, sole_category
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

    `place` names a row by its index, for errors. `image_id` gives the id of an image from a row's index and its path.
    `notes` are those known before.
    """
    has_class = "class" in table
    if has_class:
        table = table.rename(columns={"class": "category" if "x0" in table else "label"})
    table, more = _checked(table, name_of_table, place)
    first = table["path"].drop_duplicates()
    ids = {path: image_id(row, path) for row, path in first.items()}
    table["image_id"] = table["path"].map(ids)
    image_ids = sorted(set(ids.values()))
    boxes = table[table["x0"].notna()]
    labels = _labels_by_image(table, name_of_table).reindex(image_ids).astype(object)
    if has_class:
        categories = boxes.dropna(subset="category").groupby("image_id")["category"].agg(list)
        labels = labels.where(labels.notna(), categories.map(sole_category).reindex(image_ids))
    labels = labels.where(labels.notna(), None)
    sizes = {}
    if any(table[name].notna().any() for name in _SIZE):
        stated = table.drop_duplicates("image_id")
        sizes = dict(zip(stated["image_id"], map(parse_size, stated["width"], stated["height"]), strict=True))
    # The edges are documented as those of the upright picture.
    return image_ids, Annotations(labels.tolist(), boxes, sizes=sizes, upright=True, notes=[*notes, *more])


def without_blanks(values: Sequence[Any]) -> tuple[list[Any], list[str]]:
    """Values without blanks around their text, None for a blank text; and the other texts that had some."""
    stripped = [value.strip() or None if isinstance(value, str) else value for value in values]
    pairs = zip(values, stripped, strict=True)
    return stripped, [old for old, new in pairs if isinstance(new, str) and old != new]


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
            stripped, texts = without_blanks(table[name].tolist())
            table[name] = pd.Series(stripped, table.index, object)
            changed += texts if name in LABELS else []
    notes += blanks_note(changed)
    edges = np.empty((len(BOX_EDGES), len(table)))
    for numbers, name in zip(edges, BOX_EDGES, strict=True):
        numbers[:] = pd.to_numeric(table[name], errors="coerce").astype(float)
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
        if len(given) and given.str.fullmatch(_WRITTEN_AS_FLOAT).all():
            table[name] = table[name].str.removesuffix(".0")
            text = f"{count(len(given), f'{name} is', f'{name}s are'.replace('ys ', 'ies '))} read as a whole number"
            notes.append(Note(f"{text} (for example {given.iloc[0]} as {table[name].dropna().iloc[0]})."))
    table["category"] = table["category"].where(table["category"].notna(), table["label"])
    return table, notes


def _first_place(place: Callable[[int], str], table: pd.DataFrame, flags: np.ndarray) -> str:
    return place(int(table.index[int(np.argmax(flags))]))


def _labels_by_image(table: pd.DataFrame, name_of_table: str) -> pd.Series:
    """Label by image id."""
    labelled = table[["image_id", "label"]].dropna().drop_duplicates()
    repeated = labelled["image_id"].duplicated(keep=False)
    if repeated.any():
        first = labelled[repeated]["image_id"].iloc[0]
        labels = labelled["label"][labelled["image_id"] == first]
        raise InputError(f"{name_of_table} gives {listed([first])} the labels {listed(labels)}: an image has one")
    return labelled.set_index("image_id")["label"]
