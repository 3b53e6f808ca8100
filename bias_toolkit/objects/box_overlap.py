"""How alike the framing of one class is: how often two of its boxes cover nearly the same part of their images."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from bias_toolkit.foundation.intervals import FEWEST_IMAGES, NONE, Interval, share_interval
from bias_toolkit.foundation.resampling import named_generator

MOST_OBJECTS = 1000
# An IoU of exactly one half, up to rounding, does not count.
ROUNDING = 1e-9


def class_box_overlap(framing: pd.DataFrame, *, seed: int = 0) -> dict[str, Interval]:
    """The share of pairs of objects of one class, in different images, whose boxes overlap by IoU > 0.5.

    Boxes are compared as fractions of their images. Returns the value of each category that has objects in at least two
    images, and under "" their mean, in which each category counts the same. `n` is the number of images. The interval
    is `share_interval` with the jackknife's standard error over images; it is NaN for fewer than five images.

    `framing` has the columns of `FRAMING`; objects without a category are left out. Of a category with more objects,
    `MOST_OBJECTS` are drawn at random (`seed`). Sources: B. Efron & C. Stein, "The
    jackknife estimate of variance", Annals of Statistics 9(3), 1981; W. Hoeffding, "A class of statistics with
    asymptotically normal distribution", Annals of Mathematical Statistics 19(3), 1948, equation 5.13 (the variance of a
    statistic of pairs, whose second part is the least error).
    """
    values, errors = {}, []
    for category, objects in framing.groupby("category", sort=True):
        if len(objects) > MOST_OBJECTS:
            objects = objects.sample(MOST_OBJECTS, random_state=named_generator(seed, f"overlap/{category}"))
        image, _ = pd.factorize(objects["image_id"])
        if image.max() > 0:
            share, error = _share_and_error(_overlap(objects), image)
            values[category] = _with_interval(share, error, int(image.max()) + 1)
            errors.append(error)
    if values:
        mean = float(np.mean([each.value for each in values.values()]))
        images = sum(each.n for each in values.values())
        values[""] = _with_interval(mean, math.hypot(*errors) / len(errors), images)
    return values


def _overlap(objects: pd.DataFrame) -> np.ndarray:
    """Whether the boxes of two objects overlap by IoU > 0.5; shape (objects, objects)."""
    common = 1.0
    for centre, size in (("cx", "width_fraction"), ("cy", "height_fraction")):
        half = objects[size].to_numpy() / 2
        low, high = objects[centre].to_numpy() - half, objects[centre].to_numpy() + half
        common = common * np.maximum(np.minimum.outer(high, high) - np.maximum.outer(low, low), 0.0)
    area = objects["area_fraction"].to_numpy()
    # IoU > 1/2 where the common part is more than a third of the sum of the areas.
    return 3 * common > np.add.outer(area, area) * (1 + ROUNDING)


def _share_and_error(overlap: np.ndarray, image: np.ndarray) -> tuple[float, float]:
    """The share of overlapping pairs of objects of different images, and its standard error over images.

    `overlap` is (objects, objects), and `image` (objects,) the number of each object's image, from 0.
    """
    n_objects = np.bincount(image)
    others = len(image) - n_objects
    elsewhere = overlap & np.not_equal.outer(image, image)
    # Ordered pairs with an object of each image first.
    found, pairs = np.bincount(image, elsewhere.sum(axis=1)), n_objects * others
    share = found.sum() / pairs.sum()
    if len(n_objects) == 2:
        return share, math.nan
    without = (found.sum() - 2 * found) / (pairs.sum() - 2 * pairs)
    n = len(n_objects)
    jackknife = math.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())
    # The part of the variance that is left where no object overlaps more of the others than another does.
    return float(share), max(jackknife, math.sqrt(2 * share * (1 - share) / (n * (n - 1))))


def _with_interval(share: float, error: float, n_images: int) -> Interval:
    return Interval(share, *(NONE if n_images < FEWEST_IMAGES else share_interval(share, error, n_images)), n_images)
