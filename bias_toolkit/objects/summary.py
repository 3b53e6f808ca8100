"""Position and scale of a dataset and of each category in one table, and the columns that measure centring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bias_toolkit.foundation.false_discovery import q_values
from bias_toolkit.foundation.intervals import (
    FEWEST_IMAGES,
    Limits,
    expanded_confidence,
    few_differ,
    mean_bound,
    median_limits,
    share_interval,
    wide,
)
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.foundation.resampling import (
    enough_resamples,
    named_generator,
    percentile_interval,
    resample_counts,
    weighted_median,
)
from bias_toolkit.foundation.threads import ordered_map
from bias_toolkit.foundation.words import known
from bias_toolkit.objects.box_overlap import class_box_overlap
from bias_toolkit.objects.divergence import ResampledDivergence, corrected_divergence, divergence_interval
from bias_toolkit.objects.framing_variables import sample_of_images
from bias_toolkit.objects.maps import centre_histogram, null_histogram
from bias_toolkit.objects.null_model import (
    BIASES,
    Placements,
    bias_bound,
    bootstrap_varies,
    distance_sums,
    place_at_random,
    placement_p_value,
    relative_shortfall,
    with_null_model,
)
from bias_toolkit.objects.schema import FRAMING_SUMMARY
from bias_toolkit.objects.spread import ResampledSpread

WHOLE_DATASET = ""
OFTEN_TRUNCATED = 0.1
MOST_IMAGES = 100_000
"""Images by which a row describes a dataset or category."""
# A resample's divergence takes longer than its means. Many objects need fewer resamples, because their interval is
# narrow and the relative error of its ends then matters less.
DIVERGENCE_DRAWS = 100_000_000
FEWEST_DIVERGENCES = 400
IMAGES_OF_CATEGORY = 100
"""Images that a category counts for in the number of resamples, so that it falls from 100 categories on."""


def framing_summary(
    framing: pd.DataFrame,
    images: pd.DataFrame,
    *,
    by_class: bool = True,
    resamples: int = 2000,
    placements: int = 1000,
    seed: int = 0,
    progress: Progress = silent,
) -> pd.DataFrame:
    """How the objects are framed, compared with chance.

    Parameters
    ----------
    framing : the result of `position_and_scale`.
    images : columns image_id, width, height: the images to summarise. Objects of other images are left out.
    by_class : whether each category has a row too.
    seed : of the random numbers, which each category draws separately. So its row, except q-values, is independent.
    progress : counts each object twice: once in its category and once in the whole dataset.

    Returns
    -------
    The columns of `FRAMING_SUMMARY`; first the whole dataset, with the category "", then the categories in order.
    Of more than 100,000 images with an object, of the dataset or of a category, a seeded sample of 100,000 is
    described; n_images, n_objects and n_untruncated count all.
    `n_images` and `objects_per_image` count images that have an object. `centre_bias`, its interval and its p-value are
    null where every box fills its image. The columns `untruncated_…` are about the n_untruncated objects that stay away
    from the border, given that they do. `p_value` is two-sided; `q_value` is adjusted for the number of categories
    (`q_values`), and null for the whole dataset. Log scales are natural logarithms; log_scale_sd
    is the standard deviation (n − 1). The columns of `class_box_overlap` are from the function of that name.

    Intervals are 95% percentile intervals over resampled images with all their objects, expanded for few images
    (`expanded_confidence`), from fewer resamples of more than 10,000 images and of more than 100 categories
    (`enough_resamples`); for truncated_share, `share_interval`; for log_scale_sd, a bootstrap-t interval
    (`ResampledSpread`); for `divergence_bits`, the corrected divergence, `divergence_interval` from at least 400 of the
    resamples where there are over 50,000 objects. They are null for fewer than five images, for log_scale_sd for fewer
    than ten, and for divergence_bits for fewer than 40 objects. They never have zero width: see `bias_bound`,
    `median_limits` and `mean_bound` for data that a bootstrap cannot vary. How often they hold the true value is in
    benchmarks/COVERAGE.md.

    Examples
    --------
    Centre bias: 0 is chance, 1 is exactly in the middle.

    >>> from bias_toolkit import load_dataset
    >>> from bias_toolkit.objects import position_and_scale
    >>> dataset = load_dataset("photos/images.csv")
    >>> framing = position_and_scale(dataset.objects, dataset.images)
    >>> whole = framing_summary(framing, dataset.images, by_class=False).iloc[0]
    >>> bool(whole["centre_bias_low"] < whole["centre_bias"] < whole["centre_bias_high"])
    True
    """
    objects = with_null_model(framing[framing["image_id"].isin(images["image_id"])], images)
    # Objects without a category belong to the whole dataset only.
    objects = objects.assign(category=objects["category"].fillna(WHOLE_DATASET))
    of_category = enough_resamples(resamples, IMAGES_OF_CATEGORY * objects["category"].nunique())

    def described(group: tuple[str, pd.DataFrame]) -> tuple[_Placed, dict, int]:
        category, members = group
        sampled = _sampled(members, seed, category)
        placed = _Placed.draw(sampled, placements, seed, category)
        is_shown = by_class and category != WHOLE_DATASET
        row = _row(category, sampled, placed, of_category, seed) | _counts(members) if is_shown else {}
        return placed, row, len(members)

    everything = _Placed.draw(objects.iloc[:0], placements, seed, WHOLE_DATASET)
    rows = []
    with progress("Position and scale", total=2 * len(objects)) as advance:
        for placed, row, n_objects in ordered_map(described, objects.groupby("category", sort=True)):
            everything += placed
            rows += [row] if row else []
            advance(n_objects)
        whole = _sampled(objects, seed, WHOLE_DATASET)
        if len(whole) < len(objects):
            everything = _Placed.draw(whole, placements, seed, WHOLE_DATASET)
        rows.insert(0, _row(WHOLE_DATASET, whole, everything, resamples, seed) | _counts(objects))
        advance(len(objects))
    summary = pd.DataFrame(rows, columns=FRAMING_SUMMARY.names)
    overlap = class_box_overlap(objects[objects["category"].ne(WHOLE_DATASET)], seed=seed)
    for position, name in enumerate(("class_box_overlap", "class_box_overlap_low", "class_box_overlap_high")):
        summary[name] = summary["category"].map({category: each[position] for category, each in overlap.items()})
    is_category = summary["category"].ne(WHOLE_DATASET)
    for name in ("", "untruncated_"):
        summary[f"{name}q_value"] = q_values(summary[f"{name}p_value"].astype(float).where(is_category))
    return summary


@dataclass(frozen=True)
class _Placed:
    """Random placements of all objects, and of the untruncated ones given that none is truncated."""

    every: Placements
    untruncated: Placements

    @classmethod
    def draw(cls, objects: pd.DataFrame, placements: int, seed: int, category: str) -> _Placed:
        rng = named_generator(seed, f"placements/{category}")
        untruncated = objects[~objects["truncated"]]
        return cls(
            place_at_random(objects["a"].to_numpy(), objects["b"].to_numpy(), placements, rng),
            place_at_random(untruncated["inner_a"].to_numpy(), untruncated["inner_b"].to_numpy(), placements, rng),
        )

    def __add__(self, other: _Placed) -> _Placed:
        return _Placed(self.every + other.every, self.untruncated + other.untruncated)


def _sampled(objects: pd.DataFrame, seed: int, category: str) -> pd.DataFrame:
    """The objects by which a row describes a dataset or category."""
    return sample_of_images(objects, MOST_IMAGES, named_generator(seed, f"described/{category}"))


def _counts(objects: pd.DataFrame) -> dict[str, int]:
    n_untruncated = int((~objects["truncated"].astype(bool)).sum())
    return {
        "n_images": objects["image_id"].nunique(),
        "n_objects": len(objects),
        "n_untruncated": n_untruncated,
    }


def _row(category: str, objects: pd.DataFrame, placed: _Placed, resamples: int, seed: int) -> dict:
    untruncated = objects[~objects["truncated"]]
    row = {"category": category, **_counts(objects)}
    if objects.empty:
        return row
    observed, expected = objects["centre_distance"].sum(), objects["expected"].sum()
    inner_observed, inner_expected = untruncated["centre_distance"].sum(), untruncated["inner_expected"].sum()
    log_scale = np.log(objects["scale"])
    histograms = centre_histogram(objects), null_histogram(objects), placed.every.histograms
    row |= {
        "observed_centre_distance": observed / len(objects),
        "null_centre_distance": expected / len(objects),
        "centre_bias": float(relative_shortfall(observed, expected)),
        "p_value": placement_p_value(observed, expected, placed.every.distances),
        "divergence_bits": corrected_divergence(*histograms),
        "untruncated_centre_bias": float(relative_shortfall(inner_observed, inner_expected)),
        "untruncated_p_value": placement_p_value(inner_observed, inner_expected, placed.untruncated.distances),
        "median_scale": objects["scale"].median(),
        "log_scale_mean": log_scale.mean(),
        "log_scale_sd": log_scale.std(),
        "truncated_share": objects["truncated"].mean(),
        "mean_cx": objects["cx"].mean(),
        "mean_cy": objects["cy"].mean(),
        "median_aspect": objects["aspect"].median(),
        "objects_per_image": len(objects) / row["n_images"],
    }
    if row["n_images"] >= FEWEST_IMAGES:
        resamples = enough_resamples(resamples, row["n_images"])
        estimates = _bootstrap(objects, resamples, named_generator(seed, f"resamples/{category}"))
        rng = named_generator(seed, f"divergence/{category}")
        divergences = estimates.pop("divergence_bits")
        confidence = expanded_confidence(row["n_images"])
        intervals = {"divergence_bits": divergence_interval(*histograms, divergences, rng, confidence)}
        intervals |= _intervals(objects, row, estimates)
        for name, (low, high) in intervals.items():
            row[f"{name}_low"], row[f"{name}_high"] = low, high
    return row


def _intervals(objects: pd.DataFrame, row: Mapping[str, Any], estimates: dict[str, np.ndarray]) -> dict[str, Limits]:
    """The intervals of a row's estimates, by the rule of `foundation.intervals`, from those of resamples."""
    n_images = row["n_images"]
    confidence = expanded_confidence(n_images)
    ends = {name: wide(*percentile_interval(values, confidence)) for name, values in estimates.items()}
    ends["truncated_share"] = share_interval(
        row["truncated_share"], float(estimates["truncated_share"].std()), n_images
    )
    for name, column in (("median_scale", "scale"), ("median_aspect", "aspect")):
        ends[name] = median_limits(np.sort(objects[column].to_numpy()), estimates[name], confidence)
    for name in BIASES:
        sums = distance_sums(objects, name)
        if np.count_nonzero(sums[:, 1]) < FEWEST_IMAGES or not bootstrap_varies(sums):
            ends[name] = bias_bound(sums)
    image, _ = pd.factorize(objects["image_id"])
    spread = ResampledSpread(np.log(objects["scale"].to_numpy()), image)
    ends["log_scale_sd"] = spread.interval(estimates["log_scale_sd"], confidence)
    n = np.bincount(image)
    for name in ("mean_cx", "mean_cy"):
        sums = np.bincount(image, objects[name.removeprefix("mean_")])
        if few_differ(sums / n):
            ends[name] = mean_bound(row[name], n.sum() ** 2 / (n**2).sum())
    return ends


def _bootstrap(objects: pd.DataFrame, resamples: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A row's estimates in resamples of its images; arrays of shape (resamples,), shorter for the divergences.

    For log_scale_sd they are the deviations of `ResampledSpread`.
    """
    objects = objects.sort_values("scale", kind="stable")
    # Images are numbered in order of scale, so that reading counts in that order reads memory in sequence.
    image, _ = pd.factorize(objects["image_id"])
    n_images = int(image.max()) + 1
    scale, observed = objects["scale"].to_numpy(), objects["centre_distance"].to_numpy()
    untruncated = ~objects["truncated"].to_numpy()
    middle = np.log(scale).mean()
    deviation = np.log(scale) - middle
    per_object = (
        np.ones(len(scale)),
        observed,
        objects["expected"].to_numpy(),
        observed * untruncated,
        objects["inner_expected"].to_numpy() * untruncated,
        deviation,
        ~untruncated,
        objects["cx"].to_numpy() - 0.5,
        objects["cy"].to_numpy() - 0.5,
    )
    by_aspect = np.argsort(objects["aspect"].to_numpy(), kind="stable")
    aspect = objects["aspect"].to_numpy()[by_aspect]
    per_image = np.column_stack([np.bincount(image, column, n_images) for column in per_object])
    divergence, spread = ResampledDivergence(objects), ResampledSpread(deviation, image)
    enough, done = max(FEWEST_DIVERGENCES, DIVERGENCE_DRAWS // len(objects)), 0
    parts = []
    for counts in resample_counts([n_images], resamples, rng):
        n, observed_sum, expected_sum, inner_observed, inner_expected, deviations, cut, cx, cy = (counts @ per_image).T
        weights = counts[:, image]
        parts.append(
            {
                "centre_bias": relative_shortfall(observed_sum, expected_sum),
                "untruncated_centre_bias": relative_shortfall(inner_observed, inner_expected),
                "median_scale": weighted_median(scale, weights),
                "truncated_share": cut / n,
                "log_scale_mean": middle + deviations / n,
                "log_scale_sd": spread(counts),
                "mean_cx": 0.5 + cx / n,
                "mean_cy": 0.5 + cy / n,
                "median_aspect": weighted_median(aspect, weights[:, by_aspect]),
                "objects_per_image": n / n_images,
                "divergence_bits": divergence(weights[: max(enough - done, 0)]),
            }
        )
        done += len(counts)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@dataclass(frozen=True)
class Centring:
    """The columns of FRAMING_SUMMARY that belong to one estimate of centring."""

    column: str  # {"centre_bias", "untruncated_centre_bias"}
    p_value: str  # its p-value against random placements
    q_value: str  # the same corrected for the number of categories
    n_objects: str  # the number of objects that it is computed from


OF_ALL_OBJECTS = Centring("centre_bias", "p_value", "q_value", "n_objects")
OF_UNCUT_OBJECTS = Centring("untruncated_centre_bias", "untruncated_p_value", "untruncated_q_value", "n_untruncated")


def centring(row: Mapping[str, Any]) -> Centring:
    """The estimate of centring to report for a FRAMING_SUMMARY row.

    Where the middle of an object is whose box touches the border is not known. In one direction at least, such a box is
    as far from the centre as it can be, which lowers the estimate of centring. Where such boxes are frequent, the
    estimate for the other objects is reported.
    """
    often = known(row.get("truncated_share")) and row["truncated_share"] >= OFTEN_TRUNCATED
    return OF_UNCUT_OBJECTS if often and known(row.get("untruncated_centre_bias")) else OF_ALL_OBJECTS
