"""Intervals that are wide enough for few images, and for shares near 0 or 1."""

import math

from bias_toolkit.foundation.resampling import CONFIDENCE


def expanded_confidence(n_images: int) -> float:
    """The confidence level at which `percentile_interval` has the intended coverage for few images.

    A percentile interval of a mean is too narrow for two reasons: it uses the normal distribution instead of Student's,
    and the variance with the divisor n. Its ends are moved outwards to the levels Φ(√(n / (n − 1)) · t_{α/2, n − 1}).
    The level is above `CONFIDENCE` and tends to it as n grows.
    Source: T. Hesterberg, "What teachers should know about the bootstrap", The American Statistician 69(4), 2015,
    section 5.3 (expanded percentile interval).

    `n_images` is the number of resampled images, at least 2; for two sets, the smaller number.
    """
    from scipy.stats import norm, t

    tail = norm.cdf(math.sqrt(n_images / (n_images - 1)) * t.ppf((1 - CONFIDENCE) / 2, n_images - 1))
    return float(1 - 2 * tail)


def share_interval(share: float, error: float, n_images: int) -> tuple[float, float]:
    """The 95% interval of a share of objects, where the objects of one image are not independent.

    It is Wilson's interval for the number of independent objects that would give this standard error (the effective
    number). Percentiles of resamples would be too narrow where few objects determine the share.
    Sources: E. Wilson, "Probable inference, the law of succession, and statistical inference", J. Am. Stat. Assoc. 22,
    1927; E. Korn & B. Graubard, "Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data", Survey Methodology 24(2), 1998 (the effective number).

    `share` is in [0, 1], and `error` is its standard error over images. Where the share is 0 or 1, `error` is not used:
    the effective number is `n_images`, at least 2.
    """
    from scipy.stats import t

    n = share * (1 - share) / error**2 if error > 0 and 0 < share < 1 else n_images
    z = t.ppf((1 + CONFIDENCE) / 2, n_images - 1)
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(middle - half, 0.0), min(middle + half, 1.0)
