"""Figures of how far test images are from the training set."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bias_toolkit.foundation.words import count
from bias_toolkit.report.page.style import BLUE, GREY, histogram, in_percent, new_figure, styled, subtitle

HISTOGRAM_BINS = 40


@styled
def percentile_histogram(distances: pd.DataFrame, bins: int = 20) -> Axes:
    """Where test images lie among the training images' own distances; one distribution would fill bars to the line."""
    ax = new_figure().add_subplot()
    values = distances["distance_percentile"].dropna().to_numpy(float)
    weights = np.full(len(values), 1 / max(len(values), 1))
    ax.hist(values, np.linspace(0, 1, bins + 1), weights=weights, color=BLUE, alpha=0.8, rwidth=0.92)
    ax.axhline(1 / bins, color=GREY, linestyle="--", linewidth=1.2)
    ax.set(
        title="Distance percentile of the test images",
        xlabel="share of training images nearer to their own nearest",
        ylabel="share of test images",
        xlim=(0, 1),
    )
    subtitle(ax, f"{count(len(values), 'test image')}; dashed: a test set that lies as the training set does")
    for axis in (ax.xaxis, ax.yaxis):
        in_percent(axis)
    ax.grid(False, axis="x")
    return ax


@styled
def distance_histogram(
    distances: pd.DataFrame, train_distances: np.ndarray, label: str = "distance to nearest training image"
) -> Axes:
    """Distances of test images (DISTANCES rows), and of training images to their nearest other training image (n,)."""
    test, train = distances["nn_distance"].dropna().to_numpy(float), np.asarray(train_distances, float)
    train = train[np.isfinite(train)]
    highest = max(np.quantile(values, 0.999) for values in (test, train) if len(values))
    edges = np.linspace(0, highest, HISTOGRAM_BINS + 1)
    ax = histogram(
        test,
        edges,
        np.histogram(train, edges, density=True)[0],
        labels=(count(len(test), "test image"), count(len(train), "training image")),
        title="Distance to the nearest training image",
        xlabel=label,
        xlim=(0, highest),
    )
    ax.legend(loc="best")
    return ax
