"""The page's section on distance from the training set against invariance."""

from collections.abc import Iterator
from functools import partial

from bias_toolkit.foundation.words import MISSING, count, significant
from bias_toolkit.report.columns import has_values
from bias_toolkit.report.page.blocks import Block, FigureBlock, Omitted, Paragraph, Section, TableBlock
from bias_toolkit.report.relations import figures
from bias_toolkit.report.relations.blocks import correlations_table, relation_figure
from bias_toolkit.report.relations.tables import Relations
from bias_toolkit.report.topics.distance import figures as distance_figures
from bias_toolkit.report.topics.distance.findings import MAIN_MEASURES, DistanceContents
from bias_toolkit.report.topics.distance.search_quality import quality_blocks
from bias_toolkit.report.words.definitions import DISTANCES, distance_label, label_of

TITLE = "Distance from the training set"
MOST_LEAKS = 20


def distance_section(contents: DistanceContents) -> Section | Omitted:
    """Curves with and without control for the margin, correlations, percentiles and leaks."""
    if not has_values(contents.distances, "nn_distance"):
        return Omitted(TITLE, "the test images' distances were not computed.")
    return Section("distance", TITLE, list(_blocks(contents)))


def _blocks(contents: DistanceContents) -> Iterator[Block]:
    relations = contents.relations
    if has_values(relations.per_image, "nn_distance", "p_top1_change"):
        yield Paragraph(
            "Images on which the model is unsure are both farther from the training set and less stable. So no "
            "relation with distance is shown without the same relation among images of like margin."
        )
        for measure in MAIN_MEASURES:
            if has_values(relations.per_image, "nn_distance", measure):
                yield from _relation_figures(relations, measure)
    correlations = correlations_table(relations, DISTANCES, "Distance against invariance")
    if correlations is not None:
        yield correlations
    yield from _how_far(contents)
    yield from quality_blocks(contents.search_quality)
    if "leak" in contents.distances and contents.distances["leak"].fillna(False).any():
        yield _leaks(contents)


def _relation_figures(relations: Relations, measure: str) -> Iterator[FigureBlock]:
    x_label = distance_label("nn_distance", {"metric": relations.metric})
    name, label = f"distance-{measure.replace('_', '-')}", label_of(measure)
    values = relations.per_image[["nn_distance", measure]].dropna()[measure]
    jittered = " Points are moved a little up or down at random, so that equal values can be told apart."
    yield relation_figure(
        relations,
        name,
        "nn_distance",
        measure,
        f"{label} against the distance to the nearest training image",
        partial(figures.distance_vs_invariance, distance="nn_distance", x_label=x_label),
        note=jittered if figures.is_discrete(values) else "",
        rhos_in_alt=True,
    )
    complete = relations.per_image.reindex(columns=["nn_distance", measure, "margin"]).dropna()
    # With one stratum both curves are the same.
    if len(complete) > figures.LARGEST_STRATUM and relations.has_curve("nn_distance", measure):
        yield FigureBlock(
            f"{name}-given-margin",
            lambda: figures.curve_given_margin(
                relations.per_image, measure=measure, distance="nn_distance", bins=relations.bins, x_label=x_label
            ),
            f"{label} by percentile of distance, among all images and among images of like margin.",
            "The same curve over percentiles of distance: among all images, and among images of like margin, where "
            "each image's distance is ranked only against those of images whose margin is nearly its own. Where the "
            "second curve is flat, the model's confidence explains the first.",
            half=True,
        )


def _how_far(contents: DistanceContents) -> Iterator[FigureBlock]:
    if len(contents.training_spacing):
        label = distance_label("nn_distance", {"metric": contents.relations.metric})
        yield FigureBlock(
            "distances",
            lambda: distance_figures.distance_histogram(contents.distances, contents.training_spacing, label),
            "Histogram of the test images' distances to the nearest training image, with the training images' own.",
            "How far test images are from their nearest training image (bars), and how far training images are from "
            "their nearest other training image (line).",
            half=True,
        )
    if has_values(contents.distances, "distance_percentile"):
        yield FigureBlock(
            "percentiles",
            lambda: distance_figures.percentile_histogram(contents.distances),
            "Histogram of the test images' distance percentiles.",
            "For each test image, the share of training images that are nearer to their own nearest other training "
            "image. A test set that lies as the training set does would fill every bar to the dashed line.",
            half=True,
        )


def _leaks(contents: DistanceContents) -> TableBlock:
    leaks = contents.distances[contents.distances["leak"].fillna(False).astype(bool)]
    nearest = {}
    if len(contents.neighbours):
        first = contents.neighbours[contents.neighbours["rank"].eq(1)]
        nearest = dict(zip(first["image_id"], first["neighbour_id"], strict=True))
    shown = leaks.sort_values(["nn_distance", "image_id"], kind="stable").head(MOST_LEAKS)
    rows = [
        [row["image_id"], nearest.get(row["image_id"], MISSING), significant(row["nn_distance"])]
        for row in shown.to_dict("records")
    ]
    return TableBlock(
        f"{count(len(leaks), 'possible leak')} between the splits",
        ["Test image", "Nearest training image", "Distance"],
        rows,
        note=f"The first {len(shown)} of {len(leaks):,}." if len(shown) < len(leaks) else "",
        csv="tables/distances.csv",
        numeric=False,
    )
