"""The table beside each shard of features, and the types that features are stored in."""

import pyarrow as pa

DTYPES = ("float16", "float32")

FEATURE_ROWS = pa.schema([("image_id", pa.string())])
"""One row for each row of the array."""
