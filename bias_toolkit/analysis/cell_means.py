"""Means over images in the cells of a framing map, where some images can be shown only in some cells."""

import numpy as np

EQUAL = 1e-12


def complete_values(values: np.ndarray) -> np.ndarray:
    """Fill in missing values, so that means over images compare the same images in every cell.

    Plain means of cells would compare different images. So each value is modelled as an image effect plus a cell
    effect, fitted by least squares; a cell's mean is the mean of the fit over all images. The result is each image's
    contribution to these means: jackknife pseudo-values by the fit's influence function, mean + images × derivative by
    the image's weight. A bootstrap over its rows is therefore a bootstrap of the fit. If no value is missing, the
    values are returned unchanged. Returns (images, cells).
    Source: the influence function and pseudo-values in B. Efron & R. Tibshirani, An Introduction to the Bootstrap,
    1993, chapters 11 and 21.

    `values` (images, cells) are NaN where an image was not shown in a cell; every image and every cell has a value.
    """
    values = np.asarray(values, dtype=float)
    there = ~np.isnan(values)
    if there.all():
        return values
    n_images, n_cells = values.shape
    share = there / there.sum(axis=1, keepdims=True)
    own_mean = np.nansum(values, axis=1) / there.sum(axis=1)
    # The cells' normal equations after the images are eliminated; the free constant is fixed by a sum of 0.
    normal = np.diag(there.sum(axis=0).astype(float)) - there.T.astype(float) @ share + 1 / n_cells
    # The pseudoinverse is needed because cells that share no image with the others leave a second constant free.
    solve = np.linalg.pinv(normal, hermitian=True)
    cell = solve @ np.where(there, values - own_mean[:, None], 0.0).sum(axis=0)
    image = own_mean - share @ cell
    residual = np.where(there, values - image[:, None] - cell, 0.0)
    cell_change = residual @ solve.T
    level_change = (image - image.mean()) / n_images - cell_change @ share.mean(axis=0)
    return image.mean() + cell + n_images * (cell_change + level_change[:, None])


def cell_covariances(parts: np.ndarray, levels: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Covariances of the cells' means within levels, and the part of them that is sampling noise.

    Returns the total and the noise, both (resamples, parts, parts).

    Parameters
    ----------
    parts : (parts, images, cells) float; one or several measures.
    levels : (cells,) float; differences between levels count neither as signal nor as noise.
    counts : (resamples, images) float; the weight of each image; each row adds up to the number of images.
    """
    n = parts.shape[1]
    freedom = max(parts.shape[2] - len(np.unique(levels)), 1)
    # An image's effect on all cells of a level alike is not noise between them.
    deviations = np.stack([_centred(part, levels) for part in parts])
    averages = np.stack([counts @ part / n for part in deviations], axis=1)
    total = np.einsum("rpc,rqc->rpq", averages, averages)
    products = np.einsum("ri,pqi->rpq", counts / n, np.einsum("pic,qic->pqi", deviations, deviations))
    return total / freedom, (products - total) / ((n - 1) * freedom)


def without_noise(parts: np.ndarray, levels: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Shrink the cells' means until their covariances are those of `cell_covariances` without the noise.

    Noise is unrelated to x, so the part of the means that follows x stays. The rest is shrunk within levels. Returns
    (parts, cells).

    `parts` are (parts, images, cells), `levels` (cells,). `x` (cells,) is centred within levels.
    """
    _, noise = cell_covariances(parts, levels, np.ones((1, parts.shape[1])))
    means = parts.mean(axis=1)
    within = _centred(means, levels)
    along = np.outer(within @ x / max(x @ x, EQUAL), x)
    rest = within - along
    freedom = max(parts.shape[2] - len(np.unique(levels)), 1)
    covariance = rest @ rest.T / freedom
    drawn = _root(covariance - noise[0]) @ _root(covariance, inverse=True) @ rest
    return means - within + along + drawn


def _root(matrix: np.ndarray, inverse: bool = False) -> np.ndarray:
    """The symmetric root of a covariance, or of its inverse; eigenvalues not above 0 count as 0."""
    values, vectors = np.linalg.eigh(matrix)
    roots = np.sqrt(np.clip(values, 0, None))
    if inverse:
        roots = np.divide(1, roots, out=np.zeros_like(roots), where=roots > EQUAL)
    return (vectors * roots) @ vectors.T


def centred_ranks(values: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Ranks within levels in each row, centred, and divided by the level's size; shape (rows, cells)."""
    from scipy.stats import rankdata

    ranks = np.empty(values.shape)
    for level in np.unique(levels):
        own = levels == level
        rank = rankdata(values[:, own], axis=1)
        ranks[:, own] = (rank - rank.mean(axis=1, keepdims=True)) / own.sum()
    return ranks


def _centred(values: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Values minus their row's mean within each level."""
    result = np.empty(values.shape)
    for level in np.unique(levels):
        own = levels == level
        result[:, own] = values[:, own] - values[:, own].mean(axis=1, keepdims=True)
    return result
