"""How typical an object's framing is among the training objects.

Source: D. Scott, Multivariate Density Estimation, 1992, section 6.3 (kernel density, the normal reference bandwidth).
"""

import numpy as np
import pandas as pd

from bias_toolkit.foundation.files import shard_slices

MINIMUM_CLASS_OBJECTS = 50
MAXIMUM_OBJECTS = 10_000
# A box is known to a hundredth of its image at best. This lower bound on the standard deviation keeps the density
# finite where all training boxes are equal in one of the four variables.
RESOLUTION = 0.01
CHUNK_PAIRS = 2_000_000


def framing_log_density(
    framing: pd.DataFrame, training: pd.DataFrame, *, leave_out_own_image: bool = False, seed: int = 0
) -> np.ndarray:
    """Log density of (cx, cy, log scale, log aspect) of each object under the training objects.

    The density is a Gaussian kernel density. The kernels have the training objects' covariance (with a standard
    deviation of at least 0.01 in each direction) times Scott's squared bandwidth, n^(−2 / (4 + 4)). The kernels are the
    training objects of the object's category if there are at least 50, and all training objects otherwise; of more than
    10,000, a seeded sample of 10,000 is used. Returns (len(framing),) float64: natural logarithms, in the order of
    `framing`. NaN where no training object is left.

    Parameters
    ----------
    framing : the objects to score: columns image_id, category, cx, cy, scale, aspect.
    training : the training objects, with the same columns.
    leave_out_own_image : leave out training objects of the same image_id. It is for a test set that is part of the
        training set, whose objects would otherwise raise their own density.
    """
    result = np.full(len(framing), np.nan)
    by_category = training.groupby("category").indices
    everything = np.arange(len(training))
    enough = {category for category, rows in by_category.items() if len(rows) >= MINIMUM_CLASS_OBJECTS}
    population = framing["category"].where(framing["category"].isin(enough)).astype(object)
    points, training_points = _coordinates(framing), _coordinates(training)
    # Integers compare faster than strings.
    image_numbers, _ = pd.factorize(pd.concat([framing["image_id"], training["image_id"]]))
    image, training_image = image_numbers[: len(framing)], image_numbers[len(framing) :]
    for category, rows in population.groupby(population, dropna=False).indices.items():
        members = by_category[category] if category in enough else everything
        if len(members) > MAXIMUM_OBJECTS:
            members = np.sort(np.random.default_rng(seed).choice(members, MAXIMUM_OBJECTS, replace=False))
        own = (image[rows], training_image[members]) if leave_out_own_image else None
        result[rows] = kernel_log_density(points[rows], training_points[members], own)
    return result


def _coordinates(framing: pd.DataFrame) -> np.ndarray:
    return np.column_stack([framing["cx"], framing["cy"], np.log(framing["scale"]), np.log(framing["aspect"])]).astype(
        np.float64
    )


def kernel_log_density(
    points: np.ndarray, training: np.ndarray, own: tuple[np.ndarray, np.ndarray] | None = None
) -> np.ndarray:
    """Gaussian kernel log density at points: the kernels have the training points' covariance times n^(−2 / (d + 4)).

    Returns (m,) float64: natural logarithms; NaN where no training point is left.

    Parameters
    ----------
    points : (m, d) float
    training : (n, d) float; its standard deviations are raised to at least 0.01 in each direction.
    own : pair of int arrays (m,) and (n,); the image numbers of the points and of the training points. Kernels of a
        point's own image are left out.
    """
    from scipy.linalg import cholesky, solve_triangular
    from scipy.special import logsumexp

    n, dimensions = training.shape
    result = np.full(len(points), np.nan)
    if not n:
        return result
    covariance = np.cov(training, rowvar=False) if n > 1 else np.zeros((dimensions, dimensions))
    covariance = covariance + RESOLUTION**2 * np.eye(dimensions)
    bandwidth = n ** (-1 / (dimensions + 4))
    factor = bandwidth * cholesky(covariance, lower=True)
    log_peak = -np.log(np.diag(factor)).sum() - dimensions / 2 * np.log(2 * np.pi)
    centre = training.mean(axis=0)
    z, kernels = (solve_triangular(factor, (part - centre).T, lower=True).T for part in (points, training))
    kernel_norms = (kernels**2).sum(axis=1)
    for some in shard_slices(len(points), max(1, CHUNK_PAIRS // n)):
        squared = (z[some] ** 2).sum(axis=1)[:, None] + kernel_norms - 2 * z[some] @ kernels.T
        exponents = -0.5 * np.maximum(squared, 0.0)
        used = np.full(len(exponents), n)
        if own is not None:
            same = own[0][some][:, None] == own[1][None, :]
            exponents[same] = -np.inf
            used = n - same.sum(axis=1)
        left = used > 0
        result[some][left] = logsumexp(exponents[left], axis=1) - np.log(used[left]) + log_peak
    return result
