"""Maps of object positions: grids over the image, with rows from the top and columns from the left."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

CELLS = 9
COVERAGE_CELLS = 64
# The centre of a box at the border lies exactly at the end of its null distribution. Rounding must not move it
# into the next cell, where the null distribution has no mass.
PULL_INWARDS = 1 - 1e-9
CHUNK_OBJECTS = 100_000


@dataclass(frozen=True)
class Maps:
    """Where a dataset's objects are."""

    centres: np.ndarray  # (cells, cells) float64; how many objects have their centre in each cell
    null: np.ndarray  # (cells, cells) float64; the number that the null model expects there; both have the same sum
    coverage: np.ndarray  # (fine cells, fine cells) float64; share of the subjects' boxes that cover each place


def object_maps(objects: pd.DataFrame, subjects: pd.DataFrame | None = None) -> Maps:
    """The maps of a table of objects.

    `subjects` has one object per image (`image_framing`), so that the coverage is a share of the images; by default it
    is over all objects.
    """
    coverage = box_coverage(objects if subjects is None else subjects)
    return Maps(centre_histogram(objects), null_histogram(objects), coverage)


def cell_numbers(cx: np.ndarray, cy: np.ndarray, cells: int) -> np.ndarray:
    """The number of the cell that contains each centre, row by row; int64, the shape of `cx`."""

    def places(centre: np.ndarray) -> np.ndarray:
        # In place: millions of random placements are counted.
        within = centre - 0.5
        within *= PULL_INWARDS
        within += 0.5
        within *= cells
        numbers = within.astype(np.int64)
        return np.clip(numbers, 0, cells - 1, out=numbers)

    numbers = places(cy)
    numbers *= cells
    numbers += places(cx)
    return numbers


def centre_histogram(framing: pd.DataFrame, cells: int = CELLS) -> np.ndarray:
    """The number of object centres in each cell; float64, shape (cells, cells).

    With an odd number of cells, the image's centre is inside a cell, so mirrored images give the mirrored map.
    """
    numbers = cell_numbers(framing["cx"].to_numpy(), framing["cy"].to_numpy(), cells)
    return np.bincount(numbers, minlength=cells * cells).reshape(cells, cells).astype(np.float64)


def null_histogram(framing: pd.DataFrame, cells: int = CELLS) -> np.ndarray:
    """The number of object centres that the null model expects in each cell; float64, shape (cells, cells).

    Under the null model a box's centre is uniform over the rectangle in which the box fits wholly inside its image.
    Each box contributes the share of that rectangle that lies in the cell. The areas are exact, not sampled.
    """

    def shares(objects: pd.DataFrame, centre: str, size: str) -> np.ndarray:
        low = np.minimum(objects[size].to_numpy() / 2, 0.5)
        return _shares(low, 1 - low, cells)

    return _sum_of_products(framing, shares, cells)


def null_quadrants(framing: pd.DataFrame, cells: int = CELLS) -> np.ndarray:
    """Each object's contribution to one quadrant of `null_histogram`; float64, shape (objects, quadrant cells).

    A box's possible positions are symmetric about both axes of its image. One quadrant of the cells, with the middle
    row and column, is therefore enough: `from_quadrants` unfolds sums of these rows.
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
    """Mean share of each cell that the boxes cover, over the rows of `framing`; float64, shape (cells, cells).

    It is 1 where every box covers the whole cell. With one row per image (`image_framing`), it is the mean over images
    of the box's indicator function. NaN everywhere for an empty table.
    """

    def covered(objects: pd.DataFrame, centre: str, size: str) -> np.ndarray:
        middle, half = objects[centre].to_numpy(), objects[size].to_numpy() / 2
        return _overlaps(middle - half, middle + half, cells) * cells

    total = _sum_of_products(framing, covered, cells)
    return total / len(framing) if len(framing) else np.full_like(total, np.nan)


def _sum_of_products(
    framing: pd.DataFrame, along: Callable[[pd.DataFrame, str, str], np.ndarray], cells: int
) -> np.ndarray:
    """Sum over objects of the outer product of their values along the two sides: rectangles are separable.

    `along` takes the objects and the names of the columns with their centre and size along one side. It returns an
    array of shape (objects, cells).
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
    """Share of each interval inside each equal cell of [0, 1]; a point on an edge counts half in each cell."""
    length = (high - low)[:, None]
    edges = np.linspace(0, 1, cells + 1)
    point = np.diff((1 + np.sign(edges - low[:, None])) / 2, axis=1)
    return np.divide(_overlaps(low, high, cells), length, out=point, where=length > 0)
