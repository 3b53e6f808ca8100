"""Boxes from annotations to the table of objects: upright, clipped, numbered."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from bias_toolkit.datasets.image_facts import Note
from bias_toolkit.datasets.listing import Annotations
from bias_toolkit.datasets.pictures import boxes_as_shown, upright_sizes
from bias_toolkit.datasets.schema import BOX_EDGES, OBJECTS
from bias_toolkit.foundation.words import count

_BEYOND = 2
"""Pixels by which a box may reach out of its image, by rounding or counting, before it is noted."""
_MUCH = 0.01
"""Share of boxes that reach out of their image, from which the boxes may be of other images, or of another size."""


def upright_objects(
    annotations: Annotations, image_ids: Sequence[str], headers: np.ndarray
) -> tuple[pa.Table, list[str], int, list[Note]]:
    """Make the table `OBJECTS`, in the order of `image_ids`; boxes of unreadable images are left out.

    `headers`, int (n, 3), has each image's stored width, stored height and EXIF orientation (0 if unreadable). Also
    returns the image ids of boxes that are not in `image_ids`, the number of boxes of readable images that have no area
    inside their image, and notes on how the boxes were read.
    """
    boxes = annotations.boxes
    rows = pd.Index(image_ids).get_indexer(pd.Index(boxes["image_id"]))
    unknown = list(boxes["image_id"][rows < 0].unique())
    usable = np.flatnonzero((rows >= 0) & (headers[rows, 2] > 0))
    usable = usable[np.argsort(rows[usable], kind="stable")]

    image_rows = rows[usable]
    edges = boxes[BOX_EDGES].to_numpy(np.float64)[usable]
    edges, notes = boxes_as_shown(edges, image_rows, annotations, image_ids, headers)
    limits = np.tile(upright_sizes(headers[:, :2], headers[:, 2]), 2)[image_rows]
    flat = (edges[:, 2:] <= edges[:, :2]).any(axis=1)
    if flat.any():
        n, first = np.count_nonzero(flat), image_ids[image_rows[np.argmax(flat)]]
        text = f"{count(n, 'box is', 'boxes are')} left out, with a width or height that is not above 0"
        notes.append(Note(f"{text} (for example in {first})."))
    beyond = ~flat & ((edges < -_BEYOND) | (edges > limits + _BEYOND)).any(axis=1)
    if beyond.any():
        n, first = np.count_nonzero(beyond), image_ids[image_rows[np.argmax(beyond)]]
        text = f"{count(n, 'box reaches', 'boxes reach')} out of the image, and the part outside is cut off"
        notes.append(Note(f"{text} (for example in {first}).", warns=bool(n >= _MUCH * len(edges))))
    edges = np.clip(edges, 0, limits).astype(np.float32)

    kept = (edges[:, 2] > edges[:, 0]) & (edges[:, 3] > edges[:, 1])
    image_rows, edges = image_rows[kept], edges[kept]
    objects = pa.table(
        {
            "image_id": pa.array(image_ids, pa.string()).take(pa.array(image_rows)),
            "object_id": pd.Series(image_rows).groupby(image_rows).cumcount().astype(np.int32),
            "category": pa.array(boxes["category"], pa.string(), from_pandas=True).take(pa.array(usable[kept])),
            **{name: edges[:, column] for column, name in enumerate(BOX_EDGES)},
        },
        schema=OBJECTS,
    )
    return objects, unknown, int(np.count_nonzero(~kept)), notes
