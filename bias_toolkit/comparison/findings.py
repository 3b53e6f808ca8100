"""What a comparison finds of each pair of studies: sentences that follow from its numbers."""

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum

import pandas as pd

from bias_toolkit.analysis.remedies import IF_RIGHT
from bias_toolkit.comparison.differences import LIKE_MARGIN
from bias_toolkit.comparison.studies import Pair
from bias_toolkit.foundation.intervals import mean_interval
from bias_toolkit.foundation.words import count, interval, known, number
from bias_toolkit.invariance import HEADLINE
from bias_toolkit.report.words.definitions import label_of
from bias_toolkit.report.words.finding import (
    NOT_FOUND_RANK,
    Estimate,
    Finding,
    Kind,
    Unit,
    clearest_of_family,
    sign,
)
from bias_toolkit.report.words.sentences import in_points

PLANE, DISTANCE_FIGURE = "accuracy-and-stability", "stability-by-distance"
FAMILY = "The interval is adjusted for the number of differences in the table of measures."


class Heading(StrEnum):
    """The headings of a comparison's list of findings."""

    PAIRS = "Stability"
    ALIKE = "Among images alike"
    WORST = "Worst case"
    CLASSES = "Classes"
    TRAINING = "Training sets"


def answer(pair: Pair, differences: pd.DataFrame) -> Finding:
    """Whether the second study's model is more stable than the first's, and at what accuracy."""
    second, first = pair.second.name, pair.first.name
    rows = _rows(pair, differences)
    where = "" if pair.is_paired else ", each on its own test images"
    estimate = _estimate(rows.loc[HEADLINE], pair, label_of(HEADLINE))
    claim = {
        -1: f"{second} is more stable than {first}{where}.",
        0: f"No difference in stability was found between {second} and {first}{where}.",
        1: f"{second} is less stable than {first}{where}.",
        None: f"Too few images were compared to say which of {second} and {first} is more stable.",
    }[estimate.direction]
    evidence = [_accuracy(rows)]
    if not pair.is_paired:
        evidence.append("The test images are not the same, so they may be the reason.")
    elif pair.is_partial:
        evidence.append(f"Only the {count(len(pair.shared), 'image')} of both test sets are compared.")
    sides = [each.model["input_size"] for each in (pair.first, pair.second)]
    if sides[0] != sides[1]:
        evidence.append(
            f"Their inputs differ in size: one step of {second} is {number(sides[0] / sides[1])} times as large a part "
            f"of the view as one of {first}."
        )
    elif pair.is_of_one_model:
        evidence.append("Both studies are of one model.")
    return _finding(Heading.PAIRS, pair, claim, estimate, " ".join(evidence), rank=10, figure=PLANE)


def further_findings(
    pair: Pair, differences: pd.DataFrame, by_class: pd.DataFrame, resamples: int, seed: int
) -> Iterator[Finding]:
    """Images that both get right, like margin, worst case, classes, and the distance to two training sets."""
    second, first = pair.second.name, pair.first.name
    rows = _rows(pair, differences)
    both = "the images that both get right" if pair.is_paired else "the images that each gets right"
    places = ((IF_RIGHT, both, Heading.ALIKE), (LIKE_MARGIN, "images of like margin", Heading.ALIKE))
    for rank, (name, place, heading) in enumerate(places, 20):
        if name not in rows.index:
            continue
        estimate = _estimate(rows.loc[name], pair, f"{label_of(HEADLINE)} among {place}", name)
        claim = {
            -1: f"Among {place}, {second} is more stable than {first}.",
            0: f"Among {place}, no difference in stability was found between {second} and {first}.",
            1: f"Among {place}, {second} is less stable than {first}.",
            None: f"Among {place}, too few differ to compare the stability of {second} with that of {first}.",
        }[estimate.direction]
        # The margin is a result of the model, so images of like margin are not the same ones under both models.
        own = "The margin is each model’s own. " if name == LIKE_MARGIN else ""
        finding = _finding(heading, pair, claim, estimate, own + FAMILY, rank=rank)
        is_association = name == LIKE_MARGIN and finding.kind == Kind.EFFECT
        yield replace(finding, kind=Kind.ASSOCIATION) if is_association else finding
    worst = {
        "any_change": (
            f"Under {second}, fewer images change their class along the views than under {first}.",
            f"No difference was found between {second} and {first} in how many images change their class.",
            f"Under {second}, more images change their class along the views than under {first}.",
        ),
        "worst_accuracy": (
            f"{second} gets fewer images right on all views than {first}.",
            f"No difference was found between {second} and {first} in how many images they get right on all views.",
            f"{second} gets more images right on all views than {first}.",
        ),
    }
    for name, claims in worst.items():
        if name in rows.index and known(rows.loc[name, "difference_low"]):
            estimate = _estimate(rows.loc[name], pair, label_of(name), name)
            yield _finding(Heading.WORST, pair, claims[estimate.direction + 1], estimate, FAMILY, rank=30)
    yield from _classes(pair, by_class)
    yield from _nearness(pair, resamples, seed)


def _classes(pair: Pair, by_class: pd.DataFrame) -> Iterator[Finding]:
    """The class in which the two differ most clearly."""
    rows = by_class[by_class["study"].eq(pair.second.name) & by_class["difference_low"].notna()].reset_index(drop=True)
    if rows.empty:
        return
    at, directions = clearest_of_family(*(rows[f"difference{end}"] for end in ("", "_low", "_high")), 0.0)
    shown = pair.first.classes.shown(rows.loc[at, "label"])
    second, first = pair.second.name, pair.first.name
    claim = {
        -1: f"On images of “{shown}”, {second} is more stable than {first}.",
        0: f"No class was found in which the stability of {second} and {first} differs.",
        1: f"On images of “{shown}”, {second} is less stable than {first}.",
    }[int(directions[at])]
    evidence = [f"This is the clearest of {count(len(rows), 'class', 'classes')}."]
    for direction, word in ((-1, "more"), (1, "less")):
        if n := int((directions == direction).sum()):
            evidence.append(f"{second} was found {word} stable in {count(n, 'class', 'classes')}.")
    evidence = " ".join(evidence[:3])
    estimate = _estimate(rows.loc[at], pair, f"{label_of(HEADLINE)} in “{shown}”")
    yield _finding(Heading.CLASSES, pair, claim, estimate, evidence, rank=40)


def _nearness(pair: Pair, resamples: int, seed: int) -> Iterator[Finding]:
    """Which of two training sets is nearer to the test images; only one model gives distances that can be compared."""
    first, second = pair.first, pair.second
    alike = pair.is_paired and pair.is_of_one_model and first.study.settings.metric == second.study.settings.metric
    if not alike or first.sets["train"] == second.sets["train"]:
        return
    own, base = (table["nn_distance"].astype(float) for table in pair.rows)
    label = f"{label_of('nn_distance')}, {second.name} minus {first.name}"
    nearer = mean_interval(own - base, resamples, seed)
    estimate = Estimate("nn_distance", label, *nearer, unit=Unit.SIGNIFICANT, nothing=0.0)
    claim = {
        -1: f"The test images are nearer to the training set of {second.name} than to that of {first.name}.",
        0: f"The test images were not found to be nearer to the training set of {second.name} or of {first.name}.",
        1: f"The test images are farther from the training set of {second.name} than from that of {first.name}.",
    }.get(estimate.direction)
    if claim is not None:
        kind, rank = (Kind.FACT, 35) if estimate.direction else (Kind.NONE, 35 + NOT_FOUND_RANK)
        yield Finding(Heading.TRAINING, kind, claim, estimate=estimate, rank=rank)


def _rows(pair: Pair, differences: pd.DataFrame) -> pd.DataFrame:
    return differences[differences["study"].eq(pair.second.name)].set_index("measure")


def _estimate(row: pd.Series, pair: Pair, label: str, name: str = HEADLINE) -> Estimate:
    label = f"{label}, {pair.second.name} minus {pair.first.name}:"
    ends = row["difference_low"], row["difference_high"]
    return Estimate(name, label, row["difference"], *ends, int(row["n"]), unit=Unit.POINTS, nothing=0.0)


def _accuracy(rows: pd.DataFrame) -> str:
    if "accuracy" not in rows.index:
        return "Accuracy is not known, as no label is a class of both models."
    value, low, high = rows.loc["accuracy", ["difference", "difference_low", "difference_high"]]
    direction = sign(low, high)
    if direction is None:
        return "Too few images have a label to compare accuracy."
    if direction == 0:
        return f"No difference in accuracy was found: {in_points(value)} points ({interval(low, high, in_points)})."
    ends = interval(*sorted((abs(low), abs(high))), in_points, 0.0)
    return f"It is {'more' if direction > 0 else 'less'} accurate, by {in_points(abs(value))} points ({ends})."


def _finding(
    heading: Heading,
    pair: Pair,
    claim: str,
    estimate: Estimate,
    evidence: str,
    *,
    rank: int,
    figure: str | None = None,
) -> Finding:
    """A finding of an effect only where the model alone was changed; of an association else."""
    found = Kind.EFFECT if pair.is_model_swap else Kind.ASSOCIATION
    kind = {None: Kind.CAUTION, 0: Kind.NONE}.get(estimate.direction, found)
    rank += 0 if estimate.direction else NOT_FOUND_RANK
    return Finding(heading, kind, claim, evidence, estimate=estimate, rank=rank, figure=figure)
