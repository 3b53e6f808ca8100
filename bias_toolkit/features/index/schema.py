"""The tables that come of searching the training features."""

import pyarrow as pa

from bias_toolkit.features.distances import TRAINING_DISTANCES

NEIGHBOURS = pa.schema(
    [("image_id", pa.string()), ("rank", pa.int32()), ("neighbour_id", pa.string()), ("distance", pa.float32())]
)

DISTANCES = pa.schema(
    [
        ("image_id", pa.string()),
        *((distance.name, pa.float32()) for distance in TRAINING_DISTANCES),
        ("leak", pa.bool_()),
    ]
)

INDEX_ROWS = pa.schema([("image_id", pa.string())])

SEARCH_QUALITY = pa.schema(
    [
        ("index", pa.string()),
        ("n_images", pa.int32()),
        ("recall", pa.float64()),
        ("recall_low", pa.float64()),
        ("recall_high", pa.float64()),
        ("n_errors", pa.int32()),
        ("error", pa.float64()),
        ("error_low", pa.float64()),
        ("error_high", pa.float64()),
        ("largest_error", pa.float64()),
    ]
)
