"""The eight EXIF orientations, applied to sizes and boxes.

An orientation says how the pixels stored in a file are turned or mirrored to stand upright. Every function takes one
orientation a row, so that a whole dataset is turned at once.
"""

from __future__ import annotations

import numpy as np


def upright_sizes(sizes: np.ndarray, orientations: np.ndarray) -> np.ndarray:
    """Sizes (n, 2: width, height) of stored images, upright: 5 to 8 exchange width and height."""
    return np.where((orientations >= 5)[:, None], sizes[:, ::-1], sizes)


def upright_boxes(boxes: np.ndarray, sizes: np.ndarray, orientations: np.ndarray) -> np.ndarray:
    """Boxes (n, 4: x0, y0, x1, y1) of stored images of the given sizes (n, 2: width, height), turned upright.

    Orientation 1 leaves a point (x, y) where it is; 2 mirrors left and right; 3 turns by half a turn; 4 mirrors top
    and bottom; 5 mirrors in the main diagonal; 6 turns a quarter clockwise; 7 mirrors in the other diagonal; 8 turns
    a quarter counter-clockwise.
    """
    x0, y0, x1, y1 = boxes.T
    width, height = sizes.T
    mirrored_x = np.isin(orientations, (2, 3, 7, 8))
    mirrored_y = np.isin(orientations, (3, 4, 6, 7))
    xs = np.where(mirrored_x, (width - x1, width - x0), (x0, x1))
    ys = np.where(mirrored_y, (height - y1, height - y0), (y0, y1))
    exchanged = orientations >= 5
    left, right = np.where(exchanged, ys, xs)
    top, bottom = np.where(exchanged, xs, ys)
    return np.stack([left, top, right, bottom], axis=1)
