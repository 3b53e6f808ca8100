"""ImageNet as it is distributed: the folder of training images, or of validation images.

The training folder has one folder per class, named by its WordNet id, directly or in folders of parts; so does a
validation folder that was sorted into classes. An unpacked folder is flat. Its images are
`ILSVRC2012_val_00000001.JPEG`, labelled by files nearby, or `n01440764_10026.JPEG`, labelled by the id at the start of
the name. Hugging Face's copy has the id at the end of each name, as in `ILSVRC2012_val_00000001_n01751748.JPEG`.
`imagenet_annotations` lists the files of labels and boxes, and the places where they are searched.

Annotations describe the whole of ImageNet, and a folder may hold a part of it. An annotated image that is not in the
folder is therefore not an error.
"""

import os
import re
from pathlib import Path

import pandas as pd

from bias_toolkit.datasets.dataset import Dataset
from bias_toolkit.datasets.layouts.folders import is_split
from bias_toolkit.datasets.layouts.imagenet_annotations import find_annotations, nearby
from bias_toolkit.datasets.layouts.layout import Layout
from bias_toolkit.datasets.listing import Annotations
from bias_toolkit.datasets.walk import is_image_name, visible_folders, walk_images
from bias_toolkit.datasets.wordnet import find_names, is_wnid
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.progress import Progress

_NUMBERED = re.compile(r"ILSVRC2012_(val|test)_\d{8}")
_NAMED_BY_CLASS = re.compile(r"(n\d{8})_(.*)")
_ID_AT_END = re.compile(r"(.+)_(n\d{8})")
_OF_VALIDATION = ("val", "valid", "validation", "test")
_DATA = ("Data/CLS-LOC", "ILSVRC/Data/CLS-LOC")


def _recognise(path: Path, asked: bool) -> str | None:
    if not path.is_dir():
        return None
    for data in (path / part for part in _DATA):
        if data.is_dir():
            raise InputError(f"{path} is the root of ImageNet: name {data / 'train'} or {data / 'val'}")
    enough = any if asked else all
    if folders := visible_folders(path):
        if enough(map(is_wnid, folders)):
            return "its folders are named by WordNet ids"
        inner = [name for folder in folders for name in visible_folders(path / folder)]
        is_nested = inner and all(map(is_wnid, inner)) and not any(map(is_split, folders))
        return "the folders in its folders are named by WordNet ids" if is_nested else None
    with os.scandir(path) as entries:
        stems = [_stem(entry.name) for entry in entries if is_image_name(entry.name)]
    if stems and enough(_NUMBERED.fullmatch(stem) for stem in stems):
        return "its files are named and numbered as ILSVRC2012's"
    if stems and enough(_NAMED_BY_CLASS.fullmatch(stem) for stem in stems):
        return "its file names begin with WordNet ids"
    return None


def _read(path: Path, reason: str) -> Dataset:
    image_ids, unlisted = walk_images(path)
    stems = [_stem(image_id) for image_id in image_ids]
    named_labels = [_label_in_name(image_id, stem) for image_id, stem in zip(image_ids, stems, strict=True)]
    annotations = find_annotations(path, _split(path, stems), set(stems), sorted(set(filter(None, named_labels))))
    names, names_file = find_names(nearby(path))

    def annotate(progress: Progress) -> Annotations:
        if not annotations:
            return Annotations(named_labels)
        label_of, boxes, sizes = annotations.read(progress)
        labels = [label or label_of.get(stem) for label, stem in zip(named_labels, stems, strict=True)]
        id_of = dict(zip(stems, image_ids, strict=True))
        boxes = boxes.assign(image_id=pd.Series(boxes["image_id"]).map(id_of)).dropna(subset="image_id")
        sizes = {id_of[stem]: size for stem, size in sizes.items() if stem in id_of}
        # The boxes of ImageNet are of the stored pixels.
        return Annotations(labels, boxes, sizes=sizes, upright=False, to_edges=(0, 1))

    without = "without labels" if None in named_labels else "without boxes"
    return LAYOUT.dataset(
        path,
        f"{reason}, {annotations.source if annotations else f'{without}: no annotation file was found near it'}",
        image_ids,
        annotate,
        class_names=names or (annotations and annotations.class_names) or _names_in(stems),
        annotation_files=[*(annotations.files if annotations else ()), *names_file],
        stamped_files=annotations.stamped_files if annotations else (),
        unlisted=unlisted,
    )


def _stem(image_id: str) -> str:
    """The name of an image in the annotations: without the extension, and without an id at the end."""
    stem = image_id.rpartition("/")[2].rpartition(".")[0]
    with_id = _ID_AT_END.fullmatch(stem)
    return with_id[1] if with_id else stem


def _split(path: Path, stems: list[str]) -> str:
    """The split to which the images belong, by their names or else by the folder's: train, val or test."""
    numbered = next(filter(None, map(_NUMBERED.fullmatch, stems)), None)
    if numbered:
        return numbered[1]
    return "val" if path.name.lower() in _OF_VALIDATION else "train"


def _label_in_name(image_id: str, stem: str) -> str | None:
    *folders, name = image_id.split("/")
    if ids := list(filter(is_wnid, folders)):
        return ids[-1]
    if with_id := _ID_AT_END.fullmatch(name.rpartition(".")[0]):
        return with_id[2]
    match = _NAMED_BY_CLASS.fullmatch(stem)
    return match[1] if match else None


def _names_in(stems: list[str]) -> dict[str, str]:
    """Class names that follow the id in file names, as in n01440764_tench but not in n01440764_10026."""
    matches = filter(None, map(_NAMED_BY_CLASS.fullmatch, stems))
    return {match[1]: match[2].replace("_", " ") for match in matches if not match[2].isdigit()}


LAYOUT = Layout(
    "imagenet",
    "a folder whose class folders are named by WordNet ids, or whose files are named as ImageNet's",
    _recognise,
    _read,
)
