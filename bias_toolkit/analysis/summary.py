"""The measures of every sweep as means over images, and a table of every class's numbers."""

import pandas as pd

from bias_toolkit.analysis.intervals import mean_interval, median_interval
from bias_toolkit.analysis.schema import CLASS_ESTIMATES, CLASSES, SUMMARY
from bias_toolkit.invariance import INVARIANCE_MEASURES

SWEEP = ["protocol", "transform", "size"]


def measure_summary(measures: pd.DataFrame, *, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Every measure's mean over images in every sweep, with a 95% bootstrap interval over images.

    Returns the columns of `SUMMARY`: one row per sweep and measure, sweeps in order of first occurrence. Measures that
    a sweep does not define have no row.

    `measures` has one row per image and sweep: protocol, transform, size, and the measures.
    """
    rows = []
    for sweep, images in measures.groupby(SWEEP, sort=False, dropna=False):
        for name in (measure.name for measure in INVARIANCE_MEASURES):
            if name in images and images[name].notna().any():
                rows.append((*sweep, name, *mean_interval(images[name], resamples, seed)))
    return pd.DataFrame(rows, columns=SUMMARY.names)


def class_summary(per_image: pd.DataFrame, *, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Every class's invariance, distance and framing.

    Returns the columns of `CLASSES`, in the order of the labels: means over the class's images, except `scale`, which
    is a median, each with the ends `<name>_low` and `<name>_high` of its 95% bootstrap interval over the class's
    images. Means without images are NaN, as are intervals for one image. Images without a label are left out.

    `per_image` has one row per test image: its label, and the available ones of the other columns.
    """
    rows = []
    for label, images in per_image.groupby("label", sort=True):
        row = {"label": label, "n": len(images)}
        for name in CLASS_ESTIMATES:
            if name in images:
                interval_of = median_interval if name == "scale" else mean_interval
                row[name], row[f"{name}_low"], row[f"{name}_high"], _ = interval_of(images[name], resamples, seed)
        rows.append(row)
    return pd.DataFrame(rows, columns=CLASSES.names)
