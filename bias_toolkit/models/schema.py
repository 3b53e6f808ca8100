"""The table of this package."""

import pyarrow as pa

TRAINING = pa.schema([("epoch", pa.int32()), ("loss", pa.float64()), ("accuracy", pa.float64())])
"""One row per epoch, from 1: the mean loss of its steps in nats, and the share of its images that were right."""
