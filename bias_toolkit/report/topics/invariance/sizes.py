"""Whether stability depends on the size at which the image is shown.

Every size is measured on the same images, so sizes are compared by a paired bootstrap: images are resampled, each with
its values at all sizes. Source: J. Tukey's simultaneous intervals for all pairwise differences (the problem of multiple
comparisons, 1953), with the range of the centred bootstrap means in place of the studentized range.
"""

import numpy as np
import pandas as pd

from bias_toolkit.foundation.resampling import CONFIDENCE, resample_counts
from bias_toolkit.foundation.words import count, interval, percent
from bias_toolkit.invariance import HEADLINE, STEP_PROTOCOLS
from bias_toolkit.report.words.finding import TOO_FEW_IMAGES, Finding, Heading, Kind
from bias_toolkit.report.words.sentences import image_size, in_points

SIZES = "the size at which the image is shown"


def compare_sizes(values: pd.DataFrame | None, heading: Heading, seed: int) -> Finding | None:
    """Sizes at which P(top-1 change) is higher than at its lowest; `values` is from `values_by_size`."""
    if values is None:
        return None
    if len(values) < TOO_FEW_IMAGES:
        claim = f"Too few images to say whether P(top-1 change) depends on {SIZES}."
        return Finding(heading, Kind.CAUTION, claim, f"{count(len(values), 'image')} measured at every size.")
    shown = np.array([image_size(*sweep) for sweep in values.columns])
    means = values.mean().to_numpy()
    margin = difference_margin(values.to_numpy(), seed=seed)
    lowest, highest = int(means.argmin()), int(means.argmax())

    def at(i: int) -> str:
        protocol, size = values.columns[i]
        return f"{percent(means[i])} at {protocol} size {size:g}"

    def difference(i: int) -> str:
        gap = means[i] - means[lowest]
        return f"{in_points(gap)} percentage points ({interval(gap - margin, gap + margin, in_points)})"

    note = (
        f"Differences have their 95% interval from a paired bootstrap over the {count(len(values), 'image')} measured "
        f"at all {len(means)} sizes, wide enough to hold for every pair of sizes at once, as the pair is chosen "
        "after looking."
    )
    smallest, largest = int(shown.argmin()), int(shown.argmax())
    above = means - means[lowest] > margin
    smaller = above[smallest] and shown[smallest] < shown[lowest]
    larger = above[largest] and shown[largest] > shown[lowest]
    if smaller and larger:
        claim = f"P(top-1 change) is U-shaped over {SIZES}."
        evidence = (
            f"It is lowest, {at(lowest)}, and higher when the image is shown smaller, {at(smallest)}, by "
            f"{difference(smallest)}, and larger, {at(largest)}, by {difference(largest)}."
        )
    elif smaller or larger:
        other, direction = (smallest, "smaller") if smaller else (largest, "larger")
        claim = f"The model is less stable when the image is shown {direction}."
        evidence = f"P(top-1 change) is {at(other)} against {at(lowest)}, a difference of {difference(other)}."
    elif above[highest]:
        claim = f"P(top-1 change) depends on {SIZES}."
        evidence = f"It is {at(highest)} against {at(lowest)}, a difference of {difference(highest)}."
    else:
        claim = f"No dependence of P(top-1 change) on {SIZES} was found."
        evidence = f"It is highest, {at(highest)}, and lowest, {at(lowest)}, a difference of {difference(highest)}."
        return Finding(heading, Kind.NONE, claim, f"{evidence} {note}")
    return Finding(heading, Kind.EFFECT, claim, f"{evidence} {note}")


def values_by_size(measures: pd.DataFrame) -> pd.DataFrame | None:
    """P(top-1 change) of each image (rows) at each (protocol, size) of crop and embed (columns).

    Only images that were measured at every size; None if the image is shown at fewer than two sizes.
    """
    rows = measures[measures["protocol"].isin(STEP_PROTOCOLS) & measures[HEADLINE].notna()]
    if len({image_size(*pair) for pair in zip(rows["protocol"], rows["size"], strict=True)}) < 2:
        return None
    table = rows.astype({HEADLINE: float}).pivot_table(index="image_id", columns=["protocol", "size"], values=HEADLINE)
    return table.dropna()


def difference_margin(values: np.ndarray, resamples: int = 2000, seed: int = 0) -> float:
    """Half the width of the interval of a difference of two columns' means, valid for every pair of columns at once.

    It is the quantile, over bootstrap resamples of rows, of the range of the columns' means about the columns' own
    means. No pair's difference deviates by more than that range, so the pair may be chosen after seeing the data.
    `values` is (images, sizes).
    """
    deviations = values - values.mean(axis=0)
    draws = resample_counts([len(values)], resamples, np.random.default_rng(seed))
    means = np.concatenate([counts @ deviations for counts in draws]) / len(values)
    return float(np.quantile(np.ptp(means, axis=1), CONFIDENCE))
