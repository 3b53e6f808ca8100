"""The tables of the search in the training features."""

import pyarrow as pa

from bias_toolkit.features.distances import TRAINING_DISTANCES
from bias_toolkit.foundation.files import INTERVAL, columns

NEIGHBOURS = pa.schema(
    [("image_id", pa.string()), ("rank", pa.int32()), ("neighbour_id", pa.string()), ("distance", pa.float32())]
)

DISTANCES = pa.schema(
    [
        ("image_id", pa.string()),
        *columns(pa.float32(), *(distance.name for distance in TRAINING_DISTANCES)),
        ("leak", pa.bool_()),
    ]
)

SEARCH_QUALITY = pa.schema(
    [
        ("index", pa.string()),
        ("n_images", pa.int32()),
        *columns(pa.float64(), "recall", ends=INTERVAL),
        ("n_errors", pa.int32()),
        *columns(pa.float64(), "error", ends=INTERVAL),
        ("largest_error", pa.float64()),
    ]
)
