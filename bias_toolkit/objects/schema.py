"""Columns of the tables about position and scale."""

from __future__ import annotations

import pyarrow as pa

FRAMING = pa.schema(
    [
        ("image_id", pa.string()),
        ("object_id", pa.int32()),
        ("category", pa.string()),
        ("cx", pa.float64()),
        ("cy", pa.float64()),
        ("width_fraction", pa.float64()),
        ("height_fraction", pa.float64()),
        ("area_fraction", pa.float64()),
        ("scale", pa.float64()),
        ("aspect", pa.float64()),
        ("centre_distance", pa.float64()),
        ("truncated", pa.bool_()),
    ]
)

FRAMING_SUMMARY = pa.schema(
    [
        ("category", pa.string()),
        ("n_images", pa.int64()),
        ("n_objects", pa.int64()),
        ("observed_centre_distance", pa.float64()),
        ("null_centre_distance", pa.float64()),
        ("centre_bias", pa.float64()),
        ("centre_bias_low", pa.float64()),
        ("centre_bias_high", pa.float64()),
        ("p_value", pa.float64()),
        ("q_value", pa.float64()),
        ("divergence_bits", pa.float64()),
        ("divergence_bits_low", pa.float64()),
        ("divergence_bits_high", pa.float64()),
        ("n_untruncated", pa.int64()),
        ("untruncated_centre_bias", pa.float64()),
        ("untruncated_centre_bias_low", pa.float64()),
        ("untruncated_centre_bias_high", pa.float64()),
        ("untruncated_p_value", pa.float64()),
        ("untruncated_q_value", pa.float64()),
        ("median_scale", pa.float64()),
        ("median_scale_low", pa.float64()),
        ("median_scale_high", pa.float64()),
        ("log_scale_mean", pa.float64()),
        ("log_scale_mean_low", pa.float64()),
        ("log_scale_mean_high", pa.float64()),
        ("log_scale_sd", pa.float64()),
        ("log_scale_sd_low", pa.float64()),
        ("log_scale_sd_high", pa.float64()),
        ("truncated_share", pa.float64()),
        ("truncated_share_low", pa.float64()),
        ("truncated_share_high", pa.float64()),
        ("mean_cx", pa.float64()),
        ("mean_cx_low", pa.float64()),
        ("mean_cx_high", pa.float64()),
        ("mean_cy", pa.float64()),
        ("mean_cy_low", pa.float64()),
        ("mean_cy_high", pa.float64()),
        ("median_aspect", pa.float64()),
        ("median_aspect_low", pa.float64()),
        ("median_aspect_high", pa.float64()),
        ("objects_per_image", pa.float64()),
        ("objects_per_image_low", pa.float64()),
        ("objects_per_image_high", pa.float64()),
    ]
)

CATEGORY_RANKING = pa.schema(
    [
        ("category", pa.string()),
        ("n_images", pa.int64()),
        ("n_objects", pa.int64()),
        ("rank", pa.int64()),
        ("rank_low", pa.int64()),
        ("rank_high", pa.int64()),
        ("value", pa.float64()),
        ("value_low", pa.float64()),
        ("value_high", pa.float64()),
        ("shrunken", pa.float64()),
        ("shrunken_low", pa.float64()),
        ("shrunken_high", pa.float64()),
        ("signal", pa.float64()),
    ]
)
"""The categories by one estimate of FRAMING_SUMMARY, the highest first."""

FRAMING_COMPARISON = pa.schema(
    [
        ("variable", pa.string()),
        ("first", pa.float64()),
        ("second", pa.float64()),
        ("difference", pa.float64()),
        ("difference_low", pa.float64()),
        ("difference_high", pa.float64()),
        ("wasserstein", pa.float64()),
        ("wasserstein_low", pa.float64()),
        ("wasserstein_high", pa.float64()),
        ("wasserstein_by_chance", pa.float64()),
        ("wasserstein_by_chance_high", pa.float64()),
        ("p_value", pa.float64()),
        ("q_value", pa.float64()),
    ]
)
"""One row a variable: two datasets' framing beside each other."""

MEAN_IMAGES = pa.schema([("category", pa.string()), ("n_images", pa.int64()), ("n_available", pa.int64())])
"""One row a mean image: the class ("" for the whole dataset), the images averaged, and those there are."""

SUBJECTS = pa.schema(
    [*FRAMING, pa.field("framing_log_density", pa.float64()), pa.field("log_scale_deviation", pa.float64())]
)
"""One row an image: the framing of its subject, and how usual that is among the training objects."""
