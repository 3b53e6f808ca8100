"""The tables of this package."""

import pyarrow as pa

from bias_toolkit.foundation.files import columns
from bias_toolkit.invariance.layer_list import LAYER_MEASURES
from bias_toolkit.invariance.measures import INVARIANCE_MEASURES

TEXT, INT32, FLOAT32, REAL = pa.string(), pa.int32(), pa.float32(), pa.float64()

SWEEP = [*columns(TEXT, "protocol", "transform"), ("size", REAL), *columns(TEXT, "fill", "sampling")]
"""The sweep of a row. `fill` is null except for embed, `sampling` is null except for crop."""

RESPONSES = pa.schema(
    [
        ("image_id", TEXT),
        *SWEEP,
        ("label_index", INT32),
        ("top1", pa.list_(INT32)),
        *columns(pa.list_(FLOAT32), "p_top1", "p_second", "p_reference", "p_label", "p_top1_next"),
        ("top5_exit", pa.list_(pa.bool_())),
        ("feature_step", pa.list_(FLOAT32)),
    ]
)
"""One row per image and sweep: the columns of `bias_toolkit.invariance.response.make_response`."""

NOISE = pa.schema(
    [
        ("value", REAL),
        *columns(pa.int64(), "n_images", "n_changed"),
        ("interval", pa.list_(REAL)),
        ("max_difference", REAL),
    ]
)
"""One row: a `NoiseFloor`."""

MEASURES = pa.schema(
    [("image_id", TEXT), *SWEEP, *((measure.name, measure.type) for measure in INVARIANCE_MEASURES), ("n_steps", INT32)]
)
"""One row per image and sweep; null where the sweep does not define a measure, or it needs a missing label."""

FRAMED = pa.schema(
    [
        *columns(TEXT, "image_id", "surroundings"),
        *columns(REAL, "cx", "cy", "scale"),
        *columns(FLOAT32, "magnification", "made_up", "p_top1_change", "mac", "accuracy"),
        *columns(INT32, "label_index", "top1"),
        *columns(FLOAT32, "confidence", "margin"),
        ("n_steps", INT32),
    ]
)
"""One row per image and cell of a framing map: its object shown at (cx, cy, scale) of the view, and the measures of the
sweep around it. `magnification` is view pixels per image pixel, `made_up` the share of the centre view's pixels that
are not from the image, `top1` the centre view's top-1 class, and `label_index` the label's class, null without a
label."""

REMEDIED_MEASURES = ("p_top1_change", "mac", "accuracy", "any_change", "confidence", "margin")

REMEDIED = pa.schema(
    [
        *columns(TEXT, "image_id", "remedy"),
        ("label_index", INT32),
        ("top1", INT32),
        *columns(FLOAT32, *REMEDIED_MEASURES),
        ("n_steps", INT32),
    ]
)
"""One row per image and remedy: the measures of the remedy's predictions along one sweep. `top1` is the centre view's
top-1 class, `label_index` the label's class, null without a label; `accuracy` is null without one too."""

SEQUENTIAL = pa.schema(
    [
        *columns(TEXT, "protocol", "transform"),
        ("size", REAL),
        ("measure", TEXT),
        *columns(REAL, "value", "low", "high", "precision"),
        *columns(pa.int64(), "n", "n_skipped", "n_images"),
    ]
)
"""One row per sweep that stops once its dataset's mean is known to `precision`: the mean of `measure` over the `n`
measured images, its 95% interval, the number of images that could not be decoded, and of all images."""

LAYERS = pa.schema(
    [
        *columns(TEXT, "image_id", "condition", "operation", "kind"),
        *columns(INT32, "depth", "stride", "total_stride"),
        *((measure.name, FLOAT32) for measure in LAYER_MEASURES),
        ("p_top1_change", FLOAT32),
    ]
)
"""One row per image, condition and operation: the measures of the operation that subsamples, null where one is not
defined, and `p_top1_change` of the network along the same views. `depth` counts the operations from 1, in the order of
the forward pass."""

OPERATIONS = pa.schema(
    [
        ("depth", INT32),
        *columns(TEXT, "operation", "kind"),
        *columns(INT32, "stride", "total_stride"),
        ("reason", TEXT),
    ]
)
"""The operations of a network that subsample. One that cannot be measured has a `reason`, and no depth and strides."""

LAYER_MAPS = pa.schema(
    [
        *columns(TEXT, "image_id", "condition", "operation"),
        *columns(INT32, "depth", "stride", "total_stride", "channel"),
        ("part", TEXT),
        *columns(INT32, "height", "width"),
        ("values", pa.list_(FLOAT32)),
    ]
)
"""One channel of an operation's map on an image's centre view, row by row: `part` is `before` (u) or `after` (F)."""
