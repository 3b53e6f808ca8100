"""Pascal VOC: a folder with `JPEGImages` and `Annotations`, such as `VOCdevkit/VOC2007`.

The path is that folder, for all its images, or a list in `ImageSets/Main`, such as `trainval.txt`, for the images that
it names. A list may mark images without a class by −1; these are left out. Image ids are relative to the folder, so two
lists of one folder share them. Boxes are inclusive pixels counted from 1, so the low side loses 1. An image's label is
the category of its objects, if they all have the same one.
"""

import re
from pathlib import Path

import pandas as pd

from bias_toolkit.datasets.annotation_text import read_lines
from bias_toolkit.datasets.annotation_xml import read_all_objects
from bias_toolkit.datasets.dataset import Dataset
from bias_toolkit.datasets.file_names import check_inside, escaped
from bias_toolkit.datasets.layouts.layout import Layout
from bias_toolkit.datasets.listing import BOX_COLUMNS, Annotations, sole_category
from bias_toolkit.datasets.walk import visible_folders, walk_images
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.progress import Progress

_IMAGES, _ANNOTATIONS, _SETS = "JPEGImages", "Annotations", "ImageSets"


def _recognise(path: Path, asked: bool) -> str | None:
    if path.is_file():
        fits = path.suffix == ".txt" and path.parent.parent.name == _SETS and _is_root(path.parents[2])
        return f"a list of {path.parents[2].name}" if fits else None
    if _is_root(path):
        return f"it holds {_IMAGES} and {_ANNOTATIONS}"
    years = [name for name in visible_folders(path) if re.fullmatch(r"VOC\d{4}", name) and _is_root(path / name)]
    if years:
        raise InputError(f"{path} holds {', '.join(years)}: name one of them, for example {path / years[0]}")
    return None


def _is_root(folder: Path) -> bool:
    return (folder / _IMAGES).is_dir() and (folder / _ANNOTATIONS).is_dir()


def _read(path: Path, reason: str) -> Dataset:
    root = path.parents[2] if path.is_file() else path
    walk = walk_images(root / _IMAGES)
    image_of, unlisted = {}, [(f"{_IMAGES}/{name}", reason) for name, reason in walk.unlisted]
    for name in walk.image_ids:
        first = image_of.setdefault(_stem(name), f"{_IMAGES}/{name}")
        if first != f"{_IMAGES}/{name}":
            unlisted.append((f"{_IMAGES}/{name}", f"an annotation of this name is of {first}"))
    xml_of = {file.stem: file for file in sorted((root / _ANNOTATIONS).glob("[!.]*.xml"))}
    named = _listed(path) if path.is_file() else {**image_of, **xml_of}
    stems = [stem for stem in image_of if stem in named]
    absent = [f"{_IMAGES}/{escaped(stem)}.jpg" for stem in named if stem not in image_of]
    if not stems:
        raise InputError(f"none of the {len(named)} images that {path} names is in {root / _IMAGES}")
    annotated = [stem for stem in stems if stem in xml_of]
    files = [xml_of[stem] for stem in annotated]

    def annotate(progress: Progress) -> Annotations:
        objects_of = dict(zip(annotated, read_all_objects(files, progress), strict=True))
        labels = [sole_category([item[0] for item in objects_of.get(stem, ())]) for stem in stems]
        boxes = pd.DataFrame(
            [(image_of[stem], *item) for stem, objects in objects_of.items() for item in objects], columns=BOX_COLUMNS
        )
        boxes[["x0", "y0"]] -= 1
        return Annotations(labels, boxes, absent)

    image_ids, lists = [image_of[stem] for stem in stems], [path] if path.is_file() else []
    return LAYOUT.dataset(
        path, reason, image_ids, annotate, root, annotation_files=lists, stamped_files=files, unlisted=unlisted
    )


def _stem(name: str) -> str:
    return name.rpartition(".")[0]


def _listed(file: Path) -> dict[str, None]:
    """Names in a list of images, in the list's order."""
    names = {}
    for number, line in read_lines(file):
        name, *mark = line.split()
        check_inside(name, f"{file}, line {number}")
        if mark != ["-1"]:
            names[name] = None
    if not names:
        raise InputError(f"{file} names no image")
    return names


LAYOUT = Layout("voc", f"a folder with {_IMAGES} and {_ANNOTATIONS}, or a list in its {_SETS}/Main", _recognise, _read)
