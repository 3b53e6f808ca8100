"""Findings on the relation of distance from the training set to invariance."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from bias_toolkit.analysis import RELATED_MEASURES, median_interval
from bias_toolkit.foundation.words import count, percent
from bias_toolkit.invariance import HEADLINE
from bias_toolkit.report.columns import has_values
from bias_toolkit.report.relations import tables
from bias_toolkit.report.relations.findings import Variable, beside_the_claim, relation
from bias_toolkit.report.relations.judgement import Verdict, judge
from bias_toolkit.report.relations.tables import Relations
from bias_toolkit.report.source import Source, class_names
from bias_toolkit.report.topics.distance.leaks import Leaks, gather_leaks, leak_findings
from bias_toolkit.report.topics.distance.search_quality import quality_findings
from bias_toolkit.report.topics.explanations import explanation_links
from bias_toolkit.report.topics.regression import findings as regression
from bias_toolkit.report.topics.regression.findings import Beside, beside_everything
from bias_toolkit.report.words.finding import Estimate, Finding, Heading, Kind, Unit
from bias_toolkit.report.words.sentences import TEST, TRAINED_ELSEWHERE, ClassNames, lowered

FIGURE = "distance-{}"  # with the measure in braces
RANK = 80
NEAREST = Variable(
    "nn_distance",
    Heading.DISTANCE,
    "The farther an image is from its nearest training image",
    "an image's distance from its nearest training image",
    "nearest",
    "farthest",
    FIGURE,
)
FAR = "images far from the training set"
ANSWERS = {
    Verdict.ALSO_GIVEN: "Images far from the training set are {less}, also among images of similar confidence.",
    Verdict.SLIGHTLY_GIVEN: "Images far from the training set are {less}, slightly so also among images of similar "
    "confidence.",
    Verdict.ONLY_GIVEN: "Among images of similar confidence, those far from the training set are {less}.",
    Verdict.REVERSED: "Among images of similar confidence, those far from the training set are {less}; among all "
    "images, they are {more}.",
    Verdict.EXPLAINED: "Images far from the training set are {less}.",
    Verdict.UNEVEN: "Stability changes with the distance from the training set, but neither rises nor falls steadily.",
    Verdict.NONE: "No relation between distance from the training set and stability was found.",
}
UNCLEAR = f"It is not clear whether, among images of similar confidence, {FAR} are less stable."
TOO_FEW = "There are too few images to say whether those far from the training set are less stable."
NOT_KNOWN = f"Whether {FAR} are less stable is not known."
SAID = {1: "less stable", -1: "more stable"}


@dataclass(frozen=True)
class DistanceContents:
    """Tables DISTANCES, NEIGHBOURS and SEARCH_QUALITY, and the relation of distances to measures."""

    relations: Relations
    distances: pd.DataFrame
    neighbours: pd.DataFrame
    search_quality: pd.DataFrame | None  # if the index is approximate
    n_shared: int  # test images that are training images themselves, by file: their distances are to the others
    training_spacing: np.ndarray  # (n,): distance of training images to their nearest other training image
    names: ClassNames
    trained_on: str | None  # as `Source.trained_on`
    leaks: Leaks | None
    beside: Beside | None  # the odds ratio of distance in the regression
    read: Callable[[str], np.ndarray]  # image_id of a test image to its pixels; may raise UnreadableImageError
    links: Mapping[str, str]  # image_id to the address of the page that explains it


def gather(source: Source) -> DistanceContents:
    """A study's distances, and their relation to measures."""
    return DistanceContents(
        tables.gather(source),
        source.distances,
        source.neighbours,
        source.search_quality,
        source.n_shared,
        source.training_spacing,
        class_names(source),
        source.trained_on,
        gather_leaks(source),
        beside_everything(regression.gather(source)),
        partial(source.read_image, TEST),
        explanation_links(source),
    )


def distance_findings(contents: DistanceContents) -> list[Finding]:
    """Distance from the training set against both main measures, leaks, and the distance of the test set as a whole."""
    distances, relations = contents.distances, contents.relations
    if not has_values(distances, "nn_distance"):
        claim = "How far the test images are from the training set was not measured."
        return [Finding(Heading.DISTANCE, Kind.UNKNOWN, claim)]
    findings = [
        # The answer at the top of the page already says it of the headline measure.
        relation(relations, NEAREST, name, None if name == HEADLINE else RANK)
        for name in RELATED_MEASURES
        if has_values(relations.per_image, name)
    ]
    if contents.n_shared:
        claim = "There are test images that are training images themselves."
        shared = f"{count(contents.n_shared)} of {count(len(distances), 'test image')}"
        evidence = f"These are {shared}; each is compared with the other training images only."
        findings.append(Finding(Heading.DISTANCE, Kind.CAUTION, claim, evidence, rank=15))
    if contents.leaks is not None:
        findings.extend(leak_findings(contents.leaks, contents.n_shared))
    findings.extend(quality_findings(contents.search_quality))
    if has_values(distances, "distance_percentile"):
        findings.append(_percentile(distances["distance_percentile"]))
    return findings


def distance_answer(contents: DistanceContents) -> Finding:
    """Whether images far from the training set are less stable, also among images of similar confidence.

    Two analyses have to agree: Spearman's ρ given the margin, and the odds ratio of the regression, which also holds
    framing and class constant. The answer is yes if both intervals exclude no relation, in the same direction, and no
    if neither does. Otherwise it is not clear, and the evidence says which of the two finds it.
    """
    judged = judge(contents.relations, "nn_distance", HEADLINE)
    odds = None if contents.beside is None else contents.beside.estimate.direction
    kind, claim, sentence = judged.kind, NOT_KNOWN, beside_the_claim(judged) if judged.plain else ""
    if judged.verdict == Verdict.TOO_FEW:
        claim = TOO_FEW
    elif judged.given is not None:
        rho = judged.given.direction
        if rho != (odds or 0):
            kind, claim, sentence = Kind.UNKNOWN, UNCLEAR, _which(rho, odds, contents.beside)
        else:
            direction = judged.estimate.direction
            claim = ANSWERS[judged.verdict].format(less=SAID.get(direction), more=SAID.get(-direction))
            if rho:
                sentence += f" {_regression_too(contents.beside)}"
    return Finding(
        Heading.DISTANCE,
        kind,
        claim,
        f"{sentence} {TRAINED_ELSEWHERE.get(contents.trained_on, '')}".strip(),
        estimate=judged.given if kind == Kind.UNKNOWN else judged.estimate,
        figure=judged.estimate and FIGURE.format("p-top1-change"),
    )


def _regression_too(beside: Beside) -> str:
    """That the regression finds it, and whether distance also helps to predict unseen images."""
    predicts = {
        0: ", but distance was not found to help to predict unseen images",
        -1: ", but unseen images are predicted better without distance",
    }.get(beside.gain and beside.gain.direction, "")
    return f"The regression finds it too ({lowered(beside.estimate.brief)}){predicts}."


def _which(rho: int, odds: int | None, beside: Beside | None) -> str:
    """Which of the two analyses finds a relation, if they do not agree."""
    correlation = f"The correlation finds that they are {SAID[rho]}" if rho else "The correlation does not find it"
    if beside is None:
        return f"{correlation}, and there is no regression that could confirm it."
    found = f"finds that they are {SAID[odds]}" if odds else "does not find it"
    return f"{correlation}; the regression {found} ({lowered(beside.estimate.brief)})."


def _percentile(percentiles: pd.Series) -> Finding:
    median = median_interval(percentiles)
    label = "Median distance percentile of the test images"
    estimate = Estimate("distance_percentile", label, *median, "test image", Unit.SHARE, 0.5)
    kind, claim = {
        None: (Kind.CAUTION, "There are too few test images to say how far they are from the training set."),
        0: (Kind.NONE, "The test images were not found to be farther from the training set than its own images are."),
        1: (Kind.FACT, "The test images are farther from the training set than its own images are from each other."),
        -1: (Kind.FACT, "The test images are nearer to the training set than its own images are to each other."),
    }[estimate.direction]
    lower, upper = percentiles.quantile([0.25, 0.75])
    evidence = f"Half of the test images lie between {percent(lower, 0)} and {percent(upper, 0)}."
    return Finding(Heading.DISTANCE, kind, claim, evidence, estimate=estimate, figure="percentiles")
