"""A user's request to explain an image of the test set or any image file, and the data on that image."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bias_toolkit.datasets import read_pixels
from bias_toolkit.datasets.file_names import check_path
from bias_toolkit.explain.record import Distances
from bias_toolkit.foundation.choices import DEEP_GREYS
from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.invariance import centre_view
from bias_toolkit.objects import object_of_image

if TYPE_CHECKING:
    from bias_toolkit.features.index import TrainingIndex
    from bias_toolkit.models import Model

LONGEST_NAME = 60
LABELS_SHOWN = 5


@dataclass(frozen=True)
class Request:
    """An image to explain: a test image by its id, or another one by its path.

    `file`, `label`, `box` (x0, y0, x1, y1 of its object in pixels) and `deep_grey` (the study's setting) are only of an
    image outside the test set.
    """

    image_id: str
    file: Path | None = None
    label: str | None = None
    box: tuple[float, float, float, float] | None = None
    deep_grey: str = DEEP_GREYS[0]

    @property
    def name(self) -> str:
        """The name of its folder among the study's explanations."""
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(self.image_id).stem)[-LONGEST_NAME:].strip("-.")
        digest = hashlib.sha256(self.image_id.encode("utf-8", "surrogateescape")).hexdigest()[:10]
        return f"{stem}-{digest}" if stem else digest

    def key_values(self) -> dict[str, object]:
        """The values, as JSON, on which the explanation depends besides the study."""
        if self.file is None:
            return {"image": self.image_id}
        return {
            "file_sha256": hashlib.sha256(self.file.read_bytes()).hexdigest(),
            "label": self.label,
            "box": None if self.box is None else list(self.box),
            **({} if self.deep_grey == DEEP_GREYS[0] else {"deep_grey": self.deep_grey}),
        }


def known_request(image_id: str, box: Sequence[float] | None = None, label: str | None = None) -> Request:
    """The request for a test image; InputError if a box or a label is given, because the study has both."""
    if box is not None or label is not None:
        raise InputError(
            f"{image_id} is an image of the study's test set, whose box and label the study knows; leave out --box and "
            "--label, which are for other images."
        )
    return Request(image_id)


def image_file(image: str | os.PathLike, left_out: Mapping[str, str], example: str) -> Path:
    """The absolute path of an image file that is not in the test set.

    InputError if it is no file, or one of the test images that were left out, whose reasons `left_out` has by image_id;
    the error names the test image `example`.
    """
    path = Path(image)
    if path.is_file():
        return path.resolve()
    if reason := left_out.get(str(image)):
        raise InputError(f"{image} was left out of the study's test set: {reason}.")
    what = "a folder" if path.is_dir() else "no file"
    raise InputError(
        f"{image} is {what}, and no image of the study's test set; give the path of an image, or an image_id such as "
        f"{example!r}."
    )


def file_request(
    file: Path,
    box: Sequence[float] | None,
    label: str | None,
    *,
    training_id: str | None,
    images: pd.DataFrame,
    objects: pd.DataFrame,
    deep_grey: str = DEEP_GREYS[0],
) -> Request:
    """The request for an image file; for a training image, label and box default to its own.

    `file` is absolute. `box` is x0, y0, x1, y1 in pixels, `label` is from `known_label`, and `training_id`, from
    `training_image`, is the training image that is this file. `images` and `objects` are tables IMAGES and OBJECTS of
    the training set. `deep_grey` says how the study scales greyscale of more than 8 bits. Raises InputError if the file
    is no image, or the box does not lie in it.
    """
    check_path(file)
    pixels = _read_image(file, deep_grey)
    if box is not None:
        _check_box(box, pixels)
        box = tuple(float(edge) for edge in box)
    if training_id is not None:
        own = images.loc[images["image_id"] == training_id, "label"].iloc[0]
        label = label or (None if pd.isna(own) else own)
        own_object = object_of_image(training_id, images, objects)
        box = own_object.box if box is None and own_object is not None else box
    return Request(str(file), file, label, box, deep_grey)


def _read_image(file: Path, deep_grey: str) -> np.ndarray:
    """The pixels of an image file, uint8 (height, width, 3); InputError if it is no image."""
    try:
        return read_pixels(os.fspath(file), deep_grey)
    except UnreadableImageError as error:
        raise InputError(
            f"{file} cannot be read as an image ({error}); give a JPEG, PNG, WebP, BMP or TIFF file."
        ) from error


def training_image(
    file: Path, image_ids: Iterable[str], sources: Callable[[Iterable[str]], Iterable[str | None]]
) -> str | None:
    """The training image whose source, an absolute path, is this file; None if there is none."""
    found = zip(sources(image_ids), image_ids, strict=True)
    return next((image_id for source, image_id in found if source == str(file)), None)


def known_label(
    given: str, labels: Iterable[str], class_names: Mapping[str, str], is_class: Callable[[str], bool]
) -> str:
    """The label of the study with this value or readable name, or else a class of the model.

    `class_names` has the readable names of a label, separated by commas. `is_class` says whether the model has a class
    of this name; it is called only if the study has no such label. Raises InputError if there is neither.
    """
    labels = sorted(set(labels))
    if given in labels:
        return given
    wanted = given.strip().lower()
    synonyms = {label: [name.strip().lower() for name in class_names.get(label, "").split(",")] for label in labels}
    named = [label for label in labels if wanted and wanted in synonyms[label]]
    if len(named) == 1:
        return named[0]
    if is_class(given):
        return given
    known = ", ".join(labels[:LABELS_SHOWN]) + (", …" if len(labels) > LABELS_SHOWN else "")
    raise InputError(f"--label {given!r} is no label of the study ({known}) and no class of the model.")


def _check_box(box: Sequence[float], pixels: np.ndarray) -> None:
    height, width = pixels.shape[:2]
    listed = ",".join(f"{edge:g}" for edge in box)
    if len(box) != 4 or not all(np.isfinite(box)):
        raise InputError(f"--box is {listed}, but must be four numbers x0,y0,x1,y1 in pixels.")
    x0, y0, x1, y1 = box
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise InputError(
            f"--box is {listed}, but must be x0,y0,x1,y1 with x0 < x1 and y0 < y1 inside the image, which is "
            f"{width} × {height} pixels."
        )


@dataclass(frozen=True)
class Subject:
    """The image to explain."""

    image_id: str
    pixels: np.ndarray  # uint8 (height, width, 3)
    in_test_set: bool
    label: str | None
    label_index: int | None  # the model's class of the dataset's label
    box: Sequence[float] | None  # x0, y0, x1, y1 of its object in pixels
    category: str | None  # of its object
    neighbours: pd.DataFrame  # the nearest training images, nearest first: neighbour_id, distance
    distances: Distances | None = None


def known_subject(
    image_id: str,
    *,
    images: pd.DataFrame,
    objects: pd.DataFrame,
    neighbours: pd.DataFrame,
    distances: pd.DataFrame,
    metric: str,
    label_indices: Mapping[str, int],
    read: Callable[[str], np.ndarray],
) -> Subject:
    """A test image, with what its study knows of it.

    `images`, `objects`, `neighbours` and `distances` are tables of the test set; `label_indices` has the model's class
    of each label; `read` gives the pixels of an image_id. InputError if the image cannot be read any more.
    """
    try:
        pixels = read(image_id)
    except UnreadableImageError as error:
        raise InputError(f"{image_id} cannot be read any more ({error}).") from error
    label = images.loc[images["image_id"] == image_id, "label"].iloc[0]
    label = None if pd.isna(label) else label
    own_object = object_of_image(image_id, images, objects)
    nearest = neighbours[neighbours["image_id"] == image_id].sort_values("rank")
    return Subject(
        image_id=image_id,
        pixels=pixels,
        in_test_set=True,
        label=label,
        label_index=label_indices.get(label),
        box=None if own_object is None else own_object.box,
        category=None if own_object is None else own_object.category,
        neighbours=nearest[["neighbour_id", "distance"]],
        distances=_distances(distances.set_index("image_id").loc[image_id].to_dict(), metric),
    )


def outside_subject(
    request: Request,
    model: Model,
    training: TrainingIndex,
    *,
    training_id: str | None,
    training_labels: Mapping[str, str],
    training_spacing: np.ndarray,
    label_index: int | None,
    neighbours: int,
    feature_size: float,
    feature_precision: str,
) -> Subject:
    """An image file outside the test set, with its distances from the training images.

    Parameters
    ----------
    training_id : str, optional
        The training image that is this file. It does not count as its own neighbour.
    training_labels : mapping
        image_id of a training image to its label; images without a label are left out.
    training_spacing : array
        The distance of each training image to its nearest other one, ascending.
    label_index : int, optional
        The model's class of the request's label.
    neighbours : int
        How many of the nearest training images are kept.
    feature_size, feature_precision : float, str
        The size of the crop whose centre view the features are of, and the precision in which they are computed.
    """
    from bias_toolkit.features.index import NEAREST, class_nn_distances, distances_table, nearest_neighbours

    pixels = _read_image(request.file, request.deep_grey)
    view = centre_view(pixels, model.input_size, feature_size)
    features = model.evaluate(view.pixels, precision=feature_precision).features
    own = np.array([training.image_ids.index(training_id) if training_id in training.image_ids else -1])
    ids = [request.image_id]
    nearest = nearest_neighbours(training, features, ids, own, max(neighbours, NEAREST))
    labels = [training_labels.get(image_id) for image_id in training.image_ids]
    within = class_nn_distances(training, features, [request.label], labels, own)
    distances = distances_table(training, nearest, ids, within, own, reference=training_spacing)
    return Subject(
        image_id=request.image_id,
        pixels=pixels,
        in_test_set=False,
        label=request.label,
        label_index=label_index,
        box=request.box,
        category=request.label,
        neighbours=nearest.head(neighbours)[["neighbour_id", "distance"]],
        distances=_distances(distances.iloc[0].to_dict(), training.metric),
    )


def _distances(row: Mapping[str, Any], metric: str) -> Distances | None:
    names = ("nn_distance", "knn_distance", "class_nn_distance", "distance_percentile")
    values = {name: None if pd.isna(row[name]) else float(row[name]) for name in names}
    return None if values["nn_distance"] is None else Distances(**values, metric=metric)
