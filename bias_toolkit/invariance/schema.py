"""The tables of this package."""

from __future__ import annotations

import pyarrow as pa

from bias_toolkit.invariance.measures import INVARIANCE_MEASURES

SWEEP = [
    ("protocol", pa.string()),
    ("transform", pa.string()),
    ("size", pa.float64()),
    ("fill", pa.string()),
    ("sampling", pa.string()),
]
"""Which sweep a row is of. `fill` is null but for embed, `sampling` null but for crop."""

RESPONSES = pa.schema(
    [
        ("image_id", pa.string()),
        *SWEEP,
        ("label_index", pa.int32()),
        ("top1", pa.list_(pa.int32())),
        ("p_top1", pa.list_(pa.float32())),
        ("p_second", pa.list_(pa.float32())),
        ("p_reference", pa.list_(pa.float32())),
        ("p_label", pa.list_(pa.float32())),
        ("p_top1_next", pa.list_(pa.float32())),
        ("top5_exit", pa.list_(pa.bool_())),
        ("feature_step", pa.list_(pa.float32())),
    ]
)
"""One row for each image and sweep: what `bias_toolkit.invariance.response.make_response` says of the output."""

MEASURES = pa.schema(
    [
        ("image_id", pa.string()),
        *SWEEP,
        *((measure.name, measure.type) for measure in INVARIANCE_MEASURES),
        ("n_steps", pa.int32()),
    ]
)
"""One row for each image and sweep; null where a measure is not defined for the sweep or without a label."""

FRAMED = pa.schema(
    [
        ("image_id", pa.string()),
        ("surroundings", pa.string()),
        ("cx", pa.float64()),
        ("cy", pa.float64()),
        ("scale", pa.float64()),
        ("magnification", pa.float32()),
        ("made_up", pa.float32()),
        ("p_top1_change", pa.float32()),
        ("mac", pa.float32()),
        ("accuracy", pa.float32()),
        ("label_index", pa.int32()),
        ("top1", pa.int32()),
        ("confidence", pa.float32()),
        ("margin", pa.float32()),
        ("n_steps", pa.int32()),
    ]
)
"""One row for each image and cell of a framing map: its object shown at (cx, cy, scale) of the view, and the measures
of the sweep around it. `magnification` is in pixels of the view to one of the image, `made_up` the share of the centre
view's pixels that are not the image's, `top1` the centre view's top-1 class, and `label_index` the label's class, null
without a label."""

SEQUENTIAL = pa.schema(
    [
        ("protocol", pa.string()),
        ("transform", pa.string()),
        ("size", pa.float64()),
        ("measure", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("precision", pa.float64()),
        ("n", pa.int64()),
        ("n_skipped", pa.int64()),
        ("n_images", pa.int64()),
    ]
)
"""One row for each sweep that was to stop once its dataset's mean is known to `precision`: the mean of `measure` over
the `n` images measured, its 95% interval, how many could not be decoded, and how many images the dataset has."""
