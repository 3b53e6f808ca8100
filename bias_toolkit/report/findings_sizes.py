"""Whether stability depends on the size at which the image is shown.

Every size is measured on the same images, so sizes are compared by a paired bootstrap: images are resampled, each with
its values at all sizes. Source: J. Tukey's simultaneous intervals for all pairwise differences (the problem of multiple
comparisons, 1953), with the range of the centred bootstrap means in place of the studentized range.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bias_toolkit.analysis import Interval, two_lines
from bias_toolkit.foundation.resampling import CONFIDENCE, resample_counts
from bias_toolkit.foundation.words import count, interval, number, percent
from bias_toolkit.invariance import STEP_PROTOCOLS
from bias_toolkit.report.contents import ReportContents
from bias_toolkit.report.finding import CAUSE, CAUTION, EFFECT, INVARIANCE, NONE, TOO_FEW_IMAGES, Finding
from bias_toolkit.report.sweeps import image_size

MEASURE = "p_top1_change"
SIZES = "the size at which the image is shown"


def size_finding(contents: ReportContents) -> Finding | None:
    """Where P(top-1 change) is higher than at the size at which it is lowest; None of fewer than two sizes."""
    measures, sweep = contents.measures, contents.reference_sweep
    if measures is None or sweep is None:
        return None
    of_transform = measures[measures["transform"].eq(sweep[1])]
    return _of_sizes(values_by_size(of_transform), INVARIANCE, int(contents.settings.get("seed", 0)))


def size_curve_finding(measures: pd.DataFrame, seed: int = 0) -> Finding | None:
    """Whether P(top-1 change) falls to a size in between and rises again, over the size curve's own measures.

    A line is fitted to each side of the lowest size (`two_lines`); where neither side is told from a flat one, sizes
    are compared as in `size_finding`.

    Parameters
    ----------
    measures : DataFrame
        Table MEASURES of the size curve.
    seed : int
        Of the bootstrap.
    """
    values = values_by_size(measures)
    if values is None or len(values) < TOO_FEW_IMAGES:
        return _of_sizes(values, CAUSE, seed)
    shown = np.array([image_size(*sweep) for sweep in values.columns])
    lines = two_lines(values.to_numpy(), np.log2(shown), seed=seed)
    smaller, larger = lines.below.high < 0, lines.above.low > 0
    if not (smaller or larger):
        return _of_sizes(values, CAUSE, seed)
    means = values.mean().to_numpy()

    def told(i: int) -> str:
        protocol, size = values.columns[i]
        return f"{percent(means[i])} at {protocol} size {size:g}"

    def side(slope: Interval, end: int, words: str) -> str:
        # Shown half as large, the image is one unit of log2 further down.
        rise, ends = 100 * abs(slope.value), sorted((100 * abs(slope.low), 100 * abs(slope.high)))
        if np.sign(slope.low) != np.sign(slope.high) or not np.isfinite(slope.value):
            return f"{words} no rise was found ({told(end)})"
        limits = interval(*ends, lambda value: number(value, 1))
        return (
            f"{words} it rises by {number(rise, 1)} percentage points ({limits}) with each factor of 2, to {told(end)}"
        )

    sides = "; ".join(
        (
            side(lines.below, int(shown.argmin()), "shown smaller,"),
            side(lines.above, int(shown.argmax()), "shown larger,"),
        )
    )
    if smaller and larger:
        claim = f"P(top-1 change) is U-shaped over {SIZES}."
    else:
        claim = f"The model is less stable when the image is shown {'smaller' if smaller else 'larger'}."
    evidence = (
        f"It is lowest, {told(lines.lowest)}, {count(len(values), 'image')}; {sides}. The two lines’ intervals have "
        "95% confidence together, and allow for the choice of the lowest size."
    )
    return Finding(CAUSE, EFFECT, claim, evidence)


def _of_sizes(values: pd.DataFrame | None, topic: str, seed: int) -> Finding | None:
    if values is None:
        return None
    if len(values) < TOO_FEW_IMAGES:
        return Finding(
            topic,
            CAUTION,
            f"Too few images to say whether P(top-1 change) depends on {SIZES}.",
            f"{count(len(values), 'image')} measured at every size.",
        )
    shown = np.array([image_size(*sweep) for sweep in values.columns])
    means = values.mean().to_numpy()
    margin = difference_margin(values.to_numpy(), seed=seed)
    lowest, highest = int(means.argmin()), int(means.argmax())

    def told(i: int) -> str:
        protocol, size = values.columns[i]
        return f"{percent(means[i])} at {protocol} size {size:g}"

    def difference(i: int) -> str:
        gap, half = 100 * (means[i] - means[lowest]), 100 * margin
        return f"{number(gap, 1)} percentage points ({interval(gap - half, gap + half, lambda end: number(end, 1))})"

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
            f"It is lowest, {told(lowest)}, and higher when the image is shown smaller, {told(smallest)}, by "
            f"{difference(smallest)}, and larger, {told(largest)}, by {difference(largest)}."
        )
    elif smaller or larger:
        other, direction = (smallest, "smaller") if smaller else (largest, "larger")
        claim = f"The model is less stable when the image is shown {direction}."
        evidence = f"P(top-1 change) is {told(other)} against {told(lowest)}, a difference of {difference(other)}."
    elif above[highest]:
        claim = f"P(top-1 change) depends on {SIZES}."
        evidence = f"It is {told(highest)} against {told(lowest)}, a difference of {difference(highest)}."
    else:
        return Finding(
            topic,
            NONE,
            f"No dependence of P(top-1 change) on {SIZES} was found.",
            f"It is highest, {told(highest)}, and lowest, {told(lowest)}, a difference of {difference(highest)}. "
            f"{note}",
        )
    return Finding(topic, EFFECT, claim, f"{evidence} {note}")


def values_by_size(measures: pd.DataFrame) -> pd.DataFrame | None:
    """P(top-1 change) of each image (rows) at each (protocol, size) of crop and embed (columns).

    Only images measured at every size; None where there are fewer than two sizes at which the image is shown.
    """
    rows = measures[measures["protocol"].isin(STEP_PROTOCOLS) & measures[MEASURE].notna()]
    if len({image_size(*pair) for pair in zip(rows["protocol"], rows["size"], strict=True)}) < 2:
        return None
    table = rows.astype({MEASURE: float}).pivot_table(index="image_id", columns=["protocol", "size"], values=MEASURE)
    return table.dropna()


def difference_margin(values: np.ndarray, resamples: int = 2000, seed: int = 0) -> float:
    """Half the width of the interval of a difference of two columns' means, right for every pair of columns at once.

    The quantile, over bootstrap resamples of rows, of the range of the columns' means about the columns' own means:
    no pair's difference is farther off than that range, so the pair may be chosen after looking.

    Parameters
    ----------
    values : array (images, sizes)
    resamples, seed : int
        Of the bootstrap.
    """
    deviations = values - values.mean(axis=0)
    draws = resample_counts([len(values)], resamples, np.random.default_rng(seed))
    means = np.concatenate([counts @ deviations for counts in draws]) / len(values)
    return float(np.quantile(np.ptp(means, axis=1), CONFIDENCE))
