"""The distance of test images from the training set, and its relation to the model's stability on them."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bias_toolkit.report.columns import require_numbers
from bias_toolkit.report.page.files import Table
from bias_toolkit.report.relations import figures as relation_figures
from bias_toolkit.report.topic import Choice, Option, Plot, Topic
from bias_toolkit.report.topics.distance.findings import DistanceContents, distance_answer, distance_findings, gather
from bias_toolkit.report.topics.distance.section import distance_section, opening_curve, percentile_histogram
from bias_toolkit.report.words.definitions import distance_label


def _options(contents: DistanceContents, choice: Choice[DistanceContents]) -> dict[str, Any]:
    relations, measure, distance = contents.relations, choice.measure, choice.distance
    require_numbers(relations.per_image, measure=measure, distance=distance)
    label = distance_label(distance, {"metric": relations.metric})
    return {"per_image": relations.per_image, "measure": measure, "distance": distance, "x_label": label}


def _distance_vs_invariance(contents: DistanceContents, choice: Choice[DistanceContents]) -> Figure | Axes:
    options = _options(contents, choice)
    if choice.by_class:
        bins = choice.bins or relation_figures.BINS_OF_A_CLASS
        name = contents.names.shown
        return relation_figures.distance_vs_invariance_by_class(**options, bins=bins, class_name=name)
    computed = contents.relations.computed(choice.distance, choice.measure, choice.bins)
    return relation_figures.distance_vs_invariance(**options, **computed)


def _distance_given_margin(contents: DistanceContents, choice: Choice[DistanceContents]) -> Axes:
    computed = contents.relations.computed(choice.distance, choice.measure, choice.bins)
    computed.pop("curve", None)
    return relation_figures.curve_given_margin(**_options(contents, choice), **computed)


OF_A_RELATION = (Option.MEASURE, Option.DISTANCE, Option.BINS)
TOPIC = Topic(
    "distance",
    gather,
    findings=distance_findings,
    section=lambda contents, draft: distance_section(contents, draft.folder),
    answer=distance_answer,
    opening=lambda contents, draft: opening_curve(contents),
    tables=lambda contents: [
        Table(
            "per_image", contents.relations.per_image, "one row per test image: measures, distances, framing", order=1
        ),
        Table("correlations", contents.relations.correlations, "distance and framing against invariance", order=3),
        Table("curves", contents.relations.curves, "means in quantile bins", order=4),
        Table("distances", contents.distances, "one row per test image", order=18),
        Table("search_quality", contents.search_quality, "the approximate index against exact search", order=19),
        Table("neighbours", contents.neighbours, "the nearest training images of each test image", order=20),
    ],
    results=lambda contents: {
        "search_quality": contents.search_quality,
        "correlations": contents.relations.correlations,
        "curves": contents.relations.curves,
    },
    plots={
        "distance-vs-invariance": Plot(
            _distance_vs_invariance,
            lambda contents: contents.relations.per_image,
            "sweep",
            order=1,
            takes=(*OF_A_RELATION, Option.BY_CLASS),
        ),
        "distance-given-margin": Plot(
            _distance_given_margin, lambda of: of.relations.per_image, "sweep", order=2, takes=OF_A_RELATION
        ),
        "distance-percentiles": Plot(
            lambda contents, choice: percentile_histogram(contents.distances),
            lambda contents: contents.distances,
            "distance",
            order=16,
        ),
    },
)
