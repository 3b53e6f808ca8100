"""Boxes from annotations to the table of objects: turned upright, clipped, numbered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from bias_toolkit.datasets.orientation import upright_boxes, upright_sizes
from bias_toolkit.datasets.schema import BOX_EDGES, OBJECTS


def clip_boxes(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Boxes (n, 4: x0, y0, x1, y1) cut to images of the given sizes (n, 2: width, height)."""
    return np.clip(boxes, 0, np.concatenate([sizes, sizes], axis=1))


def upright_objects(
    boxes: pd.DataFrame, image_ids: Sequence[str], headers: np.ndarray
) -> tuple[pa.Table, list[str], int]:
    """Make the table of objects.

    Parameters
    ----------
    boxes : pandas.DataFrame
        Columns `listing.BOX_COLUMNS`, coordinates in pixels as stored.
    image_ids : sequence of str, length n
    headers : int array (n, 3)
        Stored width, stored height and EXIF orientation of each image; orientation 0 if it could not be read.

    Returns
    -------
    objects : pyarrow.Table
        Schema `OBJECTS`, in the order of `image_ids`; boxes of unreadable images are left out.
    unknown : list of str
        Image ids that `boxes` names and `image_ids` does not hold.
    dropped : int
        Boxes of readable images without area inside their image.
    """
    rows = pd.Index(image_ids).get_indexer(pd.Index(boxes["image_id"]))
    unknown = list(boxes["image_id"][rows < 0].unique())
    usable = np.flatnonzero((rows >= 0) & (headers[rows, 2] > 0))
    usable = usable[np.argsort(rows[usable], kind="stable")]

    image_rows = rows[usable]
    sizes, orientations = headers[image_rows, :2], headers[image_rows, 2]
    edges = boxes[BOX_EDGES].to_numpy(np.float64)[usable]
    edges = clip_boxes(upright_boxes(edges, sizes, orientations), upright_sizes(sizes, orientations))
    edges = edges.astype(np.float32)

    kept = (edges[:, 2] > edges[:, 0]) & (edges[:, 3] > edges[:, 1])
    image_rows, edges = image_rows[kept], edges[kept]
    objects = pa.table(
        {
            "image_id": pa.array(image_ids, pa.string()).take(pa.array(image_rows)),
            "object_id": _number_in_groups(image_rows),
            "category": pa.array(boxes["category"], pa.string(), from_pandas=True).take(pa.array(usable[kept])),
            **{name: edges[:, column] for column, name in enumerate(BOX_EDGES)},
        },
        schema=OBJECTS,
    )
    return objects, unknown, int(np.count_nonzero(~kept))


def _number_in_groups(groups: np.ndarray) -> np.ndarray:
    """Count from 0 in each run of equal values of a sorted array."""
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    lengths = np.diff(starts, append=len(groups))
    return (np.arange(len(groups)) - np.repeat(starts, lengths)).astype(np.int32)
