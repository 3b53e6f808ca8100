"""Photographers' bias in position, measured against a null model in which boxes are placed at random.

Each box keeps its size and is placed uniformly over all positions where it fits wholly inside its image. A box that
could not have been elsewhere therefore says nothing about the photographer. Positions are continuous. In images as
small as 64 × 64, boxes annotated in whole pixels therefore lower centre_bias by a few hundredths.

Where the middle of an object is whose box touches the border is not known. In one direction at least, such a box is as
far from the centre as it can be, which hides a bias towards it. So the comparison is also made for the untruncated
objects alone, against the null model given that no box is truncated.

Source: the bias is described by A. Azulay & Y. Weiss, JMLR 20(184), 2019; the null model is the toolkit's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bias_toolkit.foundation.files import shard_slices
from bias_toolkit.foundation.intervals import DIFFERENCE, FEWEST_IMAGES, NONE, Limits, few_differ, mean_bound
from bias_toolkit.foundation.resampling import CHUNK_ELEMENTS
from bias_toolkit.objects.maps import CELLS, cell_numbers
from bias_toolkit.objects.position_scale import CORNER_DISTANCE, TRUNCATION_MARGIN, image_rows

BIASES = {"centre_bias": "expected", "untruncated_centre_bias": "inner_expected"}
"""Each estimate of centring, and the column of `with_null_model` with the centre_distance expected for it."""


def room(
    framing: pd.DataFrame, margin_x: np.ndarray | float = 0.0, margin_y: np.ndarray | float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """How far each box's centre can be from its image's centre, to each side.

    `framing` has the columns width_fraction and height_fraction. `margin_x` and `margin_y` are the box's minimum
    distances from the image's border, as fractions of the image's width and height. Returns a and b, float64
    (len(framing),), fractions too: the centre can lie in [½ − a, ½ + a] × [½ − b, ½ + b].
    """
    a = (1 - framing["width_fraction"].to_numpy(np.float64)) / 2 - margin_x
    b = (1 - framing["height_fraction"].to_numpy(np.float64)) / 2 - margin_y
    return np.maximum(a, 0.0), np.maximum(b, 0.0)


def mean_distance_from_centre(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Mean distance to the centre from a uniform point of the rectangle [−a, a] × [−b, b].

    With d = hypot(a, b), integrating r over one quadrant in polar coordinates gives

        d / 3 + a² / (6 b) · asinh(b / a) + b² / (6 a) · asinh(a / b),

    with the limits a / 2 for b = 0 and b / 2 for a = 0. For a = b = 1 it is the box integral B₂(1) of D. Bailey, J.
    Borwein & R. Crandall, "Box integrals", J. Comput. Appl. Math. 206 (2007). Returns float64, in the unit of a and b,
    which are at least 0.
    """
    a, b = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(b, np.float64))
    long, short = np.maximum(a, b), np.minimum(a, b)
    # With t = short / long every term is bounded, even for a rectangle without area.
    t = np.divide(short, long, out=np.zeros_like(long), where=long > 0)
    thin = t < 1e-8
    safe = np.where(thin, 1.0, t)
    along = np.where(thin, 1.0, np.arcsinh(safe) / safe)
    across = np.where(thin, 0.0, safe**2 * np.arcsinh(1 / safe))
    return long * (np.hypot(1, t) / 3 + (along + across) / 6)


def null_centre_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Expected centre_distance of boxes with this `room` under the null model, exact; float64, shape (n,)."""
    return mean_distance_from_centre(a, b) / CORNER_DISTANCE


def with_null_model(framing: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Add each object's room and expected centre_distance, and both given that no object is truncated.

    Returns `framing` with the columns a, b, expected, inner_a, inner_b and inner_expected. `framing` are FRAMING rows
    of `images`, which has the columns image_id, width and height.
    """
    rows = image_rows(framing, images)
    margins = (TRUNCATION_MARGIN / images[side].to_numpy(np.float64)[rows] for side in ("width", "height"))
    a, b = room(framing)
    inner_a, inner_b = room(framing, *margins)
    return framing.assign(
        a=a,
        b=b,
        expected=null_centre_distance(a, b),
        inner_a=inner_a,
        inner_b=inner_b,
        inner_expected=null_centre_distance(inner_a, inner_b),
    )


@dataclass(frozen=True)
class Placements:
    """Sums over the placed objects. The sums of disjoint sets of objects add up to the sums of their union."""

    distances: np.ndarray  # (placements,) float64; sum of centre_distance
    histograms: np.ndarray  # (placements, cells, cells) float64; how many centres fell into each cell

    def __add__(self, other: Placements) -> Placements:
        return Placements(self.distances + other.distances, self.histograms + other.histograms)


def place_at_random(
    a: np.ndarray, b: np.ndarray, placements: int, rng: np.random.Generator, cells: int = CELLS
) -> Placements:
    """Draw positions for boxes with this `room` from the null model, `placements` times over."""
    distances = np.zeros(placements)
    histograms = np.zeros((placements, cells * cells))
    for some in shard_slices(placements, max(1, CHUNK_ELEMENTS // max(len(a), 1))):
        shape = (some.stop - some.start, len(a))
        x, y = (rng.random(shape) for _ in range(2))
        for centre, half in ((x, a), (y, b)):
            centre *= 2
            centre -= 1
            centre *= half
        distances[some] = np.sqrt(x * x + y * y).sum(axis=1) / CORNER_DISTANCE
        x += 0.5
        y += 0.5
        numbers = cell_numbers(x, y, cells)
        numbers += np.arange(shape[0])[:, None] * cells**2
        histograms[some] = np.bincount(numbers.ravel(), minlength=shape[0] * cells**2).reshape(shape[0], -1)
    return Placements(distances, histograms.reshape(placements, cells, cells))


def relative_shortfall(observed: np.ndarray | float, null: np.ndarray | float) -> np.ndarray:
    """centre_bias from the (mean or summed) observed and null centre_distance: (null − observed) / null.

    0 without bias, 1 where every object is exactly centred, below 0 where objects avoid the centre. NaN where null is
    0: every box then fills its image and has one possible position.
    """
    observed, null = np.broadcast_arrays(np.asarray(observed, np.float64), np.asarray(null, np.float64))
    return np.divide(null - observed, null, out=np.full(null.shape, np.nan), where=null > 0)


def objects_that_count(framing: pd.DataFrame, images: pd.DataFrame, bias: str) -> pd.DataFrame:
    """The objects that one of `BIASES` is about, with the sizes by which the null model of that bias places them.

    For untruncated_centre_bias, these are the objects that do not touch the border. The null model places none of them
    at the border, which is the same as placing a box that is larger by the margin on each side. So width_fraction and
    height_fraction are of that larger box.

    `framing` are FRAMING rows of `images`, which has the columns image_id, width and height.
    """
    if bias != "untruncated_centre_bias":
        return framing
    placed = with_null_model(framing[~framing["truncated"]], images)
    sizes = {"width_fraction": 1 - 2 * placed["inner_a"], "height_fraction": 1 - 2 * placed["inner_b"]}
    return placed[framing.columns].assign(**sizes)


def distance_sums(objects: pd.DataFrame, bias: str) -> np.ndarray:
    """Each image's summed centre_distance, observed and expected, for one of `BIASES`; shape (images, 2).

    `objects` is from `with_null_model`; an image without an object that counts has 0 in both.
    """
    image, _ = pd.factorize(objects["image_id"])
    counts = ~objects["truncated"].to_numpy() if bias == "untruncated_centre_bias" else np.ones(len(image), dtype=bool)
    columns = (objects["centre_distance"].to_numpy(), objects[BIASES[bias]].to_numpy())
    return np.column_stack([np.bincount(image, column * counts) for column in columns])


def bootstrap_varies(sums: np.ndarray) -> bool:
    """Whether a bootstrap over images shows the error of a centre bias, given its `distance_sums`.

    It does not if at least half of the images have the same bias, and fewer than `FEW_DIFFER` another one.
    """
    observed, expected = sums[sums[:, 1] > 0].T
    # Equal boxes have equal biases but for rounding.
    biases = np.round(relative_shortfall(observed, expected), 9)
    _, counts = np.unique(biases, return_counts=True)
    return 2 * int(counts.max(initial=0)) < len(biases) or not few_differ(biases)


def bias_bound(sums: np.ndarray) -> Limits:
    """The interval of a centre bias that holds at any n, given its `distance_sums`; none for fewer than five images.

    It is the `mean_bound` of the images' biases, which are from −1 to 1, for the number of images of equal weight that
    their weights amount to.
    """
    observed, expected = sums[sums[:, 1] > 0].T
    if len(observed) < FEWEST_IMAGES:
        return NONE
    bias = float(relative_shortfall(observed.sum(), expected.sum()))
    return mean_bound(bias, expected.sum() ** 2 / (expected**2).sum(), DIFFERENCE)


def placement_p_value(observed: float, null: float, placed: np.ndarray) -> float:
    """Probability that chance alone gives a centre_bias at least as far from 0, on either side, as the observed one.

    It is two-sided: objects that avoid the centre depart from the null model as much as centred objects. The
    observation counts as one of the placements. So the p-value is in [1 / (placements + 1), 1] and, where the null
    model holds, at most p with probability p (B. Phipson & G. Smyth, "Permutation p-values should never be zero", Stat.
    Appl. Genet. Mol. Biol. 9(1), 2010). NaN where null is 0.

    `observed` and `null` are the summed centre_distance of the objects, and its exact expectation under the null model;
    `placed` is the same sum in each random placement.
    """
    if not null > 0:
        return np.nan
    as_far = np.count_nonzero(np.abs(placed - null) >= abs(observed - null))
    return (1 + as_far) / (1 + len(placed))
