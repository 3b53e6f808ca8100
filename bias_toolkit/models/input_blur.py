"""A Gaussian blur of a network's input: the simplest low-pass filter, which changes no weight."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

REACH = 4
"""Standard deviations at which the kernel ends."""


def blurred_input(images: Tensor, sigma: float) -> Tensor:
    """Normalised images (N, C, H, W), each channel convolved with a Gaussian of standard deviation `sigma` pixels.

    A wave of f cycles a pixel keeps the share exp(−2π²σ²f²) of its amplitude. Beyond the border the input is 0, the
    mean colour.
    """
    radius = math.ceil(REACH * sigma)
    places = torch.arange(-radius, radius + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (places / sigma) ** 2)
    weights = (weights / weights.sum()).to(images)
    channels = images.shape[1]
    for shape, padding in (((-1, 1), (radius, 0)), ((1, -1), (0, radius))):
        kernel = weights.reshape(1, 1, *shape).expand(channels, 1, -1, -1)
        images = F.conv2d(images, kernel, padding=padding, groups=channels)
    return images
