"""The mean of a class's images: it shows the habits of the photographers, because everything else averages out.

Each image is stretched to one square, so that a position in the mean is a position in the frame, as in cx and cy. A
centre crop would cut off the borders that the mean has to show. The mean is over the stored (sRGB) pixel values, like
the averages in the source and the normalisation of network inputs. These values are spaced as humans perceive them; in
linear light, a few bright skies would dominate.
Source: A. Torralba & A. Oliva, "Statistics of natural image categories", Network: Computation in Neural Systems 14,
2003.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from bias_toolkit.datasets import SKIPPED, skipped_table
from bias_toolkit.foundation.errors import UnreadableImageError
from bias_toolkit.foundation.files import read_array, read_table, write_array, write_table
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.foundation.resampling import named_generator
from bias_toolkit.foundation.threads import ordered_map
from bias_toolkit.objects.schema import MEAN_IMAGES
from bias_toolkit.objects.summary import WHOLE_DATASET

SIDE = 128
MOST_OF_CLASS = 200
MOST_OF_ALL = 2000
MOST_OF_CLASSES = 100_000


@dataclass(frozen=True)
class MeanImages:
    """The mean image of a dataset and of each of its classes.

    `table` is `MEAN_IMAGES`: first the whole dataset, as category "", then the classes in order. A class without a
    readable image is left out.
    """

    table: pd.DataFrame
    pixels: np.ndarray  # (rows, side, side, 3) uint8; RGB, one mean image per row of the table
    skipped: pd.DataFrame  # table SKIPPED: images that could not be read

    def save(self, folder: str | os.PathLike) -> None:
        """Write means.npy, means.parquet and skipped.parquet."""
        write_array(self.pixels, Path(folder) / "means.npy")
        write_table(self.table, Path(folder) / "means.parquet", MEAN_IMAGES)
        write_table(self.skipped, Path(folder) / "skipped.parquet", SKIPPED)

    @classmethod
    def load(cls, folder: str | os.PathLike) -> MeanImages:
        """Read the files that `save` wrote."""
        folder = Path(folder)
        return cls(
            read_table(folder / "means.parquet", MEAN_IMAGES),
            read_array(folder / "means.npy", 4),
            read_table(folder / "skipped.parquet", SKIPPED),
        )


def limit_of_class(n_classes: int) -> int:
    """The largest number of images of one of so many classes: 200, fewer if all would be more than 100,000."""
    return max(1, min(MOST_OF_CLASS, MOST_OF_CLASSES // max(n_classes, 1)))


def mean_images(
    read: Callable[[str], np.ndarray],
    images: pd.DataFrame,
    objects: pd.DataFrame,
    *,
    most_of_class: int | None = None,
    most_of_all: int = MOST_OF_ALL,
    side: int = SIDE,
    seed: int = 0,
    progress: Progress = silent,
) -> MeanImages:
    """The mean image of a dataset and of each class.

    Parameters
    ----------
    read : image_id to uint8 (height, width, 3); may raise UnreadableImageError. Called from several threads.
    images : columns image_id, label. An image's class is its label. In a dataset without labels, an image belongs to
        every category that it has an object of.
    objects : columns image_id, category.
    most_of_class, most_of_all : largest number of images of a class (by default `limit_of_class`), and of the dataset,
        drawn at random by `seed`.
    side : side of the means, in pixels.
    """
    groups = _groups(images, objects)
    image_ids = images["image_id"].to_numpy()
    order = named_generator(seed, "mean images").permutation(len(image_ids))
    drawn = pd.Series(order, index=image_ids)
    chosen: dict[str, list[int]] = {}
    table = []
    if most_of_class is None:
        most_of_class = limit_of_class(len(groups) - 1)
    for category, members in groups.items():
        most = most_of_all if category == WHOLE_DATASET else most_of_class
        for image_id in drawn[members].nsmallest(most).index:
            chosen.setdefault(image_id, []).append(len(table))
        table.append({"category": category, "n_images": 0, "n_available": len(members)})
    sums = np.zeros((len(table), side, side, 3), np.uint32)
    n_images = np.zeros(len(table), np.int64)
    skipped = []

    def small(image_id: str) -> np.ndarray | UnreadableImageError:
        try:
            pixels = read(image_id)
        except UnreadableImageError as error:
            return error
        return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC, reducing_gap=3))

    # The dataset's order is the order on disk.
    wanted = [image_id for image_id in image_ids if image_id in chosen]
    with progress("Averaging images", total=len(wanted)) as advance:
        for image_id, pixels in zip(wanted, ordered_map(small, wanted), strict=True):
            if isinstance(pixels, UnreadableImageError):
                skipped.append((image_id, pixels))
            else:
                for row in chosen[image_id]:
                    sums[row] += pixels
                    n_images[row] += 1
            advance(1)
    there = n_images > 0
    means = np.rint(sums[there] / n_images[there, None, None, None]).astype(np.uint8)
    table = pd.DataFrame(table, columns=MEAN_IMAGES.names).assign(n_images=n_images)[there].reset_index(drop=True)
    return MeanImages(table, means, skipped_table(skipped))


def _groups(images: pd.DataFrame, objects: pd.DataFrame) -> dict[str, pd.Index]:
    """The image_ids of the whole dataset, and of each class in order."""
    members = images[["image_id", "label"]].dropna()
    if members.empty:
        of_images = objects[objects["image_id"].isin(images["image_id"])]
        members = of_images[["image_id", "category"]].dropna().drop_duplicates()
    members.columns = ["image_id", "class"]
    by_class = {name: pd.Index(rows["image_id"]) for name, rows in members.groupby("class") if name != WHOLE_DATASET}
    return {WHOLE_DATASET: pd.Index(images["image_id"])} | by_class
