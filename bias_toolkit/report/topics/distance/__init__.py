"""How far test images are from the training set, and whether that goes with the model's stability on them."""

from __future__ import annotations

from matplotlib.figure import Figure

from bias_toolkit.foundation.words import interval, number
from bias_toolkit.report.columns import require_numbers
from bias_toolkit.report.page.files import Table
from bias_toolkit.report.relations import figures as relation_figures
from bias_toolkit.report.relations.tables import correlation
from bias_toolkit.report.topic import Choice, Option, Plot, Tile, Topic
from bias_toolkit.report.topics.distance.contents import DistanceContents, gather
from bias_toolkit.report.topics.distance.figures import percentile_histogram
from bias_toolkit.report.topics.distance.findings import distance_findings
from bias_toolkit.report.topics.distance.section import distance_section
from bias_toolkit.report.words.definitions import distance_label

OF_A_RELATION = frozenset({Option.MEASURE, Option.DISTANCE, Option.BINS})


def _tiles(contents: DistanceContents) -> list[Tile]:
    plain, partial = (
        correlation(contents.relations.correlations, "nn_distance", "p_top1_change", kind)
        for kind in ("plain", "partial")
    )
    if plain is None or partial is None:
        return []
    details = (
        f"95% interval {interval(plain['low'], plain['high'])}; given the margin "
        f"{number(partial['rho'])} ({interval(partial['low'], partial['high'])})"
    )
    return [Tile(number(plain["rho"]), "ρ of distance and P(top-1 change)", details, order=3)]


def _tables(contents: DistanceContents) -> list[Table]:
    relations = contents.relations
    return [
        Table("per_image", relations.per_image, "one row a test image: measures, distances, framing", order=1),
        Table("correlations", relations.correlations, "distance and framing against invariance", order=3),
        Table("curves", relations.curves, "means in quantile bins", order=4),
        Table("distances", contents.distances, "one row a test image", order=18),
        Table("search_quality", contents.search_quality, "the approximate index against exact search", order=19),
        Table("neighbours", contents.neighbours, "the nearest training images of each test image", order=20),
    ]


def _distance_vs_invariance(contents: DistanceContents, choice: Choice[DistanceContents]) -> Figure:
    relations, measure, distance = contents.relations, choice.measure, choice.distance
    require_numbers(relations.per_image, measure=measure, distance=distance)
    options = {
        "measure": measure,
        "distance": distance,
        "x_label": distance_label(distance, {"metric": relations.metric}),
    }
    if choice.by_class:
        return relation_figures.distance_vs_invariance_by_class(
            relations.per_image,
            **options,
            bins=choice.bins or relation_figures.BINS_OF_A_CLASS,
            class_name=contents.names.shown,
        )
    computed = relations.computed(distance, measure, choice.bins)
    return relation_figures.distance_vs_invariance(relations.per_image, **options, **computed).figure


def _distance_given_margin(contents: DistanceContents, choice: Choice[DistanceContents]) -> Figure:
    relations, measure, distance = contents.relations, choice.measure, choice.distance
    require_numbers(relations.per_image, measure=measure, distance=distance)
    return relation_figures.curve_given_margin(
        relations.per_image,
        measure=measure,
        distance=distance,
        bins=choice.bins or relations.bins,
        x_label=distance_label(distance, {"metric": relations.metric}),
    ).figure


TOPIC = Topic(
    "distance",
    gather,
    findings=distance_findings,
    section=lambda contents, draft: distance_section(contents),
    tiles=_tiles,
    tables=_tables,
    results=lambda contents: {
        "search_quality": contents.search_quality,
        "correlations": contents.relations.correlations,
        "curves": contents.relations.curves,
    },
    plots={
        "distance-vs-invariance": Plot(
            _distance_vs_invariance,
            shown=lambda contents: contents.relations.per_image,
            lacking="sweep",
            order=1,
            takes=OF_A_RELATION | {Option.BY_CLASS},
        ),
        "distance-given-margin": Plot(
            _distance_given_margin,
            shown=lambda contents: contents.relations.per_image,
            lacking="sweep",
            order=2,
            takes=OF_A_RELATION,
        ),
        "distance-percentiles": Plot(
            lambda contents, choice: percentile_histogram(contents.distances).figure,
            shown=lambda contents: contents.distances,
            lacking="distance",
            order=16,
        ),
    },
)
