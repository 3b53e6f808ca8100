"""Boxes from annotations to the table of objects: rotated by the EXIF orientation, clipped, numbered."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from bias_toolkit.datasets.schema import BOX_EDGES, OBJECTS


def upright_sizes(sizes: np.ndarray, orientations: np.ndarray) -> np.ndarray:
    """Sizes (n, 2: width, height) of stored images, turned upright: orientations 5 to 8 exchange width and height."""
    return np.where((orientations >= 5)[:, None], sizes[:, ::-1], sizes)


def upright_boxes(boxes: np.ndarray, sizes: np.ndarray, orientations: np.ndarray) -> np.ndarray:
    """Boxes (n, 4: x0, y0, x1, y1) of stored images of the given sizes (n, 2: width, height), turned upright.

    Orientations (n,): 1 changes nothing; 2 mirrors left and right; 3 rotates by 180°; 4 mirrors top and bottom; 5
    mirrors in the main diagonal; 6 rotates by 90° clockwise; 7 mirrors in the other diagonal; 8 rotates by 90°
    counter-clockwise.
    """
    x0, y0, x1, y1 = boxes.T
    width, height = sizes.T
    mirrored_x = np.isin(orientations, (2, 3, 7, 8))
    mirrored_y = np.isin(orientations, (3, 4, 6, 7))
    xs = np.where(mirrored_x, (width - x1, width - x0), (x0, x1))
    ys = np.where(mirrored_y, (height - y1, height - y0), (y0, y1))
    exchanged = orientations >= 5
    left, right = np.where(exchanged, ys, xs)
    top, bottom = np.where(exchanged, xs, ys)
    return np.stack([left, top, right, bottom], axis=1)


def upright_objects(
    boxes: pd.DataFrame, image_ids: Sequence[str], headers: np.ndarray, relative: bool = False
) -> tuple[pa.Table, list[str], int]:
    """Make the table `OBJECTS`, in the order of `image_ids`; boxes of unreadable images are left out.

    `boxes` has the columns `listing.BOX_COLUMNS`, in pixels as stored or, if `relative`, as fractions of the
    upright image. `headers`, int (n, 3), has each image's stored
    width, stored height and EXIF orientation (0 if unreadable). Also returns the image ids of `boxes` that are not in
    `image_ids`, and the number of boxes of readable images that have no area inside their image.
    """
    rows = pd.Index(image_ids).get_indexer(pd.Index(boxes["image_id"]))
    unknown = list(boxes["image_id"][rows < 0].unique())
    usable = np.flatnonzero((rows >= 0) & (headers[rows, 2] > 0))
    usable = usable[np.argsort(rows[usable], kind="stable")]

    image_rows = rows[usable]
    sizes, orientations = headers[image_rows, :2], headers[image_rows, 2]
    edges = boxes[BOX_EDGES].to_numpy(np.float64)[usable]
    upright = np.tile(upright_sizes(sizes, orientations), 2)
    edges = edges * upright if relative else upright_boxes(edges, sizes, orientations)
    edges = np.clip(edges, 0, upright).astype(np.float32)

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
    return objects, unknown, int(np.count_nonzero(~kept))
