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
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from bias_toolkit.datasets import SKIPPED, skipped_table
from bias_toolkit.foundation.errors import UnreadableImageError
from bias_toolkit.foundation.files import read_array, read_table, write_array, write_table
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.foundation.resampling import named_generator
from bias_toolkit.foundation.shards import Shard, prepared_shards
from bias_toolkit.foundation.threads import MOST_WORKERS, cores
from bias_toolkit.objects.position_scale import image_rows
from bias_toolkit.objects.schema import MEAN_IMAGES
from bias_toolkit.objects.summary import WHOLE_DATASET

SIDE = 128
MOST_OF_CLASS = 200
MOST_OF_ALL = 2000
MOST_OF_CLASSES = 100_000
AHEAD = 64
"""Images that are decoded ahead."""


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


@dataclass(frozen=True)
class DrawnImages:
    """The images that means are of: a row of `table` (category, n_available) for each mean, and each image's rows."""

    table: pd.DataFrame
    rows: dict[str, list[int]]

    @property
    def image_ids(self) -> list[str]:
        """The images, those of one class together, so that few sums have to be kept of each shard of them."""
        return sorted(self.rows, key=lambda image_id: self.rows[image_id][-1])


def draw_images(
    images: pd.DataFrame,
    objects: pd.DataFrame,
    *,
    most_of_class: int | None = None,
    most_of_all: int = MOST_OF_ALL,
    seed: int = 0,
) -> DrawnImages:
    """The images whose mean is the dataset's, and each class's; the arguments are those of `mean_images`."""
    classes, members, of_class = _members(images, objects)
    by_class = np.split(members[np.argsort(of_class, kind="stable")], np.cumsum(np.bincount(of_class))[:-1])
    groups = [np.arange(len(images)), *by_class[: len(classes)]]
    order = named_generator(seed, "mean images").permutation(len(images))
    if most_of_class is None:
        most_of_class = limit_of_class(len(classes))
    chosen: dict[int, list[int]] = {}
    for row, group in enumerate(groups):
        most = most_of_class if row else most_of_all
        for image in group[np.argsort(order[group])[:most]].tolist():
            chosen.setdefault(image, []).append(row)
    table = pd.DataFrame({"category": [WHOLE_DATASET, *classes], "n_available": list(map(len, groups))})
    # The dataset's order is the order on disk.
    drawn = sorted(chosen)
    image_ids = images["image_id"].iloc[drawn].tolist()
    return DrawnImages(table, {image_id: chosen[image] for image_id, image in zip(image_ids, drawn, strict=True)})


class Summed(NamedTuple):
    """Sums of the images of a shard: `sums` uint32 (rows, side, side, 3), of the means of `table` (`SUMMED`)."""

    sums: np.ndarray
    table: pd.DataFrame
    skipped: pd.DataFrame  # table SKIPPED


def summed_shards(
    read: Callable[[str], np.ndarray],
    drawn: DrawnImages,
    shards: Iterable[Shard],
    *,
    side: int = SIDE,
    advance: Callable[[int], None],
) -> Iterator[Summed]:
    """The sums of each shard of the drawn images; `read` and `side` are as for `mean_images`."""

    def small(image_id: str) -> np.ndarray:
        pixels = Image.fromarray(read(image_id))
        return np.asarray(pixels.resize((side, side), Image.Resampling.BICUBIC, reducing_gap=3))

    with closing(prepared_shards(shards, small, ahead=AHEAD, workers=min(cores(), MOST_WORKERS))) as prepared:
        for images in prepared:
            sums: dict[int, np.ndarray] = {}
            counts: Counter[int] = Counter()
            skipped = []
            for image_id, pixels in images:
                if isinstance(pixels, UnreadableImageError):
                    skipped.append((image_id, pixels))
                else:
                    for row in drawn.rows[image_id]:
                        sums.setdefault(row, np.zeros((side, side, 3), np.uint32))
                        sums[row] += pixels
                    counts.update(drawn.rows[image_id])
                advance(1)
            table = pd.DataFrame({"mean": list(sums), "n_images": [counts[row] for row in sums]}, dtype=np.int32)
            made = np.stack(list(sums.values())) if sums else np.empty((0, side, side, 3), np.uint32)
            yield Summed(made, table, skipped_table(skipped))


def means_of_sums(drawn: DrawnImages, parts: Iterable[Summed], *, side: int = SIDE) -> MeanImages:
    """The means of the drawn images, from the sums of all their shards."""
    sums = np.zeros((len(drawn.table), side, side, 3), np.uint32)
    n_images = np.zeros(len(drawn.table), np.int64)
    skipped = [skipped_table([])]
    for part in parts:
        sums[part.table["mean"]] += part.sums
        n_images[part.table["mean"]] += part.table["n_images"]
        skipped.append(part.skipped)
    there = n_images > 0
    means = np.rint(sums[there] / n_images[there, None, None, None]).astype(np.uint8)
    table = drawn.table.assign(n_images=n_images)[MEAN_IMAGES.names][there].reset_index(drop=True)
    place = {image_id: number for number, image_id in enumerate(drawn.rows)}
    left_out = pd.concat(skipped, ignore_index=True).sort_values("image_id", key=lambda ids: ids.map(place))
    return MeanImages(table, means, left_out.reset_index(drop=True))


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
    drawn = draw_images(images, objects, most_of_class=most_of_class, most_of_all=most_of_all, seed=seed)
    with progress("Averaging images", total=len(drawn.rows)) as advance:
        parts = summed_shards(read, drawn, [Shard(0, drawn.image_ids)], side=side, advance=advance)
        return means_of_sums(drawn, parts, side=side)


def _members(images: pd.DataFrame, objects: pd.DataFrame) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The classes in order, and pairs of the row of an image and the number of a class that it is in."""
    labels = images["label"].dropna()
    if len(labels):
        rows, names = np.flatnonzero(images["label"].notna()), labels
    else:
        of_images = objects.assign(row=image_rows(objects, images)).dropna(subset="category")
        of_images = of_images[of_images["row"] >= 0].drop_duplicates(["row", "category"])
        rows, names = of_images["row"].to_numpy(), of_images["category"]
    is_class = (names != WHOLE_DATASET).to_numpy(bool)
    of_class, classes = pd.factorize(names[is_class], sort=True)
    return classes.tolist(), rows[is_class], of_class
