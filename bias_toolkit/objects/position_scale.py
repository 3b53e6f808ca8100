"""Where an object is in its image, and how large it is.

All positions and lengths are fractions of the image's width and height, so they are the same at every resolution.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bias_toolkit.datasets import BOX_EDGES
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import empty_table
from bias_toolkit.objects.schema import FRAMING

CORNER_DISTANCE = np.hypot(0.5, 0.5)
TRUNCATION_MARGIN = 1.0
# float32 edges are exact to this many pixels in an image of 100,000 pixels.
EDGE_TOLERANCE = 0.01


def position_and_scale(objects: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Position and scale of every object.

    Returns one row per object, in the order of `objects`, with the columns of `FRAMING`: the centre `cx`, `cy` (0 left
    or top, 1 right or bottom), `width_fraction` and `height_fraction`, `area_fraction` (their product), `scale` (its
    square root), `aspect` (width over height, in pixels), `centre_distance` (0 at the centre of the image, 1 at a
    corner), and `truncated` (the box comes within 1 pixel of the image's border). Raises InputError if `images` names
    an image twice, or a box belongs to no image of `images`, lies partly outside its image, or has no area.

    `objects` has the columns image_id, object_id, category, and x0, y0, x1, y1, the continuous pixel edges of each box;
    `images` has image_id, width and height, in pixels.

    Examples
    --------
    >>> images = pd.DataFrame({"image_id": ["a.jpg"], "width": [100], "height": [100]})
    >>> box = {"x0": [10], "y0": [20], "x1": [50], "y1": [60]}
    >>> objects = pd.DataFrame({"image_id": ["a.jpg"], "object_id": [0], "category": ["cat"], **box})
    >>> position_and_scale(objects, images)[["cx", "cy", "scale"]]
        cx   cy  scale
    0  0.3  0.4    0.4
    """
    if objects.empty:
        return empty_table(FRAMING)
    rows = image_rows(objects, images)
    _refuse(objects, rows < 0, "is in the objects table but not in the images table")
    width, height = (images[name].to_numpy(np.float64)[rows] for name in ("width", "height"))
    x0, y0, x1, y1 = (objects[name].to_numpy(np.float64) for name in BOX_EDGES)
    # The condition states what must hold, so that an edge that is NaN is refused too.
    inside = (np.minimum(x0, y0) >= -EDGE_TOLERANCE) & (np.maximum(x1 - width, y1 - height) <= EDGE_TOLERANCE)
    _refuse(objects, ~inside, "has a box partly outside the image; boxes are clipped to their image")
    _refuse(objects, ~((x1 > x0) & (y1 > y0)), "has a box without area; x1 must be above x0 and y1 above y0")

    cx, cy = (x0 + x1) / (2 * width), (y0 + y1) / (2 * height)
    width_fraction, height_fraction = (x1 - x0) / width, (y1 - y0) / height
    area_fraction = width_fraction * height_fraction
    to_border = np.minimum.reduce([x0, y0, width - x1, height - y1])
    return pd.DataFrame(
        {
            "image_id": objects["image_id"].to_numpy(),
            "object_id": objects["object_id"].to_numpy(np.int32),
            "category": objects["category"].to_numpy(),
            "cx": cx,
            "cy": cy,
            "width_fraction": width_fraction,
            "height_fraction": height_fraction,
            "area_fraction": area_fraction,
            "scale": np.sqrt(area_fraction),
            "aspect": (x1 - x0) / (y1 - y0),
            "centre_distance": np.hypot(cx - 0.5, cy - 0.5) / CORNER_DISTANCE,
            "truncated": to_border <= TRUNCATION_MARGIN,
        }
    )


def image_rows(objects: pd.DataFrame, images: pd.DataFrame) -> np.ndarray:
    """The row of `images` that each object belongs to, by image_id, or −1; InputError if `images` names one twice."""
    if objects.empty or images.empty:
        return np.full(len(objects), -1)
    image_ids = pa.array(images["image_id"], from_pandas=True)
    if pc.count_distinct(image_ids, mode="all").as_py() < len(image_ids):
        twice = images["image_id"][images["image_id"].duplicated()].iloc[0]
        raise InputError(f"The images table names {twice!r} twice; an image takes one row.")
    rows = pc.index_in(pa.array(objects["image_id"], from_pandas=True), value_set=image_ids)
    return np.asarray(rows.fill_null(-1), dtype=np.int64)


def _refuse(objects: pd.DataFrame, wrong: np.ndarray, what: str) -> None:
    if wrong.any():
        raise InputError(f"Image {objects['image_id'].iloc[int(np.argmax(wrong))]!r} {what}.")


def image_framing(framing: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """The framing of each image's subject: its largest object of its label's category, or else its largest object.

    Returns the chosen rows of `framing`, one for each image that has an object, in the order of `images`. Among objects
    of equal area, the one with the lowest object_id is taken. Raises InputError if `images` names an image twice.

    `framing` is from `position_and_scale`; `images` has the columns image_id and label (null where there is none).
    """
    return framing.iloc[subject_rows(framing, images)].reset_index(drop=True)


def subject_rows(framing: pd.DataFrame, images: pd.DataFrame) -> np.ndarray:
    """The rows of `framing` that `image_framing` chooses."""
    rows = image_rows(framing, images)
    there = np.flatnonzero(rows >= 0)
    framing, rows = framing.iloc[there], rows[there]
    labels = images["label"].astype(object).to_numpy()[rows]
    of_another_category = framing["category"].astype(object).to_numpy() != labels
    order = np.lexsort((framing["object_id"], -framing["area_fraction"], of_another_category, rows))
    return there[order[np.diff(rows[order], prepend=-1) > 0]]


class ObjectOfImage(NamedTuple):
    """An image's subject: its box (x0, y0, x1, y1 in pixels) and its category, None if unknown."""

    box: tuple[float, float, float, float]
    category: str | None


def object_of_image(image_id: str, images: pd.DataFrame, objects: pd.DataFrame) -> ObjectOfImage | None:
    """The subject of one image by the rule of `image_framing`; None if the image has no object.

    Raises InputError if `images` names the image twice, or as `position_and_scale` does. `images` and `objects` are the
    tables IMAGES and OBJECTS of one dataset.
    """
    own, image = objects[objects["image_id"] == image_id], images[images["image_id"] == image_id]
    chosen = image_framing(position_and_scale(own, image), image)
    if chosen.empty:
        return None
    box = own.loc[own["object_id"] == chosen["object_id"].iloc[0], BOX_EDGES].iloc[0]
    category = chosen["category"].iloc[0]
    return ObjectOfImage(tuple(box.astype(float).tolist()), None if pd.isna(category) else category)


def typical_image(subjects: pd.DataFrame, image_ids: Sequence[str]) -> str:
    """The image whose object's scale is nearest to the median of all objects; the first image if there are no objects.

    `subjects`, by image_id, has one object per image: x0, y0, x1, y1, and width and height of the image, in pixels.
    """
    sides = subjects["x1"] - subjects["x0"], subjects["y1"] - subjects["y0"]
    scale = np.log(sides[0] * sides[1] / (subjects["width"] * subjects["height"])).reindex(image_ids)
    return image_ids[0] if scale.isna().all() else (scale - scale.median()).abs().idxmin()


def log_scale_deviation(framing: pd.DataFrame, training: pd.DataFrame) -> np.ndarray:
    """How far each object's scale is from the training objects' median: abs(log scale − median log scale).

    Both tables have a column `scale`. Returns (len(framing),) float64, in natural logarithms; NaN without training
    objects.
    """
    median = np.median(np.log(training["scale"].to_numpy())) if len(training) else np.nan
    return np.abs(np.log(framing["scale"].to_numpy(np.float64)) - median)
