"""Testing many classes at once: the share of false alarms among what is called found.

Source: Y. Benjamini & Y. Hochberg, "Controlling the false discovery rate", J. R. Stat. Soc. B 57(1), 1995. That the
direction of what is found may be stated too, at the same rate: Y. Benjamini & D. Yekutieli, "False discovery
rate–adjusted multiple confidence intervals for selected parameters", J. Am. Stat. Assoc. 100(469), 2005.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import false_discovery_control

FALSE_DISCOVERY_RATE = 0.05


def q_values(p_values: ArrayLike) -> np.ndarray:
    """Benjamini–Hochberg adjusted p-values: calling all with q ≤ r found has a false discovery rate of at most r.

    Returns (tests,) float64: NaN where the p-value is. A p-value from N random placements is at least 1 / (N + 1), so
    of many tests of which only a few find something, q can be no smaller than tests / found / (N + 1).

    `p_values` (tests,) are NaN for a test that could not be made; it does not count as one.
    """
    p_values = np.asarray(p_values, np.float64)
    result = np.full(p_values.shape, np.nan)
    made = ~np.isnan(p_values)
    if made.any():
        result[made] = false_discovery_control(p_values[made], method="bh")
    return result
