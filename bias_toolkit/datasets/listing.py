"""What a reader knows of a dataset before any image is opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from bias_toolkit.datasets.schema import BOX_EDGES
from bias_toolkit.foundation.progress import Progress

BOX_COLUMNS = ["image_id", "category", *BOX_EDGES]


def no_boxes() -> pd.DataFrame:
    """A table of boxes without a row."""
    return pd.DataFrame({column: [] for column in BOX_COLUMNS})


def sole_category(categories: Sequence[str]) -> str | None:
    """The category that all of an image's objects have; None if there are several, or no objects."""
    return categories[0] if categories and len(set(categories)) == 1 else None


@dataclass(frozen=True)
class Annotations:
    """Labels and boxes of the images of a listing.

    Attributes
    ----------
    labels : sequence of (str or None)
        One for each of the listing's `image_ids`, in their order.
    boxes : pandas.DataFrame
        Columns `BOX_COLUMNS`, one row an object, any order of images. Coordinates are continuous edges, in pixels of
        the image as stored in its file, before any EXIF orientation is applied; they may reach outside the image.
    absent : sequence of str
        Images that the annotations name and that do not exist; they are reported as skipped. Images that only
        `boxes` names need not be repeated here.
    """

    labels: Sequence[str | None]
    boxes: pd.DataFrame = field(default_factory=no_boxes)
    absent: Sequence[str] = ()


@dataclass(frozen=True)
class Listing:
    """The images of a dataset, and where their annotations come from.

    Attributes
    ----------
    root : str
        What the user named: an absolute path, or a name such as `demo:train`.
    layout, layout_reason : str
        The layout taken, and one clause that says how it was recognised.
    image_ids : sequence of str
        Sorted, without repetition.
    annotate : callable
        Takes a `Progress` and returns the `Annotations`; called once a scan, so that a dataset whose tables were
        saved by an earlier scan costs no parsing.
    class_names : dict
        Label to human-readable name, where the layout has names.
    annotation_files : sequence of Path
        Files whose content enters the fingerprint.
    stamped_files : sequence of Path
        Annotation files that are too many to read (one an image): their names, sizes and times enter it.
    unlisted : sequence of (str, str)
        What was found and can be no image of the tables, as a name that can be shown, and the reason; reported as
        skipped.
    """

    root: str
    layout: str
    layout_reason: str
    image_ids: Sequence[str]
    annotate: Callable[[Progress], Annotations]
    class_names: dict[str, str] = field(default_factory=dict)
    annotation_files: Sequence[Path] = ()
    stamped_files: Sequence[Path] = ()
    unlisted: Sequence[tuple[str, str]] = ()
