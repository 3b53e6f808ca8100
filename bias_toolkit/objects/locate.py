"""Estimate the object box of an image without boxes, from the model itself, shard by shard.

The box is an estimate of a model, not an annotation. `locate_quality` measures how good it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from bias_toolkit.datasets import BOX_EDGES, skipped_table
from bias_toolkit.foundation.errors import UnreadableImageError
from bias_toolkit.foundation.files import columns, read_shards
from bias_toolkit.foundation.shards import Shard, prepared_shards
from bias_toolkit.foundation.threads import decoding_workers
from bias_toolkit.objects.locate_box import THRESHOLD, activation_box

if TYPE_CHECKING:
    from bias_toolkit.models.activation_map import ActivationMap

LABEL, TOP1 = "label", "top-1"
NO_BOX = "the model sees nothing in it that speaks for its class"

LOCATED = pa.schema(
    [
        ("image_id", pa.string()),
        ("class_index", pa.int32()),
        ("located_by", pa.string()),
        *columns(pa.float32(), "score", *BOX_EDGES),
        ("reason", pa.string()),
    ]
)
"""One row per image: the class that was located, whether it is the label's class or the most probable one, its
probability, and the box in pixels of the upright image. `reason` says why there is no box where the edges are null. An
image that could not be read has only the reason."""

ESTIMATED_OBJECTS = pa.schema(
    [
        ("image_id", pa.string()),
        ("object_id", pa.int32()),
        ("category", pa.string()),
        *columns(pa.float32(), *BOX_EDGES, "score"),
        ("located_by", pa.string()),
    ]
)
"""The columns of an objects table, then the class's probability and whether it is the label's class."""


class LocatingView(NamedTuple):
    """The model's input for an image, uint8 pixels (W, W, 3), and the part of the image that it shows.

    `edges` are the continuous edges x0, y0, x1, y1 of that part in pixels of the image. The two axes may be scaled
    differently.
    """

    pixels: np.ndarray
    edges: tuple[float, float, float, float]


def located_shards(
    activation_map: ActivationMap,
    read: Callable[[str], np.ndarray],
    make_view: Callable[[np.ndarray], LocatingView],
    shards: Iterable[Shard],
    *,
    class_indices: Mapping[str, int],
    threshold: float = THRESHOLD,
    batch_size: int = 32,
    advance: Callable[[int], None],
) -> Iterator[dict[str, pd.DataFrame]]:
    """The estimated boxes of images, as tables "located" (LOCATED) and "skipped" (SKIPPED) for each shard, in order.

    Images are decoded in threads, ahead of the model and across the ends of shards. A batch never spans two shards, so
    the boxes do not depend on which shards are requested together. Closing the generator ends the threads.

    Parameters
    ----------
    read : returns the image of an id, uint8 (height, width, 3); raises `UnreadableImageError`.
    make_view : returns the model's input for an image.
    shards : of image ids.
    class_indices : from image id to the index of its label's class. In an image without one, the most probable class is
        located.
    """

    def prepare(image_id: str) -> LocatingView:
        return make_view(read(image_id))

    ahead = 2 * decoding_workers() + batch_size
    with closing(prepared_shards(shards, prepare, ahead=ahead)) as prepared:
        for images in prepared:
            rows, skipped = [], []
            while batch := list(islice(images, batch_size)):
                rows += _locate_batch(activation_map, batch, class_indices, threshold)
                skipped += [each for each in batch if isinstance(each[1], UnreadableImageError)]
                advance(len(batch))
            yield {"located": pd.DataFrame(rows, columns=LOCATED.names), "skipped": skipped_table(skipped)}


def _locate_batch(
    activation_map: ActivationMap,
    batch: Sequence[tuple[str, LocatingView | UnreadableImageError]],
    class_indices: Mapping[str, int],
    threshold: float,
) -> Iterator[dict]:
    readable = [(image_id, view) for image_id, view in batch if isinstance(view, LocatingView)]
    outcomes = {}
    if readable:
        wanted = np.array([class_indices.get(image_id, -1) for image_id, _ in readable])
        pixels = np.stack([view.pixels for _, view in readable])
        maps, classes, probabilities = activation_map(pixels, wanted)
        for row, (image_id, view) in enumerate(readable):
            box = activation_box(maps[row], len(view.pixels), threshold)
            outcomes[image_id] = {
                "class_index": classes[row],
                "located_by": TOP1 if wanted[row] < 0 else LABEL,
                "score": probabilities[row, classes[row]],
                **({"reason": NO_BOX} if box is None else dict(zip(BOX_EDGES, _in_image(box, view), strict=True))),
            }
    for image_id, view in batch:
        yield {"image_id": image_id} | outcomes.get(image_id, {"reason": str(view)})


def _in_image(box: Sequence[float], view: LocatingView) -> np.ndarray:
    """Convert a box from pixels of the view to pixels of the image."""
    left, top, right, bottom = view.edges
    start, size = np.array([left, top] * 2), np.array([right - left, bottom - top] * 2)
    return start + np.asarray(box) * size / len(view.pixels)


def load_located(folder: str | os.PathLike) -> pd.DataFrame:
    """Table `LOCATED` of all shards in a folder, in image order."""
    return read_shards(folder, "located", LOCATED)


def estimated_objects(
    located: pd.DataFrame, images: pd.DataFrame, class_names: Sequence[str] | None = None
) -> pd.DataFrame:
    """The objects table of located images, with one object per image.

    Returns the columns of `ESTIMATED_OBJECTS`, in the order of `located`, for the images that have a box. The category
    is the image's label; without a label, it is the name of the located class, or its index.

    `located` is a table LOCATED; `images` has the columns image_id and label (null where there is none); `class_names`
    are the model's, in the order of its outputs.
    """
    with_box = located[located["x0"].notna()]
    labels = images.set_index("image_id")["label"].reindex(with_box["image_id"])
    named = [str(index) if class_names is None else class_names[index] for index in with_box["class_index"].astype(int)]
    category = [name if pd.isna(label) else label for label, name in zip(labels, named, strict=True)]
    table = with_box.assign(object_id=np.int32(0), category=np.array(category, dtype=object))
    return table[ESTIMATED_OBJECTS.names].reset_index(drop=True)
