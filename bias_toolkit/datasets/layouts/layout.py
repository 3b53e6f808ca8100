"""What each layout's module offers to `load_dataset`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bias_toolkit.datasets.dataset import Dataset
from bias_toolkit.datasets.listing import Annotations, Listing
from bias_toolkit.datasets.pixels import ImageFiles
from bias_toolkit.foundation.progress import Progress


@dataclass(frozen=True)
class Layout:
    """One way in which datasets lie on disk.

    `recognise` takes an existing absolute path and whether the user asked for this layout; it returns one clause that
    says how the path was recognised, or None if it is of another layout. When asked, it takes what can be read in this
    layout at all. It raises InputError for a path that is of this layout, but has to be named more closely. `read`
    takes a path that `recognise` took, and the clause.
    """

    name: str  # what `layout=` takes
    expects: str  # completes "that is ..."
    recognise: Callable[[Path, bool], str | None]
    read: Callable[[Path, str], Dataset]

    def dataset(
        self,
        path: Path,
        reason: str,
        image_ids: Sequence[str],
        annotate: Callable[[Progress], Annotations],
        folder: Path | None = None,
        **others: Any,
    ) -> Dataset:
        """The image files below a folder, by default the path, with what else a `Listing` has."""
        listing = Listing(str(path), self.name, reason, image_ids, annotate, **others)
        return Dataset(listing, ImageFiles(str(folder or path)))
