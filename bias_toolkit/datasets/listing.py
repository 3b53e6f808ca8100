"""What is known about a dataset before any image is opened."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from bias_toolkit.datasets.image_facts import Note
from bias_toolkit.datasets.schema import BOX_EDGES
from bias_toolkit.foundation.progress import Progress

BOX_COLUMNS = ["image_id", "category", *BOX_EDGES]


def no_boxes() -> pd.DataFrame:
    """An empty table of boxes."""
    return pd.DataFrame({column: [] for column in BOX_COLUMNS})


def sole_category(categories: Sequence[str]) -> str | None:
    """The category of all of an image's objects; None if there are several categories, or no objects."""
    return categories[0] if categories and len(set(categories)) == 1 else None


@dataclass(frozen=True)
class Annotations:
    """Labels and boxes of the images of a listing.

    `labels` has one label per entry of its `image_ids`, in their order. `boxes` has the columns `BOX_COLUMNS`, one row
    per object, in any order of images. Box edges are as written in the annotations, in pixels or as fractions of the
    image's sides; they may lie outside the image. `absent` names annotated images that do not exist, which are reported
    as skipped; images that only `boxes` names need not be repeated here.

    `sizes` has the width and height of the picture on which the boxes of an image were drawn, if the annotations state
    it; 0 is not a size. It tells whether that was the image as stored or as its EXIF orientation shows it, and whether
    the image was resized since. `upright` is for images whose size does not tell: the format's boxes are of the image
    as shown (True) or as stored (False); None if the format does not say. `to_edges` is added to the low and to the
    high edges of boxes in pixels, for formats that count pixels: (−1, 0) if both edges are inclusive and counted from
    1, (0, 1) if counted from 0. If `relative`, the format has fractions of the upright image's width and height.
    """

    labels: Sequence[str | None]
    boxes: pd.DataFrame = field(default_factory=no_boxes)
    absent: Sequence[str] = ()
    notes: Sequence[Note] = ()  # on what was read now; those that are known before are in the listing
    relative: bool = False
    sizes: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    upright: bool | None = None
    to_edges: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Listing:
    """The images of a dataset, and where their annotations come from."""

    root: str  # what the user named: an absolute path, or a name such as `demo:train`
    layout: str
    layout_reason: str  # one clause that says how the layout was recognised
    image_ids: Sequence[str]  # sorted, without repetition
    annotate: Callable[[Progress], Annotations]  # called once a scan, so not for tables that an earlier one saved
    class_names: dict[str, str] = field(default_factory=dict)  # readable names by label, where the layout has them
    annotation_files: Sequence[Path] = ()  # their content enters the fingerprint
    stamped_files: Sequence[Path] = ()  # too many to read (one for each image): their names, sizes and times enter it
    prepare: Callable[[Progress], None] = lambda progress: None  # reads what the fingerprint needs, if that takes long
    # Files that cannot be images of the tables: a name that can be shown, and the reason.
    unlisted: Sequence[tuple[str, str]] = ()
    # Of clips: the ids of the frames around each image, which is the middle one.
    frames: Mapping[str, Sequence[str]] | None = None
    notes: Sequence[Note] = ()
