"""Means over images in the cells of a framing map, of which some images can be shown in some cells only."""

import numpy as np
from scipy.stats import rankdata

EQUAL = 1e-12


def complete_values(values: np.ndarray) -> np.ndarray:
    """Values in every cell for every image, whose means over images are the cells' means, were no image missing.

    Comparing plain means of cells would compare different images. So values are taken as the sum of an image's and a
    cell's part, fitted by least squares, and a cell's mean is that of the fit over all images. What is given back is
    each image's own contribution to these means (jackknife pseudo-values by the fit's influence function: mean + images
    × derivative by the image's weight), so that a bootstrap over its rows is one of the fit. Where nothing is missing,
    the values come back as they are.

    Returns (images, cells).
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
    # The normal equations of the cells, once the images are eliminated; a constant is free, and is fixed at sum 0.
    normal = np.diag(there.sum(axis=0).astype(float)) - there.T.astype(float) @ share + 1 / n_cells
    # Least squares and not a plain solution: cells that share no image with the others leave a second constant free.
    solve = np.linalg.pinv(normal, hermitian=True)
    cell = solve @ np.where(there, values - own_mean[:, None], 0.0).sum(axis=0)
    image = own_mean - share @ cell
    residual = np.where(there, values - image[:, None] - cell, 0.0)
    cell_change = residual @ solve.T
    level_change = (image - image.mean()) / n_images - cell_change @ share.mean(axis=0)
    return image.mean() + cell + n_images * (cell_change + level_change[:, None])


def cell_covariances(parts: np.ndarray, levels: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Covariances of the cells' means within levels, and what of them is the noise of so few images.

    Returns the total and the noise, both (resamples, parts, parts).

    Parameters
    ----------
    parts : (parts, images, cells) float; one or several measures.
    levels : (cells,) float; what differs between levels counts neither as signal nor as noise.
    counts : (resamples, images) float; how often each image counts; each row adds up to the number of images.
    """
    n = parts.shape[1]
    freedom = max(parts.shape[2] - len(np.unique(levels)), 1)
    # What an image adds to all cells of a level alike is no noise between them.
    deviations = np.stack([_centred(part, levels) for part in parts])
    averages = np.stack([counts @ part / n for part in deviations], axis=1)
    total = np.einsum("rpc,rqc->rpq", averages, averages)
    products = np.einsum("ri,pqi->rpq", counts / n, np.einsum("pic,qic->pqi", deviations, deviations))
    return total / freedom, (products - total) / ((n - 1) * freedom)


def without_noise(parts: np.ndarray, levels: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Cells' means as they would be without noise, as far as their covariances go.

    Noise has nothing to do with x, so what goes with x stays, and the rest is drawn together within levels until the
    covariances of the means are those of `cell_covariances` without the noise. Returns (parts, cells).

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
    """The symmetric root of a covariance, or of its inverse; what is not above 0 counts as 0."""
    values, vectors = np.linalg.eigh(matrix)
    roots = np.sqrt(np.clip(values, 0, None))
    if inverse:
        roots = np.divide(1, roots, out=np.zeros_like(roots), where=roots > EQUAL)
    return (vectors * roots) @ vectors.T


def centred_ranks(values: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Ranks within levels in each row, centred, and divided by the level's size; shape (rows, cells)."""
    ranks = np.empty(values.shape)
    for level in np.unique(levels):
        own = levels == level
        rank = rankdata(values[:, own], axis=1)
        ranks[:, own] = (rank - rank.mean(axis=1, keepdims=True)) / own.sum()
    return ranks


def _centred(values: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Values less their row's mean within each level."""
    result = np.empty(values.shape)
    for level in np.unique(levels):
        own = levels == level
        result[:, own] = values[:, own] - values[:, own].mean(axis=1, keepdims=True)
    return result
