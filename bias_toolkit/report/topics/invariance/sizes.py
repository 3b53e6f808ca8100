"""Whether stability depends on the size at which the image is shown.

Every size is measured on the same images, so sizes are compared by a paired bootstrap: images are resampled, each with
its values at all sizes. Source: J. Tukey's simultaneous intervals for all pairwise differences (the problem of multiple
comparisons, 1953), with the range of the centred bootstrap means in place of the studentized range.
"""

import numpy as np
import pandas as pd

from bias_toolkit.foundation.resampling import CONFIDENCE, resample_counts
from bias_toolkit.foundation.words import count
from bias_toolkit.invariance import HEADLINE, STEP_PROTOCOLS
from bias_toolkit.report.words.finding import TOO_FEW_IMAGES, Estimate, Finding, Heading, Kind, Unit
from bias_toolkit.report.words.sentences import image_size, was

SIZES = "the size at which the image is shown"
IMAGE_SIDE_LABEL = "side of the image in view sides\n(below 1 shrunk on a canvas, above 1 a tighter crop)"
SIZE_RANK = 25


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
    margin = difference_margin(values.to_numpy(), seed=seed)
    lowest, highest = int(means.argmin()), int(means.argmax())
    smallest, largest = int(shown.argmin()), int(shown.argmax())
    above = means - means[lowest] > margin
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
        claim, at = f"P(top-1 change) depends on {SIZES}.", highest
    else:
        claim, at = f"No dependence of P(top-1 change) on {SIZES} was found.", highest
    gap = float(means[at] - means[lowest])
    found = bool(above[at])

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
            gap,
            gap - margin,
            gap + margin,
            len(values),
            unit=Unit.POINTS,
            nothing=0.0,
        ),
        rank=SIZE_RANK if found else SIZE_RANK + 100,
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
