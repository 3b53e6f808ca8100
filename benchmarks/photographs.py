"""Photographs to measure on: crops of two that scikit-learn brings along, saved as JPEG."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

WIDTH, HEIGHT = 500, 375
"""Pixels, as most of ImageNet's photographs have."""


def write_photographs(folder: Path, count: int, seed: int = 0) -> Path:
    """Write `count` different crops, of 500 × 375 pixels and two classes, into `folder`/CLASS; gives the folder."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        pixels = _photographs()[number % 2]
        y, x = rng.integers(pixels.shape[0] - HEIGHT + 1), rng.integers(pixels.shape[1] - WIDTH + 1)
        crop = pixels[y : y + HEIGHT, x : x + WIDTH]
        crop = crop[:, ::-1] if rng.random() < 0.5 else crop
        scaled = np.clip(crop * rng.uniform(0.7, 1.2), 0, 255).astype(np.uint8)
        path = folder / ("temple" if number % 2 == 0 else "flower") / f"{number:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scaled).save(path, quality=92)
    return folder


@functools.cache
def _photographs() -> list[np.ndarray]:
    """Both, uint8 (427, 640, 3)."""
    return load_sample_images().images
