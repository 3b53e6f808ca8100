"""The tables that come of searching the training features."""

import pyarrow as pa

NEIGHBOURS = pa.schema(
    [
        ("image_id", pa.string()),
        ("rank", pa.int32()),
        ("neighbour_id", pa.string()),
        ("distance", pa.float32()),
    ]
)

DISTANCES = pa.schema(
    [
        ("image_id", pa.string()),
        ("nn_distance", pa.float32()),
        ("knn_distance", pa.float32()),
        ("class_nn_distance", pa.float32()),
        ("distance_percentile", pa.float32()),
        ("leak", pa.bool_()),
    ]
)

INDEX_ROWS = pa.schema([("image_id", pa.string())])
