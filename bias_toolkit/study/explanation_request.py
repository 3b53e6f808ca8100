"""What is asked to be explained: an image of a study's test set, or any image file."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bias_toolkit.foundation.errors import InputError, UnreadableImageError

if TYPE_CHECKING:
    from bias_toolkit.study import Study

EDGES = ["x0", "y0", "x1", "y1"]
LONGEST_NAME = 60
LABELS_TOLD = 5


@dataclass(frozen=True)
class Request:
    """An image to explain.

    Parameters
    ----------
    image_id : str
        Of a test image; of another image, its path.
    file : Path, optional
        The file of an image outside the test set.
    label : str, optional
        Its label; of a test image, the study has it.
    box : tuple of 4 floats, optional
        x0, y0, x1, y1 of its object in pixels; of a test image, likewise.
    """

    image_id: str
    file: Path | None = None
    label: str | None = None
    box: tuple[float, float, float, float] | None = None

    @property
    def name(self) -> str:
        """What its folder among the study's explanations is called."""
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(self.image_id).stem)[-LONGEST_NAME:].strip("-.")
        digest = hashlib.sha256(self.image_id.encode("utf-8", "surrogateescape")).hexdigest()[:10]
        return f"{stem}-{digest}" if stem else digest

    def settings(self) -> dict[str, object]:
        """What decides the explanation besides the study, as JSON values."""
        if self.file is None:
            return {"image": self.image_id}
        return {
            "file_sha256": hashlib.sha256(self.file.read_bytes()).hexdigest(),
            "label": self.label,
            "box": None if self.box is None else list(self.box),
        }


def request_explanation(
    study: Study, image: str | os.PathLike, box: Sequence[float] | None = None, label: str | None = None
) -> Request:
    """What is asked for: a test image by id or path, or any image file. Of the study, only its images have to be read.

    Raises
    ------
    InputError
        If it is neither, or was left out; or a box or label is given for a test image, or makes no sense.
    """
    image_id = study.test_image(image)
    if image_id is not None:
        if box is not None or label is not None:
            raise InputError(
                f"{image} is an image of the study's test set, whose box and label the study knows; leave out "
                "--box and --label, which are for other images."
            )
        return Request(image_id)
    path = Path(image)
    if not path.is_file():
        skipped = study.skipped_images.query("split == 'test'")
        if reason := dict(zip(skipped["image_id"], skipped["reason"], strict=True)).get(str(image)):
            raise InputError(f"{image} was left out of the study's test set: {reason}.")
        what = "a folder" if path.is_dir() else "no file"
        raise InputError(
            f"{image} is {what}, and no image of the study's test set; give the path of an image, or an image_id such "
            f"as {study.images('test')['image_id'].iloc[0]!r}."
        )
    return _outside_request(study, path.resolve(), box, label)


def worst_requests(study: Study, n: int) -> list[Request]:
    """The `n` least stable test images."""
    from bias_toolkit.report.stability import ordered_by_stability

    return [Request(image_id) for image_id in ordered_by_stability(study.per_image)["image_id"].head(n)]


def listed_requests(study: Study) -> list[Request]:
    """The least and the most stable images, which the report lists."""
    from bias_toolkit.report.stability import LISTED, least_and_most_stable

    halves = least_and_most_stable(study.per_image)
    return [Request(image_id) for half in halves for image_id in half["image_id"].head(LISTED)]


def read_outside(path: Path) -> np.ndarray:
    """The pixels of an image file, uint8 (height, width, 3); InputError if it is none."""
    from bias_toolkit.datasets import read_pixels

    try:
        return read_pixels(path)
    except UnreadableImageError as error:
        raise InputError(
            f"{path} cannot be read as an image ({error}); give a JPEG, PNG, WebP, BMP or TIFF file."
        ) from error


def training_image(study: Study, path: Path) -> str | None:
    """The training image that is this file, None where none is."""
    ids = study.images("train")["image_id"]
    return next((image_id for image_id in ids if study.train.source(image_id) == str(path)), None)


def _outside_request(study: Study, path: Path, box: Sequence[float] | None, label: str | None) -> Request:
    """A request for an image file that the test set does not have; a training image brings its own label and box."""
    from bias_toolkit.datasets.file_names import check_path

    check_path(path)
    pixels = read_outside(path)
    if box is not None:
        _check_box(box, pixels)
        box = tuple(float(edge) for edge in box)
    if label is not None:
        label = _known_label(study, label)
    training_id = training_image(study, path)
    if training_id is not None:
        images, objects = study.images("train"), study.objects("train")
        own = images.loc[images["image_id"] == training_id, "label"].iloc[0]
        label = label or (None if pd.isna(own) else own)
        boxes = objects[objects["image_id"] == training_id]
        if box is None and len(boxes):
            area = (boxes["x1"] - boxes["x0"]) * (boxes["y1"] - boxes["y0"])
            box = tuple(boxes.loc[area.idxmax(), EDGES].astype(float))
    return Request(str(path), path, label, box)


def _check_box(box: Sequence[float], pixels: np.ndarray) -> None:
    height, width = pixels.shape[:2]
    if len(box) != 4 or not all(np.isfinite(box)):
        raise InputError(f"--box is {_listed(box)}, but must be four numbers x0,y0,x1,y1 in pixels.")
    x0, y0, x1, y1 = box
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise InputError(
            f"--box is {_listed(box)}, but must be x0,y0,x1,y1 with x0 < x1 and y0 < y1 inside the image, which is "
            f"{width} × {height} pixels."
        )


def _known_label(study: Study, given: str) -> str:
    """The label of the study that is given by itself or by its readable name, or a class of the model."""
    from bias_toolkit.models import match_labels

    names = study.dataset_record("train")["class_names"] | study.dataset_record("test")["class_names"]
    labels = sorted({*study.images("train")["label"].dropna(), *study.images("test")["label"].dropna()})
    if given in labels:
        return given
    wanted = given.strip().lower()
    named = [label for label in labels if wanted in _synonyms(names.get(label, ""))]
    if len(named) == 1:
        return named[0]
    if match_labels([given], study.model).indices:
        return given
    known = ", ".join(labels[:LABELS_TOLD]) + (", …" if len(labels) > LABELS_TOLD else "")
    raise InputError(f"--label {given!r} is no label of the study ({known}) and no class of the model.")


def _synonyms(name: str) -> set[str]:
    return {part.strip().lower() for part in name.split(",") if part.strip()}


def _listed(box: Sequence[float]) -> str:
    return ",".join(f"{edge:g}" for edge in box)
