"""Open Images: a CSV table of boxes with the columns ImageID, LabelName, XMin, XMax, YMin and YMax.

The path is that table, such as `validation-annotations-bbox.csv`; a folder that holds one such table, or FiftyOne's
`labels/detections.csv`; or a folder of images such as `validation`, with `*validation-annotations-bbox.csv` in a folder
above it. Images are named `ImageID.jpg`. The dataset is the images of the folder. The table describes all of Open
Images, so an image of the table that is not in the folder is not an error.

Edges are fractions of the upright image. A label is an id such as `/m/01yrx`; its readable name is in a file of class
descriptions near the table. Boxes around groups (`IsGroupOf` 1 or true) count for the image's label, but are not
objects. An image's label is the category of its objects, if they all have the same one.
"""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from bias_toolkit.datasets.annotation_text import decoded_lines
from bias_toolkit.datasets.dataset import Dataset
from bias_toolkit.datasets.file_names import shortened
from bias_toolkit.datasets.image_facts import Note
from bias_toolkit.datasets.layouts.layout import NAME_FOLDER, Layout
from bias_toolkit.datasets.listing import Annotations, no_boxes, sole_category
from bias_toolkit.datasets.schema import BOX_EDGES
from bias_toolkit.datasets.walk import holds_image, walk_images
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.progress import Progress
from bias_toolkit.foundation.words import count

_EDGES = ("XMin", "YMin", "XMax", "YMax")
_NEEDED = ("ImageID", "LabelName", *_EDGES)
_GROUP = "IsGroupOf"
_TRUE = ("1", "1.0", "true", "True", "TRUE")
_TABLES = ("*annotations-bbox.csv", "labels/detections.csv")
_DESCRIPTIONS = ("*class-descriptions*.csv", "metadata/classes.csv")
_SPLITS = ("train", "validation", "test")
_MOST_BYTES_OF_HEADER = 2**16


def _recognise(path: Path, asked: bool) -> str | None:
    file = _table(path)
    return file and f"boxes of Open Images in {file.name}"


def _table(path: Path) -> Path | None:
    """The table of boxes for a path; InputError if there are several."""
    if path.is_file():
        return path if path.suffix.lower() == ".csv" and set(_NEEDED).issubset(_header(path)) else None
    above = [file for folder in path.parents[:2] for file in folder.glob(f"*{path.name}-annotations-bbox.csv")]
    for files in (*map(path.glob, _TABLES), above):
        tables = sorted(file for file in files if file.is_file() and set(_NEEDED).issubset(_header(file)))
        if len(tables) > 1:
            names = ", ".join(file.name for file in tables)
            raise InputError(f"{path} holds {names}: name the one to read, for example {tables[0]}")
        if tables:
            return tables[0]
    return None


def _header(file: Path) -> list[str]:
    with open(file, "rb") as lines:
        line = lines.readline(_MOST_BYTES_OF_HEADER).decode("utf-8-sig", "replace").strip()
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return []


def _read(path: Path, reason: str, images: Path | None = None) -> Dataset:
    file = _table(path)
    folder = images or _image_folder(path, file)
    image_ids, unlisted = walk_images(folder)
    image_of = {}
    for image_id in image_ids:
        first = image_of.setdefault(Path(image_id).stem, image_id)
        if first != image_id:
            unlisted.append((image_id, f"an annotation of this name is of {first}"))
    image_ids = list(image_of.values())
    descriptions, names = _descriptions(file)

    def annotate(progress: Progress) -> Annotations:
        parts, others = [], 0
        for part, left_out in _boxes(file, image_of):
            parts.append(part)
            others += left_out
        boxes = pd.concat(parts, ignore_index=True) if parts else no_boxes().assign(group=False)
        sentence = f"{count(others, 'box', 'boxes')} of {file} belong to images that are not in {folder}."
        categories = boxes.groupby("image_id")["category"].agg(list)
        labels = [sole_category(categories.get(image_id, ())) for image_id in image_ids]
        notes = [Note(sentence)] if others else []
        return Annotations(labels, boxes[~boxes["group"]], notes=notes, relative=True)

    files = [file, *([descriptions] if descriptions else [])]
    return LAYOUT.dataset(
        path, reason, image_ids, annotate, folder, class_names=names, annotation_files=files, unlisted=unlisted
    )


def _image_folder(path: Path, file: Path) -> Path:
    """The folder of a table's images; InputError if there is none with images."""
    if path.is_dir() and path not in (file.parent, file.parent.parent):
        return path
    split = next((split for split in _SPLITS if split in file.name), "images")
    bases = (file.parent, file.parent.parent)
    likely = [base / part for base in bases for part in (split, f"images/{split}", "images", "data")]
    for folder in likely:
        if folder.is_dir() and holds_image(folder):
            return folder
    if holds_image(file.parent, deep=False):
        return file.parent
    raise InputError(
        f"the images of {file} are in none of {', '.join(map(str, [*likely, file.parent]))}: {NAME_FOLDER}"
    )


def _boxes(file: Path, image_of: Mapping[str, str]) -> Iterator[tuple[pd.DataFrame, int]]:
    """Part by part, the rows of the images that are there, with the number of other rows.

    Columns: image_id, category, the edges, and whether it is a group.
    """
    columns = [*_NEEDED, *({_GROUP} & set(_header(file)))]
    options = pyarrow.csv.ConvertOptions(
        include_columns=columns,
        column_types={name: pa.float64() if name in _EDGES else pa.string() for name in columns},
    )
    try:
        with pyarrow.csv.open_csv(file, convert_options=options) as parts:
            for part in parts:
                rows = _rows(file, part.to_pandas(), image_of)
                yield rows, len(part) - len(rows)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        reason = shortened(str(error).partition("\n")[0])
        raise InputError(f"{file} cannot be read as a table ({reason}): it is damaged, write it anew") from error


def _rows(file: Path, table: pd.DataFrame, image_of: Mapping[str, str]) -> pd.DataFrame:
    table = table.assign(**{name: table[name].str.strip() for name in ("ImageID", "LabelName")})
    image_ids = table["ImageID"].map(image_of)
    table = table[image_ids.notna()]
    edges = table[list(_EDGES)].to_numpy(float)
    wrong = ~np.isfinite(edges).all(axis=1) | table["LabelName"].isin(["", None]).to_numpy(bool)
    if wrong.any():
        raise InputError(f"{file}: a box of {shortened(table['ImageID'][wrong].iloc[0])} lacks its label or an edge")
    boxes = pd.DataFrame(edges, columns=BOX_EDGES)
    boxes.insert(0, "image_id", image_ids[image_ids.notna()].to_numpy())
    boxes.insert(1, "category", table["LabelName"].to_numpy())
    return boxes.assign(group=table[_GROUP].isin(_TRUE).to_numpy(bool) if _GROUP in table else False)


def _descriptions(file: Path) -> tuple[Path | None, dict[str, str]]:
    """The file of class descriptions near a table, and readable names by label."""
    for folder in (file.parent, file.parent.parent):
        for found in sorted(near for pattern in _DESCRIPTIONS for near in folder.glob(pattern) if near.is_file()):
            rows = csv.reader(decoded_lines(found))
            return found, {row[0]: row[1] for row in rows if len(row) == 2 and row[0].startswith("/")}
    return None, {}


LAYOUT = Layout(
    "open-images",
    f"a CSV table with the columns {', '.join(_NEEDED)}, or a folder it belongs to",
    _recognise,
    _read,
    takes_images=True,
)
