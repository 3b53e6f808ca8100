"""The laws by which the demo's objects are placed, and their exact consequences."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bias_toolkit.foundation.errors import InputError

QUADRATURE_NODES = 32
NEGLIGIBLE_BEYOND = 8.0


@dataclass(frozen=True)
class LawConsequences:
    """What the toolkit should measure on boxes that a law placed, up to sampling error."""

    centre_distance: float  # mean distance of an object's centre from the image's: 0 centre, 1 corner
    null_centre_distance: float  # the same if each box, at its own size, were placed uniformly where it fits
    centre_bias: float  # 1 − centre_distance / null_centre_distance: 0 no bias, 1 always exactly centred
    # Of the natural logarithm of the scale, sqrt(box area / image area).
    log_scale_mean: float
    log_scale_sd: float
    log_scale_median: float


@dataclass(frozen=True)
class PlacementLaw:
    """Position and scale of an object in a square image, as random variables.

    Lengths are fractions of the image's side. The logarithm of the scale s follows a normal distribution around log
    `typical_scale`. Each coordinate of the centre follows, independently, a normal distribution around the middle. Both
    are truncated: the scale to `scale_range` and to sizes at which the box fits into the image, the centre to places at
    which it fits. The spreads are standard deviations before truncation; a spread of `math.inf` gives a uniform
    distribution over the truncated range.

    The box of an object of aspect a (width over height) and scale s is s·sqrt(a) wide and s/sqrt(a) high.
    """

    typical_scale: float
    log_scale_spread: float
    centre_spread: float
    scale_range: tuple[float, float]

    def sample(self, aspects: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw a box for each aspect (n,): (n, 4), x0, y0, x1, y1 as fractions of the image's side, inside the image.

        Raises InputError if an object is so long that it does not fit into the image even at the smallest scale.
        """
        aspects = np.asarray(aspects, dtype=float)
        u = rng.random((3, len(aspects)))
        low, high = self._log_scale_limits(aspects)
        scale = np.exp(_truncated_quantile(u[0], math.log(self.typical_scale), self.log_scale_spread, low, high))
        size = np.stack([scale * np.sqrt(aspects), scale / np.sqrt(aspects)], axis=1)
        centre = _truncated_quantile(u[1:].T, 0.5, self.centre_spread, size / 2, 1 - size / 2)
        return np.clip(np.concatenate([centre - size / 2, centre + size / 2], axis=1), 0.0, 1.0)

    def consequences(self, aspects: np.ndarray) -> LawConsequences:
        """Integrate the law over objects that are drawn uniformly from the aspects (n,); raises as `sample`."""
        aspects, counts = np.unique(np.asarray(aspects, dtype=float), return_counts=True)
        share = counts / counts.sum()
        low, high = self._log_scale_limits(aspects)
        mode = math.log(self.typical_scale)

        log_scale, weight = _quadrature(mode, self.log_scale_spread, low, high)
        weight = weight * share[:, None]
        mean = float((weight * log_scale).sum())
        variance = float((weight * (log_scale - mean) ** 2).sum())
        # This takes long to import, and few programs need it.
        from scipy.optimize import brentq

        median = brentq(
            lambda x: (share * _truncated_cdf(x, mode, self.log_scale_spread, low, high)).sum() - 0.5,
            low.min(),
            high.max(),
        )

        root = np.sqrt(aspects)[:, None]
        room_x = (1 - np.minimum(np.exp(log_scale) * root, 1.0)) / 2
        room_y = (1 - np.minimum(np.exp(log_scale) / root, 1.0)) / 2
        observed = float((weight * _mean_distance(room_x, room_y, self.centre_spread)).sum())
        null = float((weight * _mean_distance(room_x, room_y, math.inf)).sum())
        return LawConsequences(observed, null, 1 - observed / null, mean, math.sqrt(variance), float(median))

    def _log_scale_limits(self, aspects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest log scale of each aspect; at the largest, the box's longer side is the image's side."""
        low, high = self.scale_range
        fitting = np.minimum(np.sqrt(aspects), 1 / np.sqrt(aspects))
        if (fitting <= low).any():
            raise InputError(f"A law with scales from {low} up needs aspects between {low**2:.3g} and {low**-2:.3g}.")
        return np.full(len(aspects), math.log(low)), np.log(np.minimum(high, fitting))


def _truncated_quantile(u: np.ndarray, mean: float, spread: float, low: ArrayLike, high: ArrayLike) -> np.ndarray:
    if math.isinf(spread):
        return low + u * (high - low)
    from scipy.special import ndtr, ndtri

    a, b = ndtr((low - mean) / spread), ndtr((high - mean) / spread)
    return np.clip(mean + spread * ndtri(a + u * (b - a)), low, high)


def _truncated_cdf(x: np.ndarray, mean: float, spread: float, low: ArrayLike, high: ArrayLike) -> np.ndarray:
    x = np.clip(x, low, high)
    if math.isinf(spread):
        return (x - low) / (high - low)
    from scipy.special import ndtr

    a, b = ndtr((low - mean) / spread), ndtr((high - mean) / spread)
    return (ndtr((x - mean) / spread) - a) / (b - a)


def _quadrature(mean: float, spread: float, low: ArrayLike, high: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Gauss–Legendre points of a truncated normal distribution and their probabilities, along a new last axis."""
    if not math.isinf(spread):
        low = np.maximum(low, mean - NEGLIGIBLE_BEYOND * spread)
        high = np.minimum(high, mean + NEGLIGIBLE_BEYOND * spread)
    nodes, weights = np.polynomial.legendre.leggauss(QUADRATURE_NODES)
    low, high = np.asarray(low)[..., None], np.asarray(high)[..., None]
    points = (low + high) / 2 + (high - low) / 2 * nodes
    if not math.isinf(spread):
        weights = weights * np.exp(-(((points - mean) / spread) ** 2) / 2)
    weights = np.broadcast_to(weights, points.shape)
    return points, weights / weights.sum(axis=-1, keepdims=True)


def _mean_distance(room_x: np.ndarray, room_y: np.ndarray, spread: float) -> np.ndarray:
    """Mean centre_distance if the centre is up to `room_x`, `room_y` from the middle.

    The integral covers one quadrant only (by symmetry), in which the distance has no kink.
    """
    x, weight_x = _quadrature(0.0, spread, np.zeros_like(room_x), room_x)
    y, weight_y = _quadrature(0.0, spread, np.zeros_like(room_y), room_y)
    distance = np.hypot(x[..., :, None], y[..., None, :]) / math.hypot(0.5, 0.5)
    return np.einsum("...i,...j,...ij->...", weight_x, weight_y, distance)
