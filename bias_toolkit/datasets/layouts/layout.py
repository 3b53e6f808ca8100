"""The interface that each layout's module gives to `load_dataset`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bias_toolkit.datasets.dataset import Dataset
from bias_toolkit.datasets.listing import Annotations, Listing
from bias_toolkit.datasets.pixels import ImageFiles
from bias_toolkit.foundation.progress import Progress

ASKED = "asked for; "
"""The start of the reason of a layout that the user asked for."""

NAME_FOLDER = "name the folder of its images, with --train-folder or --test-folder, or --folder of `objects`"
"""The end of an error about images that were not found."""


@dataclass(frozen=True)
class Layout:
    """One way in which a dataset is stored on disk.

    `recognise` takes an existing absolute path and whether the user asked for this layout. It returns one clause that
    says how the path was recognised, or None if the path has another layout. If the user asked for the layout, it
    accepts every path that can be read in it. It raises InputError for a path that has this layout but is not specific
    enough. `read` takes a path that `recognise` accepted, and the clause; if `takes_images`, also the folder of the
    images that the user named, or None.
    """

    name: str  # what `layout=` takes
    expects: str  # completes "that is ..."
    recognise: Callable[[Path, bool], str | None]
    read: Callable[..., Dataset]
    takes_images: bool = False

    def dataset(
        self,
        path: Path,
        reason: str,
        image_ids: Sequence[str],
        annotate: Callable[[Progress], Annotations],
        folder: Path | None = None,
        **others: Any,
    ) -> Dataset:
        """A dataset of the image files below a folder, by default the path, with the other fields of a `Listing`."""
        listing = Listing(str(path), self.name, reason, image_ids, annotate, **others)
        return Dataset(listing, ImageFiles(str(folder or path)))
