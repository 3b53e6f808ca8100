"""Folders of images without annotation files: with one folder per class, or without classes."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from bias_toolkit.datasets.dataset import Dataset
from bias_toolkit.datasets.file_names import escaped
from bias_toolkit.datasets.image_facts import Note
from bias_toolkit.datasets.layouts.layout import ASKED, Layout
from bias_toolkit.datasets.listing import Annotations
from bias_toolkit.datasets.walk import files_below, holds_image, visible_folders, walk_images
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.words import count

_SPLIT = re.compile(r"(train(ing)?|val|valid(ation)?|test(ing)?|dev|eval(uation)?)([ _-]?set)?", re.IGNORECASE)
_OF_SEVERAL = (".json", ".jsonl", ".csv", ".tsv", ".parquet")
_OF_ONE_IMAGE = (".xml", ".txt")
_PLACES = ("annotations", "annots", "labels")


def is_split(name: str) -> bool:
    """Whether a folder's name is one of a split, such as train or test_set."""
    return _SPLIT.fullmatch(name) is not None


def _recognise_classes(path: Path, asked: bool) -> str | None:
    if not path.is_dir() or (holds_image(path, deep=False) and not asked):
        return None
    folders = _folders_of_images(path)
    if not folders or (folders == ["images"] and not asked):
        return None
    inside = _inside(path) if not asked else ""
    place = path / inside
    classes = _folders_of_images(place)
    splits = list(filter(is_split, classes))
    if len(splits) > 1 and not asked:
        raise InputError(
            f"{place} holds the splits {', '.join(splits)}: name one of them, for example {place / splits[0]}"
        )
    where = f" in {inside}" if inside else ""
    return f"{count(len(classes), 'folder')} of images{where}, taken as classes"


def _folders_of_images(path: Path) -> list[str]:
    def holds(folder: Path) -> bool:
        try:
            return holds_image(folder)
        except OSError:
            return False

    return [name for name in visible_folders(path) if holds(path / name)]


def _inside(path: Path) -> str:
    """The folder below a folder that holds the class folders, if each folder above them holds nothing else."""
    inside = ""
    while len(folders := _folders_of_images(path / inside)) == 1:
        below = path / inside / folders[0]
        if holds_image(below, deep=False) or not _folders_of_images(below):
            break
        inside = f"{inside}/{folders[0]}".strip("/")
    return inside


def _read_classes(path: Path, reason: str) -> Dataset:
    walk = walk_images(path)
    inside = "" if reason.startswith(ASKED) else _inside(path)
    depth = len(inside.split("/")) if inside else 0
    image_ids = [image_id for image_id in walk.image_ids if image_id.count("/") > depth]
    labels = [image_id.split("/")[depth] for image_id in image_ids]
    unlisted = [(name, why) for name, why in walk.unlisted if "/" in name]
    notes = _unread(path, walk.image_ids)
    if inside:
        text = f"The classes are the folders in {inside}, as that is the one folder of images above them"
        notes.append(Note(f"{text} ({count(len(set(labels)), 'class', 'classes')}, for example {labels[0]})."))
    if n := len(walk.image_ids) - len(image_ids):
        beside = next(name for name in walk.image_ids if name.count("/") <= depth)
        n = count(n, "image is", "images are")
        notes.append(Note(f"{n} left out, beside the class folders and in none (for example {beside})."))
    return CLASS_FOLDERS.dataset(
        path, reason, image_ids, lambda progress: Annotations(labels), unlisted=unlisted, notes=notes
    )


def _unread(path: Path, image_ids: Sequence[str]) -> list[Note]:
    """A note on the files in and beside a folder of images that may be its annotations."""
    beside = [place for above in path.parents[:2] for name in _PLACES if (place := above / name).is_dir()]
    files = [place / name for place in (path, *beside) for name in files_below(place, *_OF_SEVERAL, *_OF_ONE_IMAGE)]
    if any(file.suffix.lower() in _OF_ONE_IMAGE for file in files):
        stems = {Path(image_id).stem for image_id in image_ids}
        files = [file for file in files if file.suffix.lower() in _OF_SEVERAL or file.stem in stems]
    if not files:
        return []
    text = f"{count(len(files), 'file that may be annotations was', 'files that may be annotations were')} not read"
    first = escaped(os.path.relpath(files[0], path))
    how = "Name the annotation file, or the folder that holds images and annotations, or the layout with --layout."
    return [
        Note(f"{text} (for example {first}). {how}", warns=any(file.suffix.lower() in _OF_ONE_IMAGE for file in files))
    ]


def _recognise_images(path: Path, asked: bool) -> str | None:
    if not path.is_dir() or not holds_image(path):
        return None
    return "images without class folders or annotations"


def _read_images(path: Path, reason: str) -> Dataset:
    image_ids, unlisted = walk_images(path)
    labels, notes = [None] * len(image_ids), _unread(path, image_ids)
    folders = _folders_of_images(path)
    if folders and holds_image(path, deep=False) and not reason.startswith(ASKED):
        n = count(len(folders), "folder is", "folders are")
        text = f"{n} not taken as classes, as images lie beside them (for example {escaped(folders[0])})"
        notes.append(Note(f"{text}; --layout class-folders takes them so."))
    return IMAGES_ONLY.dataset(
        path, reason, image_ids, lambda progress: Annotations(labels), unlisted=unlisted, notes=notes
    )


CLASS_FOLDERS = Layout(
    "class-folders", "a folder with a folder of images for each class", _recognise_classes, _read_classes
)
"""As torchvision's ImageFolder reads it: the label is the name of the folder, images may lie in folders below it, and
images beside the class folders are passed over. The class folders may all lie in one folder below the path."""

IMAGES_ONLY = Layout("images", "a folder that holds images", _recognise_images, _read_images)
"""Every image below the folder, without labels."""
