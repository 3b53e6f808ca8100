"""Intervals that are wide enough for few images, and for shares near 0 or 1."""

import math

from scipy.stats import norm, t

from bias_toolkit.foundation.resampling import CONFIDENCE


def expanded_confidence(n_images: int) -> float:
    """The confidence to ask of `percentile_interval` so that it holds what it promises of few images.

    A percentile interval of a mean is too narrow twice: it uses the normal distribution where Student's is right, and
    the variance with the divisor n. Its ends are moved outwards to the quantiles Φ(√(n / (n − 1)) · t_{α/2, n − 1}).
    Above `CONFIDENCE`, and tending to it as n grows.
    Source: T. Hesterberg, "What teachers should know about the bootstrap", The American Statistician 69(4), 2015,
    section 5.3 (expanded percentile interval).

    `n_images` is the number of images resampled, at least 2; of two sets the smaller number.
    """
    tail = norm.cdf(math.sqrt(n_images / (n_images - 1)) * t.ppf((1 - CONFIDENCE) / 2, n_images - 1))
    return float(1 - 2 * tail)


def share_interval(share: float, error: float, n_images: int) -> tuple[float, float]:
    """The 95% interval of a share of objects, the objects of one image being no independent draws.

    Wilson's interval of as many independent objects as would give the share this standard error: percentiles of
    resamples are too narrow where a handful of objects makes the share.
    Sources: E. Wilson, "Probable inference, the law of succession, and statistical inference", J. Am. Stat. Assoc. 22,
    1927; E. Korn & B. Graubard, "Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data", Survey Methodology 24(2), 1998 (the effective number).

    `share` is in [0, 1], and `error` its standard error over images. Where the share is 0 or 1 that is not used: the
    number is that of the images, `n_images`, at least 2.
    """
    n = share * (1 - share) / error**2 if error > 0 and 0 < share < 1 else n_images
    z = t.ppf((1 + CONFIDENCE) / 2, n_images - 1)
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(middle - half, 0.0), min(middle + half, 1.0)
