"""How unstable images usually are that lie as near to a decision boundary as this one."""

from __future__ import annotations

import numpy as np

from bias_toolkit.analysis import mean_interval
from bias_toolkit.explain.record import Estimate

MOST_IMAGES = 100
FEWEST_IMAGES = 20


def expected_from_margin(
    margin: float, margins: np.ndarray, changes: np.ndarray, seed: int = 0
) -> tuple[Estimate, int] | None:
    """Mean P(top-1 change) of the images whose margin is nearest to this one.

    Parameters
    ----------
    margin : float
        Of the image in question.
    margins, changes : float, shape (images,)
        The measures margin and p_top1_change of the other images.
    seed : int
        Of the bootstrap.

    Returns
    -------
    (Estimate, int) or None
        The mean with its 95% interval over images, and the number of images: a tenth of the other images, but at
        least 20 and at most 100. None if there are fewer than 20 other images.
    """
    known = ~(np.isnan(margins) | np.isnan(changes))
    margins, changes = np.asarray(margins, float)[known], np.asarray(changes, float)[known]
    if len(margins) < FEWEST_IMAGES:
        return None
    n = min(max(len(margins) // 10, FEWEST_IMAGES), MOST_IMAGES)
    nearest = np.argsort(np.abs(margins - margin), kind="stable")[:n]
    interval = mean_interval(changes[nearest], seed=seed)
    return Estimate(interval.value, interval.low, interval.high), n
