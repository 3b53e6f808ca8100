"""What is said of distance from the training set is made from this."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bias_toolkit.report.relations import tables
from bias_toolkit.report.relations.tables import Relations
from bias_toolkit.report.source import Source, class_names
from bias_toolkit.report.words.class_names import ClassNames


@dataclass(frozen=True)
class DistanceContents:
    """Tables DISTANCES, NEIGHBOURS and SEARCH_QUALITY, and what relates distances to measures.

    `search_quality`: where the index is approximate. `n_shared`: number of test images that are training images
    themselves, by file. Their distances are to the other training images. `training_spacing` (array (n,)): distance of
    training images to their nearest other training image.
    """

    relations: Relations
    distances: pd.DataFrame
    neighbours: pd.DataFrame
    search_quality: pd.DataFrame | None
    n_shared: int
    training_spacing: np.ndarray
    names: ClassNames


def gather(source: Source) -> DistanceContents:
    """A study's distances, and what relates them to measures."""
    return DistanceContents(
        tables.gather(source),
        source.distances,
        source.neighbours,
        source.search_quality,
        source.n_shared,
        source.training_spacing,
        class_names(source),
    )
