"""Findings on the relation of distance from the training set to invariance."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bias_toolkit.analysis import RELATED_MEASURES, median_interval
from bias_toolkit.foundation.words import count, percent
from bias_toolkit.invariance import HEADLINE
from bias_toolkit.report.columns import has_values
from bias_toolkit.report.relations import tables
from bias_toolkit.report.relations.findings import Variable, relation
from bias_toolkit.report.relations.tables import Relations, plain_and_partial
from bias_toolkit.report.source import Source, class_names
from bias_toolkit.report.topics.distance.leaks import Leaks, gather_leaks, leak_findings
from bias_toolkit.report.topics.distance.search_quality import quality_findings
from bias_toolkit.report.words.finding import TOO_FEW_IMAGES, Estimate, Finding, Heading, Kind, estimate_over
from bias_toolkit.report.words.sentences import ClassNames

NEAREST = Variable(
    "nn_distance",
    Heading.DISTANCE,
    "The farther an image is from its nearest training image",
    "an image's distance from its nearest training image",
    "nearest",
    "farthest",
)


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
    leaks: Leaks | None


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
        gather_leaks(source),
    )


def distance_findings(contents: DistanceContents) -> list[Finding]:
    """Distance from the training set against both main measures, leaks, and the distance of the test set as a whole."""
    distances, relations = contents.distances, contents.relations
    if not has_values(distances, "nn_distance"):
        claim = "How far the test images are from the training set was not measured."
        return [Finding(Heading.DISTANCE, Kind.UNKNOWN, claim)]
    findings = [
        relation(relations, NEAREST, name) for name in RELATED_MEASURES if has_values(relations.per_image, name)
    ]
    if contents.n_shared:
        are = "is a training image itself" if contents.n_shared == 1 else "are training images themselves"
        claim = f"{contents.n_shared:,} of the {count(len(distances), 'test image')} {are}."
        evidence = "Each is compared with the other training images only."
        findings.append(Finding(Heading.DISTANCE, Kind.CAUTION, claim, evidence))
    if contents.leaks is not None:
        findings.extend(leak_findings(contents.leaks, contents.n_shared))
    findings.extend(quality_findings(contents.search_quality))
    if has_values(distances, "distance_percentile"):
        findings.append(_percentile(distances["distance_percentile"]))
    return findings


def distance_answer(contents: DistanceContents) -> Finding:
    """Whether images far from the training set are less stable, and more so than their confidence explains."""
    plain, given = plain_and_partial(contents.relations.correlations, "nn_distance", HEADLINE)
    if plain is None or given is None:
        claim = "Whether images far from the training set are less stable is not known."
        return Finding(Heading.DISTANCE, Kind.UNKNOWN, claim)
    alone, partial = (
        Estimate("rho", label, row["rho"], row["low"], row["high"], row["n"], nothing=0.0)
        for label, row in (("Spearman’s ρ", plain), ("Spearman’s ρ, with the model’s confidence held constant,", given))
    )
    if partial.n < TOO_FEW_IMAGES or None in (alone.direction, partial.direction):
        kind, claim = Kind.CAUTION, "Too few images to say whether those far from the training set are less stable."
    elif partial.direction == 1:
        kind, claim = (
            Kind.ASSOCIATION,
            "Images far from the training set are less stable, and not only by confidence.",
        )
    elif partial.direction == -1:
        kind, claim = (
            Kind.ASSOCIATION,
            "Images far from the training set are more stable, among images of like confidence.",
        )
    elif alone.direction == 1:
        kind, claim = Kind.EXPLAINED, "Images far from the training set are less stable; their confidence explains it."
    elif alone.direction == -1:
        kind, claim = Kind.EXPLAINED, "Images far from the training set are more stable; their confidence explains it."
    else:
        kind, claim = Kind.NONE, "No relation between distance from the training set and stability was found."
    evidence = f"With nothing held constant: {alone.text}."
    return Finding(Heading.DISTANCE, kind, claim, evidence, estimate=partial, figure="distance-p-top1-change")


def _percentile(percentiles: pd.Series) -> Finding:
    median = median_interval(percentiles)
    lower, upper = percentiles.quantile([0.25, 0.75])
    return Finding(
        Heading.DISTANCE,
        Kind.FACT,
        f"The median test image is farther from its nearest training image than {percent(median.value, 0)} of the "
        "training images are from theirs.",
        f"Median {estimate_over(median.n, *median[:3], percent)}; {count(median.n, 'test image')}. "
        f"Half of the test images lie between {percent(lower, 0)} and {percent(upper, 0)}.",
    )
