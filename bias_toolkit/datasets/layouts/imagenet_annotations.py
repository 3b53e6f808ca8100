"""ImageNet's labels and boxes, in any of the files in which they are distributed.

The image folder and the four folders above it are searched in this order; the first file found is used:

1. Kaggle's `LOC_train_solution.csv` or `LOC_val_solution.csv`: labels and boxes;
2. XML, one file per image, in `Annotations/CLS-LOC/<split>`, `Annotations/<split>`, `Annotations`, `Annotation`,
   `ILSVRC2012_bbox_<split>` (with `_v2` or `_v3` for train or val), or beside the images; for train in one folder per
   class: labels and boxes;
3. `imagenet_2012_validation_synset_labels.txt`, one WordNet id per line: labels of the validation images;
4. `ILSVRC2012_validation_ground_truth.txt`, a number from 1 to 1000 per line, with the development kit's `meta.mat` or
   `map_clsloc.txt`, which define the numbers (also searched in `data`, `devkit/data` and `ILSVRC2012_devkit_t12/data`
   of each folder): labels of the validation images. The numbers are not the lines of `LOC_synset_mapping.txt` or of
   `synset_words.txt`, which are in the order of the WordNet ids;
5. `valprep.sh`, which moves each validation image to the folder of its class;
6. `val.txt`, an image and a number from 0 to 999 per line, as Caffe and MMPretrain have it (also searched in `meta` and
   `caffe_ilsvrc12`), with `synsets.txt`, `synset_words.txt` or `LOC_synset_mapping.txt` near it, which define the
   numbers by the order of their lines. Without these, the labels are the numbers. A WordNet id may be in a number's
   place.

Boxes are inclusive pixels counted from 0, so the high side gains 1. The XML format is Pascal VOC's, which counts from
1, but these numbers count from 0: boxes that fill a 500 × 375 image are written 0 0 499 374.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

import pandas as pd

from bias_toolkit.datasets.annotation_text import parse_edges, read_lines
from bias_toolkit.datasets.annotation_xml import read_annotations
from bias_toolkit.datasets.file_names import shortened
from bias_toolkit.datasets.layouts.devkit_meta import read_meta
from bias_toolkit.datasets.listing import BOX_COLUMNS, no_boxes
from bias_toolkit.datasets.wordnet import is_wnid
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.progress import Progress

_LEVELS = 4
_DEVKIT_FOLDERS = ("", "data", "devkit/data", "ILSVRC2012_devkit_t12/data", "meta", "caffe_ilsvrc12")
_MOVE = re.compile(r"mv\s+(?:\S*/)?(ILSVRC2012_val_\d{8})\.\w+\s+(?:\S*/)?(n\d{8})/?")
_IN_LIST = re.compile(r"(?:\S*/)?(ILSVRC2012_val_\d{8})(?:\.\w+)?\s+(\d+|n\d{8})")
_SYNSETS = ("synsets.txt", "synset_words.txt", "LOC_synset_mapping.txt")
_SYNSET_LABELS = "imagenet_2012_validation_synset_labels.txt"
_GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
_FIELDS_A_BOX = 5
_N_CLASSES = 1000

LabelsAndBoxes = tuple[dict[str, str], pd.DataFrame, dict[str, tuple[float, float]]]
"""Label by file stem; boxes with columns `BOX_COLUMNS` whose `image_id` is the stem, in inclusive pixels from 0; and
the size of the image that the annotations state, by stem."""


@dataclass(frozen=True)
class FoundAnnotations:
    """Annotation files of ImageNet, not yet read."""

    source: str  # one clause that names them
    read: Callable[[Progress], LabelsAndBoxes]
    files: Sequence[Path] = ()  # as `Listing.annotation_files`
    stamped_files: Sequence[Path] = ()
    class_names: dict[str, str] = field(default_factory=dict)  # by WordNet id, where these files have them


def nearby(folder: Path) -> list[Path]:
    """A folder and the folders above it in which its annotations may be, nearest first."""
    return [folder, *folder.parents[:_LEVELS]]


def find_annotations(folder: Path, split: str, stems: Collection[str], wnids: Sequence[str]) -> FoundAnnotations | None:
    """Find the annotations of a folder of images of a split, from its file names without extension and its classes."""
    places = nearby(folder)
    if solution := _first_file(places, f"LOC_{split}_solution.csv"):
        return FoundAnnotations(
            f"labels and boxes from {solution.name}", lambda progress: _read_solution(solution), [solution]
        )
    if xml_files := _find_xml(places, split, stems, wnids):
        return FoundAnnotations(
            f"labels and boxes from XML such as {xml_files[0].name}",
            lambda progress: _read_xml(xml_files, progress),
            stamped_files=xml_files,
        )
    if split == "val":
        return _find_validation_labels(places)
    return None


def _first_file(places: Sequence[Path], *names: str) -> Path | None:
    return next((place / name for place in places for name in names if (place / name).is_file()), None)


def _read_solution(file: Path) -> LabelsAndBoxes:
    label_of, rows = {}, []
    lines = read_lines(file)
    if next(lines, None) != (1, "ImageId,PredictionString"):
        raise InputError(f"{file} has to begin with the line ImageId,PredictionString")
    for number, line in lines:
        where = f"{file}, line {number}"
        stem, _, prediction = line.partition(",")
        fields = prediction.split()
        if (
            not stem
            or "/" in stem
            or not fields
            or len(fields) % _FIELDS_A_BOX > 1
            or not all(map(is_wnid, fields[::_FIELDS_A_BOX]))
        ):
            raise InputError(f"{where}: expected an image, and a WordNet id and four numbers for each object")
        label_of[stem] = fields[0]
        for start in range(0, len(fields) - 1, _FIELDS_A_BOX):
            category, *edges = fields[start : start + _FIELDS_A_BOX]
            rows.append((stem, category, *parse_edges(edges, where)))
    return label_of, pd.DataFrame(rows, columns=BOX_COLUMNS), {}


def _find_xml(places: Sequence[Path], split: str, stems: Collection[str], wnids: Sequence[str]) -> list[Path]:
    names = [f"Annotations/CLS-LOC/{split}", f"Annotations/{split}", "Annotations", "Annotation"]
    names += [f"ILSVRC2012_bbox_{split}{version}" for version in ("", "_v2", "_v3")]
    for folder in (*(place / name for place in places for name in names), places[0]):
        if folder.is_dir():
            parts = [folder, *(folder / wnid for wnid in wnids)]
            files = chain.from_iterable(sorted(part.glob("[!.]*.xml")) for part in parts)
            if matching := [file for file in files if file.stem in stems]:
                return matching
    return []


def _read_xml(files: Sequence[Path], progress: Progress) -> LabelsAndBoxes:
    label_of, rows, sizes = {}, [], {}
    for file, annotation in zip(files, read_annotations(files, progress), strict=True):
        if annotation.objects:
            label_of[file.stem] = annotation.objects[0][0]
        rows += [(file.stem, *item) for item in annotation.objects]
        sizes[file.stem] = annotation.size
    return label_of, pd.DataFrame(rows, columns=BOX_COLUMNS), sizes


def _find_validation_labels(places: Sequence[Path]) -> FoundAnnotations | None:
    places = [place / part for place in places for part in _DEVKIT_FOLDERS]
    if file := _first_file(places, _SYNSET_LABELS):
        wnids = _validation_lines(file, is_wnid, "a WordNet id such as n01440764")
        return FoundAnnotations(f"labels from {file.name}, no boxes", partial(_numbered, wnids), [file])

    if not (file := _first_file(places, _GROUND_TRUTH)):
        return _find_moves(places) or _find_list(places)
    synsets_file = _first_file(places, "meta.mat", "map_clsloc.txt")
    if not synsets_file:
        raise InputError(
            f"{file} numbers the classes, and neither meta.mat nor map_clsloc.txt of the development kit is near it"
            " to say which they are"
        )
    synsets = read_meta(synsets_file) if synsets_file.suffix == ".mat" else _read_map(synsets_file)
    numbers = _validation_lines(file, synsets.__contains__, f"a class number that {synsets_file} has")
    return FoundAnnotations(
        f"labels from {file.name}, no boxes",
        partial(_numbered, [synsets[number][0] for number in numbers]),
        [file, synsets_file],
        class_names=dict(synsets.values()),
    )


def _find_moves(places: Sequence[Path]) -> FoundAnnotations | None:
    file = _first_file(places, "valprep.sh")
    moves = [match.groups() for _, line in read_lines(file) if (match := _MOVE.fullmatch(line))] if file else []
    if not moves:
        return None
    return FoundAnnotations(
        f"labels from {file.name}, no boxes", lambda progress: (dict(moves), no_boxes(), {}), [file]
    )


def _find_list(places: Sequence[Path]) -> FoundAnnotations | None:
    """The labels in Caffe's list: WordNet ids, or numbers that count the lines of a list of classes."""
    file, synsets_file = _first_file(places, "val.txt"), _first_file(places, *_SYNSETS)
    matches = [_IN_LIST.fullmatch(line) for _, line in read_lines(file)] if file else []
    if not matches or not all(matches):
        return None
    label_of = dict(match.groups() for match in matches)
    files, source = [file], f"labels from {file.name}"
    if not all(map(is_wnid, label_of.values())):
        wnids = [line.split()[0] for _, line in read_lines(synsets_file)] if synsets_file else []
        # ImageNet's own ImageSets number the images, not their classes.
        of_images = not wnids and all(stem.endswith(label.zfill(8)) for stem, label in label_of.items())
        n_classes = len(wnids) or _N_CLASSES
        if of_images or any(is_wnid(label) or int(label) >= n_classes for label in label_of.values()):
            return None
        if wnids:
            label_of = {stem: wnids[int(label)] for stem, label in label_of.items()}
            files, source = [file, synsets_file], f"{source} by the lines of {synsets_file.name}"
        else:
            source += f" (class numbers, as none of {', '.join(_SYNSETS)} is near it)"
    return FoundAnnotations(f"{source}, no boxes", lambda progress: (label_of, no_boxes(), {}), files)


def _validation_lines(file: Path, fits: Callable[[str], bool], expected: str) -> list[str]:
    """One text per line; InputError if a line does not fit or is missing, as a line's number is its image's number."""
    texts = []
    for number, line in read_lines(file):
        if number != len(texts) + 1 or not fits(line):
            actual = shortened(line) if number == len(texts) + 1 else "a blank line"
            raise InputError(f"{file}, line {len(texts) + 1}: expected {expected}, not {actual}")
        texts.append(line)
    return texts


def _numbered(wnids: Sequence[str], progress: Progress) -> LabelsAndBoxes:
    """Labels of the validation images, whose names count from 1 in the order of the lines."""
    return {f"ILSVRC2012_val_{number:08d}": wnid for number, wnid in enumerate(wnids, 1)}, no_boxes(), {}


def _read_map(file: Path) -> dict[str, tuple[str, str]]:
    """WordNet id and name by number, from lines such as `n02119789 1 kit_fox`."""
    synsets = {}
    for number, line in read_lines(file):
        fields = line.split(maxsplit=2)
        if len(fields) < 3 or not is_wnid(fields[0]):
            raise InputError(f"{file}, line {number}: expected a WordNet id, a number and a name")
        synsets[fields[1]] = (fields[0], fields[2].replace("_", " "))
    return synsets
