"""The demo's answers and findings: sentences that follow from its numbers."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import pandas as pd

from bias_toolkit.analysis import BinContrast, bin_contrasts, clearest, mean_interval
from bias_toolkit.demo.argument import QUINTILES, Range, change_contrasts, distance_contrasts, in_range
from bias_toolkit.foundation.false_discovery import family_intervals
from bias_toolkit.foundation.intervals import DIFFERENCE
from bias_toolkit.foundation.words import count, interval, number, percent
from bias_toolkit.report import Finding
from bias_toolkit.report.words.finding import NOT_FOUND_RANK, Estimate, Kind, Unit
from bias_toolkit.report.words.sentences import capitalised, in_points, three_digits


class Heading(StrEnum):
    """The headings of the demo's findings."""

    LEARNT = "Where invariance is learnt"
    POSITION = "Position"
    SCALE = "Scale"
    CONTROL = "The same networks, trained on varied digits"
    FRAMED_ANEW = "Framed anew"
    REMEDIES = "What helps"
    LAW = "The law that placed the objects"


NETWORKS = {"fully-connected": "the fully connected network", "global-pooling": "the pooling network"}
"""The networks that were trained on centred digits, and what they are called in a sentence."""

CONTROLS = {network: f"{network}-uniform" for network in NETWORKS}
"""The same networks, trained on digits of every position and scale."""

FIGURE, DISTANCE_FIGURE = "argument", "distance"
MIDDLE, OFF_CENTRE = (0.0, 0.1), ((0.1, 0.2), (0.2, 0.3), (0.3, 0.5))
TRAINED, SMALLER, LARGER = (0.35, 0.55), ((0.25, 0.35), (0.2, 0.25)), ((0.55, 0.8),)
CONTROL_RANK = 19
MOST_DIGITS = 4
QUANTITIES = {
    "centre_bias": "centre bias",
    "log_scale_mean": "mean of log scale",
    "log_scale_sd": "standard deviation of log scale",
}
AT_ONCE = "The interval holds for all bins of its curve at once."


class Change(NamedTuple):
    """A change of the framing, in words. Its last range is the farthest from the training digits."""

    heading: Heading
    by: str  # the column of its bins: off_centre or scale
    ranges: Sequence[Range]
    usual: Range  # where the training digits are
    farthest: str  # a digit in the last of the ranges
    some: str  # a digit in any of them
    place: str  # of a range, with its ends in braces
    reference: str
    rank: int


POSITION = Change(
    Heading.POSITION,
    "off_centre",
    OFF_CENTRE,
    MIDDLE,
    "a digit far off centre",
    "a digit at some distance off centre",
    "at the trained scale, with the digit’s centre {:.1f} to {:.1f} widths off the middle",
    "minus that within 0.1",
    20,
)
SCALE = "near the middle, at scales {:.2f} to {:.2f}"
SMALL = Change(
    Heading.SCALE,
    "scale",
    SMALLER,
    TRAINED,
    "a digit much smaller than in training",
    "a digit of some smaller scale than in training",
    SCALE,
    "minus that at 0.35 to 0.55",
    25,
)
LARGE = SMALL._replace(
    ranges=LARGER,
    farthest="a digit larger than in training",
    some="a digit larger than in training",
)
CHANGES = (POSITION, SMALL, LARGE)


def law_findings(law: pd.DataFrame) -> list[Finding]:
    """Whether the boxes agree with the law that placed the objects, for each demo dataset; `law` is from `law_table`.

    The number is the one that departs most from the law, in widths of its interval.
    """
    findings = []
    for dataset, rows in law.groupby("dataset", sort=False):
        rows = rows.reset_index(drop=True)
        wrong = (rows["low"] > rows["law"]) | (rows["high"] < rows["law"])
        first = rows.loc[((rows["estimate"] - rows["law"]).abs() / (rows["high"] - rows["low"])).idxmax()]
        kind, claim = (
            Kind.NONE,
            f"No difference between the boxes of demo:{dataset} and the law that placed them was found.",
        )
        if wrong.any():
            names = " and ".join(QUANTITIES[quantity] for quantity in rows["quantity"][wrong])
            kind = Kind.CAUTION
            claim = f"The boxes of demo:{dataset} differ from the law that placed them: {names}."
        label, law_says = capitalised(QUANTITIES[first["quantity"]]), float(first["law"])
        ends = (first[name] for name in ("estimate", "low", "high"))
        n = int(first["n_objects"])
        estimate = Estimate(first["quantity"], label, *ends, n, "object", Unit.SIGNIFICANT, law_says)
        evidence = f"By the law it is {three_digits(law_says)}."
        if not wrong.any() and not first["own_low"] <= law_says <= first["own_high"]:
            own = interval(first["own_low"], first["own_high"], three_digits)
            evidence += (
                f" Its own 95% interval, {own}, leaves the law out; that adjusted for {len(law)} numbers does not."
            )
        rank = 10 if wrong.any() else None
        findings.append(Finding(Heading.LAW, kind, claim, evidence, estimate=estimate, rank=rank))
    return findings


def learnt_answer(network: str, usual: pd.DataFrame, varied: pd.DataFrame) -> Finding:
    """Whether a network is less stable on the varied digits than on those framed as in training (per-image tables)."""
    groups = [table["p_top1_change"].to_numpy(float) for table in (usual, varied)]
    estimate = _difference(
        bin_contrasts(groups, reference=0)[0],
        "P(top-1 change) on varied digits, minus that on digits framed as in training",
    )
    name = capitalised(NETWORKS[network])
    kind, claim = {
        1: (Kind.EFFECT, f"{name} is less stable on varied digits than on digits framed as in training."),
        0: (Kind.NONE, f"{name} was not found to be less stable on varied digits than on those as in training."),
        -1: (Kind.EFFECT, f"{name} is more stable on varied digits than on digits framed as in training."),
    }[estimate.direction]
    return Finding(Heading.LEARNT, kind, claim, f"P(top-1 change) is {_means(varied, usual)}.", estimate=estimate)


def control_answer(network: str, centred: pd.DataFrame, control: pd.DataFrame) -> Finding:
    """Whether the same network is more stable on the same varied digits, if its training digits are varied too.

    `centred` and `control` are the per-image tables of the two networks on the same images.
    """
    pairs = _pairs(centred, control)
    estimate = _trained_otherwise("on varied digits", pairs)
    trained = f"Trained on varied digits, {NETWORKS[network]}"
    kind, claim = {
        1: (Kind.EFFECT, f"{trained} is more stable on the same images than trained on centred ones."),
        0: (Kind.NONE, f"{trained} was not found to be more stable on the same images than trained on centred ones."),
        -1: (Kind.EFFECT, f"{trained} is less stable on the same images than trained on centred ones."),
    }[estimate.direction]
    evidence = f"P(top-1 change) is {_means(control, centred)}. {_both_right(pairs)}".strip()
    return Finding(Heading.CONTROL, kind, claim, evidence, estimate=estimate, figure=FIGURE, rank=CONTROL_RANK)


def _both_right(pairs: pd.DataFrame) -> str:
    """The difference among the images that both networks get right: accuracy alone makes a network stable."""
    right = pairs[(pairs["accuracy"] > 0.5) & (pairs["accuracy_control"] > 0.5)]
    difference = mean_interval(right["p_top1_change"] - right["p_top1_change_control"], limits=DIFFERENCE)
    if np.isnan(difference.low):
        return ""
    limits = interval(difference.low, difference.high, in_points)
    return (
        f"Among the {count(difference.n, 'image')} that both get right on most views, the difference is "
        f"{in_points(difference.value)} points ({limits})."
    )


def control_findings(tables: Mapping[str, pd.DataFrame]) -> list[Finding]:
    """Whether training on varied digits makes each network more stable where its centred digits never were.

    `tables` has the per-image tables of all networks and controls on the same images. The images are those of the last
    range of each change; the intervals are a family.
    """
    asked = []
    for network, control in CONTROLS.items():
        for change in CHANGES:
            pairs = _pairs(in_range(tables[network], change.by, change.ranges[-1]), tables[control])
            place = change.place.format(*change.ranges[-1])
            asked.append((network, change, pairs, _trained_otherwise(place, pairs)))
    numbers = ([getattr(estimate, name) for *_, estimate in asked] for name in ("value", "low", "high"))
    value, low, high = (np.array(list(each), dtype=float) for each in numbers)
    ends = family_intervals(value, low, high, images=[estimate.n for *_, estimate in asked], limits=DIFFERENCE)
    findings = []
    for (network, change, pairs, estimate), low, high in zip(asked, *ends, strict=True):
        estimate = Estimate(**vars(estimate) | {"low": float(low), "high": float(high)})
        trained = f"With {change.farthest.replace('in training', 'the centred training digits')},"
        name = NETWORKS[network]
        kind, claim = {
            1: (Kind.EFFECT, f"{trained} {name} is more stable if it was trained on varied digits."),
            0: (Kind.NONE, f"{trained} {name} was not found to be more stable if it was trained on varied digits."),
            -1: (Kind.EFFECT, f"{trained} {name} is less stable if it was trained on varied digits."),
            None: (Kind.CAUTION, f"{trained} there are too few images to compare {name} with its control."),
        }[estimate.direction]
        control = pairs[["p_top1_change_control", "mac_control", "accuracy_control"]]
        control = control.rename(columns=lambda column: column.removesuffix("_control"))
        evidence = f"Trained on varied digits, P(top-1 change) is {_means(control, pairs)} trained on centred ones."
        findings.append(
            Finding(Heading.CONTROL, kind, claim, evidence if len(pairs) else "", estimate=estimate, figure=FIGURE)
        )
    return findings


def _pairs(centred: pd.DataFrame, control: pd.DataFrame) -> pd.DataFrame:
    return centred.merge(control, on="image_id", suffixes=("", "_control"), validate="one_to_one")


def _trained_otherwise(place: str, pairs: pd.DataFrame) -> Estimate:
    """P(top-1 change) of a network minus that of its control, image by image."""
    label = f"P(top-1 change) {place}, if trained on centred digits, minus that if trained on varied ones"
    difference = mean_interval(pairs["p_top1_change"] - pairs["p_top1_change_control"], limits=DIFFERENCE)
    return Estimate("difference", label, *difference, unit=Unit.POINTS, nothing=0.0)


def framing_findings(network: str, per_image: pd.DataFrame) -> list[Finding]:
    """The effect of an off-centre position and of another scale on a network, on the uniform test set.

    Every bin of the figure is compared with the one that is framed as in training. The number is that of the bin that
    is farthest from the training digits, unless it is not found and that of another bin is.
    """
    findings = []
    for change in CHANGES:
        ranges = [each for other in CHANGES if other.by == change.by for each in other.ranges]
        contrasts = [
            each
            for each in change_contrasts(per_image, change.by, change.usual, ranges)
            if ranges[each.bin - 1] in change.ranges
        ]
        findings.append(_effect(network, change, contrasts, ranges, per_image))
    return findings


def distance_finding(network: str, per_image: pd.DataFrame) -> Finding:
    """Whether a network is less stable on the images that are far from its training images, on the uniform test set.

    `network` names one of the networks or of the controls.
    """
    name = {control: f"{NETWORKS[of]} that was trained on varied digits" for of, control in CONTROLS.items()}
    name = (NETWORKS | name)[network]
    contrasts = distance_contrasts(per_image)
    found = told(contrasts, QUINTILES - 1)
    if found is None:
        claim = f"There are too few images to say whether {name} is less stable far from its training images."
        return Finding(Heading.LEARNT, Kind.CAUTION, claim)
    farthest = found.bin == QUINTILES - 1
    fifth = "the farthest fifth" if farthest else f"fifth {found.bin + 1}"
    label = f"P(top-1 change) in {fifth} of the images by distance, minus that in the nearest fifth"
    estimate = _difference(found, label if farthest else f"{label}, the clearest of {len(contrasts)} differences")
    far = "on images far from its training images" if farthest else "at some distance from its training images"
    kind, claim = {
        1: (Kind.ASSOCIATION, f"{capitalised(name)} is less stable {far}."),
        0: (Kind.NONE, f"{capitalised(name)} was not found to be less stable {far}."),
        -1: (Kind.ASSOCIATION, f"{capitalised(name)} is more stable {far}."),
    }[estimate.direction]
    rank = 30 if network in NETWORKS else None
    rank = rank and rank + NOT_FOUND_RANK * (kind == Kind.NONE)
    return Finding(Heading.LEARNT, kind, claim, AT_ONCE, estimate=estimate, figure=DISTANCE_FIGURE, rank=rank)


def told(contrasts: Sequence[BinContrast], declared: int) -> BinContrast | None:
    """The contrast of the bin `declared` beforehand; the clearest one, if only that excludes 0, or the first is absent.

    None without contrasts.
    """
    first, best = next((each for each in contrasts if each.bin == declared), None), clearest(contrasts)
    if first is None or (abs(first.clearness) <= 1 < abs(best.clearness)):
        return best
    return first


def _effect(
    network: str,
    change: Change,
    contrasts: Sequence[BinContrast],
    ranges: Sequence[Range],
    per_image: pd.DataFrame,
) -> Finding:
    name = NETWORKS[network]
    found = told(contrasts, ranges.index(change.ranges[-1]) + 1)
    if found is None:
        claim = f"There are too few images to say whether {change.farthest} makes {name} less stable."
        return Finding(change.heading, Kind.CAUTION, claim)
    at = ranges[found.bin - 1]
    label, digit = f"P(top-1 change) {change.place.format(*at)}, {change.reference}", change.farthest
    if at != change.ranges[-1]:
        label, digit = f"{label}, the clearest of {len(contrasts)} differences", change.some
    estimate = _difference(found, label)
    kind, claim = {
        1: (Kind.EFFECT, f"{capitalised(digit)} makes {name} less stable."),
        0: (Kind.NONE, f"{capitalised(digit)} was not found to make {name} less stable."),
        -1: (Kind.EFFECT, f"{capitalised(digit)} makes {name} more stable."),
    }[estimate.direction]
    means = _means(in_range(per_image, change.by, at), in_range(per_image, change.by, change.usual))
    rank = change.rank + NOT_FOUND_RANK * (not estimate.direction)
    evidence = f"P(top-1 change) is {means}. {AT_ONCE}"
    return Finding(change.heading, kind, claim, evidence, estimate=estimate, figure=FIGURE, rank=rank)


def _difference(contrast: BinContrast, label: str) -> Estimate:
    value, low, high = contrast.value, max(contrast.low, -1.0), min(contrast.high, 1.0)
    return Estimate("difference", label, value, low, high, contrast.n, unit=Unit.POINTS, nothing=0.0)


def _means(there: pd.DataFrame, usual: pd.DataFrame) -> str:
    """Every measure of some images, against the same of others."""

    def against(column: str, form: Callable = percent) -> str:
        return apart(there[column].mean(), usual[column].mean(), form)

    return f"{against('p_top1_change')}, MAC {against('mac', number)}, accuracy {against('accuracy')}"


def apart(one: float, other: float, form: Callable) -> str:
    """`1.42% against 1.45%`: two numbers with so many digits that they differ, if they do, and at most four."""
    digits = range(1 if form is percent else 2, MOST_DIGITS + 1)
    texts = [(form(one, each), form(other, each)) for each in digits]
    return " against ".join(next((pair for pair in texts if pair[0] != pair[1]), texts[0]))


def network_findings(per_image: Mapping[str, pd.DataFrame]) -> list[Finding]:
    """The findings on each network and its control, by their per-image tables on the uniform test set."""
    findings = [distance_finding(network, table) for network, table in per_image.items()]
    findings += [finding for network in NETWORKS for finding in framing_findings(network, per_image[network])]
    findings += control_findings(per_image)
    return sorted(findings, key=lambda finding: list(Heading).index(finding.topic))
