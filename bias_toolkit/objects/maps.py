"""Maps of where objects are: grids over the image, rows from the top and columns from the left."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

CELLS = 9
COVERAGE_CELLS = 64
# A box at the border has its centre exactly where its own null distribution ends. Rounding must not put it
# into the next cell, where that distribution has no mass.
PULL_INWARDS = 1 - 1e-9
CHUNK_OBJECTS = 100_000


@dataclass(frozen=True)
class Maps:
    """Where the objects of a dataset are."""

    centres: np.ndarray  # (cells, cells) float64; how many objects have their centre in each cell
    null: np.ndarray  # (cells, cells) float64; how many the null model expects there; both have the same sum
    coverage: np.ndarray  # (fine cells, fine cells) float64; share of the images whose box covers each place


def object_maps(framing: pd.DataFrame) -> Maps:
    """The maps of a table of objects; one row for each image (`image_framing`) makes each image count the same."""
    return Maps(centre_histogram(framing), null_histogram(framing), box_coverage(framing))


def cell_numbers(cx: np.ndarray, cy: np.ndarray, cells: int) -> np.ndarray:
    """The cell that each centre falls into, numbered row by row; int64, the shape of `cx`."""
    column, row = (np.clip((cells * (0.5 + (c - 0.5) * PULL_INWARDS)).astype(np.int64), 0, cells - 1) for c in (cx, cy))
    return row * cells + column


def centre_histogram(framing: pd.DataFrame, cells: int = CELLS) -> np.ndarray:
    """How many objects have their centre in each cell; float64, shape (cells, cells).

    An odd number of cells puts the image's centre inside a cell, so that the map of mirrored images is the mirrored
    map.
    """
    numbers = cell_numbers(framing["cx"].to_numpy(), framing["cy"].to_numpy(), cells)
    return np.bincount(numbers, minlength=cells * cells).reshape(cells, cells).astype(np.float64)


def null_histogram(framing: pd.DataFrame, cells: int = CELLS) -> np.ndarray:
    """How many objects the null model expects in each cell by their centre; float64, shape (cells, cells).

    Under the null model a box's centre is uniform over the rectangle in which the box fits wholly inside its image.
    Each box contributes the share of that rectangle which lies in the cell: exact areas, nothing is sampled.
    """

    def shares(objects: pd.DataFrame, centre: str, size: str) -> np.ndarray:
        low = np.minimum(objects[size].to_numpy() / 2, 0.5)
        return _shares(low, 1 - low, cells)

    return _sum_of_products(framing, shares, cells)


def null_quadrants(framing: pd.DataFrame, cells: int = CELLS) -> np.ndarray:
    """What each object adds to one quadrant of `null_histogram`; float64, shape (objects, quadrant cells).

    A box's places are symmetric about both axes of its image, so one quarter of the cells, the middle row and column
    among them, says all: `from_quadrants` unfolds sums of these rows.
    """
    half = (cells + 1) // 2
    quadrants = np.empty((len(framing), half * half))
    for start in range(0, len(framing), CHUNK_OBJECTS):
        objects = framing.iloc[start : start + CHUNK_OBJECTS]
        low_y, low_x = (np.minimum(objects[f"{side}_fraction"].to_numpy() / 2, 0.5) for side in ("height", "width"))
        rows, columns = (_shares(low, 1 - low, cells)[:, :half] for low in (low_y, low_x))
        quadrants[start : start + len(objects)] = (rows[:, :, None] * columns[:, None, :]).reshape(len(objects), -1)
    return quadrants


def from_quadrants(quadrants: np.ndarray, cells: int = CELLS) -> np.ndarray:
    """Maps of shape (..., cells, cells) from sums of the rows of `null_quadrants`, shape (..., quadrant cells)."""
    half = (cells + 1) // 2
    fold = np.minimum(np.arange(cells), cells - 1 - np.arange(cells))
    return quadrants.reshape(*quadrants.shape[:-1], half, half)[..., fold[:, None], fold]


def box_coverage(framing: pd.DataFrame, cells: int = COVERAGE_CELLS) -> np.ndarray:
    """How much of each cell the boxes cover, mean over the rows of `framing`; float64, shape (cells, cells).

    1 where every box covers the whole cell. Given one row for each image (`image_framing`), it is the mean over images
    of the box's indicator function. NaN everywhere for a table without rows.
    """

    def covered(objects: pd.DataFrame, centre: str, size: str) -> np.ndarray:
        middle, half = objects[centre].to_numpy(), objects[size].to_numpy() / 2
        return _overlaps(middle - half, middle + half, cells) * cells

    total = _sum_of_products(framing, covered, cells)
    return total / len(framing) if len(framing) else np.full_like(total, np.nan)


def _sum_of_products(
    framing: pd.DataFrame, along: Callable[[pd.DataFrame, str, str], np.ndarray], cells: int
) -> np.ndarray:
    """Sum over objects of the outer product of what each is along the two sides: rectangles are separable.

    `along` gets objects and the names of the columns with their centre and size along one side, and gives an array of
    shape (objects, cells).
    """
    total = np.zeros((cells, cells))
    for start in range(0, len(framing), CHUNK_OBJECTS):
        objects = framing.iloc[start : start + CHUNK_OBJECTS]
        total += along(objects, "cy", "height_fraction").T @ along(objects, "cx", "width_fraction")
    return total


def _overlaps(low: np.ndarray, high: np.ndarray, cells: int) -> np.ndarray:
    """Length of each interval inside each of the equal cells of [0, 1]; shape (intervals, cells)."""
    edges = np.linspace(0, 1, cells + 1)
    return np.diff(np.clip(edges, low[:, None], high[:, None]), axis=1)


def _shares(low: np.ndarray, high: np.ndarray, cells: int) -> np.ndarray:
    """Share of each interval inside each equal cell of [0, 1]; a point on an edge is half in each cell."""
    length = (high - low)[:, None]
    edges = np.linspace(0, 1, cells + 1)
    point = np.diff((1 + np.sign(edges - low[:, None])) / 2, axis=1)
    return np.divide(_overlaps(low, high, cells), length, out=point, where=length > 0)
