"""The nearest training images of each test image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bias_toolkit.features.index.stored import StoredFeatures
from bias_toolkit.features.index.training_index import TrainingIndex
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.progress import Progress, silent


def nearest_neighbours(
    index: TrainingIndex,
    features: np.ndarray | StoredFeatures,
    image_ids: Sequence[str],
    own_rows: np.ndarray | None = None,
    k: int = 10,
    *,
    progress: Progress = silent,
) -> pd.DataFrame:
    """The k nearest training images of each test image, as a table of the schema `NEIGHBOURS`.

    Raises InputError if the features do not fit the index or the ids, or are not finite.

    Parameters
    ----------
    index : of the training features.
    features : (n, d), of the test images.
    image_ids : their n ids.
    own_rows : (n,) int, the row of the index that is the very same image, or -1. It is left out by identity, not for
        being nearest: another image at distance 0 stays.
    k : neighbours an image; where the training set has fewer other images, all of them.
    progress : counts test images.

    Returns
    -------
    Rows in the order of `image_ids`, then by rank from 1; equal distances in the order of the training rows.
    """
    if len(image_ids) != len(features):
        raise InputError(f"{len(features)} test features do not fit {len(image_ids)} image ids")
    distances, rows = index.search(
        features, k, own_rows=own_rows, progress=progress, task="Finding the nearest training images"
    )
    image, place = np.nonzero(rows >= 0)
    return pd.DataFrame(
        {
            "image_id": np.asarray(image_ids, dtype=object)[image],
            "rank": (place + 1).astype(np.int32),
            "neighbour_id": np.asarray(index.image_ids, dtype=object)[rows[image, place]],
            "distance": distances[image, place],
        }
    ).astype({"image_id": str, "neighbour_id": str})
