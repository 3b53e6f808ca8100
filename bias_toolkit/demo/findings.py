"""The demo's answers and findings: sentences that follow from its numbers."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import pandas as pd

from bias_toolkit.analysis import BinContrast, bin_contrasts, clearest, mean_interval
from bias_toolkit.demo.argument import QUINTILES, Range, change_contrasts, distance_contrasts, in_range
from bias_toolkit.foundation.intervals import DIFFERENCE
from bias_toolkit.foundation.words import number, percent
from bias_toolkit.report import Finding
from bias_toolkit.report.words.finding import NOT_FOUND_RANK, Estimate, Kind, Unit
from bias_toolkit.report.words.sentences import three_digits


class Heading(StrEnum):
    """The headings of the demo's findings."""

    LEARNT = "Where invariance is learnt"
    POSITION = "Position"
    SCALE = "Scale"
    FRAMED_ANEW = "Framed anew"
    LAW = "The law that placed the objects"


FIGURE, DISTANCE_FIGURE = "argument", "distance"
MIDDLE, OFF_CENTRE = (0.0, 0.1), ((0.1, 0.2), (0.2, 0.3), (0.3, 0.5))
TRAINED, SMALLER, LARGER = (0.35, 0.55), ((0.2, 0.25), (0.25, 0.35)), ((0.55, 0.8),)
# The width of a 95% interval in standard errors; an estimate exceeds chance at one in a thousand.
WIDTH, BEYOND_CHANCE = 3.92, 3.29
QUANTITIES = {
    "centre_bias": "centre bias",
    "log_scale_mean": "mean of log scale",
    "log_scale_sd": "standard deviation of log scale",
}
AT_ONCE = "The interval holds for all bins of its curve at once."


class Change(NamedTuple):
    """A change of the framing, in words."""

    heading: Heading
    claim: str  # of an object
    place: str  # of the bin, with its ends in braces
    reference: str
    rank: int


POSITION = Change(
    Heading.POSITION,
    "an object off centre",
    "At the trained scale, P(top-1 change) with the object’s centre {:.1f} to {:.1f} widths off the middle",
    "minus that within 0.1",
    20,
)
SCALE = "Near the middle, P(top-1 change) at scales {:.2f} to {:.2f}"
SMALL = Change(Heading.SCALE, "an object smaller than in training", SCALE, "minus that at 0.35 to 0.55", 25)
LARGE = SMALL._replace(claim="an object larger than in training")


def law_findings(law: pd.DataFrame) -> list[Finding]:
    """Whether the boxes agree with the law that placed the objects, for each demo dataset."""
    findings = []
    for dataset, rows in law.groupby("dataset", sort=False):
        errors = (rows["estimate"] - rows["law"]).abs() / ((rows["high"] - rows["low"]) / WIDTH)
        wrong = errors.gt(BEYOND_CHANCE)
        names = " and ".join(QUANTITIES[quantity] for quantity in rows["quantity"][wrong])
        kind, claim = Kind.FACT, f"The boxes of demo:{dataset} give back the law that placed them."
        if names:
            kind = Kind.CAUTION
            claim = f"The boxes of demo:{dataset} do not give back the law that placed them: {names}."
        first = rows.loc[errors.idxmax()] if names else rows.iloc[0]
        label = QUANTITIES[first["quantity"]]
        estimate = Estimate(
            first["quantity"],
            label[0].upper() + label[1:],
            *(first[name] for name in ("estimate", "low", "high")),
            int(first["n_objects"]),
            "object",
            Unit.SIGNIFICANT,
        )
        evidence = f"By the law it is {three_digits(first['law'])}."
        findings.append(Finding(Heading.LAW, kind, claim, evidence, estimate=estimate, rank=10 if names else None))
    return findings


def learnt_answer(network: str, words: str, usual: pd.DataFrame, varied: pd.DataFrame) -> Finding:
    """Whether a network is less stable on the varied digits than on those framed as in training (per-image tables).

    `words` name the network in the claim.
    """
    groups = [table["p_top1_change"].to_numpy(float) for table in (usual, varied)]
    estimate = _difference(
        bin_contrasts(groups, reference=0)[0],
        "P(top-1 change) on varied digits, minus that on digits framed as in training",
    )
    kind, claim = {
        1: (Kind.EFFECT, f"{words} is less stable on varied digits than on digits framed as in training."),
        0: (
            Kind.NONE,
            f"{words} was not found to be less stable on varied digits than on those as in training.",
        ),
        -1: (Kind.EFFECT, f"{words} is more stable on varied digits than on digits framed as in training."),
    }[estimate.direction]
    evidence = f"P(top-1 change) is {_means(varied, usual)}."
    return Finding(Heading.LEARNT, kind, f"{network}: {claim}", evidence, estimate=estimate)


def control_answer(network: str, words: str, centred: pd.DataFrame, control: pd.DataFrame) -> Finding:
    """Whether the same network is more stable on the same varied digits, if its training digits are varied too.

    `centred` and `control` are the per-image tables of the two networks on the same images.
    """
    pairs = centred.merge(control, on="image_id", suffixes=("", "_control"), validate="one_to_one")
    interval = mean_interval(pairs["p_top1_change"] - pairs["p_top1_change_control"], limits=DIFFERENCE)
    estimate = Estimate(
        "difference",
        "P(top-1 change) on varied digits if trained on centred ones, minus that if trained on varied ones",
        interval.value,
        interval.low,
        interval.high,
        interval.n,
        unit=Unit.POINTS,
        nothing=0.0,
    )
    trained = f"Trained on varied digits, {words}"
    kind, claim = {
        1: (Kind.EFFECT, f"{trained} is more stable on the same images than trained on centred ones."),
        0: (Kind.NONE, f"{trained} was not found to be more stable on the same images than trained on centred ones."),
        -1: (Kind.EFFECT, f"{trained} is less stable on the same images than trained on centred ones."),
    }[estimate.direction]
    evidence = f"P(top-1 change) is {_means(control, centred)}."
    return Finding(Heading.LEARNT, kind, f"{network}: {claim}", evidence, estimate=estimate)


def framing_findings(network: str, per_image: pd.DataFrame, first: bool = True) -> list[Finding]:
    """The effect of an off-centre position and of another scale on a network, on the uniform test set.

    Every bin of the figure is compared with the one that is framed as in training. `first` is whether the findings may
    be among those that the page shows first.
    """
    off_centre = change_contrasts(per_image, "off_centre", MIDDLE, OFF_CENTRE)
    scales = change_contrasts(per_image, "scale", TRAINED, (*SMALLER, *LARGER))
    smaller, larger = ([each for each in scales if (each.bin > len(SMALLER)) == large] for large in (False, True))
    return [
        _effect(network, POSITION, "off_centre", off_centre, OFF_CENTRE, per_image, first),
        _effect(network, SMALL, "scale", smaller, (*SMALLER, *LARGER), per_image, first),
        _effect(network, LARGE, "scale", larger, (*SMALLER, *LARGER), per_image, first),
    ]


def distance_finding(network: str, per_image: pd.DataFrame) -> Finding:
    """Whether a network is less stable on the images that are far from its training images, on the uniform test set."""
    found = clearest(distance_contrasts(per_image))
    if found is None:
        claim = f"{network}: too few images to say whether those far from the training images are less stable."
        return Finding(Heading.LEARNT, Kind.CAUTION, claim)
    fifth = "the farthest fifth" if found.bin + 1 == QUINTILES else f"fifth {found.bin + 1}"
    label = f"P(top-1 change) in {fifth} of the images by distance, minus that in the nearest fifth"
    estimate = _difference(found, label)
    kind, claim = {
        1: (Kind.ASSOCIATION, "less stable on images far from its training images."),
        0: (Kind.NONE, "no loss of stability on images far from its training images was found."),
        -1: (Kind.ASSOCIATION, "more stable on images far from its training images."),
    }[estimate.direction]
    return Finding(
        Heading.LEARNT, kind, f"{network}: {claim}", AT_ONCE, estimate=estimate, figure=DISTANCE_FIGURE, rank=30
    )


def _effect(
    network: str,
    change: Change,
    by: str,
    contrasts: Sequence[BinContrast],
    ranges: Sequence[Range],
    per_image: pd.DataFrame,
    first: bool,
) -> Finding:
    found = clearest(contrasts)
    if found is None:
        claim = f"{network}: too few images to say whether {change.claim} makes it less stable."
        return Finding(change.heading, Kind.CAUTION, claim)
    there = in_range(per_image, by, ranges[found.bin - 1])
    usual = in_range(per_image, by, MIDDLE if by == "off_centre" else TRAINED)
    label = f"{change.place.format(*ranges[found.bin - 1])}, {change.reference}"
    estimate = _difference(found, label)
    kind, claim = {
        1: (Kind.EFFECT, f"{change.claim} makes it less stable."),
        0: (Kind.NONE, f"no loss of stability with {change.claim} was found."),
        -1: (Kind.EFFECT, f"{change.claim} makes it more stable."),
    }[estimate.direction]
    rank = (change.rank if estimate.direction else change.rank + NOT_FOUND_RANK) if first else None
    evidence = f"P(top-1 change) is {_means(there, usual)}. {AT_ONCE}"
    return Finding(change.heading, kind, f"{network}: {claim}", evidence, estimate=estimate, figure=FIGURE, rank=rank)


def _difference(contrast: BinContrast, label: str) -> Estimate:
    value, low, high = contrast.value, max(contrast.low, -1.0), min(contrast.high, 1.0)
    return Estimate("difference", label, value, low, high, contrast.n, unit=Unit.POINTS, nothing=0.0)


def _means(there: pd.DataFrame, usual: pd.DataFrame) -> str:
    """Every measure of some images, against the same of others."""

    def against(column: str, form: object = percent) -> str:
        return f"{form(there[column].mean())} against {form(usual[column].mean())}"

    return f"{against('p_top1_change')}, MAC {against('mac', number)}, accuracy {against('accuracy')}"


def network_findings(per_image: Mapping[str, pd.DataFrame], controls: Sequence[str]) -> list[Finding]:
    """The findings on each network, by its per-image table on the uniform test set; those on controls are not first."""
    findings = []
    for network, table in per_image.items():
        findings += [distance_finding(network, table), *framing_findings(network, table, network not in controls)]
    return sorted(findings, key=lambda finding: list(Heading).index(finding.topic))
