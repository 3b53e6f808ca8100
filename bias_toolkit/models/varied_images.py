"""A few images that have little in common, to see whether a network tells any of them apart."""

from __future__ import annotations

import numpy as np


def varied_images(side: int) -> np.ndarray:
    """Six images, uint8 (6, side, side, 3): black, white, a ramp, a disc, noise, and a photograph's smooth noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side] / side
    images = np.zeros((6, side, side, 3))
    images[1] = 1
    images[2] = np.stack([x, y, 1 - x], axis=2)
    images[3] = np.where(np.hypot(x - 0.5, y - 0.4)[..., None] < 0.3, (0.9, 0.6, 0.1), (0.2, 0.4, 0.3))
    images[4] = rng.random((side, side, 3))
    # Amplitudes that fall as one over the frequency are those of photographs (Field, JOSA A 4(12), 1987).
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    frequency[0, 0] = np.inf
    noise = np.fft.ifft2(np.fft.fft2(rng.normal(size=(side, side, 3)), axes=(0, 1)) / frequency[..., None], axes=(0, 1))
    images[5] = 0.5 + 0.2 * noise.real / max(noise.real.std(), 1e-9)
    return (255 * images.clip(0, 1)).round().astype(np.uint8)
