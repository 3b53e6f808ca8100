"""Results on the built-in dataset: the recovered law, and the factors that each network's invariance depends on.

After A. Azulay & Y. Weiss, JMLR 20(184), 2019: invariance is learnt near the training images only, and global pooling
gives invariance to position at best, not to scale.
"""

from collections.abc import Mapping
from itertools import pairwise, product

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

from bias_toolkit.analysis import mean_interval
from bias_toolkit.datasets.demo import demo_consequences
from bias_toolkit.foundation.intervals import SHARE
from bias_toolkit.objects import CORNER_DISTANCE

QUINTILES = 5
OFF_CENTRE_EDGES = (0.0, 0.1, 0.2, 0.3, 0.5)
SCALE_EDGES = (0.20, 0.25, 0.35, 0.45, 0.55, 0.80)
TRAINED_SCALES = (0.35, 0.55)
NEAR_MIDDLE = 0.15
LAW_QUANTITIES = ("centre_bias", "log_scale_mean", "log_scale_sd")
BINNED_COLUMNS = ["by", "bin", "left", "right", "n", "accuracy", "p_top1_change", "low", "high"]


def law_table(summaries: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The values that the law implies for the objects' boxes, beside the estimates from the boxes.

    `summaries` has FRAMING_SUMMARY of the demo datasets `train` and `uniform`. Columns: dataset, quantity, law,
    estimate, low, high (the 95% interval of the estimate). The law's values are integrals over the law and use no
    image.
    """
    rows = []
    for dataset, quantity in product(("train", "uniform"), LAW_QUANTITIES):
        whole, law = summaries[dataset].set_index("category").loc[""], demo_consequences(dataset)
        estimate = (whole[name] for name in (quantity, f"{quantity}_low", f"{quantity}_high"))
        rows.append((dataset, quantity, getattr(law, quantity), *estimate))
    return pd.DataFrame(rows, columns=["dataset", "quantity", "law", "estimate", "low", "high"])


def binned(per_image: pd.DataFrame) -> pd.DataFrame:
    """`p_top1_change` and `accuracy` by distance, by position at the trained scale, and by scale near the middle.

    Columns: `BINNED_COLUMNS`. `by` is "all" (one row), "nn_distance" (quintiles), "off_centre" (distance of the
    object's centre from the image's, in image widths, for scales from 0.35 to 0.55) or "scale" (for objects within 0.15
    widths of the middle). The interval is the 95% bootstrap interval over images.
    """
    ranks = per_image["nn_distance"].rank(method="first")
    quintile = ((ranks - 1) * QUINTILES // len(per_image)).astype(int)
    rows = [_row("all", 0, np.nan, np.nan, per_image)]
    for number in range(QUINTILES):
        images = per_image[quintile == number]
        rows.append(_row("nn_distance", number, images["nn_distance"].min(), images["nn_distance"].max(), images))
    for by, edges in (("off_centre", OFF_CENTRE_EDGES), ("scale", SCALE_EDGES)):
        for number, (left, right) in enumerate(pairwise(edges)):
            rows.append(_row(by, number, left, right, _in_range(per_image, by, left, right)))
    return pd.DataFrame(rows, columns=BINNED_COLUMNS)


def change_difference(
    per_image: pd.DataFrame, by: str, first: tuple[float, float], second: tuple[float, float]
) -> tuple[float, float, float]:
    """Mean `p_top1_change` in the second range minus that in the first, with its 95% interval.

    `by` is "off_centre" or "scale"; the images are those of `binned`. The ranges exclude their left end. The interval
    is bootstrapped over images. All are NaN if a range has fewer than two images.
    """
    low, high = (_in_range(per_image, by, *ends)["p_top1_change"].to_numpy(float) for ends in (first, second))
    if min(len(low), len(high)) < 2:
        return np.nan, np.nan, np.nan
    difference = float(high.mean() - low.mean())
    if np.ptp(low) == 0 and np.ptp(high) == 0:
        return difference, difference, difference
    interval = bootstrap(
        (low, high),
        lambda a, b, axis: b.mean(axis=axis) - a.mean(axis=axis),
        n_resamples=2000,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return difference, float(interval.low), float(interval.high)


def _in_range(per_image: pd.DataFrame, by: str, left: float, right: float) -> pd.DataFrame:
    """The images with left < value ≤ right for which the other of position and scale is as in training."""
    off_centre = per_image["centre_distance"] * CORNER_DISTANCE
    if by == "off_centre":
        values, as_trained = off_centre, per_image["scale"].between(*TRAINED_SCALES)
    else:
        values, as_trained = per_image["scale"], off_centre <= NEAR_MIDDLE
    return per_image[as_trained & (values > left) & (values <= right)]


def _row(by: str, number: int, left: float, right: float, images: pd.DataFrame) -> tuple:
    change = mean_interval(images["p_top1_change"], limits=SHARE)
    accuracy = float(images["accuracy"].mean()) if len(images) else np.nan
    return (by, number, left, right, len(images), accuracy, change.value, change.low, change.high)
