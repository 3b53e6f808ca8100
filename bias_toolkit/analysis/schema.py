"""Columns of the tables that relate distance and framing to invariance."""

from __future__ import annotations

import pyarrow as pa

CORRELATIONS = pa.schema(
    [
        ("distance", pa.string()),
        ("measure", pa.string()),
        ("kind", pa.string()),
        ("rho", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("p_value", pa.float64()),
        ("n", pa.int64()),
    ]
)

CURVES = pa.schema(
    [
        ("distance", pa.string()),
        ("measure", pa.string()),
        ("bin", pa.int32()),
        ("left", pa.float64()),
        ("right", pa.float64()),
        ("x", pa.float64()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("n", pa.int64()),
    ]
)

SUMMARY = pa.schema(
    [
        ("protocol", pa.string()),
        ("transform", pa.string()),
        ("size", pa.float64()),
        ("measure", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("n", pa.int64()),
    ]
)

CLASSES = pa.schema(
    [
        ("label", pa.string()),
        ("n", pa.int64()),
        ("accuracy", pa.float64()),
        ("accuracy_low", pa.float64()),
        ("accuracy_high", pa.float64()),
        ("p_top1_change", pa.float64()),
        ("p_top1_change_low", pa.float64()),
        ("p_top1_change_high", pa.float64()),
        ("mac", pa.float64()),
        ("mac_low", pa.float64()),
        ("mac_high", pa.float64()),
        ("nn_distance", pa.float64()),
        ("nn_distance_low", pa.float64()),
        ("nn_distance_high", pa.float64()),
        ("centre_distance", pa.float64()),
        ("centre_distance_low", pa.float64()),
        ("centre_distance_high", pa.float64()),
        ("scale", pa.float64()),
        ("scale_low", pa.float64()),
        ("scale_high", pa.float64()),
    ]
)
