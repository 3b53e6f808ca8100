"""Columns of the tables about position and scale."""

import pyarrow as pa

from bias_toolkit.foundation.files import INTERVAL, columns

WHOLE, REAL = pa.int64(), pa.float64()

FRAMING = pa.schema(
    [
        ("image_id", pa.string()),
        ("object_id", pa.int32()),
        ("category", pa.string()),
        *columns(REAL, "cx", "cy", "width_fraction", "height_fraction", "area_fraction", "scale", "aspect"),
        ("centre_distance", REAL),
        ("truncated", pa.bool_()),
    ]
)

FRAMING_SUMMARY = pa.schema(
    [
        ("category", pa.string()),
        *columns(WHOLE, "n_images", "n_objects"),
        *columns(REAL, "observed_centre_distance", "null_centre_distance"),
        *columns(REAL, "centre_bias", ends=INTERVAL),
        *columns(REAL, "p_value", "q_value"),
        *columns(REAL, "divergence_bits", ends=INTERVAL),
        ("n_untruncated", WHOLE),
        *columns(REAL, "untruncated_centre_bias", ends=INTERVAL),
        *columns(REAL, "untruncated_p_value", "untruncated_q_value"),
        *columns(REAL, "median_scale", "log_scale_mean", "log_scale_sd", "truncated_share", ends=INTERVAL),
        *columns(REAL, "mean_cx", "mean_cy", "median_aspect", "objects_per_image", "class_box_overlap", ends=INTERVAL),
    ]
)

CATEGORY_RANKING = pa.schema(
    [
        ("category", pa.string()),
        *columns(WHOLE, "n_images", "n_objects"),
        *columns(WHOLE, "rank", ends=INTERVAL),
        *columns(REAL, "value", "shrunken", "signal", ends=INTERVAL),
    ]
)
"""The categories ranked by one estimate of FRAMING_SUMMARY, highest first."""

FRAMING_COMPARISON = pa.schema(
    [
        ("variable", pa.string()),
        *columns(REAL, "first", "second"),
        *columns(REAL, "difference", "wasserstein", ends=INTERVAL),
        *columns(REAL, "wasserstein_by_chance", "wasserstein_by_chance_high", "p_value", "q_value"),
    ]
)
"""One row per variable: the framing of two datasets side by side."""

MEAN_IMAGES = pa.schema([("category", pa.string()), *columns(WHOLE, "n_images", "n_available")])
"""One row per mean image: the class ("" for the whole dataset), and the numbers of averaged and available images."""

SUMMED = pa.schema(columns(WHOLE, "mean", "n_images"))
"""One row per sum of a shard's images: the number of the mean that it is a part of, and the number of images."""

SUBJECTS = pa.schema([*FRAMING, *columns(REAL, "framing_log_density", "log_scale_deviation")])
"""One row per image: the framing of its subject, and how typical it is among the training objects."""
