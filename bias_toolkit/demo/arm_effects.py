"""What more augmentation and low-pass filters change in a training from scratch, over images and over seeds."""

import math
from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bias_toolkit.analysis import bin_contrasts
from bias_toolkit.analysis.remedies import IF_RIGHT
from bias_toolkit.demo.arms import ARM_MEASURES
from bias_toolkit.demo.findings import NETWORKS, Heading
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
    paired_difference,
)
from bias_toolkit.foundation.resampling import CONFIDENCE
from bias_toolkit.foundation.words import interval
from bias_toolkit.invariance import HEADLINE
from bias_toolkit.models.training.arms import ARMS
from bias_toolkit.report import Finding
from bias_toolkit.report.words.finding import (
    NOT_FOUND_RANK,
    Estimate,
    Kind,
    Unit,
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


def by_seed(measured: pd.DataFrame) -> pd.DataFrame:
    """Table MEASURED with a row for each network, test set and image, and a column for each measure, arm and seed."""
    values = [*ARM_MEASURES, "right"]
    numbers = measured.astype(dict.fromkeys(values, float))
    wide = numbers.pivot(index=["network", "dataset", "image_id"], columns=["arm", "seed"], values=values)
    return wide.sort_index(axis=1)


def per_seed(measured: pd.DataFrame, network: str, dataset: str, arm: str, measure: str) -> pd.DataFrame:
    """A measure of an arm, by image (rows) and seed (columns), from the result of `by_seed`.

    `IF_RIGHT` is P(top-1 change) where the centre view is right with and without the remedy; NaN elsewhere.
    """
    return _of_arm(measured.loc[(network, dataset)], arm, measure)


def _of_arm(rows: pd.DataFrame, arm: str, measure: str) -> pd.DataFrame:
    if measure != IF_RIGHT:
        return rows[measure, arm]
    return rows[HEADLINE, arm].where(rows["right", arm].eq(1) & rows["right", NEITHER].eq(1))


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

    `measured` is the result of `by_seed`. Columns: network, dataset, arm, measure; `value` and `difference`, each with
    its 95% interval (`with_seeds`; `_low`, `_high`); n, the number of images, and `n_seeds`. The intervals of the
    differences of a measure are a family, over networks, test sets and arms.
    """
    rows = []
    networks, datasets = measured.index.unique("network"), measured.index.unique("dataset")
    for network, dataset in product(networks, datasets):
        shown = measured.loc[(network, dataset)]
        for arm, measure in product(ARM_LABELS, (*ARM_MEASURES, IF_RIGHT)):
            own = _of_arm(shown, arm, measure)
            value = with_seeds(mean_interval(own.mean(axis=1), limits=SHARE), own.mean(), SHARE)
            difference = (np.nan,) * 3
            if arm != NEITHER:
                changes = own - _of_arm(shown, NEITHER, measure)
                paired = paired_difference(changes.mean(axis=1).dropna().to_numpy())
                difference = with_seeds(paired, changes.mean(), DIFFERENCE)[:3]
            rows.append((network, dataset, arm, measure, *value[:3], *difference, value.n, own.shape[1]))
    names = [f"{name}{end}" for name in ("value", "difference") for end in INTERVAL]
    names = ["network", "dataset", "arm", "measure", *names, "n", "n_seeds"]
    families = [_family(family) for _, family in pd.DataFrame(rows, columns=names).groupby("measure", sort=False)]
    return pd.concat(families).sort_index()


def _family(rows: pd.DataFrame) -> pd.DataFrame:
    """The seeds are the fewest of what the intervals are over, so they give Student's degrees of freedom."""
    return with_family_intervals(rows, "difference", images="n_seeds", limits=DIFFERENCE)


def left_over(measured: pd.DataFrame) -> pd.DataFrame:
    """P(top-1 change) on the varied digits minus that on digits framed as in training, for each network and arm.

    Columns: network, arm, value, low, high (`with_seeds`, a family), n, n_seeds. The interval over images is that of
    `bin_contrasts`.
    """
    rows = []
    for network, arm in product(measured.index.unique("network"), ARM_LABELS):
        groups = [per_seed(measured, network, dataset, arm, HEADLINE) for dataset in ("photographer", "uniform")]
        of_seeds = groups[1].mean() - groups[0].mean()
        for apart in bin_contrasts([group.mean(axis=1).to_numpy() for group in groups], reference=0):
            over_images = Interval(apart.value, apart.low, apart.high, apart.n)
            rows.append((network, arm, *with_seeds(over_images, of_seeds, DIFFERENCE), len(of_seeds)))
    table = pd.DataFrame(rows, columns=["network", "arm", "value", "low", "high", "n", "n_seeds"])
    return with_family_intervals(table, "value", low="low", high="high", images="n_seeds", limits=DIFFERENCE)


def arm_findings(effects: pd.DataFrame, left: pd.DataFrame) -> list[Finding]:
    """For each network, what both remedies change, and what stays unstable with them."""
    findings = []
    for network in effects["network"].unique():
        rows = effects[(effects["network"] == network) & (effects["dataset"] == "uniform")]
        findings.append(_both(network, rows))
        findings.append(_stays(network, left[left["network"] == network].set_index("arm")))
    return findings


def verdict(findings: Sequence[Finding]) -> list[str]:
    """Whether it is seen in each network that the remedies help in part; `findings` are those of `arm_findings`."""
    sentences = []
    for name, helps, stays in zip(NETWORKS.values(), findings[::2], findings[1::2], strict=True):
        directions = [finding.estimate and finding.estimate.direction for finding in (helps, stays)]
        if None in directions:
            continue
        seen = "the help is partial" if directions == [-1, 1] else "a partial help is not visible"
        helped = "help" if directions[0] == -1 else "were not found to help"
        is_less = "is still" if directions[1] == 1 else "was not found to be"
        sentences.append(
            f"In {name}, {seen}: both remedies together {helped}, and with both it {is_less} less stable on "
            "varied digits than on digits framed as in training."
        )
    return sentences


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
    """Whether a network that was trained with both remedies is less stable on digits unlike the training digits."""
    name = f"{NETWORKS[network]} that was trained with both remedies"
    if BOTH not in rows.index:
        claim = f"There are too few images to say whether {name} stays less stable on varied digits."
        return Finding(Heading.REMEDIES, Kind.CAUTION, claim, rank=RANK + 1 + NOT_FOUND_RANK)
    row = rows.loc[BOTH]
    label = "P(top-1 change) on varied digits, minus that on digits framed as in training, with both remedies"
    ends = row["low"], row["high"]
    estimate = Estimate("difference", label, row["value"], *ends, int(row["n"]), unit=Unit.POINTS, nothing=0.0)
    claim = {
        1: f"{capitalised(name)} is still less stable on varied digits than on digits framed as in training.",
        0: f"{capitalised(name)} was not found to be less stable on varied digits than on those as in training.",
        -1: f"{capitalised(name)} is more stable on varied digits than on digits framed as in training.",
        None: f"There are too few trainings to say whether {name} stays less stable on varied digits.",
    }[estimate.direction]
    if estimate.direction is None:
        return Finding(Heading.REMEDIES, Kind.CAUTION, claim, estimate=estimate, rank=RANK + 1 + NOT_FOUND_RANK)
    base = rows.loc[NEITHER]
    evidence = (
        f"With neither remedy, the difference is {in_points(base['value'])} points "
        f"({interval(base['low'], base['high'], in_points)})."
    )
    kind, rank = (Kind.EFFECT, RANK + 1) if estimate.direction else (Kind.NONE, RANK + 1 + NOT_FOUND_RANK)
    return Finding(Heading.REMEDIES, kind, claim, evidence, estimate=estimate, rank=rank, figure=BY_FRAMING)
