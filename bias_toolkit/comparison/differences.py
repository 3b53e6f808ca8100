"""The differences between two studies: of every measure, at like margin, by framing and by class."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa

from bias_toolkit.analysis.curve import quantile_curve
from bias_toolkit.analysis.remedies import IF_RIGHT, TENTHS
from bias_toolkit.analysis.summary import measure_mean
from bias_toolkit.comparison.studies import Compared, Pair
from bias_toolkit.foundation.false_discovery import with_family_intervals
from bias_toolkit.foundation.files import INTERVAL, columns
from bias_toolkit.foundation.intervals import (
    DIFFERENCE,
    FEW_IMAGES,
    FEWEST_IMAGES,
    NONE,
    SHARE,
    Interval,
    difference_limits,
    expanded_confidence,
    few_differ,
    paired_difference,
    wide,
)
from bias_toolkit.foundation.resampling import CONFIDENCE, enough_resamples, means_of_resamples, percentile_interval
from bias_toolkit.invariance import HEADLINE, measure_of

LIKE_MARGIN = f"{HEADLINE}_like_margin"
"""P(top-1 change) at like margin (`at_like_margin`)."""
OWN_MEASURES = (HEADLINE, "mac", "any_change", "accuracy", "worst_accuracy")
MEASURES = (*OWN_MEASURES, IF_RIGHT, LIKE_MARGIN)
FRAMING_VARIABLES = ("centre_distance", "scale")
FRAMING_BINS = 4
ROUNDING = 1e-5
"""Smaller differences of one image's measures are of float32's rounding in other batches, and count as none."""

_COMPARED = [*columns(pa.float64(), "value", "first"), *columns(pa.float64(), "difference", ends=INTERVAL)]
_COMPARED += columns(pa.int64(), "n")
MEANS = pa.schema(
    [*columns(pa.string(), "study", "measure"), *columns(pa.float64(), "value", ends=INTERVAL), ("n", pa.int64())]
)
"""One row per study and measure: the mean over all its images."""
DIFFERENCES = pa.schema([("study", pa.string()), ("paired", pa.bool_()), ("measure", pa.string()), *_COMPARED])
"""One row per pair and measure: the means of the study and of the first one over the n images that are compared, and
their difference. If they are not paired, n counts the images of both. The intervals are those of one family."""
BY_FRAMING = pa.schema(
    [
        *columns(pa.string(), "study", "variable"),
        ("bin", pa.int32()),
        *columns(pa.float64(), "left", "right"),
        *_COMPARED,
    ]
)
"""The same of P(top-1 change) in quantile bins of a variable of framing, in which `left` is excluded."""
BY_CLASS = pa.schema([*columns(pa.string(), "study", "label"), *_COMPARED])
"""The same in each class with at least five images."""


def measure_means(studies: Sequence[Compared], resamples: int, seed: int) -> pd.DataFrame:
    """Table MEANS."""
    rows = []
    for study in studies:
        for name in OWN_MEASURES:
            mean = measure_mean(study.images[name], measure_of(name), resamples, seed)
            if mean.n:
                rows.append((study.name, name, *mean))
    return pd.DataFrame(rows, columns=MEANS.names)


def measure_differences(pairs: Sequence[Pair], resamples: int, seed: int) -> pd.DataFrame:
    """Table DIFFERENCES."""
    rows = []
    for pair in pairs:
        for name in MEASURES:
            if name == LIKE_MARGIN:
                compared = at_like_margin(*pair.rows, pair.is_paired, resamples, seed)
            else:
                compared = _difference(pair, *_values(pair, name), name, resamples, seed)
            if compared[-1]:
                rows.append((pair.second.name, pair.is_paired, name, *compared))
    return _family(rows, DIFFERENCES)


def framing_differences(pairs: Sequence[Pair], resamples: int, seed: int) -> pd.DataFrame:
    """Table BY_FRAMING; of paired images, the framing is that of the first study."""
    rows = []
    for pair in pairs:
        for name in FRAMING_VARIABLES:
            second, first = (table[name] for table in pair.rows)
            framed = [first if pair.is_paired else second, first]
            known = pd.concat(framed).dropna()
            if known.empty:
                continue
            edges = np.unique(np.quantile(known, np.linspace(0, 1, FRAMING_BINS + 1), method="lower"))
            edges[0] = -np.inf
            for number, (left, right) in enumerate(pairwise(edges)):
                inside = [values.between(left, right, inclusive="right") for values in framed]
                parts = [table.loc[mask, HEADLINE] for table, mask in zip(pair.rows, inside, strict=True)]
                compared = _difference(pair, *parts, HEADLINE, resamples, seed)
                rows.append((pair.second.name, name, number, max(left, 0.0), right, *compared))
    return _family(rows, BY_FRAMING)


def class_differences(pairs: Sequence[Pair], resamples: int, seed: int) -> pd.DataFrame:
    """Table BY_CLASS; of paired images, the label is that of the first study."""
    rows = []
    for pair in pairs:
        second, first = pair.rows
        labels = first["label"] if pair.is_paired else second["label"]
        of_first, of_second = first.groupby(first["label"])[HEADLINE], second.groupby(labels)[HEADLINE]
        for label in sorted(of_first.groups.keys() & of_second.groups.keys()):
            parts = of_second.get_group(label), of_first.get_group(label)
            if min(map(len, parts)) >= FEWEST_IMAGES:
                rows.append((pair.second.name, label, *_difference(pair, *parts, HEADLINE, resamples, seed)))
    return _family(rows, BY_CLASS)


def distance_curves(studies: Sequence[Compared], resamples: int, seed: int) -> pd.DataFrame:
    """P(top-1 change) in tenths of each study's images by nn_distance in its own index: `quantile_curve` by study."""
    curves = [
        quantile_curve(
            each.images["nn_distance"], each.images[HEADLINE], TENTHS, resamples=resamples, seed=seed, limits=SHARE
        ).assign(study=each.name)
        for each in studies
    ]
    return pd.concat(curves, ignore_index=True)


def at_like_margin(
    second: pd.DataFrame, first: pd.DataFrame, is_paired: bool, resamples: int, seed: int
) -> tuple[float, ...]:
    """P(top-1 change) of two studies at like margin, their difference, its interval, and the number of images.

    The margins of both studies are pooled and cut into tenths. In each tenth in which both have images, the mean of the
    first is subtracted from that of the second. The result is the mean over these tenths, weighted by their numbers of
    images. So it is direct standardisation to the pooled margins. The interval is of percentiles of a bootstrap over
    images; the tenths stay as they are. Of paired images, an image is drawn with both of its margins. There is no
    interval where fewer than ten images differ in either study.

    `second` and `first` have a row an image, with the columns margin and p_top1_change.
    """
    pooled = np.concatenate([first["margin"], second["margin"]])
    n = len(first) if is_paired else len(pooled)
    if min(len(first), len(second)) < FEWEST_IMAGES:
        return np.nan, np.nan, np.nan, *NONE, n
    inner = np.unique(np.quantile(pooled, np.linspace(0, 1, TENTHS + 1)))[1:-1]
    cells = [_cells(table, inner) for table in (second, first)]
    values = _standardised(*(each.sum(axis=0) for each in cells))
    limits = NONE
    if not any(few_differ(table[HEADLINE].to_numpy(float)) for table in (second, first)):
        rng = np.random.default_rng(seed)
        if is_paired:
            drawn = np.split(means_of_resamples(np.hstack(cells), resamples, rng), 2, axis=1)
        else:
            # Of both studies as many, however many images each has.
            resamples = enough_resamples(resamples, max(map(len, cells)))
            drawn = [len(each) * means_of_resamples(each, resamples, rng) for each in cells]
        fewest = min(map(len, cells))
        confidence = expanded_confidence(fewest) if fewest < FEW_IMAGES else CONFIDENCE
        ends = _standardised(*drawn)
        limits = wide(*percentile_interval(ends[0] - ends[1], confidence))
    return *map(float, values), float(values[0] - values[1]), *limits, n


def _cells(table: pd.DataFrame, inner: np.ndarray) -> np.ndarray:
    """For each image and part of the margins, 1 and its value if it lies there: (images, 2 × parts)."""
    part = np.searchsorted(inner, table["margin"].to_numpy(), side="left")
    lies_in = (part[:, None] == np.arange(len(inner) + 1)).astype(float)
    return np.hstack([lies_in, lies_in * table[HEADLINE].to_numpy(float)[:, None]])


def _standardised(*sums: np.ndarray) -> tuple[np.ndarray, ...]:
    """The means of both studies over the parts in which both have images, from sums (…, 2 × parts) of `_cells`."""
    (n_second, of_second), (n_first, of_first) = (np.split(each, 2, axis=-1) for each in sums)
    weight = np.where((n_second > 0) & (n_first > 0), n_second + n_first, 0.0)
    parts = ((of_second, n_second), (of_first, n_first))
    means = (np.divide(total, n, out=np.zeros_like(total), where=n > 0) for total, n in parts)
    with np.errstate(invalid="ignore"):
        return tuple((weight * mean).sum(axis=-1) / weight.sum(axis=-1) for mean in means)


def _values(pair: Pair, name: str) -> Iterator[pd.Series]:
    """A measure of both studies' images; of those that both get right, or that each does if they are not paired."""
    if name != IF_RIGHT:
        yield from (table[name].astype(float) for table in pair.rows)
        return
    right = [table["right"].eq(1) for table in pair.rows]
    if pair.is_paired:
        right = [right[0] & right[1]] * 2
    yield from (table.loc[mask, HEADLINE].astype(float) for table, mask in zip(pair.rows, right, strict=True))


def _difference(
    pair: Pair, second: pd.Series, first: pd.Series, name: str, resamples: int, seed: int
) -> tuple[float, ...]:
    """The means of both studies, their difference, its interval, and n, from a measure of images."""
    if pair.is_paired:
        each = (second - first).dropna()
        paired = paired_difference(each.where(each.abs() > ROUNDING, 0.0).to_numpy(), resamples, seed)
        return second[each.index].mean(), first[each.index].mean(), *paired
    kind = measure_of(HEADLINE if name == IF_RIGHT else name)
    own, other = (measure_mean(values.dropna(), kind, resamples, seed) for values in (second, first))
    n = own.n + other.n if own.n and other.n else 0
    return own.value, other.value, *Interval(own.value - other.value, *difference_limits(own, other), n)


def _family(rows: Sequence[tuple[object, ...]], schema: pa.Schema) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=schema.names)
    return with_family_intervals(table, "difference", images="n", limits=DIFFERENCE) if len(table) else table
