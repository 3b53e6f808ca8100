"""Whether stability depends on the size at which the image is shown.

Every size is measured on the same images, so sizes are compared by a paired bootstrap: images are resampled, each with
its values at all sizes.
"""

import numpy as np
import pandas as pd

from bias_toolkit.foundation.intervals import DIFFERENCE, bounded_limits, few_differ
from bias_toolkit.foundation.resampling import CONFIDENCE, simultaneous_margin
from bias_toolkit.foundation.words import count
from bias_toolkit.invariance import HEADLINE, STEP_PROTOCOLS
from bias_toolkit.report.words.finding import NOT_FOUND_RANK, TOO_FEW_IMAGES, Estimate, Finding, Heading, Kind, Unit
from bias_toolkit.report.words.sentences import image_size, was

SIZES = "the size at which the image is shown"
IMAGE_SIDE_LABEL = "side of the image in view sides\n(below 1 shrunk on a canvas, above 1 a tighter crop)"
SIZE_RANK = 25
RESAMPLES = 2000


def compare_sizes(values: pd.DataFrame | None, heading: Heading, figure: str | None, seed: int) -> Finding | None:
    """Sizes at which P(top-1 change) is higher than at its lowest.

    `values` is from `values_by_size`; None without a comparison. `figure` is the name of the figure that shows it.
    """
    if values is None:
        return None
    if len(values) < TOO_FEW_IMAGES:
        claim = f"There are too few images to say whether P(top-1 change) depends on {SIZES}."
        evidence = f"{count(len(values), 'image')} {was(len(values))} measured at every size."
        return Finding(heading, Kind.CAUTION, claim, evidence, figure=figure)
    shown = np.array([image_size(*sweep) for sweep in values.columns])
    means = values.mean().to_numpy()
    margin = simultaneous_margin(values.to_numpy(), RESAMPLES, np.random.default_rng(seed))
    lowest, highest = int(means.argmin()), int(means.argmax())
    smallest, largest = int(shown.argmin()), int(shown.argmax())
    intervals = [difference_limits(values.to_numpy(), lowest, i, margin) for i in range(len(means))]
    above = [low > 0 for low, _ in intervals]
    smaller = above[smallest] and shown[smallest] < shown[lowest]
    larger = above[largest] and shown[largest] > shown[lowest]
    if smaller and larger:
        claim = f"P(top-1 change) is U-shaped over {SIZES}."
        # The claim of a U is no stronger than the weaker of its two sides.
        at = min(smallest, largest, key=lambda i: means[i])
    elif smaller or larger:
        claim = f"The model is less stable when the image is shown {'smaller' if smaller else 'larger'}."
        at = smallest if smaller else largest
    elif above[highest]:
        claim, at = "The model is less stable at some sizes of the image than at others.", highest
    else:
        claim, at = f"No dependence of P(top-1 change) on {SIZES} was found.", highest
    found = above[at]

    def size(i: int) -> str:
        protocol, size = values.columns[i]
        return f"{protocol} size {size:g}"

    return Finding(
        heading,
        Kind.EFFECT if found else Kind.NONE,
        claim,
        "The interval holds for every pair of sizes at once, as the pair was chosen after looking.",
        estimate=Estimate(
            "difference",
            f"P(top-1 change) at {size(at)} minus that at {size(lowest)}",
            float(means[at] - means[lowest]),
            *intervals[at],
            len(values),
            unit=Unit.POINTS,
            nothing=0.0,
        ),
        rank=SIZE_RANK if found else SIZE_RANK + NOT_FOUND_RANK,
        figure=figure,
    )


def values_by_size(measures: pd.DataFrame) -> pd.DataFrame | None:
    """P(top-1 change) of each image (rows) at each (protocol, size) of crop and embed (columns).

    Only images that were measured at every size; None if the image is shown at fewer than two sizes.
    """
    rows = measures[measures["protocol"].isin(STEP_PROTOCOLS) & measures[HEADLINE].notna()]
    if len({image_size(*pair) for pair in zip(rows["protocol"], rows["size"], strict=True)}) < 2:
        return None
    table = rows.astype({HEADLINE: float}).pivot_table(index="image_id", columns=["protocol", "size"], values=HEADLINE)
    return table.dropna()


def difference_limits(values: np.ndarray, first: int, second: int, margin: float) -> tuple[float, float]:
    """The interval of the mean of one column minus that of another, valid for every pair of columns at once.

    `values` is (images, sizes), shares; `margin` is its `simultaneous_margin`. Where few images differ, the bootstrap
    shows too little, and the interval is `bounded_limits` with Bonferroni's correction for the number of pairs.
    """
    differences = values[:, second] - values[:, first]
    if few_differ(differences):
        pairs = values.shape[1] * (values.shape[1] - 1) // 2
        return bounded_limits(differences, DIFFERENCE, 1 - (1 - CONFIDENCE) / pairs)
    gap = float(differences.mean())
    return max(gap - margin, -1.0), min(gap + margin, 1.0)
