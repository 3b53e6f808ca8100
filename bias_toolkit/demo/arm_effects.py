"""What more augmentation and low-pass filters change in a training from scratch, over images and over seeds."""

import math
from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bias_toolkit.analysis.remedies import IF_RIGHT, paired_difference
from bias_toolkit.demo.argument import in_range
from bias_toolkit.demo.arms import ARM_MEASURES
from bias_toolkit.demo.findings import CHANGES, NETWORKS, Change, Heading
from bias_toolkit.foundation.false_discovery import with_family_intervals
from bias_toolkit.foundation.files import INTERVAL
from bias_toolkit.foundation.intervals import (
    DIFFERENCE,
    NONE,
    SHARE,
    Interval,
    Limits,
    difference_limits,
    mean_interval,
)
from bias_toolkit.foundation.resampling import CONFIDENCE
from bias_toolkit.invariance import HEADLINE
from bias_toolkit.models.training.arms import ARMS
from bias_toolkit.report import Finding
from bias_toolkit.report.words.finding import (
    NOT_FOUND_RANK,
    Estimate,
    Kind,
    Unit,
    clearest_of_family,
    estimate_of_row,
    limits_of_row,
)
from bias_toolkit.report.words.sentences import capitalised, in_points

NEITHER, AUGMENTED, FILTERED, BOTH = (arm.name for arm in ARMS)
"""The arm without a remedy, and those with one or both."""
ARM_LABELS = {
    NEITHER: "Neither",
    AUGMENTED: "More augmentation",
    FILTERED: "Low-pass filters",
    BOTH: "Both",
}
PLANE, BY_FRAMING = "arms", "arms-by-framing"
RANK = 22


def per_seed(measured: pd.DataFrame, network: str, dataset: str, arm: str, measure: str) -> pd.DataFrame:
    """A measure of an arm, by image (rows) and seed (columns), from table MEASURED.

    `IF_RIGHT` is P(top-1 change) where the centre view is right with and without the remedy; NaN elsewhere.
    """
    rows = measured[(measured["network"] == network) & (measured["dataset"] == dataset)]

    def wide(of: str, column: str) -> pd.DataFrame:
        return rows[rows["arm"] == of].pivot(index="image_id", columns="seed", values=column).astype(float)

    if measure != IF_RIGHT:
        return wide(arm, measure)
    return wide(arm, HEADLINE).where(wide(arm, "right").eq(1) & wide(NEITHER, "right").eq(1))


def with_seeds(over_images: Interval, of_seeds: ArrayLike, limits: Limits) -> Interval:
    """The interval of a mean over images and seeds that holds for other images and for trainings with other seeds.

    The two errors are taken as independent, and joined as in `difference_limits`: that over images, of the mean over
    these seeds, and Student's error of the mean over seeds. With three seeds, a difference of which one seed has the
    other sign is within the interval's reach of 0: its interval holds 0.

    `over_images` is the mean over seeds with its interval over images. `of_seeds` (seeds,) are the seeds' own means;
    there is no interval for fewer than two. `limits` are those of the values.
    """
    from scipy.stats import t

    of_seeds = np.asarray(of_seeds, dtype=float)
    if len(of_seeds) < 2:
        return over_images._replace(low=NONE[0], high=NONE[1])
    error = t.ppf((1 + CONFIDENCE) / 2, len(of_seeds) - 1) * of_seeds.std(ddof=1) / math.sqrt(len(of_seeds))
    low, high = difference_limits(over_images, Interval(0.0, -error, error, len(of_seeds)))
    return over_images._replace(low=max(low, limits[0]), high=min(high, limits[1]))


def arm_effects(measured: pd.DataFrame) -> pd.DataFrame:
    """Each arm's measures, and their differences to the arm without a remedy on the same images with the same seeds.

    `measured` is table MEASURED. Columns: network, dataset, arm, measure; `value` and `difference`, each with its 95%
    interval (`with_seeds`; `_low`, `_high`); n, the number of images, and `n_seeds`. The intervals of the differences
    of a measure are a family, over networks, test sets and arms.
    """
    rows = []
    networks, datasets = measured["network"].unique(), measured["dataset"].unique()
    for network, dataset, arm, measure in product(networks, datasets, ARM_LABELS, (*ARM_MEASURES, IF_RIGHT)):
        own, base = (per_seed(measured, network, dataset, each, measure) for each in (arm, NEITHER))
        if own.empty:
            continue
        value = with_seeds(mean_interval(own.mean(axis=1), limits=SHARE), own.mean(), SHARE)
        changes = own - base
        paired = paired_difference(changes.mean(axis=1).dropna().to_numpy())
        difference = with_seeds(paired, changes.mean(), DIFFERENCE)[:3] if arm != NEITHER else (np.nan,) * 3
        rows.append((network, dataset, arm, measure, *value[:3], *difference, value.n, own.shape[1]))
    names = [f"{name}{end}" for name in ("value", "difference") for end in INTERVAL]
    names = ["network", "dataset", "arm", "measure", *names, "n", "n_seeds"]
    families = [_family(family) for _, family in pd.DataFrame(rows, columns=names).groupby("measure", sort=False)]
    return pd.concat(families).sort_index()


def _family(rows: pd.DataFrame) -> pd.DataFrame:
    """The seeds are the fewest of what the intervals are over, so they give Student's degrees of freedom."""
    return with_family_intervals(rows, "difference", images="n_seeds", limits=DIFFERENCE)


def left_over(measured: pd.DataFrame, framing: pd.DataFrame) -> pd.DataFrame:
    """P(top-1 change) with both remedies for digits framed otherwise than in training, minus that as in training.

    One row for each network and `Change`: network, change (its place in `CHANGES`), value, low, high, n. The images are
    those of the change's last range, and of its usual one, on the varied digits; the intervals (`with_seeds`) are a
    family. `framing` has image_id, centre_distance and scale of the images of demo:uniform.
    """
    rows = []
    for network, (place, change) in product(measured["network"].unique(), enumerate(CHANGES)):
        values = per_seed(measured, network, "uniform", BOTH, HEADLINE)
        groups = [
            values.reindex(in_range(framing, change.by, ends)["image_id"]).dropna()
            for ends in (change.ranges[-1], change.usual)
        ]
        far, near = (mean_interval(group.mean(axis=1), limits=SHARE) for group in groups)
        apart = Interval(far.value - near.value, *difference_limits(far, near), far.n + near.n)
        rows.append((network, place, *with_seeds(apart, groups[0].mean() - groups[1].mean(), DIFFERENCE)))
    table = pd.DataFrame(rows, columns=["network", "change", "value", "low", "high", "n"])
    seeds = measured["seed"].nunique()
    return with_family_intervals(
        table.assign(n_seeds=seeds), "value", low="low", high="high", images="n_seeds", limits=DIFFERENCE
    )


def arm_findings(effects: pd.DataFrame, left: pd.DataFrame) -> list[Finding]:
    """For each network, what both remedies change, and what stays unstable with them."""
    findings = []
    for network in left["network"].unique():
        rows = effects[(effects["network"] == network) & (effects["dataset"] == "uniform")]
        findings.append(_both(network, rows))
        findings.append(_stays(network, left[left["network"] == network]))
    return findings


def verdict(findings: Sequence[Finding]) -> str:
    """Whether the paper's partial solution is seen, for each network; `findings` are those of `arm_findings`."""
    sentences = []
    for name, helps, stays in zip(NETWORKS.values(), findings[::2], findings[1::2], strict=True):
        directions = [finding.estimate and finding.estimate.direction for finding in (helps, stays)]
        if None in directions:
            continue
        is_seen = directions == [-1, 1]
        helped = "both remedies help" if directions[0] == -1 else "both remedies together were not found to help"
        kept = "some digits stay less stable than those framed as in training"
        if directions[1] != 1:
            kept = "no digits were found that stay less stable than those framed as in training"
        seen = "is visible" if is_seen else "is not visible"
        sentences.append(f"In {name} the partial solution {seen}: {helped}, and {kept}.")
    return " ".join(sentences)


def _both(network: str, rows: pd.DataFrame) -> Finding:
    """Whether a network that was trained with both remedies is more stable on the varied digits."""
    changes, accuracy = (rows[rows["measure"] == measure].set_index("arm") for measure in (HEADLINE, "accuracy"))
    row = changes.loc[BOTH]
    label = "P(top-1 change) on varied digits, with both remedies minus with neither"
    estimate = estimate_of_row(row, "difference", label, row["n"], unit=Unit.POINTS, nothing=0.0)
    name = NETWORKS[network]
    trained = f"Trained with more augmentation and low-pass filters, {name}"
    claim = {
        -1: f"{trained} is more stable on varied digits than trained with neither.",
        0: f"{trained} was not found to be more stable on varied digits than trained with neither.",
        1: f"{trained} is less stable on varied digits than trained with neither.",
        None: f"There are too few images or trainings to say what both remedies change in {name}.",
    }[estimate.direction]
    if estimate.direction is None:
        return Finding(Heading.REMEDIES, Kind.CAUTION, claim, estimate=estimate, rank=RANK + NOT_FOUND_RANK)
    evidence = [
        _change(accuracy.loc[BOTH], "Accuracy changes"),
        _change(changes.loc[AUGMENTED], "With more augmentation alone, P(top-1 change) changes"),
        _change(changes.loc[FILTERED], "With low-pass filters alone, it changes"),
    ]
    kind, rank = (Kind.EFFECT, RANK) if estimate.direction else (Kind.NONE, RANK + NOT_FOUND_RANK)
    return Finding(Heading.REMEDIES, kind, claim, " ".join(evidence), estimate=estimate, rank=rank, figure=PLANE)


def _change(row: Mapping[str, float], what: str) -> str:
    limits = limits_of_row(row, "difference", in_points)
    return f"{what} by {in_points(row['difference'])} points ({limits})."


def _stays(network: str, rows: pd.DataFrame) -> Finding:
    """Whether a framing is left that makes a network less stable, although it was trained with both remedies."""
    name = NETWORKS[network]
    known = rows[rows["low"].notna()]
    if known.empty:
        claim = f"There are too few images or trainings to say where {name} stays unstable with both remedies."
        return Finding(Heading.REMEDIES, Kind.CAUTION, claim, rank=RANK + 1 + NOT_FOUND_RANK)
    unstable = known[known["low"] > 0]
    asked = known if unstable.empty else unstable
    first, _ = clearest_of_family(asked["value"], asked["low"], asked["high"], 0.0)
    row = asked.iloc[first]
    change: Change = CHANGES[int(row["change"])]
    label = f"P(top-1 change) with both remedies, {change.place.format(*change.ranges[-1])}, {change.reference}"
    estimate = Estimate(
        "difference", label, row["value"], row["low"], row["high"], int(row["n"]), unit=Unit.POINTS, nothing=0.0
    )
    digit = capitalised(change.farthest)
    claim = {
        1: f"{digit} makes {name} less stable even if it was trained with both remedies.",
        0: f"With both remedies, no framing was found that makes {name} less stable than that in training.",
        -1: f"{digit} makes {name} more stable if it was trained with both remedies.",
    }[estimate.direction]
    evidence = (
        f"It is the clearest of {len(known)} framings. The interval is over images and over trainings with other seeds."
    )
    kind, rank = (Kind.EFFECT, RANK + 1) if estimate.direction else (Kind.NONE, RANK + 1 + NOT_FOUND_RANK)
    return Finding(Heading.REMEDIES, kind, claim, evidence, estimate=estimate, rank=rank, figure=BY_FRAMING)
