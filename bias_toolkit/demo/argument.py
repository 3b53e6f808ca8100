"""Results on the built-in dataset: the recovered law, and the factors that each network's invariance depends on.

After A. Azulay & Y. Weiss, JMLR 20(184), 2019: invariance is learnt near the training images only, and global pooling
gives invariance to position at best, not to scale.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise, product

import numpy as np
import pandas as pd

from bias_toolkit.analysis import COMPARED_MEASURES, BinContrast, bin_contrasts, mean_interval
from bias_toolkit.datasets.demo import demo_consequences
from bias_toolkit.foundation.false_discovery import family_intervals
from bias_toolkit.foundation.files import INTERVAL
from bias_toolkit.foundation.intervals import SHARE
from bias_toolkit.objects import CORNER_DISTANCE

QUINTILES = 5
OFF_CENTRE_EDGES = (0.0, 0.1, 0.2, 0.3, 0.5)
SCALE_EDGES = (0.20, 0.25, 0.35, 0.45, 0.55, 0.80)
TRAINED_SCALES = (0.35, 0.55)
NEAR_MIDDLE = 0.15
LAW_QUANTITIES = ("centre_bias", "log_scale_mean", "log_scale_sd")
BINNED_COLUMNS = [
    "by",
    "bin",
    "left",
    "right",
    "n",
    *(f"{name}{end}" for name in COMPARED_MEASURES for end in INTERVAL),
]

Range = tuple[float, float]


def law_table(summaries: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The values that the law implies for the objects' boxes, beside the estimates from the boxes.

    `summaries` has FRAMING_SUMMARY of the demo datasets `train` and `uniform`. Columns: dataset, quantity, law,
    estimate, low, high (its 95% interval, adjusted for the number of rows), own_low, own_high (its interval alone),
    n_objects. The law's values are integrals over the law and use no image.
    """
    rows = []
    for dataset, quantity in product(("train", "uniform"), LAW_QUANTITIES):
        whole, law = summaries[dataset].set_index("category").loc[""], demo_consequences(dataset)
        estimate = (whole[name] for name in (quantity, f"{quantity}_low", f"{quantity}_high"))
        rows.append((dataset, quantity, getattr(law, quantity), *estimate, int(whole["n_objects"])))
    names = ["dataset", "quantity", "law", "estimate", "own_low", "own_high", "n_objects"]
    table = pd.DataFrame(rows, columns=names)
    own = (table[name] for name in ("estimate", "own_low", "own_high"))
    low, high = family_intervals(*own, nothing=table["law"], images=table["n_objects"])
    return table.assign(low=low, high=high)


def binned(per_image: pd.DataFrame) -> pd.DataFrame:
    """`COMPARED_MEASURES` by distance, by position at the trained scale, and by scale near the middle.

    Columns: `BINNED_COLUMNS`. `by` is "all" (one row), "nn_distance" (quintiles), "off_centre" (distance of the
    object's centre from the image's, in image widths, for scales from 0.35 to 0.55) or "scale" (for objects within 0.15
    widths of the middle). The intervals are 95% intervals over images.
    """
    rows = [_row("all", 0, np.nan, np.nan, per_image)]
    for number, images in enumerate(_fifths(per_image)):
        rows.append(_row("nn_distance", number, images["nn_distance"].min(), images["nn_distance"].max(), images))
    for by, edges in (("off_centre", OFF_CENTRE_EDGES), ("scale", SCALE_EDGES)):
        for number, ends in enumerate(pairwise(edges)):
            rows.append(_row(by, number, *ends, in_range(per_image, by, ends)))
    return pd.DataFrame(rows, columns=BINNED_COLUMNS)


def change_contrasts(per_image: pd.DataFrame, by: str, reference: Range, others: Sequence[Range]) -> list[BinContrast]:
    """P(top-1 change) in each of the other ranges minus that in the reference, with intervals that hold at once.

    `by` is "off_centre" or "scale"; the images are those of `binned`. The ranges exclude their left end. The bins of
    the contrasts count from 1, in the order of `others`; those with too few images have none.
    """
    groups = [in_range(per_image, by, ends)["p_top1_change"].to_numpy(float) for ends in (reference, *others)]
    return bin_contrasts(groups, reference=0)


def distance_contrasts(per_image: pd.DataFrame) -> list[BinContrast]:
    """P(top-1 change) in each fifth of the images by `nn_distance` minus that in the nearest, as `change_contrasts`."""
    return bin_contrasts([images["p_top1_change"].to_numpy(float) for images in _fifths(per_image)], reference=0)


def in_range(per_image: pd.DataFrame, by: str, ends: Range) -> pd.DataFrame:
    """The images with left < value ≤ right for which the other of position and scale is as in training."""
    off_centre = per_image["centre_distance"] * CORNER_DISTANCE
    if by == "off_centre":
        values, as_trained = off_centre, per_image["scale"].between(*TRAINED_SCALES)
    else:
        values, as_trained = per_image["scale"], off_centre <= NEAR_MIDDLE
    return per_image[as_trained & (values > ends[0]) & (values <= ends[1])]


def _fifths(per_image: pd.DataFrame) -> list[pd.DataFrame]:
    ranks = per_image["nn_distance"].rank(method="first")
    quintile = ((ranks - 1) * QUINTILES // len(per_image)).astype(int)
    return [per_image[quintile == number] for number in range(QUINTILES)]


def _row(by: str, number: int, left: float, right: float, images: pd.DataFrame) -> tuple:
    estimates = [mean_interval(images[name], limits=SHARE)[:3] for name in COMPARED_MEASURES]
    return (by, number, left, right, len(images), *(value for estimate in estimates for value in estimate))
