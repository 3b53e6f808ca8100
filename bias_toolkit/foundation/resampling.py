"""The bootstrap over images, in parts that fit in memory for any number of images.

A resample is stored as the number of times that each image was drawn, so a weighted sum replaces a copy of the data.
Source: B. Efron & R. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile interval).
"""

import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

CONFIDENCE = 0.95
CHUNK_ELEMENTS = 500_000
KEPT_ELEMENTS = 4 * CHUNK_ELEMENTS
DRAWS = 20_000_000
FEWEST_RESAMPLES = 400


def enough_resamples(resamples: int, n: int) -> int:
    """How many resamples of n images are drawn: `resamples`, or so many that 20 million images are drawn; 400 or more.

    The intervals of many images are narrow. With 400 resamples, the error of an end is about 7% of half the width.
    """
    return min(resamples, max(FEWEST_RESAMPLES, DRAWS // max(n, 1)))


def named_generator(seed: int, name: str) -> np.random.Generator:
    """The random generator for one purpose, independent of those for all other purposes under the same seed."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def permutations_within(
    values: np.ndarray, sizes: np.ndarray, permutations: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Permutations of values (n,) inside consecutive groups of these sizes: arrays (some, n), `permutations` in all."""
    ends = np.cumsum(sizes)
    rows = max(1, CHUNK_ELEMENTS // len(values))
    for done in range(0, permutations, rows):
        permuted = np.tile(values, (min(rows, permutations - done), 1))
        for start, end in zip(ends - sizes, ends, strict=True):
            permuted[:, start:end] = rng.permuted(permuted[:, start:end], axis=1)
        yield permuted


def resample_counts(strata: Sequence[int], resamples: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """The number of times that each of n images is drawn, in each of many bootstrap resamples.

    `strata` are the sizes of consecutive groups of images. Each group is resampled with replacement to its own size;
    `[n]` is the plain bootstrap. Yields whole numbers, float64 (rows, n), for some of the resamples at a time,
    `resamples` rows in all.
    """
    sizes = np.asarray(strata)
    n = int(sizes.sum())
    start = np.repeat(np.cumsum(sizes) - sizes, sizes)
    size = np.repeat(sizes, sizes)
    rows = max(1, CHUNK_ELEMENTS // max(n, 1))
    for done in range(0, resamples, rows):
        shape = (min(rows, resamples - done), n)
        if len(sizes) == 1:
            drawn = rng.integers(0, n, size=shape)
        else:
            drawn = start + (rng.random(shape) * size).astype(np.int64)
        drawn += np.arange(shape[0])[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=drawn.size).reshape(shape).astype(np.float64)


def means_of_resamples(values: np.ndarray, resamples: int, rng: np.random.Generator | int) -> np.ndarray:
    """Means over images of values (n, …) in bootstrap resamples of the images; shape (`enough_resamples`, …).

    `rng` is a generator, or the seed of a new one, whose draws are kept for other variables of as many images.
    """
    n = len(values)
    resamples = enough_resamples(resamples, n)
    if isinstance(rng, int) and values.ndim == 1 and n * resamples <= KEPT_ELEMENTS:
        return np.concatenate([np.take(values, some).sum(axis=1) / n for some in _kept_draws(n, resamples, rng)])
    rng = np.random.default_rng(rng)
    if values.ndim > 1:
        return np.concatenate([counts @ values / n for counts in resample_counts([n], resamples, rng)])
    # The same draws, three times as fast.
    return np.concatenate([np.take(values, some).sum(axis=1) / n for some in _draws(n, resamples, rng)])


def _draws(n: int, resamples: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """The images that are drawn in each resample, int (some, n), for some of the resamples at a time."""
    rows = max(1, CHUNK_ELEMENTS // max(n, 1))
    return (rng.integers(0, n, size=(min(rows, resamples - done), n)) for done in range(0, resamples, rows))


@lru_cache(maxsize=4)
def _kept_draws(n: int, resamples: int, seed: int) -> list[np.ndarray]:
    return list(_draws(n, resamples, np.random.default_rng(seed)))


def simultaneous_margin(values: np.ndarray, resamples: int, rng: np.random.Generator) -> float:
    """Half the width of the interval of a difference of two columns' means, valid for every pair of columns at once.

    It is the 95% quantile, over bootstrap resamples of rows, of the range of the columns' means about the columns' own
    means. No pair's difference deviates by more than that range, so the pair may be chosen after seeing the data.
    `values` is (images, columns). Source: J. Tukey's simultaneous intervals for all pairwise differences (the problem
    of multiple comparisons, 1953), with the bootstrap's range in place of the studentized range.
    """
    means = means_of_resamples(values - values.mean(axis=0), resamples, rng)
    return float(np.quantile(np.ptp(means, axis=1), CONFIDENCE))


def percentile_interval(estimates: np.ndarray, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The central interval of those bootstrap estimates that are not NaN; (NaN, NaN) if all are."""
    estimates = estimates[~np.isnan(estimates)]
    if not len(estimates):
        return np.nan, np.nan
    tail = (1 - confidence) / 2
    low, high = np.quantile(estimates, [tail, 1 - tail])
    return float(low), float(high)


def weighted_median(ascending: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Medians (samples,) of samples in which each `ascending` value is repeated: `counts` (samples, values)."""
    cumulative = np.cumsum(counts, axis=1)
    n = cumulative[:, -1]
    lower, upper = (ascending[np.argmax(cumulative > rank[:, None], axis=1)] for rank in ((n - 1) // 2, n // 2))
    return (lower + upper) / 2
