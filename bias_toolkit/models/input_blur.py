"""A Gaussian blur of a network's input: the simplest low-pass filter, which changes no weight."""

import math
from functools import cache

import torch
from torch import Tensor

REACH = 4
"""Standard deviations at which the kernel ends."""
BAND = 32
"""Rows of the result in one product of matrices: with all rows in one, most factors are 0."""


def blurred_input(images: Tensor, sigma: float) -> Tensor:
    """Normalised images (N, C, H, W), each channel convolved with a Gaussian of standard deviation `sigma` pixels.

    A wave of f cycles a pixel keeps the share exp(−2π²σ²f²) of its amplitude. Beyond the border the input is 0, the
    mean colour.
    """
    return _along(_along(images, sigma).mT, sigma).mT


def _along(images: Tensor, sigma: float) -> Tensor:
    """The images blurred down their columns, `BAND` rows at a time: only rows within reach count."""
    size, reach = images.shape[-2], math.ceil(REACH * sigma)
    weights, parts = _convolution(size, sigma).to(images), []
    for start in range(0, size, BAND):
        rows, within = slice(start, start + BAND), slice(max(start - reach, 0), start + BAND + reach)
        parts.append(weights[rows, within] @ images[..., within, :])
    return torch.cat(parts, dim=-2)


@cache
def _convolution(size: int, sigma: float) -> Tensor:
    """The convolution along an axis of `size` pixels as a matrix, float64: faster than torch's for so few channels."""
    places, reach = torch.arange(size, dtype=torch.float64), math.ceil(REACH * sigma)

    def weight(apart: Tensor) -> Tensor:
        return torch.exp(-0.5 * (apart / sigma) ** 2)

    apart = places.unsqueeze(1) - places
    inside = torch.where(apart.abs() <= reach, weight(apart), 0.0)
    return inside / weight(torch.arange(-reach, reach + 1, dtype=torch.float64)).sum()
