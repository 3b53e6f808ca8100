"""The table beside each shard of features."""

import pyarrow as pa

FEATURE_ROWS = pa.schema([("image_id", pa.string())])
"""One row for each row of the array."""
