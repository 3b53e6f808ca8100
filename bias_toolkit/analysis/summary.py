"""The measures of every sweep as means over images, and a table of every class's numbers."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bias_toolkit.analysis.schema import CLASS_ESTIMATES, CLASSES, SUMMARY
from bias_toolkit.datasets import clip_of
from bias_toolkit.foundation.intervals import (
    FEWEST_IMAGES,
    NONE,
    SHARE,
    UNLIMITED,
    Interval,
    clopper_pearson,
    mean_interval,
    median_interval,
)
from bias_toolkit.invariance import INVARIANCE_MEASURES
from bias_toolkit.invariance.measures import Measure
from bias_toolkit.invariance.protocols.frames import FRAMES

SWEEP = ["protocol", "transform", "size"]


def measure_summary(measures: pd.DataFrame, *, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Every measure's mean over images in every sweep, with its 95% interval over images (`measure_mean`).

    Returns the columns of `SUMMARY`: one row per sweep and measure, sweeps in order of first occurrence. Measures that
    a sweep does not define have no row. Frames of one clip are not independent: for them, means and intervals are over
    clips, of each clip's mean, and `n` is the number of clips.

    `measures` has one row per image and sweep: image_id, protocol, transform, size, and the measures.
    """
    rows = []
    for sweep, images in measures.groupby(SWEEP, sort=False, dropna=False):
        for measure in INVARIANCE_MEASURES:
            if measure.name in images and images[measure.name].notna().any():
                values = images[measure.name]
                if sweep[0] == FRAMES.name:
                    of_clips = values.groupby(images["image_id"].map(clip_of)).mean()
                    found = mean_interval(of_clips, resamples, seed, limits=measure.limits)
                else:
                    found = measure_mean(values, measure, resamples, seed)
                rows.append((*sweep, measure.name, *found))
    return pd.DataFrame(rows, columns=SUMMARY.names)


def measure_mean(values: ArrayLike, measure: Measure, resamples: int = 2000, seed: int = 0) -> Interval:
    """A measure's mean over images: a share of images has Clopper & Pearson's interval, others `mean_interval`."""
    if not measure.yes_or_no:
        return mean_interval(values, resamples, seed, limits=measure.limits)
    values = np.asarray(values, dtype=np.float64)
    values = values[~np.isnan(values)]
    n, count = len(values), int(values.sum())
    limits = clopper_pearson(count, n) if n >= FEWEST_IMAGES else NONE
    return Interval(count / n if n else np.nan, *limits, n)


def class_summary(per_image: pd.DataFrame, *, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Every class's invariance, distance and framing.

    Returns the columns of `CLASSES`, in the order of the labels: means over the class's images, except `scale`, which
    is a median, each with the ends `<name>_low` and `<name>_high` of its 95% interval over the class's images
    (`mean_interval`, `median_interval`). Images without a label are left out.

    `per_image` has one row per test image: its label, and the available ones of the other columns.
    """
    rows = []
    for label, images in per_image.groupby("label", sort=True):
        row = {"label": label, "n": len(images)}
        for name in CLASS_ESTIMATES:
            if name in images:
                if name == "scale":
                    found = median_interval(images[name], resamples, seed)
                else:
                    limits = UNLIMITED if name == "nn_distance" else SHARE
                    found = mean_interval(images[name], resamples, seed, limits=limits)
                row[name], row[f"{name}_low"], row[f"{name}_high"], _ = found
        rows.append(row)
    return pd.DataFrame(rows, columns=CLASSES.names)
