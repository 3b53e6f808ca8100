"""COCO's detection annotations: one JSON file for many images.

The path is the JSON file; or a folder with one `annotations/instances_*.json` (or `instances_*.json`, or
`_annotations.coco.json`) in it; or a folder of images such as `val2017` with `annotations/instances_val2017.json` in a
folder above it. Image ids are the file names in the JSON, relative to the folder that holds them.

Boxes are x, y, width and height, with continuous edges. An image's label is the category of its objects, if they all
have the same one. Crowd regions (`iscrowd` 1) count for the label, but are not objects: their box encloses a group.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from bias_toolkit.datasets.annotation_text import parse_edges, read_json
from bias_toolkit.datasets.dataset import Dataset
from bias_toolkit.datasets.file_names import check_inside, is_utf8, shortened
from bias_toolkit.datasets.layouts.layout import Layout
from bias_toolkit.datasets.listing import BOX_COLUMNS, Annotations, sole_category
from bias_toolkit.foundation.errors import InputError

_PATTERNS = ("annotations/instances_*.json", "instances_*.json", "_annotations.coco.json")
_PROBES = 50
_CROWD = (1, "1")


def _recognise(path: Path, asked: bool) -> str | None:
    if path.is_file():
        return "a JSON file" if path.suffix.lower() == ".json" else None
    file = _annotation_file(path)
    return f"annotated by {file.name}" if file else None


def _annotation_file(path: Path) -> Path | None:
    """The JSON file for a path; InputError if there are several."""
    if path.is_file():
        return path
    for pattern in _PATTERNS:
        if files := sorted(filter(Path.is_file, path.glob(pattern))):
            if len(files) > 1:
                names = ", ".join(file.name for file in files)
                raise InputError(f"{path} holds {names}: name the one to read, for example {files[0]}")
            return files[0]
    above = [folder / "annotations" / f"instances_{path.name}.json" for folder in path.parents[:2]]
    return next(filter(Path.is_file, above), None)


def _read(path: Path, reason: str) -> Dataset:
    file = _annotation_file(path)
    content = _load(file)
    names = _named(file, "images", content["images"], lambda entry, where: check_inside(entry["file_name"], where))
    if not names:
        raise InputError(f"{file} names no image")
    image_ids = sorted(set(names.values()))
    annotations = _annotations(file, content, names, image_ids)
    folder = _image_folder(path, file, image_ids)
    return LAYOUT.dataset(path, reason, image_ids, lambda progress: annotations, folder, annotation_files=[file])


def _load(file: Path) -> dict[str, list[dict[str, Any]]]:
    """The file's three lists, each entry with the required fields; InputError otherwise."""
    content = read_json(file)
    needed = {
        "images": ("id", "file_name"),
        "annotations": ("image_id", "category_id", "bbox"),
        "categories": ("id", "name"),
    }
    for part, fields in needed.items():
        entries = content.get(part) if isinstance(content, dict) else None
        if not isinstance(entries, list):
            raise InputError(f"{file} is not in COCO's detection format: it lacks the list {part!r}")
        for number, entry in enumerate(entries):
            where = f"{file}: entry {number} of {part!r}"
            if not isinstance(entry, dict) or any(entry.get(field) is None for field in fields):
                raise InputError(f"{where} lacks one of {', '.join(fields)}")
            for field in fields:
                if field != "bbox" and not isinstance(entry[field], int | float | str):
                    raise InputError(f"{where}: {field} has to be a number or a text, not {shortened(entry[field])}")
    return content


def _named(file: Path, part: str, entries: list[dict[str, Any]], name_of: Callable[[Any, str], str]) -> dict[Any, str]:
    """Name by id; InputError if an id has two names."""
    names = {}
    for number, entry in enumerate(entries):
        where = f"{file}: entry {number} of {part!r}"
        name = name_of(entry, where)
        if names.setdefault(entry["id"], name) != name:
            raise InputError(
                f"{where} has the id {shortened(entry['id'])} of an earlier entry, and another name: an id is for one"
            )
    return names


def _category_name(entry: dict[str, Any], where: str) -> str:
    name = str(entry["name"])
    if not is_utf8(name):
        raise InputError(f"{where}: the name {shortened(name)} is not valid Unicode")
    return name


def _annotations(
    file: Path, content: dict[str, list[dict[str, Any]]], names: dict[Any, str], image_ids: list[str]
) -> Annotations:
    category_names = _named(file, "categories", content["categories"], _category_name)
    categories_of = {image_id: [] for image_id in image_ids}
    rows = []
    for number, entry in enumerate(content["annotations"]):
        where = f"{file}: entry {number} of 'annotations'"
        if entry["image_id"] not in names or entry["category_id"] not in category_names:
            raise InputError(
                f"{where} names an image or a category that the file does not list "
                f"(image_id {shortened(entry['image_id'])}, category_id {shortened(entry['category_id'])})"
            )
        image_id, category = names[entry["image_id"]], category_names[entry["category_id"]]
        categories_of[image_id].append(category)
        if entry.get("iscrowd") not in _CROWD:
            rows.append((image_id, category, *_edges(entry["bbox"], where)))
    labels = [sole_category(categories_of[image_id]) for image_id in image_ids]
    return Annotations(labels, pd.DataFrame(rows, columns=BOX_COLUMNS))


def _edges(box: Any, where: str) -> tuple[float, float, float, float]:
    values = box if isinstance(box, list) else [box]
    if any(isinstance(value, str) for value in values):
        raise InputError(f"{where}: a box has to be four finite numbers, not the text in {shortened(values)}")
    x, y, width, height = parse_edges(values, where)
    return parse_edges((x, y, x + width, y + height), where)


def _image_folder(path: Path, file: Path, image_ids: list[str]) -> Path:
    """Folder that holds most of the first images; InputError if no likely folder holds any."""
    split = re.sub(r"^instances_", "", file.stem)
    bases = [file.parent, file.parent.parent] if path.is_file() else [path]
    likely = [base / part for base in bases for part in (split, f"images/{split}", "images", "")]
    probes = image_ids[:_PROBES]
    present = [sum(os.path.isfile(folder / name) for name in probes) for folder in likely]
    if not any(present):
        places = ", ".join(str(folder) for folder in likely)
        raise InputError(f"the images that {file} names, such as {shortened(probes[0])}, are in none of {places}")
    return likely[present.index(max(present))]


LAYOUT = Layout(
    "coco", "a detection JSON of COCO's, or a folder that holds annotations/instances_*.json", _recognise, _read
)
