"""A Gaussian blur of a network's input: the simplest low-pass filter, which changes no weight."""

import math
from functools import cache

import torch
from torch import Tensor

REACH = 4
"""Standard deviations at which the kernel ends."""


def blurred_input(images: Tensor, sigma: float) -> Tensor:
    """Normalised images (N, C, H, W), each channel convolved with a Gaussian of standard deviation `sigma` pixels.

    A wave of f cycles a pixel keeps the share exp(−2π²σ²f²) of its amplitude. Beyond the border the input is 0, the
    mean colour.
    """
    down, across = (_convolution(size, sigma).to(images) for size in images.shape[-2:])
    return down @ images @ across.T


@cache
def _convolution(size: int, sigma: float) -> Tensor:
    """The convolution along an axis of `size` pixels as a matrix, float64: faster than torch's for so few channels."""
    places, reach = torch.arange(size, dtype=torch.float64), math.ceil(REACH * sigma)

    def weight(apart: Tensor) -> Tensor:
        return torch.exp(-0.5 * (apart / sigma) ** 2)

    apart = places.unsqueeze(1) - places
    inside = torch.where(apart.abs() <= reach, weight(apart), 0.0)
    return inside / weight(torch.arange(-reach, reach + 1, dtype=torch.float64)).sum()
