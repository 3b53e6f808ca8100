"""The measures of every sweep as means over images, and every class's numbers side by side."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bias_toolkit.analysis.intervals import mean_interval
from bias_toolkit.analysis.schema import CLASSES, SUMMARY

MEASURES = (
    "p_top1_change",
    "mac",
    "p_top5_exit",
    "p_range",
    "feature_drift",
    "consistency",
    "accuracy",
    "confidence",
    "margin",
)
SWEEP = ["protocol", "transform", "size"]
CLASS_MEANS = ("accuracy", "mac", "nn_distance", "centre_distance")


def measure_summary(measures: pd.DataFrame, *, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Every measure's mean over images in every sweep, with a 95% bootstrap interval over images.

    Parameters
    ----------
    measures : DataFrame
        One row an image and sweep: protocol, transform, size, and the measures.
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        The columns of `SUMMARY`: one row a sweep and measure, sweeps in the order in which they first occur.
        Measures that a sweep does not define have no row.
    """
    rows = []
    for sweep, images in measures.groupby(SWEEP, sort=False, dropna=False):
        for name in MEASURES:
            if name in images and images[name].notna().any():
                rows.append((*sweep, name, *mean_interval(images[name], resamples, seed)))
    return pd.DataFrame(rows, columns=SUMMARY.names)


def class_summary(per_image: pd.DataFrame, *, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Every class's invariance, distance and framing.

    Parameters
    ----------
    per_image : DataFrame
        One row a test image with its label; of the other columns those that there are.
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        The columns of `CLASSES`, in the order of the labels: means over the class's images, except `scale`,
        which is their median; `p_top1_change` with its 95% bootstrap interval. NaN where there is nothing to
        average. Images without a label are left out.
    """
    rows = []
    for label, images in per_image.groupby("label", sort=True):
        row = {"label": label, "n": len(images)}
        row |= {name: images[name].mean() for name in CLASS_MEANS if name in images}
        change = mean_interval(images["p_top1_change"], resamples, seed)
        row |= {
            "p_top1_change": change.value,
            "p_top1_change_low": change.low,
            "p_top1_change_high": change.high,
            "scale": images["scale"].median() if "scale" in images else np.nan,
        }
        rows.append(row)
    return pd.DataFrame(rows, columns=CLASSES.names)
