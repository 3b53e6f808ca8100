"""The page's section on distance from the training set against invariance."""

from __future__ import annotations

from bias_toolkit.foundation.words import MISSING, count, significant
from bias_toolkit.report.columns import has_values
from bias_toolkit.report.page.blocks import Block, FigureBlock, Omitted, Paragraph, Section, TableBlock
from bias_toolkit.report.relations import figures
from bias_toolkit.report.relations.blocks import about_curve, and_curve, both_rhos, correlations_table
from bias_toolkit.report.relations.tables import Relations, curve_rows
from bias_toolkit.report.topics.distance import figures as distance_figures
from bias_toolkit.report.topics.distance.contents import DistanceContents
from bias_toolkit.report.topics.distance.search_quality import quality_blocks
from bias_toolkit.report.words.definitions import DISTANCES, distance_label, label_of

TITLE = "Distance from the training set"
MOST_LEAKS = 20
MAIN_MEASURES = ("p_top1_change", "mac")


def distance_section(contents: DistanceContents) -> Section | Omitted:
    """Curves with and without control for the margin, correlations, percentiles and leaks."""
    if not has_values(contents.distances, "nn_distance"):
        return Omitted(TITLE, "the test images' distances were not computed.")
    relations = contents.relations
    blocks: list[Block] = []
    if has_values(relations.per_image, "nn_distance", "p_top1_change"):
        blocks.append(
            Paragraph(
                "Images on which the model is unsure are both farther from the training set and less stable. So no "
                "relation with distance is shown without the same relation among images of like margin."
            )
        )
        for measure in MAIN_MEASURES:
            if has_values(relations.per_image, "nn_distance", measure):
                blocks.extend(_relation_figures(relations, measure))
    correlations = correlations_table(relations, DISTANCES, "Distance against invariance")
    if correlations is not None:
        blocks.append(correlations)
    blocks.extend(_how_far(contents))
    blocks.extend(quality_blocks(contents.search_quality))
    leaks = _leaks(contents)
    if leaks is not None:
        blocks.append(leaks)
    return Section("distance", TITLE, blocks)


def _relation_figures(relations: Relations, measure: str) -> list[FigureBlock]:
    x_label = distance_label("nn_distance", {"metric": relations.metric})
    label = label_of(measure)
    rows = relations.per_image[["nn_distance", measure]].dropna()
    options = {"measure": measure, "distance": "nn_distance", "bins": relations.bins, "x_label": x_label}
    name = measure.replace("_", "-")
    curved = relations.has_curve("nn_distance", measure)
    jittered = " Points are moved a little up or down at random, so that equal values can be told apart."
    blocks = [
        FigureBlock(
            f"distance-{name}",
            lambda: figures.distance_vs_invariance(
                relations.per_image,
                **options,
                curve=curve_rows(relations.curves, "nn_distance", measure),
                correlations=relations.correlations,
            ),
            f"{label} against the distance to the nearest training image: points{and_curve(curved)}. "
            f"{both_rhos(relations, 'nn_distance', measure)}",
            f"{label} against the distance to the nearest training image; one point a test image "
            f"({count(len(rows), 'image')}). {about_curve(curved)} {both_rhos(relations, 'nn_distance', measure)}"
            + (jittered if figures.is_discrete(rows[measure]) else ""),
            half=True,
        )
    ]
    complete = relations.per_image.reindex(columns=["nn_distance", measure, "margin"]).dropna()
    # With one stratum both curves are the same.
    if len(complete) > figures.LARGEST_STRATUM and relations.has_curve("nn_distance", measure):
        blocks.append(
            FigureBlock(
                f"distance-{name}-given-margin",
                lambda: figures.curve_given_margin(relations.per_image, **options),
                f"{label} by percentile of distance, among all images and among images of like margin.",
                "The same curve over percentiles of distance: among all images, and among images of like margin, "
                "where each image's distance is ranked only against those of images whose margin is nearly its own. "
                "Where the second curve is flat, the model's confidence explains the first.",
                half=True,
            )
        )
    return blocks


def _how_far(contents: DistanceContents) -> list[FigureBlock]:
    blocks = []
    if len(contents.training_spacing):
        blocks.append(
            FigureBlock(
                "distances",
                lambda: distance_figures.distance_histogram(
                    contents.distances,
                    contents.training_spacing,
                    label=distance_label("nn_distance", {"metric": contents.relations.metric}),
                ),
                "Histogram of the test images' distances to the nearest training image, with the training images' own.",
                "How far test images are from their nearest training image (bars), and how far training images are "
                "from their nearest other training image (line).",
                half=True,
            )
        )
    if has_values(contents.distances, "distance_percentile"):
        blocks.append(
            FigureBlock(
                "percentiles",
                lambda: distance_figures.percentile_histogram(contents.distances),
                "Histogram of the test images' distance percentiles.",
                "For each test image, the share of training images that are nearer to their own nearest other training "
                "image. A test set that lies as the training set does would fill every bar to the dashed line.",
                half=True,
            )
        )
    return blocks


def _leaks(contents: DistanceContents) -> TableBlock | None:
    if "leak" not in contents.distances:
        return None
    leaks = contents.distances[contents.distances["leak"].fillna(False).astype(bool)]
    if leaks.empty:
        return None
    nearest = {}
    if len(contents.neighbours):
        first = contents.neighbours[contents.neighbours["rank"].eq(1)]
        nearest = dict(zip(first["image_id"], first["neighbour_id"], strict=True))
    shown = leaks.sort_values(["nn_distance", "image_id"], kind="stable").head(MOST_LEAKS)
    return TableBlock(
        f"{count(len(leaks), 'possible leak')} between the splits",
        ["Test image", "Nearest training image", "Distance"],
        [
            [row["image_id"], nearest.get(row["image_id"], MISSING), significant(row["nn_distance"])]
            for row in shown.to_dict("records")
        ],
        note=f"The first {len(shown)} of {len(leaks):,}." if len(shown) < len(leaks) else "",
        csv="tables/distances.csv",
        numeric=False,
    )
