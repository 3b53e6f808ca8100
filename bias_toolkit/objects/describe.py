"""Describe a dataset's framing from the dataset alone, without a model or a study."""

from dataclasses import dataclass

import pandas as pd

from bias_toolkit.datasets import Dataset
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.objects.comparison import FramingComparison, compare_framing
from bias_toolkit.objects.maps import Maps, object_maps
from bias_toolkit.objects.mean_images import MeanImages, mean_images
from bias_toolkit.objects.null_model import objects_that_count
from bias_toolkit.objects.position_scale import image_framing, position_and_scale
from bias_toolkit.objects.ranking import rank_categories
from bias_toolkit.objects.summary import centring, framing_summary


@dataclass(frozen=True)
class FramingDescription:
    """How a dataset is framed."""

    dataset: Dataset
    framing: pd.DataFrame  # `FRAMING`, a row for each object
    counted: pd.DataFrame  # the objects that the summary's centring is about (`objects_that_count`)
    summary: pd.DataFrame  # `FRAMING_SUMMARY`: the whole dataset and each category
    maps: Maps  # where these objects are
    means: MeanImages | None = None  # the mean images, if requested

    def ranking(self, column: str = "centre_bias", seed: int = 0) -> pd.DataFrame:
        """The categories ranked by one estimate of `summary` (`rank_categories`)."""
        return rank_categories(self.summary, column, seed)


def describe_framing(
    dataset: Dataset,
    *,
    resamples: int = 2000,
    placements: int = 1000,
    with_mean_images: bool = True,
    seed: int = 0,
    progress: Progress = silent,
) -> FramingDescription:
    """Compare position and scale of a dataset's objects with chance, overall and by category, and make mean images.

    Raises InputError if the dataset has no object boxes. Images are decoded only if `with_mean_images` is True.

    Examples
    --------
    >>> from bias_toolkit import load_dataset
    >>> described = describe_framing(load_dataset("photos/images.csv"), with_mean_images=False)
    >>> len(described.framing)
    60
    >>> "centre_bias" in described.summary
    True
    """
    images = dataset.scan(progress).images
    if dataset.objects.empty:
        raise InputError(
            f"{dataset.root} has no object boxes ({len(images):,} images, read as {dataset.layout}), and framing is "
            "read from boxes; name an annotation file or a table with boxes, or the layout that has them with --layout."
        )
    framing = position_and_scale(dataset.objects, images)
    summary = framing_summary(framing, images, resamples=resamples, placements=placements, seed=seed, progress=progress)
    means = None
    if with_mean_images:
        means = mean_images(dataset.read, images, dataset.objects, seed=seed, progress=progress)
    counted = objects_that_count(framing, images, centring(summary.iloc[0]).column)
    maps = object_maps(counted, image_framing(framing, images))
    return FramingDescription(dataset, framing, counted, summary, maps, means)


def compare_described(
    first: FramingDescription, second: FramingDescription, **options: int | Progress
) -> FramingComparison | None:
    """Compare two described datasets with `compare_framing` and its options."""
    images = first.dataset.images, second.dataset.images
    return compare_framing(first.framing, second.framing, *images, **options)
