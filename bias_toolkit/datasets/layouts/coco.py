"""COCO's detection annotations: one JSON file for many images.

The path is the JSON file; or a folder that holds it, itself or in `annotations`; or a folder of images such as
`val2017`, of which a JSON file above it is. Image ids are the file names in the JSON, relative to the folder that holds
them. A name that is no file is also tried with `/` for a backslash, without URL escapes and in other Unicode forms; an
image without a name, as in LVIS, has the end of its `coco_url`.

Boxes are x, y, width and height, with continuous edges. An image's label is the category of its objects, if they all
have the same one. Crowd regions (`iscrowd` 1) count for the label, but are not objects: their box encloses a group.
Annotations without a box count for the label too.
"""

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import pandas as pd

from bias_toolkit.datasets.annotation_text import parse_edges, parse_size, read_json
from bias_toolkit.datasets.dataset import Dataset
from bias_toolkit.datasets.file_names import check_inside, is_utf8, shortened
from bias_toolkit.datasets.image_facts import Note
from bias_toolkit.datasets.layouts.layout import NAME_FOLDER, Layout
from bias_toolkit.datasets.listing import BOX_COLUMNS, Annotations, sole_category
from bias_toolkit.datasets.walk import visible_folders
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.words import count

_PATTERNS = ("annotations/instances_*.json", "instances_*.json", "_annotations.coco.json")
"""Names that are COCO's. Other JSON files are looked into."""
_PLACES = ("", "annotations")
_START = 2**16
_IS_COCO = re.compile(rb'"(images|annotations|categories)"\s*:\s*\[')
_FIRST_NAME = re.compile(rb'"file_name"\s*:\s*"([^"]+)"')
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
    for files in _files_of(path):
        if len(files) > 1:
            names = ", ".join(file.name for file in files)
            raise InputError(f"{path} holds {names}: name the one to read, for example {files[0]}")
        if files:
            return files[0]
    above = [folder / "annotations" / f"instances_{path.name}.json" for folder in path.parents[:2]]
    if named := next(filter(Path.is_file, above), None):
        return named
    others = [file for folder in path.parents[:2] for file in _json_in(folder) if _names_image_in(file, path)]
    others = [file for file in others if path.name in file.stem] or others
    return others[0] if len(others) == 1 else None


def _files_of(path: Path) -> Iterator[list[Path]]:
    """The JSON files of COCO in a folder: those of each known name, and then of any name."""
    for pattern in _PATTERNS:
        yield sorted(filter(Path.is_file, path.glob(pattern)))
    yield [file for file in _json_in(path) if _IS_COCO.search(_start(file))]


def _json_in(folder: Path) -> list[Path]:
    """The JSON files in a folder and in its `annotations`."""
    files = [file for place in _PLACES for file in sorted((folder / place).glob("[!.]*.json"))]
    return list(filter(Path.is_file, files))


def _start(file: Path) -> bytes:
    try:
        with open(file, "rb") as content:
            return content.read(_START)
    except OSError:
        return b""


def _names_image_in(file: Path, folder: Path) -> bool:
    """Whether the first file name that a JSON file of COCO states is of an image in a folder."""
    start = _start(file)
    named = _FIRST_NAME.search(start)
    if not named or not _IS_COCO.search(start) or b"\0" in named[1]:
        return False
    return os.path.isfile(os.path.join(os.fsencode(folder), os.path.basename(named[1])))


def _read(path: Path, reason: str, images: Path | None = None) -> Dataset:
    file = _annotation_file(path)
    content = _load(file)
    written = _named(file, "images", content["images"], _file_name)
    if not written:
        raise InputError(f"{file} names no image")
    folder, guessed = (images, []) if images else _image_folder(path, file, sorted(set(written.values())))
    names, spelt = _spelt(written, folder)
    image_ids = sorted(set(names.values()))
    annotations = _annotations(file, content, names, image_ids)
    return LAYOUT.dataset(
        path, reason, image_ids, lambda progress: annotations, folder, annotation_files=[file], notes=[*guessed, *spelt]
    )


def _load(file: Path) -> dict[str, list[dict[str, Any]]]:
    """The file's three lists, of objects; InputError otherwise. Lists that are not needed may be missing."""
    content = read_json(file)
    for part in ("images", "annotations", "categories"):
        if isinstance(content, dict) and (
            part == "annotations" or (part == "categories" and not content["annotations"])
        ):
            content.setdefault(part, [])
        entries = content.get(part) if isinstance(content, dict) else None
        if not isinstance(entries, list):
            raise InputError(f"{file} is not in COCO's detection format: it lacks the list {part!r}")
        needed = {"images": ["id"], "annotations": [], "categories": ["id", "name"]}[part]
        for number, entry in enumerate(entries):
            where = f"{file}: entry {number} of {part!r}"
            if not isinstance(entry, dict) or any(entry.get(field) is None for field in needed):
                raise InputError(f"{where} is no object{' with ' * bool(needed)}{' and '.join(needed)}")
            for field in ("id", "image_id", "category_id", "name"):
                if not isinstance(entry.get(field), int | float | str | None):
                    raise InputError(f"{where}: {field} has to be a number or a text, not {shortened(entry[field])}")
    return content


def _key(number: Any) -> str:
    """An id, which some tools write as a text or with a decimal point."""
    return str(int(number)) if isinstance(number, float) and number.is_integer() else str(number)


def _named(file: Path, part: str, entries: list[dict[str, Any]], name_of: Callable[[Any, str], str]) -> dict[str, str]:
    """Name by id; InputError if an id has two names."""
    names = {}
    for number, entry in enumerate(entries):
        where = f"{file}: entry {number} of {part!r}"
        name = name_of(entry, where)
        if names.setdefault(_key(entry["id"]), name) != name:
            raise InputError(
                f"{where} has the id {shortened(entry['id'])} of an earlier entry, and another name: an id is for one"
            )
    return names


def _file_name(entry: dict[str, Any], where: str) -> str:
    """The image's file name; without one, the folder and file at the end of its address."""
    if entry.get("file_name") is None and isinstance(entry.get("coco_url"), str):
        return check_inside("/".join(unquote(urlparse(entry["coco_url"]).path).split("/")[-2:]), where)
    if entry.get("file_name") is None:
        raise InputError(f"{where} lacks one of id, file_name")
    return check_inside(entry["file_name"], where)


def _category_name(entry: dict[str, Any], where: str) -> str:
    name = str(entry["name"])
    if not is_utf8(name):
        raise InputError(f"{where}: the name {shortened(name)} is not valid Unicode")
    return name


def _spellings(name: str) -> Iterator[str]:
    """A file name, and the other names that it may stand for."""
    yield name
    for other in dict.fromkeys((name.replace("\\", "/"), unquote(name), unquote(name.replace("\\", "/")))):
        for form in ("NFC", "NFD"):
            with suppress(InputError):
                yield check_inside(unicodedata.normalize(form, other), name)


def _spelt(written: dict[str, str], folder: Path) -> tuple[dict[str, str], list[Note]]:
    """The name by id of each image's file in a folder, or as written if there is none; a note on other spellings."""
    names = {
        key: next((each for each in _spellings(name) if os.path.isfile(folder / each)), name)
        for key, name in written.items()
    }
    others = [name for key, name in written.items() if names[key] != name]
    n = count(len(others), "file name is", "file names are")
    text = f"{n} spelt otherwise on the disk than in the annotations"
    return names, [Note(f"{text} (for example {shortened(others[0])}).")] if others else []


def _annotations(
    file: Path, content: dict[str, list[dict[str, Any]]], names: dict[str, str], image_ids: list[str]
) -> Annotations:
    category_names = _named(file, "categories", content["categories"], _category_name)
    categories_of = {image_id: [] for image_id in image_ids}
    rows, left_out = [], defaultdict(list)
    for number, entry in enumerate(content["annotations"]):
        where = f"{file}: entry {number} of 'annotations'"
        image_id = names.get(_key(entry.get("image_id")))
        category = category_names.get(_key(entry.get("category_id")))
        if image_id is None or category is None:
            left_out["of an image or a category that the file does not list"].append(number)
            continue
        categories_of[image_id].append(category)
        if entry.get("bbox") in (None, []):
            left_out["without a box"].append(number)
        elif entry.get("iscrowd") in _CROWD:
            left_out["of a crowd"].append(number)
        else:
            rows.append((image_id, category, *_edges(entry["bbox"], where)))
    labels = [sole_category(categories_of[image_id]) for image_id in image_ids]
    sizes = {
        names[_key(entry["id"])]: parse_size(entry.get("width"), entry.get("height")) for entry in content["images"]
    }
    notes = []
    for what, numbers in left_out.items():
        n = count(len(numbers), f"annotation {what} is", f"annotations {what} are")
        notes.append(Note(f"{n} left out (for example entry {numbers[0]} of {file.name})."))
    return Annotations(labels, pd.DataFrame(rows, columns=BOX_COLUMNS), sizes=sizes, notes=notes)


def _edges(box: Any, where: str) -> tuple[float, float, float, float]:
    x, y, width, height = parse_edges(box if isinstance(box, list) else [box], where)
    return parse_edges((x, y, x + width, y + height), where)


def _image_folder(path: Path, file: Path, names: list[str]) -> tuple[Path, list[Note]]:
    """Folder that holds most of the first images, with a note if it is a guess; InputError if none near holds any."""
    split = re.sub(r"^instances_", "", file.stem)
    bases = [file.parent, file.parent.parent] if path.is_file() else [path]
    likely = [base / part for base in bases for part in (split, f"images/{split}", "images", "data", "")]
    if not path.is_file() and not path.samefile(file.parent):
        likely.append(path.parent)
    near = [base / part for base in bases for part in ("", "images") if (base / part).is_dir()]
    others = [folder / name for folder in near for name in visible_folders(folder)]
    # Of the other folders, those come first whose name is in the name of the file.
    others.sort(key=lambda folder: folder.name not in file.stem)
    probes = names[:_PROBES]
    for folders in (likely, others):
        present = [
            sum(any(os.path.isfile(folder / each) for each in _spellings(name)) for name in probes)
            for folder in folders
        ]
        if any(present):
            folder = folders[present.index(max(present))]
            guessed = folders is others and folder.name not in file.stem
            text = f"The images are taken from the folder {folder.name}, which {file.name} does not name: it holds"
            n = count(max(present), "image", "images")
            return folder, [
                Note(f"{text} {n} of the first {len(probes)} (the first is {shortened(probes[0])}).")
            ] if guessed else []
    places = ", ".join(str(folder) for folder in likely)
    raise InputError(
        f"the images that {file} names, such as {shortened(probes[0])}, are in none of {places}, nor in a folder "
        f"there: {NAME_FOLDER}"
    )


LAYOUT = Layout("coco", "a detection JSON of COCO's, or a folder that holds one", _recognise, _read, takes_images=True)
