"""The error of an approximate index against exact search, on a sample of the test images."""

import numpy as np
import pandas as pd

from bias_toolkit.features.index.stored import StoredFeatures
from bias_toolkit.features.index.training_index import TrainingIndex
from bias_toolkit.foundation.intervals import mean_limits
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.foundation.resampling import means_of_resamples, named_generator

SAMPLE = 1000


def search_quality(
    index: TrainingIndex,
    features: np.ndarray | StoredFeatures,
    own_rows: np.ndarray,
    k: int,
    *,
    sample: int = SAMPLE,
    resamples: int = 2000,
    seed: int = 0,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Recall and distance error of the index against the exact search, as a table of the schema `SEARCH_QUALITY`.

    Parameters
    ----------
    index : of the training features.
    features : (n, d), of the test images.
    own_rows : (n,) the row of the index that is the same image, or −1.
    k : number of neighbours in the study; an index may search more carefully for more neighbours.
    sample : largest number of test images to search exactly, drawn with `seed`.

    Returns
    -------
    One row. recall: the share of images for which the index finds a training image at the distance of the exact
    nearest, with Wilson's 95% interval. error: the mean over images of (found − exact) / exact nn_distance, with its
    95% interval over images; largest_error: its maximum. The errors are over the n_errors images whose exact
    nn_distance is above 0, and null where there is none.
    """
    from statsmodels.stats.proportion import proportion_confint

    rng = named_generator(seed, "search quality")
    rows = np.arange(len(features))
    if len(rows) > sample:
        rows = np.sort(rng.choice(len(rows), sample, replace=False))
    rows = rows[(own_rows[rows] < 0) | (index.rows > 1)]
    asked, own = features[rows], own_rows[rows]
    exact, _ = index.search(asked, 1, own_rows=own, exact=True, progress=progress, task="Exact search of a sample")
    approximate, _ = index.search(asked, k, own_rows=own, task="Approximate search of it", progress=progress)
    right = approximate[:, 0] <= exact[:, 0]
    apart = exact[:, 0] > 0
    errors = (approximate[apart, 0] / exact[apart, 0] - 1).astype(np.float64)
    low, high = proportion_confint(right.sum(), len(right), method="wilson") if len(right) else (np.nan, np.nan)
    drawn = means_of_resamples(errors, resamples, rng) if len(errors) else errors
    error_low, error_high = mean_limits(errors, drawn)
    return pd.DataFrame(
        {
            "index": [index.index],
            "n_images": np.array([len(right)], dtype=np.int32),
            "recall": [right.mean() if len(right) else np.nan],
            "recall_low": [low],
            "recall_high": [high],
            "n_errors": np.array([len(errors)], dtype=np.int32),
            "error": [errors.mean() if len(errors) else np.nan],
            "error_low": [error_low],
            "error_high": [error_high],
            "largest_error": [errors.max() if len(errors) else np.nan],
        }
    )
