"""Tests of many classes at once: control the share of false discoveries.

Sources: Y. Benjamini & Y. Hochberg, "Controlling the false discovery rate", J. R. Stat. Soc. B 57(1), 1995; Y.
Benjamini & D. Yekutieli, "False discovery rate–adjusted multiple confidence intervals for selected parameters", J. Am.
Stat. Assoc. 100(469), 2005 (the direction of a discovery may be stated at the same rate).
"""

import numpy as np
from numpy.typing import ArrayLike

FALSE_DISCOVERY_RATE = 0.05


def q_values(p_values: ArrayLike) -> np.ndarray:
    """Benjamini–Hochberg adjusted p-values: rejecting all tests with q ≤ r has a false discovery rate of at most r.

    Returns (tests,) float64: NaN where the p-value is NaN. A p-value from N random placements is at least 1 / (N + 1).
    So if few tests are rejected, q is at least tests / rejected / (N + 1).

    `p_values` (tests,) are NaN for a test that could not be made. Such a test is not counted.
    """
    from scipy.stats import false_discovery_control

    p_values = np.asarray(p_values, np.float64)
    result = np.full(p_values.shape, np.nan)
    made = ~np.isnan(p_values)
    if made.any():
        result[made] = false_discovery_control(p_values[made], method="bh")
    return result
