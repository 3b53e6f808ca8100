"""What can be said about distance from the training set against invariance."""

from __future__ import annotations

from bias_toolkit.analysis import median_interval
from bias_toolkit.foundation.words import count, percent
from bias_toolkit.report.columns import has_values
from bias_toolkit.report.relations.findings import Variable, relation
from bias_toolkit.report.topics.distance.contents import DistanceContents
from bias_toolkit.report.topics.distance.search_quality import quality_findings
from bias_toolkit.report.words.finding import Finding, Heading, Kind, estimate_over

NEAREST = Variable(
    "nn_distance",
    Heading.DISTANCE,
    "The farther an image is from its nearest training image",
    "an image's distance from its nearest training image",
    "nearest",
    "farthest",
)


def distance_findings(contents: DistanceContents) -> list[Finding]:
    """Distance from the training set against both main measures, leaks, and how far the test set is on the whole."""
    if not has_values(contents.distances, "nn_distance"):
        return [
            Finding(
                Heading.DISTANCE, Kind.UNKNOWN, "How far the test images are from the training set was not measured."
            )
        ]
    measured = [name for name in ("p_top1_change", "mac") if has_values(contents.relations.per_image, name)]
    found = [relation(contents.relations, NEAREST, measure) for measure in measured]
    found.extend(finding for finding in (_shared(contents), _leaks(contents)) if finding is not None)
    found.extend(quality_findings(contents.search_quality))
    percentile = _percentile(contents)
    if percentile is not None:
        found.append(percentile)
    return found


def _shared(contents: DistanceContents) -> Finding | None:
    n_shared = contents.n_shared
    if not n_shared:
        return None
    are = "is a training image itself" if n_shared == 1 else "are training images themselves"
    return Finding(
        Heading.DISTANCE,
        Kind.CAUTION,
        f"{n_shared:,} of the {count(len(contents.distances), 'test image')} {are}.",
        "Each is compared with the other training images only.",
    )


def _leaks(contents: DistanceContents) -> Finding | None:
    if "leak" not in contents.distances:
        return None
    leaks = int(contents.distances["leak"].fillna(False).sum())
    n_images = count(len(contents.distances), "test image")
    if leaks == 0:
        besides = ", besides themselves" if contents.n_shared else ""
        return Finding(
            Heading.DISTANCE,
            Kind.FACT,
            f"None of the {n_images} is at (near) zero distance from a training image{besides}.",
        )
    return Finding(
        Heading.DISTANCE,
        Kind.CAUTION,
        f"{leaks:,} of {n_images} {'is' if leaks == 1 else 'are'} at (near) zero distance from "
        f"{'another training image' if contents.n_shared else 'a training image'}.",
        f"This may be a leak between the splits ({percent(leaks / len(contents.distances))} of the test images).",
    )


def _percentile(contents: DistanceContents) -> Finding | None:
    if not has_values(contents.distances, "distance_percentile"):
        return None
    percentiles = contents.distances["distance_percentile"]
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
