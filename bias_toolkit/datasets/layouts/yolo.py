"""YOLO, as Ultralytics reads it: a text file of labels for each image, and data.yaml with the names of the classes.

The path is a folder of images, such as `images/train` or `train/images`, or a list of images, such as `train.txt`.
These are what data.yaml calls its splits. The path may also be data.yaml, or its folder, if it has one split; if it has
several, the error lists them, and one has to be named.

The labels of `images/train/a.jpg` are in `labels/train/a.txt`: the last folder `images` on the way becomes `labels`. If
there is no such file, they are in `a.txt` beside the image. An image without labels has no objects. The names of the
classes are in data.yaml (or another .yaml with `names`), or in classes.txt or obj.names, one a line; the file is in a
folder above the images or the labels.

A row is a class number and a box (cx, cy, width, height) or a polygon (x, y of three corners or more), as fractions of
the upright image. A polygon becomes the box around it. If data.yaml has `kpt_shape`, what follows a box are keypoints,
which are not read. An image's label is the category of its objects, if they all have the same one.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import yaml

from bias_toolkit.datasets.annotation_text import decoded_lines, read_lines
from bias_toolkit.datasets.dataset import Dataset
from bias_toolkit.datasets.file_names import check_inside, is_utf8, shortened
from bias_toolkit.datasets.image_facts import Note
from bias_toolkit.datasets.layouts.layout import Layout
from bias_toolkit.datasets.listing import BOX_COLUMNS, Annotations, sole_category
from bias_toolkit.datasets.walk import first_images, is_image_name, walk_images
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.progress import Progress
from bias_toolkit.foundation.threads import map_in_parts
from bias_toolkit.foundation.words import count

_SPLITS = ("train", "val", "validation", "test")
_YAML = (".yaml", ".yml")
_MOST_BYTES = 2**20
_NAME_FILES = ("classes.txt", "obj.names")
_FOLDERS_ABOVE = 3
_PROBES = 50
_FILES_A_TASK = 256
_LOWEST, _HIGHEST = -1.0, 2.0
"""A box may reach out of its image, and is then clipped. Numbers beyond these are no fractions of it."""


class _Settings(NamedTuple):
    """What data.yaml says: names by class number, places by split, and whether keypoints follow the boxes."""

    names: dict[int, str]
    splits: dict[str, list[Path]]
    has_keypoints: bool


class _Row(NamedTuple):
    """A row of a labels file: the class number and the box, as fractions; or the reason why it is left out."""

    where: str
    number: int = 0
    edges: tuple[float, ...] = ()
    fault: str | None = None


class _Loader(yaml.BaseLoader):
    """Reads every value as text, without aliases: these can expand to more than memory holds."""

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it has an alias, which no data.yaml needs")
        return super().compose_node(parent, index)


def _recognise(path: Path, asked: bool) -> str | None:
    place = _sole_split(path)
    if place.is_file() and place.suffix.lower() != ".txt":
        return None
    images = [image for _, image in zip(range(_PROBES), _images(place), strict=False)]
    if not any(map(_is_labels, map(_labels_of, images))):
        return None
    file, _ = _settings_of(place, images)
    return f"{'' if place == path else f'its split {place}; '}" + (
        f"the labels are YOLO's, with the classes of {file.name}" if file else "the labels are YOLO's"
    )


def _read(path: Path, reason: str) -> Dataset:
    place = _sole_split(path)
    if place.is_file():
        image_ids, unlisted = sorted(set(_listed(place))), []
    else:
        image_ids, unlisted = walk_images(place)
    folder = place.parent if place.is_file() else place
    images = [f"{folder.as_posix()}/{image_id}" for image_id in image_ids]
    file, settings = _settings_of(place, images[:_PROBES])
    labels_of = dict(zip(image_ids, map(_labels_of, images), strict=True))
    annotated = [image_id for image_id in image_ids if os.path.isfile(labels_of[image_id])]
    files = [Path(labels_of[image_id]) for image_id in annotated]
    absent = [] if place.is_file() else _without_image(folder, files)

    def annotate(progress: Progress) -> Annotations:
        rows_of = map_in_parts(
            lambda labels: list(_rows(labels, settings.has_keypoints)), files, _FILES_A_TASK, progress, "Reading labels"
        )
        categories_of, boxes, faulty, unnamed = {}, [], [], []
        for image_id, rows in zip(annotated, rows_of, strict=True):
            kept = [row for row in rows if row.fault is None]
            faulty += [row for row in rows if row.fault is not None]
            unnamed += [row for row in kept if row.number not in settings.names]
            categories = [settings.names.get(row.number, str(row.number)) for row in kept]
            categories_of[image_id] = categories
            boxes += [(image_id, name, *row.edges) for name, row in zip(categories, kept, strict=True)]
        labels = [sole_category(categories_of.get(image_id, ())) for image_id in image_ids]
        notes = [*_notes(faulty, unnamed, file)]
        return Annotations(labels, pd.DataFrame(boxes, columns=BOX_COLUMNS), absent, notes, relative=True)

    named = [place] if place.is_file() else []
    return LAYOUT.dataset(
        path, reason, image_ids, annotate, folder,
        annotation_files=[*named, *([file] if file else [])], stamped_files=files, unlisted=unlisted,
    )  # fmt: skip


def _images(place: Path) -> Iterator[str]:
    """Full paths of the images of a folder or a list, in any order."""
    if place.is_file():
        return (f"{place.parent.as_posix()}/{image_id}" for image_id in _listed(place))
    return (f"{place.as_posix()}/{image_id}" for image_id in first_images(place, _PROBES))


def _listed(file: Path) -> Iterator[str]:
    """Images in a list, relative to its folder."""
    for number, line in read_lines(file):
        if is_image_name(os.path.basename(line)):
            inside = os.path.relpath(os.path.join(file.parent, line), file.parent)
            yield check_inside(inside, f"{file}, line {number}")


def _labels_of(image: str) -> str:
    """The labels file of an image, by the image's full path; it may not exist."""
    beside = f"{os.path.splitext(image)[0]}.txt"
    above, found, below = beside.rpartition("/images/")
    labels = f"{above}/labels/{below}"
    return labels if found and os.path.isfile(labels) else beside


def _is_labels(name: str) -> bool:
    """Whether a file exists, and its first row is one of labels: a box, and maybe more."""
    try:
        return os.path.isfile(name) and next((len(_numbers(line)) > 4 for _, line in read_lines(Path(name))), True)
    except InputError:
        return "/labels/" in name  # the reader says what is wrong with it


def _notes(faulty: list[_Row], unnamed: list[_Row], file: Path | None) -> Iterator[Note]:
    if faulty:
        has_more = any(len(_numbers(row.fault)) > 5 for row in faulty)
        hint = " If keypoints follow the boxes, data.yaml has to state kpt_shape." * has_more
        yield Note(
            f"{count(len(faulty), 'row was', 'rows were')} left out, such as {shortened(faulty[0].fault)} in "
            f"{faulty[0].where}: a row is a class number and a box or a polygon, as fractions of the image.{hint}",
            warns=True,
        )
    if unnamed:
        reason = f"{file} has no name for them" if file else "no data.yaml or classes.txt was found above the labels"
        yield Note(
            f"The category of {count(len(unnamed), 'object')} is a class number, such as {unnamed[0].number} "
            f"({unnamed[0].where}), because {reason}."
        )


def _without_image(folder: Path, files: list[Path]) -> list[str]:
    """Images that labels in the used folders `labels` are of, and that do not exist."""
    used = set(files)
    absent = []
    for place in sorted({file.parent for file in files}):
        for file in sorted(place.glob("[!.]*.txt")):
            if "labels" in file.parts and file not in used and file.name not in _NAME_FILES:
                above, _, below = file.with_suffix(".jpg").as_posix().rpartition("/labels/")
                absent.append(os.path.relpath(f"{above}/images/{below}", folder))
    return absent


def _rows(file: Path, has_keypoints: bool) -> Iterator[_Row]:
    for line_number, line in read_lines(file):
        where = f"{file}, line {line_number}"
        number, *values = _numbers(line) or [-1]
        if len(values) == 4 or (has_keypoints and len(values) > 4):
            cx, cy, width, height = values[:4]
            yield _Row(where, int(number), (cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2))
        elif len(values) >= 6 and len(values) % 2 == 0:
            xs, ys = values[::2], values[1::2]
            yield _Row(where, int(number), (min(xs), min(ys), max(xs), max(ys)))
        else:
            yield _Row(where, fault=line)


def _numbers(line: str) -> list[float]:
    """The class number and the fractions in a row; none if it holds anything else."""
    try:
        number, *values = (float(value) for value in line.split())
    except ValueError:
        return []
    fits = number >= 0 and number % 1 == 0 and all(_LOWEST <= value <= _HIGHEST for value in values)
    return [number, *values] if fits else []


def _settings_of(place: Path, images: list[str]) -> tuple[Path | None, _Settings]:
    """The file that names the classes of a split, and what it says; None and no names if there is no such file."""
    above = [place, *place.parents[:_FOLDERS_ABOVE]]
    above += [Path(_labels_of(image)).parent for image in images[:1]]
    for folder in filter(Path.is_dir, above):
        for file in sorted(folder.iterdir(), key=lambda file: (file.name != "data.yaml", file.name)):
            if file.suffix.lower() in _YAML and file.is_file() and (settings := _nearby_yaml(file)):
                return file, settings
        for file in (folder / name for name in _NAME_FILES):
            if file.is_file():
                names = {number: name for number, (_, name) in enumerate(read_lines(file))}
                return file, _Settings(names, {}, False)
    return None, _Settings({}, {}, False)


def _nearby_yaml(file: Path) -> _Settings | None:
    """As `_read_yaml`, but a malformed file of another name than data.yaml is not the dataset's."""
    try:
        return _read_yaml(file)
    except InputError:
        if file.name == "data.yaml":
            raise
    return None


def _read_yaml(file: Path) -> _Settings | None:
    """What a file says of classes and splits; None if it names no classes; InputError if it is malformed."""
    if file.stat().st_size > _MOST_BYTES:
        raise InputError(f"{file} has more than {_MOST_BYTES // 2**20} MB, too much for the names of classes")
    try:
        content = yaml.load("".join(decoded_lines(file)), _Loader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or str(error) or "too deep"
        raise InputError(f"{file}{place}: this is not valid YAML: {shortened(reason)}") from error
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, list):
        names = {str(number): name for number, name in enumerate(names)}
    if not isinstance(names, dict) or not names:
        return None
    if not all(re.fullmatch(r"\d{1,9}", number) and _is_text(name) for number, name in names.items()):
        raise InputError(f"{file}: names has to be a list of texts, or a text for each class number")
    names = {int(number): name for number, name in names.items()}
    splits = {split: _places(file, content, content[split]) for split in _SPLITS if content.get(split)}
    return _Settings(names, splits, "kpt_shape" in content)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.strip() != "" and "\0" not in value and is_utf8(value)


def _places(file: Path, content: dict, value: object) -> list[Path]:
    """The folders and lists of a split. Ultralytics resolves them in the same way."""
    base = content.get("path")
    bases = [file.parent / base] if _is_text(base) else []
    places = []
    for text in value if isinstance(value, list) else [value]:
        if not _is_text(text):
            raise InputError(f"{file}: a split has to be a folder or a list of images, or several of them")
        # Roboflow writes ../train/images for the folder train/images beside its data.yaml.
        tried = [place / part for place in [*bases, file.parent] for part in (text, text.removeprefix("../"))]
        places.append(Path(os.path.normpath(next(filter(os.path.exists, tried), tried[0]))))
    return places


def _sole_split(path: Path) -> Path:
    """The folder or list of images that is meant by a path; InputError if it names a data.yaml of several splits."""
    file = path / "data.yaml" if path.is_dir() else path
    if file.suffix.lower() not in _YAML or not file.is_file():
        return path
    settings = _read_yaml(file)
    if settings is None or not settings.splits:
        return path
    there = {split: [*filter(Path.exists, places)] for split, places in settings.splits.items()}
    found = {place: split for split, places in there.items() for place in places}
    if not found:
        split, places = next(iter(settings.splits.items()))
        raise InputError(
            f"{file} says that {split} is {places[0]}, which does not exist: name the folder of its images"
        )
    if path in found:
        return path
    first = next(iter(found))
    if len(found) > 1:
        splits = dict.fromkeys(found.values())
        several = [f"{split} has {len(there[split])} folders" for split in splits if len(there[split]) > 1]
        together = f" ({', '.join(several)}; to read them as one, list their images in a .txt file)" if several else ""
        what = f"the split{'s' * (len(splits) > 1)} {', '.join(splits)}{together}"
        raise InputError(f"{file} has {what}: name one folder, for example {first}")
    if not first.is_relative_to(file.parent):
        raise InputError(f"the images of {file} are outside its folder: name them, that is {first}")
    return first


LAYOUT = Layout(
    "yolo", "a folder or list of images with YOLO's labels beside them or in labels/, or a data.yaml", _recognise, _read
)
