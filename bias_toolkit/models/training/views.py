"""Random views of training images: parts of every size, anywhere on a canvas."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

SMALLEST_PART = 0.08
"""The smallest part of an image's area that is shown, as in the usual training on ImageNet."""
LARGEST_CANVAS = 3.0
"""The largest side of the canvas, in sides of the image."""


def random_views(input_size: int, mean: Sequence[float], *, flip: bool = True) -> v2.Compose:
    """The augmentation of an arm: uint8 tensors (3, height, width) to (3, W, W), by torch's global generator.

    A part of 8% to 100% of the area is resized to the view. Half of the views then get a random place on a canvas of up
    to three times their side. `mean` is the canvas's colour, of intensities in [0, 1]. `flip` mirrors half of the views
    from left to right. It has to be False where this can change the class, as for digits.
    """
    fill = [round(255 * each) for each in mean]
    size = (input_size, input_size)
    resize = {"interpolation": InterpolationMode.BICUBIC, "antialias": True}
    return v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=(SMALLEST_PART, 1.0), **resize),
            *([v2.RandomHorizontalFlip()] if flip else []),
            v2.RandomZoomOut(fill=fill, side_range=(1.0, LARGEST_CANVAS), p=0.5),
            v2.Resize(size, **resize),
        ]
    )


def seeded_views(pixels: np.ndarray, n: int, input_size: int, mean: Sequence[float], seed: int) -> np.ndarray:
    """`n` random views of an image uint8 (height, width, 3), the same for the same seed: uint8 (n, W, W, 3).

    Torch's global random state is not changed.
    """
    augment, image = random_views(input_size, mean), as_tensor(pixels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return np.stack([augment(image).permute(1, 2, 0).numpy() for _ in range(n)])


def as_tensor(pixels: np.ndarray) -> Tensor:
    """An image uint8 (height, width, 3) as a tensor (3, height, width)."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)
