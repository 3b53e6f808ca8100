"""The image to explain, with what is known of it: from a study's tables, or measured anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bias_toolkit.explain.record import Distances
from bias_toolkit.explain.request import Request, read_image
from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.invariance import centre_view
from bias_toolkit.objects import object_of_image

if TYPE_CHECKING:
    from bias_toolkit.features.index import TrainingIndex
    from bias_toolkit.models import Model


@dataclass(frozen=True)
class Subject:
    """The image to explain.

    Parameters
    ----------
    pixels : uint8 array (height, width, 3)
    label_index : int, optional
        The model's class of the dataset's label.
    box, category : optional
        x0, y0, x1, y1 of its object in pixels, and the object's category.
    neighbours : DataFrame
        The nearest training images, nearest first: neighbour_id, distance.
    """

    image_id: str
    pixels: np.ndarray
    in_test_set: bool
    label: str | None
    label_index: int | None
    box: Sequence[float] | None
    category: str | None
    neighbours: pd.DataFrame
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

    Parameters
    ----------
    images, objects, neighbours, distances : DataFrame
        Tables IMAGES, OBJECTS, NEIGHBOURS and DISTANCES of the test set.
    label_indices : mapping
        Label to the model's class.
    read : callable
        image_id to uint8 (height, width, 3).

    Raises
    ------
    InputError
        If the image cannot be read any more.
    """
    try:
        pixels = read(image_id)
    except UnreadableImageError as error:
        raise InputError(f"{image_id} cannot be read any more ({error}).") from error
    label = images.loc[images["image_id"] == image_id, "label"].iloc[0]
    label = None if pd.isna(label) else label
    found = object_of_image(image_id, images, objects)
    nearest = neighbours[neighbours["image_id"] == image_id].sort_values("rank")
    return Subject(
        image_id=image_id,
        pixels=pixels,
        in_test_set=True,
        label=label,
        label_index=label_indices.get(label),
        box=None if found is None else found.box,
        category=None if found is None else found.category,
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
    label_indices: Mapping[str, int],
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
    label_indices : mapping
        Label to the model's class.
    neighbours : int
        How many of the nearest training images are kept.
    feature_size, feature_precision : float, str
        The size of the crop whose centre view the features are of, and the precision in which they are computed.
    """
    from bias_toolkit.features.index import NEAREST, distances_table, nearest_neighbours
    from bias_toolkit.models import match_labels

    pixels = read_image(request.file)
    view = centre_view(pixels, model.input_size, feature_size)
    features = model.evaluate(view.pixels, precision=feature_precision).features
    own = np.array([training.image_ids.index(training_id) if training_id in training.image_ids else -1])
    ids = [request.image_id]
    nearest = nearest_neighbours(training, features, ids, own, max(neighbours, NEAREST))
    labels = [training_labels.get(image_id) for image_id in training.image_ids]
    distances = distances_table(
        training, nearest, features, ids, [request.label], labels, own, reference=training_spacing
    )
    index = label_indices.get(request.label)
    if index is None and request.label is not None:
        index = match_labels([request.label], model).indices.get(request.label)
    return Subject(
        image_id=request.image_id,
        pixels=pixels,
        in_test_set=False,
        label=request.label,
        label_index=index,
        box=request.box,
        category=request.label,
        neighbours=nearest.head(neighbours)[["neighbour_id", "distance"]],
        distances=_distances(distances.iloc[0].to_dict(), training.metric),
    )


def _distances(row: Mapping[str, Any], metric: str) -> Distances | None:
    names = ("nn_distance", "knn_distance", "class_nn_distance", "distance_percentile")
    values = {name: None if pd.isna(row[name]) else float(row[name]) for name in names}
    return None if values["nn_distance"] is None else Distances(**values, metric=metric)
