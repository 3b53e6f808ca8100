"""Readers of image datasets: a path in, tables of images and objects and their pixels out."""

from bias_toolkit.datasets.dataset import Dataset, Header
from bias_toolkit.datasets.imagenet_x import imagenet_x_factors, imagenet_x_stamp
from bias_toolkit.datasets.in_memory import dataset_away, is_held
from bias_toolkit.datasets.layouts.clips import REACH, clip_of
from bias_toolkit.datasets.listing import BOX_COLUMNS, Annotations, Listing
from bias_toolkit.datasets.load import LAYOUTS, load_dataset
from bias_toolkit.datasets.pixels import read_pixels
from bias_toolkit.datasets.schema import (
    BOX_EDGES,
    IMAGES,
    OBJECTS,
    SKIPPED,
    Note,
    ReducedImage,
    Reduction,
    Tables,
    skipped_table,
)

__all__ = [
    "BOX_COLUMNS", "BOX_EDGES", "IMAGES", "LAYOUTS", "OBJECTS", "REACH", "SKIPPED", "Annotations", "Dataset", "Header",
    "Listing", "Note", "ReducedImage", "Reduction", "Tables", "clip_of", "dataset_away", "imagenet_x_factors",
    "imagenet_x_stamp", "is_held", "load_dataset", "read_pixels", "skipped_table",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
