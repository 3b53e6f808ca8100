"""Differences between the means of bins of images, with intervals that hold for all of them at once.

A pair of bins that is chosen after looking at the means differs more than a pair that was chosen before. So the
intervals are simultaneous: Welch's interval of a difference with Bonferroni's correction over the pairs.

Sources: B. L. Welch, Biometrika 34 (1947); G. K. Smyth, Stat. Appl. Genet. Mol. Biol. 3(1), 2004, for the moderated
variances.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from bias_toolkit.foundation.intervals import FEWEST_IMAGES
from bias_toolkit.foundation.resampling import CONFIDENCE

ADDED = 2


class BinContrast(NamedTuple):
    """The mean of one bin minus that of another, with its simultaneous 95% interval."""

    bin: int
    minus: int
    value: float
    low: float
    high: float
    n: int  # images in both bins

    @property
    def clearness(self) -> float:
        """The difference in halves of the width of its interval; above 1 or below −1, the interval excludes 0."""
        return self.value / ((self.high - self.low) / 2)


def bin_contrasts(
    groups: Sequence[np.ndarray], reference: int | None = None, limits: tuple[float, float] = (0.0, 1.0)
) -> list[BinContrast]:
    """The difference of every two bins, or of every bin from one of them, with intervals that hold together.

    The variance of a bin is moderated: it counts two more degrees of freedom with the variance within all bins. So a
    bin of equal values, such as one without a rare event, has an interval of a sensible width.

    Parameters
    ----------
    groups : sequence of (images,)
        The values of each bin's images. Bins with fewer than five images are left out.
    reference : int, optional
        The bin from which the others are told apart; by default, all pairs are compared, the later bin first.
    limits : (float, float)
        The range of possible values, which gives the variance if every bin has equal values; if it is infinite then,
        there is no contrast.
    """
    from scipy.stats import t

    values = [np.asarray(group, dtype=float) for group in groups]
    enough = [at for at, group in enumerate(values) if len(group) >= FEWEST_IMAGES]
    pairs = [(late, early) for early, late in combinations(enough, 2)]
    if reference is not None:
        pairs = [(at, reference) for at in enough if at != reference and reference in enough]
    if not pairs:
        return []
    prior = _prior(values, limits)
    if not np.isfinite(prior):
        return []
    errors = _squared_errors(values, prior)
    sizes, means = (np.array([function(group) for group in values]) for function in (len, _mean))
    bins, minus = np.array(pairs).T
    differences, squared = means[bins] - means[minus], errors[bins] + errors[minus]
    parts = sum(errors[at] ** 2 / (sizes[at] - 1 + ADDED) for at in (bins, minus))
    tail = (1 - CONFIDENCE) / (2 * len(pairs))
    half = t.ppf(1 - tail, squared**2 / parts) * np.sqrt(squared)
    columns = (differences, differences - half, differences + half, sizes[bins] + sizes[minus])
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [BinContrast(*pair, *row) for pair, row in zip(pairs, rows, strict=True)]


def clearest(contrasts: Sequence[BinContrast]) -> BinContrast | None:
    """The contrast whose interval is farthest from including 0, or nearest to excluding it; None if there is none."""
    return max(contrasts, key=lambda contrast: abs(contrast.clearness), default=None)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan


def _squared_errors(values: list[np.ndarray], prior: float) -> np.ndarray:
    """Of each bin's mean, its variance moderated by the prior one; NaN for a bin without images."""
    errors = np.full(len(values), np.nan)
    for at, group in enumerate(values):
        if len(group):
            squares = ((group - group.mean()) ** 2).sum()
            errors[at] = (squares + ADDED * prior) / (len(group) - 1 + ADDED) / len(group)
    return errors


def _prior(values: list[np.ndarray], limits: tuple[float, float]) -> float:
    """The variance within all bins; if all are of equal values, that of one image at each of the limits in all."""
    squares = sum(((group - group.mean()) ** 2).sum() for group in values if len(group))
    images = sum(len(group) for group in values)
    return float(squares / images or ((limits[1] - limits[0]) ** 2 / 2) / images)
