"""Compare the framing of two datasets: differences, their sizes, and their uncertainty."""

from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass

import numpy as np
import pandas as pd

from bias_toolkit.foundation.false_discovery import q_values
from bias_toolkit.foundation.files import shard_slices
from bias_toolkit.foundation.intervals import (
    SHARE,
    Interval,
    Limits,
    difference_limits,
    expanded_confidence,
    few_differ,
    mean_bound,
    wide,
)
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.foundation.resampling import (
    CHUNK_ELEMENTS,
    named_generator,
    percentile_interval,
    resample_counts,
    weighted_median,
)
from bias_toolkit.objects.framing_variables import VARIABLES, FramedObjects, sample_of_images
from bias_toolkit.objects.null_model import (
    BIASES,
    bias_bound,
    bootstrap_varies,
    distance_sums,
    relative_shortfall,
    with_null_model,
)
from bias_toolkit.objects.schema import FRAMING_COMPARISON
from bias_toolkit.objects.two_sample import TwoSampleTest, classifier_test
from bias_toolkit.objects.wasserstein import PooledValues

MOST_IMAGES = 10_000
SPREAD_RESAMPLES = 200
COMPARED_BY_MEDIANS = ("log_scale", "log_aspect")
"""Variables that are compared by their medians. The others are compared by their means."""
SHARES = ("cx", "cy", "truncated")
"""Variables whose values are from 0 to 1."""
DISTANCE = ("", "_low", "_high", "_by_chance", "_by_chance_high")


@dataclass(frozen=True)
class FramingComparison:
    """How two datasets' framing differs.

    Parameters
    ----------
    variables : `FRAMING_COMPARISON`, one row for each of cx, cy, log_scale, log_aspect, truncated, objects_per_image,
        centre_bias and untruncated_centre_bias. `first` and `second` are medians for the two logarithms, means for the
        other variables, and the biases themselves. `difference` is second − first, with its 95% interval; for a
        logarithm, exp(difference) is a ratio of medians. The columns `wasserstein…` (`WassersteinDistance`) are null
        for the biases. `p_value` tests the Wasserstein distance, or the difference of the biases, by permutations of
        the images between the datasets. `q_value` is p_value corrected for the number of rows.
    test : whether a classifier distinguishes the datasets.
    """

    variables: pd.DataFrame
    test: TwoSampleTest

    def row(self, variable: str) -> dict:
        """One variable's row."""
        return self.variables[self.variables["variable"] == variable].iloc[0].to_dict()


def compare_framing(
    first: pd.DataFrame,
    second: pd.DataFrame,
    first_images: pd.DataFrame,
    second_images: pd.DataFrame,
    *,
    resamples: int = 2000,
    permutations: int = 2000,
    seed: int = 0,
    progress: Progress = silent,
) -> FramingComparison | None:
    """Compare the framing of two datasets' objects; None where a dataset has fewer than five images with an object.

    Intervals are percentile intervals over resampled images of both datasets, expanded for few images
    (`expanded_confidence`). If the images of a dataset differ too little for a bootstrap, the interval of a difference
    is from those of both estimates (`difference_limits`), or null. The datasets are assumed independent: an image that
    is in both counts as two.

    Parameters
    ----------
    first, second : FRAMING rows. A dataset of more than 10,000 images is represented by a seeded sample of 10,000.
    first_images, second_images : columns image_id, width, height.
    progress : counts variables, and folds of the classifier.
    """
    tables = []
    for number, (framing, images) in enumerate(((first, first_images), (second, second_images))):
        sampled = sample_of_images(framing, MOST_IMAGES, named_generator(seed, f"comparison/sample {number}"))
        tables.append(with_null_model(sampled, images))
    one, other = (FramedObjects.of(table) for table in tables)
    test = classifier_test(
        one, other, permutations=permutations, rng=named_generator(seed, "comparison/classifier"), progress=progress
    )
    if test is None:
        return None
    draw = _Draws(one.n_images, other.n_images, resamples, permutations, seed)
    rows = []
    with progress("Comparing the framing", total=len(VARIABLES) + len(BIASES)) as advance:
        for variable in VARIABLES:
            rows.append(_variable_row(variable, one, other, draw))
            advance(1)
        for name in BIASES:
            rows.append(_bias_row(name, *(distance_sums(table, name) for table in tables), draw))
            advance(1)
    variables = pd.DataFrame(rows, columns=FRAMING_COMPARISON.names)
    variables["q_value"] = q_values(variables["p_value"])
    return FramingComparison(variables, test)


class _Draws:
    """The same resamples and permutations of the images for every variable."""

    def __init__(self, n_first: int, n_second: int, resamples: int, permutations: int, seed: int) -> None:
        self.n_first, self.n_second, self._resamples, self._seed = n_first, n_second, resamples, seed
        labels = np.repeat([False, True], [n_first, n_second])
        rng = named_generator(seed, "comparison/permutations")
        self._of_second = np.array([rng.permutation(labels) for _ in range(permutations)])
        self.confidence = expanded_confidence(min(n_first, n_second))

    def counts(self, most: int | None = None) -> Iterator[np.ndarray]:
        """How often each image is drawn, shape (resamples, images): first the images of `first`, then of `second`."""
        n = self._resamples if most is None else min(most, self._resamples)
        return resample_counts([self.n_first, self.n_second], n, named_generator(self._seed, "comparison/resamples"))

    def of_second(self) -> Iterator[np.ndarray]:
        """Which images a permutation assigns to the second dataset."""
        n_permutations, n_images = self._of_second.shape
        return (self._of_second[part] for part in shard_slices(n_permutations, max(1, CHUNK_ELEMENTS // n_images)))


def _variable_row(variable: str, one: FramedObjects, other: FramedObjects, draw: _Draws) -> dict:
    columns = one.column(variable), other.column(variable)
    pooled = PooledValues(*columns, draw.n_first)
    observed = pooled.observed
    spread = np.sqrt(
        sum(((pooled.resampled(counts) - observed) ** 2).sum(axis=0) for counts in draw.counts(SPREAD_RESAMPLES))
        / SPREAD_RESAMPLES
    )
    distance = pooled.distance(
        (pooled.resampled(counts) - observed for counts in draw.counts()),
        spread,
        np.concatenate([pooled.exchanged(part) for part in draw.of_second()]),
        draw.confidence,
    )
    statistic = _median if variable in COMPARED_BY_MEDIANS else _mean
    (first, first_of), (second, second_of) = (statistic(*column) for column in columns)
    differences = np.concatenate(
        [second_of(counts[:, draw.n_first :]) - first_of(counts[:, : draw.n_first]) for counts in draw.counts()]
    )
    low, high = wide(*percentile_interval(differences, draw.confidence))
    if variable in SHARES:
        low, high = _share_limits(second, columns[1], first, columns[0], (low, high))
    return {
        "variable": variable,
        "first": first,
        "second": second,
        "difference": second - first,
        "difference_low": low,
        "difference_high": high,
        **{f"wasserstein{name}": value for name, value in zip(DISTANCE, astuple(distance)[:-1], strict=True)},
        "p_value": distance.p_value,
    }


def _share_limits(
    second: float,
    of_second: tuple[np.ndarray, np.ndarray],
    first: float,
    of_first: tuple[np.ndarray, np.ndarray],
    bootstrap: Limits,
) -> Limits:
    """The interval of the difference of two means, given that of the bootstrap and each set's values and their images.

    If the images of a set differ too little for a bootstrap, it is from the interval of each mean.
    """
    means, rare = [], False
    for mean, (values, image) in ((second, of_second), (first, of_first)):
        n = np.bincount(image)
        rare |= few_differ(np.bincount(image, values) / n)
        equal_weights = n.sum() ** 2 / (n**2).sum()
        means.append(Interval(mean, *mean_bound(mean, equal_weights, SHARE), len(n)))
    return difference_limits(*means) if rare else bootstrap


Statistic = tuple[float, Callable[[np.ndarray], np.ndarray]]
"""A statistic of the values, and a function that computes it for resamples, given how often each image is drawn."""


def _mean(values: np.ndarray, image: np.ndarray) -> Statistic:
    mean = float(values.mean())
    sums = np.column_stack([np.bincount(image, values - mean), np.bincount(image)])

    def resampled(counts: np.ndarray) -> np.ndarray:
        deviations, n = (counts @ sums).T
        return mean + deviations / n

    return mean, resampled


def _median(values: np.ndarray, image: np.ndarray) -> Statistic:
    order = np.argsort(values, kind="stable")
    return float(np.median(values)), lambda counts: weighted_median(values[order], counts[:, image[order]])


def _bias_row(name: str, first: np.ndarray, second: np.ndarray, draw: _Draws) -> dict:
    def bias(sums: np.ndarray) -> np.ndarray:
        return relative_shortfall(*sums.T)

    one, other = (float(bias(sums.sum(axis=0))) for sums in (first, second))
    row = {"variable": name, "first": one, "second": other, "difference": other - one}
    if np.isnan(other - one):
        return row
    differences = [
        bias(counts[:, draw.n_first :] @ second) - bias(counts[:, : draw.n_first] @ first) for counts in draw.counts()
    ]
    ends = percentile_interval(np.concatenate(differences), draw.confidence)
    if not (bootstrap_varies(first) and bootstrap_varies(second)):
        ends = difference_limits(
            *(Interval(bias, *bias_bound(sums), len(sums)) for bias, sums in ((other, second), (one, first)))
        )
    row["difference_low"], row["difference_high"] = wide(*ends)
    pooled = np.concatenate([first, second])
    by_chance = np.concatenate(
        [bias(part.astype(float) @ pooled) - bias(1.0 * ~part @ pooled) for part in draw.of_second()]
    )
    by_chance = by_chance[~np.isnan(by_chance)]
    as_far = np.count_nonzero(np.abs(by_chance) >= abs(other - one) - 1e-12)
    return row | {"p_value": (1 + as_far) / (1 + len(by_chance))}
