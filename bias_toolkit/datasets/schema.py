"""The columns of the tables that a dataset becomes."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa

from bias_toolkit.foundation.errors import UnreadableImageError

IMAGES = pa.schema([("image_id", pa.string()), ("label", pa.string()), ("width", pa.int32()), ("height", pa.int32())])
"""One row an image: its path relative to the dataset's root (with `/`), its label (null if none), and its size in
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
"""One row an object: its number in its image (from 0), its category (null if unknown), and its box, as continuous
pixel edges of the upright image, inside the image."""

SKIPPED = pa.schema([("image_id", pa.string()), ("reason", pa.string()), ("transient", pa.bool_())])
"""One row for each image that could not be read. `transient` says whether the reason can pass without a change of the
dataset."""


def skipped_table(skipped: Sequence[tuple[str, UnreadableImageError]]) -> pd.DataFrame:
    """Table SKIPPED of images and of what was raised for each."""
    rows = [{"image_id": name, "reason": str(error), "transient": error.transient} for name, error in skipped]
    return pa.Table.from_pylist(rows, SKIPPED).to_pandas()
