"""How far an image is from the training images, and how far the nearest of these agree with the model's class.

Source of trust: H. Jiang, B. Kim, M. Guan & M. Gupta, "To trust or not to trust a classifier", NeurIPS 2018 (without
their filtering of training images).
"""

import numpy as np
import pandas as pd

from bias_toolkit.features.distances import NEAREST
from bias_toolkit.features.index.training_index import TrainingIndex

SEARCH_SCORES = ("nn_distance", "knn_distance", "disagreement", "distrust")


def search_scores(
    index: TrainingIndex,
    features: np.ndarray,
    predicted: np.ndarray,
    training_classes: np.ndarray,
    own_rows: np.ndarray | None = None,
    *,
    trust: bool = True,
    found: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[pd.DataFrame, np.ndarray]:
    """The scores of images from one search for their nearest training images, and the rows of these.

    Raises InputError as `TrainingIndex.search`.

    Parameters
    ----------
    index : of the training features.
    features : (m, d), of the images.
    predicted : (m,) int, the model's top-1 class of each image.
    training_classes : (rows,) int, the class of each training image; -1 if it has none, which agrees with no class.
    own_rows : (m,) int, the row of the index that is the same image, or -1.
    trust : whether `distrust` is computed, for which training features are read once more: all, or of more than 100,000
        the same random sample of 100,000.
    found : the distances and rows (m, min(10, rows)) that `TrainingIndex.search` gives, if they are known.

    Returns
    -------
    scores : m rows. `nn_distance` and `knn_distance` are as in `distances_table`. `disagreement` is the share of the
        nearest 10 training images that are not of the predicted class. `distrust` is a / (a + b), 0 to 1: a is the
        distance to the nearest training image of the predicted class (1 if there is none), and b to the nearest one of
        another class (0 if there is none). It is 1 / (1 + trust), as trust is b / a (Jiang et al.).
    rows : (m, min(10, rows)) int64, of the nearest training images, nearest first; -1 where there is none.
    """
    distances, rows = index.search(features, NEAREST, own_rows=own_rows) if found is None else found
    there = rows >= 0
    n = np.maximum(there.sum(axis=1), 1)
    agrees = there & (training_classes[rows] == np.asarray(predicted)[:, None])
    scores = pd.DataFrame(
        {
            "nn_distance": distances[:, 0],
            "knn_distance": (np.nansum(distances, axis=1, dtype=np.float64) / n).astype(np.float32),
            "disagreement": 1 - agrees.sum(axis=1) / n,
        }
    )
    if trust:
        same, other = (
            each.astype(np.float64)
            for each in index.class_distances(features, np.asarray(predicted), training_classes, own_rows)
        )
        with np.errstate(invalid="ignore"):
            ratio = same / (same + other)
        # Two training images at distance 0, only one of them of the class, give no preference.
        scores["distrust"] = np.where(np.isinf(same), 1.0, np.nan_to_num(ratio, nan=0.5))
    return scores, rows
