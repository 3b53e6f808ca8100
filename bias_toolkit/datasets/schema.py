"""The form in which a dataset is read: its tables with their columns."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from bias_toolkit.datasets.image_facts import Note
from bias_toolkit.foundation.errors import UnreadableImageError

IMAGES = pa.schema([("image_id", pa.string()), ("label", pa.string()), ("width", pa.int32()), ("height", pa.int32())])
"""One row for each image: its path relative to the dataset's root (with `/`), its label (null if none), and its size in
pixels, EXIF-upright."""

BOX_EDGES = ["x0", "y0", "x1", "y1"]
"""The columns of a box: its left, top, right and bottom edge."""

OBJECTS = pa.schema(
    [
        ("image_id", pa.string()),
        ("object_id", pa.int32()),
        ("category", pa.string()),
        *((edge, pa.float32()) for edge in BOX_EDGES),
    ]
)
"""One row for each object: its number in its image (from 0), its category (null if unknown), and its box, as continuous
pixel edges of the upright image, inside the image."""

SKIPPED = pa.schema([("image_id", pa.string()), ("reason", pa.string()), ("transient", pa.bool_())])
"""One row for each image that could not be read. `transient` says whether the reason can pass without a change of the
dataset."""


def skipped_table(skipped: Sequence[tuple[str, UnreadableImageError]]) -> pd.DataFrame:
    """Table SKIPPED, from images and the error raised for each."""
    rows = [{"image_id": name, "reason": str(error), "transient": error.transient} for name, error in skipped]
    return pa.Table.from_pylist(rows, SKIPPED).to_pandas()


@dataclass
class Tables:
    """The result of a scan of a dataset: the tables `IMAGES`, `OBJECTS` and `SKIPPED`.

    Rows are in the order of the dataset's image ids, the objects of one image in the order of its annotations.
    `dropped_boxes` is the number of boxes of readable images that have no area inside the image and were left out.
    `notes` says what else the reader left out, guessed or took in another sense.
    """

    images: pd.DataFrame
    objects: pd.DataFrame
    skipped: pd.DataFrame
    dropped_boxes: int
    notes: Sequence[Note] = ()
