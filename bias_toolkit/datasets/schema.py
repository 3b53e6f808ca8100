"""The columns of the tables that a dataset becomes."""

from __future__ import annotations

import pyarrow as pa

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

SKIPPED = pa.schema([("image_id", pa.string()), ("reason", pa.string())])
"""One row an image that could not be read."""
