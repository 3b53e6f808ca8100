"""FiftyOne's own format, FiftyOneDataset: a folder with `samples.json`, `metadata.json` and the images in `data`.

The path is that folder. `samples.json` is read as a stream, sample by sample. Image ids are the samples' `filepath`,
relative to the folder. A path that leads elsewhere, or to nothing, is taken as the file of that name in `data`.

Objects are the field of detections `ground_truth`, or the only such field, or else the first. A box is its left edge,
top edge, width and height, as fractions of the upright image. Without detections, objects are the boxes that enclose
polylines, of the field that is chosen in the same way. The label is the classification `ground_truth`, or the only one,
or else the first; without one, it is the category of the image's objects, if they all have the same one.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bias_toolkit.datasets.annotation_text import parse_edges, stream_json_objects
from bias_toolkit.datasets.dataset import Dataset
from bias_toolkit.datasets.file_names import check_inside, is_utf8, listed, shortened
from bias_toolkit.datasets.image_facts import Note
from bias_toolkit.datasets.layouts.layout import Layout
from bias_toolkit.datasets.listing import BOX_COLUMNS, Annotations, sole_category
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.words import count

_SAMPLES, _METADATA, _DATA = "samples.json", "metadata.json", "data"
_PREFERRED = "ground_truth"
_OF_IMAGE = "metadata"
_LISTS = {"Detections": "detections", "Polylines": "polylines"}
"""The field of a label that holds its parts, by kind."""
_DETECTIONS, _POLYLINES = ("Detections", "Detection"), ("Polylines", "Polyline")


class _Samples(NamedTuple):
    """What the samples say: image ids, and labels and boxes by field."""

    image_ids: list[str]
    labels: dict[str, dict[str, str]]  # by field and image id
    boxes: dict[str, list[tuple[str, str, float, float, float, float]]]  # by field, as in BOX_COLUMNS
    enclosing: dict[str, list[tuple[str, str, float, float, float, float]]]  # the same of polylines
    without_box: list[str]  # image id of each detection or polyline that has no box
    unread: Counter[str]  # number of labels of other kinds, by kind
    moved: list[str]  # filepath of each image that is not there, but in `data`


def _recognise(path: Path, asked: bool) -> str | None:
    if path.is_file() and path.name == _SAMPLES:
        path = path.parent
    fits = all((path / name).is_file() for name in (_SAMPLES, _METADATA))
    return f"it holds FiftyOne's {_SAMPLES} and {_METADATA}" if fits else None


def _read(path: Path, reason: str) -> Dataset:
    folder = path.parent if path.is_file() else path
    file = folder / _SAMPLES
    samples = _read_samples(file)
    if not samples.image_ids:
        raise InputError(f"{file} has no sample")
    image_ids = sorted(set(samples.image_ids))
    notes = []
    labels_field = _chosen(file, "classifications", samples.labels, notes)
    if has_detections := any(samples.boxes.values()):
        kind, found = "detections", samples.boxes
        samples.unread["Polylines"] = sum(map(len, samples.enclosing.values()))
    else:
        kind, found = "polylines", samples.enclosing
    boxes_field = _chosen(file, kind, found, notes)
    boxes = pd.DataFrame(found.get(boxes_field, []), columns=BOX_COLUMNS)
    if len(boxes) and not has_detections:
        notes.append(Note(f"{count(len(boxes), 'box encloses', 'boxes enclose')} the points of a polyline in {file}."))
    for name, n in sorted((+samples.unread).items()):
        text = count(n, f"label of the kind {shortened(name)} was", f"labels of the kind {shortened(name)} were")
        notes.append(Note(f"{text} not read from {file}."))
    if left_out := samples.without_box:
        found = count(len(left_out), "detection without a box was", "detections without a box were")
        notes.append(Note(f"{found} left out of {file}, such as one of {shortened(left_out[0])}."))
    if moved := samples.moved:
        found = count(len(moved), "image was", "images were")
        notes.append(
            Note(f"{found} found in {_DATA}, and not at the filepath in {file}, such as {shortened(moved[0])}.")
        )
    if labels_field is None:
        categories = boxes.groupby("image_id")["category"]
        labels_of = {image_id: sole_category(names.tolist()) for image_id, names in categories}
    else:
        labels_of = samples.labels[labels_field]
    annotations = Annotations([labels_of.get(image_id) for image_id in image_ids], boxes, relative=True)
    return LAYOUT.dataset(
        path, reason, image_ids, lambda progress: annotations, folder, annotation_files=[file], notes=notes
    )


def _chosen(file: Path, kind: str, fields: Iterable[str], notes: list[Note]) -> str | None:
    """The field that is read; the notes get one on the others."""
    names = sorted(fields, key=lambda name: (name != _PREFERRED, name))
    if len(names) > 1:
        notes.append(Note(f"{file} has the {kind} {listed(names)}: {names[0]} is read, the others are not."))
    return names[0] if names else None


def _read_samples(file: Path) -> _Samples:
    samples = _Samples([], {}, {}, {}, [], Counter(), [])
    for number, sample in enumerate(stream_json_objects(file, "samples")):
        where = f"{file}: sample {number}"
        image_id = _image_id(file.parent, sample.get("filepath"), where)
        samples.image_ids.append(image_id)
        if os.path.join(file.parent, sample["filepath"]) != os.path.join(file.parent, image_id):
            samples.moved.append(sample["filepath"])
        for field, value in sample.items():
            kind = value.get("_cls") if isinstance(value, dict) else None
            if kind == "Classification" and value.get("label") is not None:
                samples.labels.setdefault(field, {})[image_id] = _label(value, where)
            elif kind in (*_DETECTIONS, *_POLYLINES):
                parts = value.get(_LISTS[kind]) if kind in _LISTS else [value]
                rows = (samples.boxes if kind in _DETECTIONS else samples.enclosing).setdefault(field, [])
                for part in parts if isinstance(parts, list) else []:
                    if edges := _edges_of(part, where):
                        rows.append((image_id, _label(part, where), *edges))
                    else:
                        samples.without_box.append(image_id)
            elif isinstance(kind, str) and kind != "Classification" and field != _OF_IMAGE:
                samples.unread[kind] += 1
    return samples


def _image_id(folder: Path, filepath: Any, where: str) -> str:
    """A sample's image, relative to the folder; the file of its name in `data` if the path leads elsewhere."""
    if isinstance(filepath, str) and is_utf8(filepath) and "\0" not in filepath:
        path = os.path.normpath(os.path.join(folder, filepath))
        beside = f"{_DATA}/{os.path.basename(filepath)}"
        if Path(path).is_relative_to(folder) and (os.path.exists(path) or not os.path.exists(folder / beside)):
            return os.path.relpath(path, folder)
        if os.path.exists(folder / beside):
            return beside
    return check_inside(filepath, where)


def _label(value: Mapping[str, Any], where: str) -> str | None:
    label = value.get("label")
    if label is not None and not (isinstance(label, str) and label and is_utf8(label)):
        raise InputError(f"{where}: a label has to be a text, not {shortened(label)}")
    return label


def _edges_of(part: Any, where: str) -> tuple[float, float, float, float] | None:
    """The edges of a detection's box, or of the box that encloses a polyline; None if there is none."""
    if not isinstance(part, dict):
        return None
    if part.get("bounding_box") is not None:
        return _edges(part["bounding_box"], where)
    lines = part.get("points")
    points = [point for line in lines if isinstance(line, list) for point in line] if isinstance(lines, list) else []
    if not points:
        return None
    if not all(isinstance(point, list) and len(point) == 2 for point in points):
        raise InputError(f"{where}: a point of a polyline has to be two numbers")
    corners = [parse_edges((*point, *point), where)[:2] for point in points]
    return (*np.min(corners, axis=0).tolist(), *np.max(corners, axis=0).tolist())


def _edges(box: Any, where: str) -> tuple[float, float, float, float]:
    x, y, width, height = parse_edges(box if isinstance(box, list) else [box], where)
    return parse_edges((x, y, x + width, y + height), where)


LAYOUT = Layout("fiftyone", f"a folder with FiftyOne's {_SAMPLES} and {_METADATA}", _recognise, _read)
