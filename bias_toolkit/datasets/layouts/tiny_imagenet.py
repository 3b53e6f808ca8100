"""Tiny-ImageNet: its `train` folder, or its `val` folder.

`train/<wnid>/<wnid>_boxes.txt` has one line per image: file name, x0, y0, x1, y1. `val/val_annotations.txt` has the
WordNet id after the file name. Boxes are inclusive pixels counted from 0, so the high side gains 1.
"""

from pathlib import Path

import pandas as pd

from bias_toolkit.datasets.annotation_text import parse_edges, read_lines
from bias_toolkit.datasets.dataset import Dataset
from bias_toolkit.datasets.file_names import check_inside
from bias_toolkit.datasets.layouts.layout import Layout
from bias_toolkit.datasets.listing import BOX_COLUMNS, Annotations
from bias_toolkit.datasets.walk import visible_folders, walk_images
from bias_toolkit.datasets.wordnet import find_names
from bias_toolkit.foundation.errors import InputError

_VAL_ANNOTATIONS = "val_annotations.txt"


def _recognise(path: Path, asked: bool) -> str | None:
    if not path.is_dir():
        return None
    if (path / _VAL_ANNOTATIONS).is_file():
        return f"it holds {_VAL_ANNOTATIONS}"
    if boxes := _boxes_files(path):
        return f"its class folders hold boxes, as in {boxes[0].name}"
    if (path / "val" / _VAL_ANNOTATIONS).is_file() or ((path / "train").is_dir() and _boxes_files(path / "train")):
        raise InputError(f"{path} is the root of Tiny-ImageNet: name {path / 'train'} or {path / 'val'}")
    return None


def _read(path: Path, reason: str) -> Dataset:
    image_ids, unlisted = walk_images(path)
    boxes_files = [file for file in (path / _VAL_ANNOTATIONS,) if file.is_file()] or _boxes_files(path)
    names, names_file = find_names([path.parent])
    wnids_file = path.parent / "wnids.txt"
    if wnids_file.is_file():
        wnids = {line for _, line in read_lines(wnids_file)}
        names = {wnid: name for wnid, name in names.items() if wnid in wnids}
    return LAYOUT.dataset(
        path,
        reason,
        image_ids,
        lambda progress: _annotations(image_ids, boxes_files),
        class_names=names,
        annotation_files=[*boxes_files, *names_file],
        unlisted=unlisted,
    )


def _boxes_files(path: Path) -> list[Path]:
    files = [path / name / f"{name}_boxes.txt" for name in visible_folders(path)]
    return [file for file in files if file.is_file()]


def _annotations(image_ids: list[str], boxes_files: list[Path]) -> Annotations:
    rows, label_of = [], {}
    for file in boxes_files:
        of_val = file.name == _VAL_ANNOTATIONS
        folder = "images/" if of_val else f"{file.parent.name}/images/"
        for number, line in read_lines(file):
            where = f"{file}, line {number}"
            name, *values = line.split()
            category = values.pop(0) if of_val and values else file.parent.name
            image_id = folder + check_inside(name, where)
            rows.append((image_id, category, *parse_edges(values, where)))
            if label_of.setdefault(image_id, category) != category:
                raise InputError(f"{where}: {name} is labelled {label_of[image_id]} above, and {category} here")
    boxes = pd.DataFrame(rows, columns=BOX_COLUMNS)
    if boxes_files[0].name == _VAL_ANNOTATIONS:
        labels = [label_of.get(image_id) for image_id in image_ids]
    else:
        labels = [image_id.split("/", 1)[0] for image_id in image_ids]
    return Annotations(labels, boxes, upright=False, to_edges=(0, 1))


LAYOUT = Layout(
    "tiny-imagenet",
    f"Tiny-ImageNet's train folder, with boxes files in its class folders, or its val folder, with {_VAL_ANNOTATIONS}",
    _recognise,
    _read,
)
