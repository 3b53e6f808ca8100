"""The nearest training images of each test image, their distances, and how typical these are."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bias_toolkit.features.distances import NEAREST
from bias_toolkit.features.index.approximate import EXACT
from bias_toolkit.features.index.exact import Groups
from bias_toolkit.features.index.stored import StoredFeatures
from bias_toolkit.features.index.training_index import TrainingIndex
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.progress import Progress, silent

LEAK_FRACTION = 0.2
"""As a share of the typical distance between training images. With efficientnet-lite0 on 64-pixel photographs, a
photograph saved again as JPEG (quality 95 or 75) stays within it in at least 96% of cases. No two of 2,000 training
photographs are within twice that (Euclidean; for cosine, within one and a half times).
"""


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

    Returns rows in the order of `image_ids`, then by rank from 1; equal distances in the order of the training rows.
    Raises InputError if the features do not fit the index or the ids, or are not finite.

    Parameters
    ----------
    index : of the training features.
    features : (n, d), of the test images.
    image_ids : the n image ids.
    own_rows : (n,) int, the row of the index that is the same image, or -1. It is left out by identity, not by
        distance: another image at distance 0 stays.
    k : neighbours per image; all other training images if there are fewer.

    Examples
    --------
    >>> from bias_toolkit.features.index import TrainingIndex
    >>> index = TrainingIndex.build(np.array([[0, 0], [3, 4], [6, 8]], np.float32), ["a.jpg", "b.jpg", "c.jpg"])
    >>> nearest_neighbours(index, np.array([[3, 0]], np.float32), ["new.jpg"], k=2)
      image_id  rank neighbour_id  distance
    0  new.jpg     1        a.jpg       3.0
    1  new.jpg     2        b.jpg       4.0
    """
    if len(image_ids) != len(features):
        raise InputError(f"{len(features)} test features do not fit {len(image_ids)} image ids")
    distances, rows = index.search(
        features, k, own_rows=own_rows, progress=progress, task="Finding the nearest training images"
    )
    return neighbours_table(index, image_ids, distances, rows)


def neighbours_table(
    index: TrainingIndex, image_ids: Sequence[str], distances: np.ndarray, rows: np.ndarray
) -> pd.DataFrame:
    """The table of the schema `NEIGHBOURS` of what `index.search` has found for the images, both (n, k)."""
    image, place = np.nonzero(rows >= 0)
    return pd.DataFrame(
        {
            "image_id": np.asarray(image_ids, dtype=object)[image],
            "rank": (place + 1).astype(np.int32),
            "neighbour_id": np.asarray(index.image_ids, dtype=object)[rows[image, place]],
            "distance": distances[image, place],
        }
    ).astype({"image_id": str, "neighbour_id": str})


def leave_one_out_distances(
    index: TrainingIndex, sample: int = 10_000, seed: int = 0, *, progress: Progress = silent
) -> np.ndarray:
    """The distance of each training image to its nearest other training image, float32, ascending.

    Of more than `sample` training images, a random sample drawn with `seed` is used. The image itself is left out by
    identity, so a duplicate in the training set counts, at distance 0. Empty if the training set has one image.
    """
    rows = spacing_rows(index, sample, seed)
    if not rows.size:
        return np.empty(0, dtype=np.float32)
    # An approximate index searches more carefully for ten neighbours than for one, and test images have ten.
    k = 1 if index.index == EXACT else NEAREST
    distances, _ = index.search_rows(rows, k, progress=progress, task="Spacing of the training images")
    return np.sort(distances[:, 0])


def spacing_rows(index: TrainingIndex, sample: int = 10_000, seed: int = 0) -> np.ndarray:
    """The rows of the training images of `leave_one_out_distances`, ascending; none if there is only one image."""
    rows = np.arange(index.rows if index.rows > 1 else 0)
    return np.sort(np.random.default_rng(seed).choice(rows, sample, replace=False)) if len(rows) > sample else rows


def leak_threshold(reference: np.ndarray, metric: str) -> float:
    """The distance at or below which a test image's nearest training image may be the same photograph.

    It is `LEAK_FRACTION` of the median leave-one-out distance, without duplicates in the training set. For cosine,
    which grows with the square of the difference between unit vectors, the fraction is squared. If the reference has
    no positive distance, it is 0: only exact duplicates count.
    """
    apart = reference[reference > 0]
    if not apart.size:
        return 0.0
    fraction = LEAK_FRACTION if metric == "euclidean" else LEAK_FRACTION**2
    return fraction * float(np.median(apart))


def class_nn_distances(
    index: TrainingIndex,
    features: np.ndarray | StoredFeatures,
    labels: Sequence[str | None],
    training_labels: Sequence[str | None],
    own_rows: np.ndarray | None = None,
    *,
    progress: Progress = silent,
) -> np.ndarray:
    """The distance (n,) float32 of each test image to the nearest training image of the same label.

    NaN where the label is missing or the training set has no (other) image of it. The search is always exact. Raises
    InputError if the numbers of labels do not fit, or as `TrainingIndex.search`.

    Parameters
    ----------
    index : of the training features.
    features : (n, d), of the test images.
    labels : n labels of the test images; None or NaN where there is none.
    training_labels : the labels of the index's rows, with the same missing values.
    own_rows : (n,) int, the row of the index that is the same image, or -1.
    """
    if len(labels) != len(features) or len(training_labels) != index.rows:
        raise InputError(
            f"{len(labels)} and {len(training_labels)} labels do not fit "
            f"{len(features)} test and {index.rows} training features"
        )
    groups = groups_of(labels, training_labels)
    distances, _ = index.search(
        features, 1, own_rows=own_rows, groups=groups, progress=progress, task="Distances within the class"
    )
    return distances[:, 0]


def groups_of(labels: Sequence[str | None], training_labels: Sequence[str | None]) -> Groups:
    """The groups of a search within the label; a missing label, None or NaN, finds nothing and is not found."""
    names = pd.Index(pd.Series([*training_labels], dtype=object).dropna().unique())
    return Groups(_numbers(labels, names), _numbers(training_labels, names))


def distances_table(
    index: TrainingIndex,
    neighbours: pd.DataFrame,
    image_ids: Sequence[str],
    class_distances: np.ndarray,
    own_rows: np.ndarray | None = None,
    *,
    reference: np.ndarray,
    k: int = NEAREST,
) -> pd.DataFrame:
    """Every distance of each test image, as a table of the schema `DISTANCES`, in the order of `image_ids`.

    Raises InputError if the neighbours are of other images or fewer than k for each, or the numbers of rows do not fit.

    Parameters
    ----------
    index : of the training features.
    neighbours : the result of `nearest_neighbours` for the same images, at least k for each.
    image_ids, own_rows : of the n test images, see `class_nn_distances`.
    class_distances : (n,), from `class_nn_distances`.
    reference : the distances between training images, from `leave_one_out_distances`.
    k : for `knn_distance`; if there are fewer other training images, the mean is over all of them.

    Returns
    -------
    nn_distance, knn_distance : to the nearest training image; the mean over the k nearest. Null where the training set
        has no other image.
    class_nn_distance : to the nearest training image of the same label; null where there is none.
    distance_percentile : 0 to 1, the share of `reference` below nn_distance; null where nn_distance is null, or the
        reference is empty.
    leak : nn_distance is at or below `leak_threshold`.
    """
    nearest = _ranked(neighbours, image_ids, k)
    wanted = np.minimum(k, index.rows - (0 if own_rows is None else (np.asarray(own_rows) >= 0)))
    if (np.isfinite(nearest).sum(axis=1) != wanted).any():
        raise InputError(f"the neighbours table does not give the {k} nearest of each image; find them again")
    nn_distance = nearest[:, 0]
    some = wanted > 0
    knn_distance = np.full(len(nearest), np.nan)
    np.divide(np.nansum(nearest, axis=1, dtype=np.float64), wanted, out=knn_distance, where=some)
    percentile = np.full(len(nearest), np.nan)
    if reference.size:
        below = np.searchsorted(np.sort(reference), nn_distance[some], side="left")
        percentile[some] = below / reference.size
    return pd.DataFrame(
        {
            "image_id": pd.Series(list(image_ids), dtype=str),
            "nn_distance": nn_distance,
            "knn_distance": knn_distance.astype(np.float32),
            "class_nn_distance": class_distances,
            "distance_percentile": percentile.astype(np.float32),
            "leak": nn_distance <= leak_threshold(reference, index.metric),
        }
    )


def _numbers(labels: Sequence[str | None], names: pd.Index) -> np.ndarray:
    """The index of each label among the names, -1 where it is missing or unknown."""
    series = pd.Series([*labels], dtype=object)
    return np.where(series.isna(), -1, names.get_indexer(series))


def _ranked(neighbours: pd.DataFrame, image_ids: Sequence[str], k: int) -> np.ndarray:
    """The distances (n, k) float32 by image and rank, NaN where there is no neighbour of that rank."""
    ids = pd.Index(list(image_ids), dtype=str)
    if not ids.is_unique:
        raise InputError("image_ids names one image twice; each must be unique")
    image = ids.get_indexer(neighbours["image_id"])
    if (image < 0).any():
        raise InputError("the neighbours table holds images that are not among the test images; find them again")
    place = neighbours["rank"].to_numpy() - 1
    ranked = np.full((len(ids), k), np.nan, dtype=np.float32)
    near = place < k
    ranked[image[near], place[near]] = neighbours["distance"].to_numpy()[near]
    return ranked
