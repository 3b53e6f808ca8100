"""Pascal VOC's XML, one file for each image, in the folders of Pascal VOC or of the tools that export it.

The path is a folder such as `VOCdevkit/VOC2007`, for all its images, or a list in its `ImageSets/Main`, such as
`trainval.txt`, for the images that it names. The images are in `JPEGImages` and the XML in `Annotations`; or in the
folders that `_IMAGES` and `_ANNOTATIONS` name, in any case; or both lie in the folder itself. Both may have folders
below them. An XML file is of the image of its own name, or else of the one that its `filename` states. A list may mark
images without a class by −1; these are left out. Image ids are relative to the folder, so two lists of one folder share
them. If the path holds no image, the user has to name their folder; ids are relative to that then. Boxes are inclusive
pixels counted from 1, so the low side loses 1. An image's label is the category of its objects, if they all have the
same one.
"""

import os
import re
from collections.abc import Container
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from bias_toolkit.datasets.annotation_text import read_lines
from bias_toolkit.datasets.annotation_xml import read_annotation, read_annotations
from bias_toolkit.datasets.dataset import Dataset
from bias_toolkit.datasets.file_names import check_inside, escaped, listed
from bias_toolkit.datasets.image_facts import Note
from bias_toolkit.datasets.layouts import imagenet
from bias_toolkit.datasets.layouts.layout import NAME_FOLDER, Layout
from bias_toolkit.datasets.listing import BOX_COLUMNS, Annotations, sole_category
from bias_toolkit.datasets.walk import files_below, holds_image, is_image_name, visible_folders, walk_images
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.progress import Progress
from bias_toolkit.foundation.words import count

_IMAGES = ("jpegimages", "images", "data", "imgs")
_ANNOTATIONS = ("annotations", "annots", "annotation", "labels", "xmls", "xml")
_SETS = "ImageSets"
_IS_ANNOTATION, _START = re.compile(rb"<annotation[\s>]"), 1000
_MARKED = re.compile(r"(.*\S)\s+(-1|0|1)")


class _Root(NamedTuple):
    """The folders of images and of XML, relative to the dataset's; `` is that folder itself."""

    images: str
    annotations: str

    def __str__(self) -> str:
        return f"{self.images} and {self.annotations}" if self.images else "images with XML beside them"


_VOC = _Root("JPEGImages", "Annotations")


def _recognise(path: Path, asked: bool) -> str | None:
    if path.is_file():
        fits = path.suffix == ".txt" and path.parent.parent.name == _SETS
        fits = fits and (_root(path.parents[2]) or _annotations_alone(path.parents[2]))
        return f"an image set of the folder {path.parents[2].name}" if fits else None
    if root := _root(path):
        # ImageNet's XML may lie beside its images too, and counts pixels from 0.
        is_imagenet = not root.images and not asked and imagenet.LAYOUT.recognise(path, False)
        return None if is_imagenet else f"it holds {root}"
    years = [name for name in visible_folders(path) if re.fullmatch(r"VOC\d{4}", name) and _root(path / name)]
    if years:
        raise InputError(f"{path} holds {', '.join(years)}: name one of them, for example {path / years[0]}")
    return "it holds XML" if _annotations_alone(path) else None


def _annotations_alone(folder: Path) -> Path | None:
    """The folder of the XML of a folder that holds no image; None if there is an image, or no XML."""
    if holds_image(folder):
        return None
    below = [folder / name for name in visible_folders(folder) if name.lower() in _ANNOTATIONS]
    return next(filter(_holds_xml, [*below, folder]), None)


def _root(folder: Path) -> _Root | None:
    """Where the images and the XML of a folder are; None if it does not hold both."""
    if all((folder / name).is_dir() for name in _VOC):
        return _VOC
    names = {name.lower(): name for name in visible_folders(folder)}
    for images in filter(names.__contains__, _IMAGES):
        for annotations in filter(names.__contains__, _ANNOTATIONS):
            root = _Root(names[images], names[annotations])
            if _holds_xml(folder / root.annotations) and holds_image(folder / root.images):
                return root
    return _Root("", "") if holds_image(folder, deep=False) and _holds_xml(folder, deep=False) else None


def _holds_xml(folder: Path, deep: bool = True) -> bool:
    """Whether the first XML file below a folder, or (not deep) directly in it, is the annotation of one image."""
    try:
        names = files_below(folder, ".xml") if deep else sorted(os.listdir(folder))
        xml = (folder / name for name in names if name.lower().endswith(".xml") and not name.startswith("."))
        file = next(filter(Path.is_file, xml), None)
        return file is not None and _IS_ANNOTATION.search(file.read_bytes()[:_START]) is not None
    except OSError:
        return False


def _read(path: Path, reason: str, images: Path | None = None) -> Dataset:
    folder = path.parents[2] if path.is_file() else path
    if root := _root(folder):
        annotations = folder / root.annotations
    elif images is None:
        raise InputError(f"{folder} holds XML of Pascal VOC and no image: {NAME_FOLDER}")
    else:
        annotations = _annotations_alone(folder)
    below = f"{root.images}/" if images is None and root.images else ""
    folder = images or folder
    walk = walk_images(folder / below)
    image_of, unlisted = {}, [(below + name, reason) for name, reason in walk.unlisted]
    for name in walk.image_ids:
        first = image_of.setdefault(_stem(name), below + name)
        if first != below + name:
            unlisted.append((below + name, f"an annotation of this name is of {first}"))
    xml_of = {_stem(name): annotations / name for name in files_below(annotations, ".xml")}
    linked, stated = _linked({stem: file for stem, file in xml_of.items() if stem not in image_of}, image_of, xml_of)
    notes = []
    if stated:
        n = count(len(stated), "annotation is", "annotations are")
        first = f"{xml_of[stated[0]].name} of {image_of[linked[stated[0]]]}"
        notes.append(
            Note(f"{n} of the image whose name it states, as no image has its own name (for example {first}).")
        )
    names = _listed(path, xml_of | image_of) if path.is_file() else image_of | xml_of
    named = dict.fromkeys(linked.get(name, name) for name in names)
    stems = [stem for stem in image_of if stem in named]
    absent = [f"{below}{escaped(stem)}.jpg" for stem in named if stem not in image_of]
    if not stems:
        raise InputError(f"none of the {len(named)} images that {path} names is in {folder / below}")
    xml_of |= {stem: xml_of[other] for other, stem in linked.items()}
    annotated = [stem for stem in stems if stem in xml_of]
    files = [xml_of[stem] for stem in annotated]

    def annotate(progress: Progress) -> Annotations:
        labels, rows, sizes, without = dict.fromkeys(stems), [], {}, []
        for stem, annotation in zip(annotated, read_annotations(files, progress), strict=True):
            image_id = image_of[stem]
            labels[stem] = sole_category([item[0] for item in annotation.objects] + annotation.without_box)
            rows += [(image_id, *item) for item in annotation.objects]
            sizes[image_id] = annotation.size
            without += [f"{category} of {image_id}" for category in annotation.without_box]
        objects = count(len(without), "object without a box is", "objects without a box are")
        return Annotations(
            list(labels.values()),
            pd.DataFrame(rows, columns=BOX_COLUMNS),
            absent,
            sizes=sizes,
            to_edges=(-1, 0),
            notes=[Note(f"{objects} left out (for example {listed(without[:1])}).")] if without else (),
        )

    return LAYOUT.dataset(
        path,
        reason,
        [image_of[stem] for stem in stems],
        annotate,
        folder,
        annotation_files=[path] if path.is_file() else [],
        stamped_files=files,
        unlisted=unlisted,
        notes=notes,
    )


def _stem(name: str) -> str:
    return name.rpartition(".")[0]


def _linked(xml_of: dict[str, Path], image_of: dict[str, str], annotated: Container[str]) -> tuple[dict, list[str]]:
    """Stem of the image of each XML file that has no image at its place, by its stem; and those of another name.

    It is the image of its name in another folder, or else the one whose name it states.
    """
    by_name = {}
    for stem in image_of if xml_of else ():
        by_name[_base(stem)] = stem if _base(stem) not in by_name else None
    linked, stated, taken = {}, [], set()
    for other, file in xml_of.items():
        stem = by_name.get(_base(other))
        if stem is None:
            try:
                name = _stem(read_annotation(file).filename.replace("\\", "/"))
            except InputError:
                continue
            stem = name if name in image_of else by_name.get(_base(name))
            stated += [other] if stem is not None else []
        if stem is not None and stem not in annotated and stem not in taken:
            linked[other] = stem
            taken.add(stem)
    return linked, [other for other in stated if other in linked]


def _base(stem: str) -> str:
    return stem.rpartition("/")[2]


def _listed(file: Path, known: Container[str]) -> dict[str, None]:
    """Stems in a list of images, in the list's order; those of names with blanks and quotes where they are known."""
    names = {}
    for number, line in read_lines(file):
        marked = _MARKED.fullmatch(line)
        name, mark = marked.groups() if marked and line not in known else (line, "")
        if name not in known and len(name) > 2 and name[0] == name[-1] and name[0] in "\"'":
            name = name[1:-1]
        check_inside(name, f"{file}, line {number}")
        if name not in known and is_image_name(name):
            name = _stem(name)
        if mark != "-1":
            names[name] = None
    if not names:
        raise InputError(f"{file} names no image")
    return names


LAYOUT = Layout(
    "voc",
    "a folder with images and annotations, such as JPEGImages and Annotations, or a list in its ImageSets/Main",
    _recognise,
    _read,
    takes_images=True,
)
