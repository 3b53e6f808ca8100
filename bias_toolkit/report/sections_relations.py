"""The page's sections on distance from the training set and on framing, each against invariance."""

from __future__ import annotations

from collections.abc import Sequence

from bias_toolkit.analysis import quantile_curve
from bias_toolkit.foundation.words import MISSING, count, interval, number, p_value, significant
from bias_toolkit.report import figures_invariance, figures_relation
from bias_toolkit.report.blocks import Block, Cell, FigureBlock, Omitted, Paragraph, Section, TableBlock
from bias_toolkit.report.contents import ReportContents, correlation, curve_rows, has_values
from bias_toolkit.report.definitions import (
    COLUMNS,
    CORRELATION_KINDS,
    DISTANCES,
    FRAMING,
    distance_label,
    label_of,
)
from bias_toolkit.report.finding import sign
from bias_toolkit.report.search_quality import quality_blocks

DISTANCE = "Distance from the training set"
FRAMING_EFFECT = "Framing and invariance"
MOST_LEAKS = 20
MAIN_MEASURES = ("p_top1_change", "mac")


def distance_section(contents: ReportContents) -> Section | Omitted:
    """Curves with and without control for the margin, correlations, percentiles and leaks."""
    if not has_values(contents.distances, "nn_distance"):
        return Omitted(DISTANCE, "the test images' distances were not computed.")
    blocks: list[Block] = []
    if has_values(contents.per_image, "nn_distance", "p_top1_change"):
        blocks.append(
            Paragraph(
                "Images on which the model is unsure are both farther from the training set and less stable. So no "
                "relation with distance is shown without the same relation among images of like margin."
            )
        )
        for measure in MAIN_MEASURES:
            if has_values(contents.per_image, "nn_distance", measure):
                blocks.extend(_relation_figures(contents, measure))
    correlations = _correlations(contents, DISTANCES, "Distance against invariance")
    if correlations is not None:
        blocks.append(correlations)
    blocks.extend(_how_far(contents))
    blocks.extend(quality_blocks(contents.search_quality))
    leaks = _leaks(contents)
    if leaks is not None:
        blocks.append(leaks)
    return Section("distance", DISTANCE, blocks)


def framing_effect_section(contents: ReportContents) -> Section | Omitted:
    """Invariance by the object's position and scale."""
    if not has_values(contents.per_image, "centre_distance", "p_top1_change"):
        return Omitted(FRAMING_EFFECT, "the test images have no object boxes, or no sweep was run.")
    blocks: list[Block] = []
    for name, x, draw in (
        ("position", "centre_distance", figures_relation.invariance_vs_position),
        ("scale-invariance", "scale", figures_relation.invariance_vs_scale),
    ):
        if has_values(contents.per_image, x, "p_top1_change"):
            blocks.append(_framing_figure(contents, name, x, draw))
    correlations = _correlations(contents, FRAMING, "Framing against invariance")
    if correlations is not None:
        blocks.append(correlations)
    return Section("framing-invariance", FRAMING_EFFECT, blocks)


def _bins(contents: ReportContents) -> int:
    return int(contents.settings.get("bins", figures_relation.BINS))


def has_curve(contents: ReportContents, distance: str, measure: str) -> bool:
    """Whether the pair's curve has at least two bins."""
    curve = curve_rows(contents.table("curves"), distance, measure)
    if curve is None:
        rows = contents.per_image
        curve = quantile_curve(rows[distance], rows[measure], _bins(contents), resamples=1)
    return len(curve) > 1


def _and_curve(curved: bool) -> str:
    return " and a curve of bin means" if curved else ""


def _about_curve(curved: bool) -> str:
    if not curved:
        return "Too few images for a curve: the one mark is the mean of all."
    return "The curve is the mean in bins of equally many images, its band the 95% bootstrap interval over images."


def _both_rhos(contents: ReportContents, distance: str, measure: str) -> str:
    plain, partial = (
        correlation(contents.table("correlations"), distance, measure, kind) for kind in ("plain", "partial")
    )
    if plain is None or partial is None:
        return "Spearman's ρ could not be computed."
    return (
        f"Spearman's ρ {number(plain['rho'])} ({interval(plain['low'], plain['high'])}), given the margin "
        f"{number(partial['rho'])} ({interval(partial['low'], partial['high'])})."
    )


def _relation_figures(contents: ReportContents, measure: str) -> list[FigureBlock]:
    x_label = distance_label("nn_distance", contents.settings)
    label = label_of(measure)
    rows = contents.per_image[["nn_distance", measure]].dropna()
    options = {
        "measure": measure,
        "distance": "nn_distance",
        "bins": _bins(contents),
        "x_label": x_label,
    }
    name = measure.replace("_", "-")
    curved = has_curve(contents, "nn_distance", measure)
    jittered = " Points are moved a little up or down at random, so that equal values can be told apart."
    blocks = [
        FigureBlock(
            f"distance-{name}",
            lambda: figures_relation.distance_vs_invariance(
                contents.per_image,
                **options,
                curve=curve_rows(contents.table("curves"), "nn_distance", measure),
                correlations=contents.table("correlations"),
            ),
            f"{label} against the distance to the nearest training image: points{_and_curve(curved)}. "
            f"{_both_rhos(contents, 'nn_distance', measure)}",
            f"{label} against the distance to the nearest training image; one point a test image "
            f"({count(len(rows), 'image')}). {_about_curve(curved)} {_both_rhos(contents, 'nn_distance', measure)}"
            + (jittered if figures_relation.is_discrete(rows[measure]) else ""),
            half=True,
        )
    ]
    complete = contents.per_image.reindex(columns=["nn_distance", measure, "margin"]).dropna()
    # With one stratum both curves are the same.
    if len(complete) > figures_relation.LARGEST_STRATUM and has_curve(contents, "nn_distance", measure):
        blocks.append(
            FigureBlock(
                f"distance-{name}-given-margin",
                lambda: figures_relation.curve_given_margin(contents.per_image, **options),
                f"{label} by percentile of distance, among all images and among images of like margin.",
                "The same curve over percentiles of distance: among all images, and among images of like margin, "
                "where each image's distance is ranked only against those of images whose margin is nearly its own. "
                "Where the second curve is flat, the model's confidence explains the first.",
                half=True,
            )
        )
    return blocks


def _framing_figure(contents: ReportContents, name: str, x: str, draw) -> FigureBlock:
    measure = "p_top1_change"
    n = int(contents.per_image[[x, measure]].notna().all(axis=1).sum())
    what = COLUMNS[x].label
    curved = has_curve(contents, x, measure)
    by = f"{label_of(measure)} by the {what[0].lower()}{what[1:]}"
    return FigureBlock(
        name,
        lambda: draw(
            contents.per_image,
            measure=measure,
            bins=_bins(contents),
            curve=curve_rows(contents.table("curves"), x, measure),
            correlations=contents.table("correlations"),
        ),
        f"{by}: points{_and_curve(curved)}.",
        f"{by}; one point a test image ({count(n, 'image')}). {_about_curve(curved)} "
        f"{_both_rhos(contents, x, measure)}",
        half=True,
    )


def _correlations(contents: ReportContents, names: Sequence[str], caption: str) -> TableBlock | None:
    table = contents.table("correlations")
    if not len(table):
        return None
    kinds = [kind for kind in CORRELATION_KINDS if kind in set(table["kind"])]
    rows = []
    for distance, measure in dict.fromkeys(zip(table["distance"], table["measure"], strict=True)):
        found = {kind: correlation(table, distance, measure, kind) for kind in kinds}
        # A plain correlation without the one that controls for the margin would mislead.
        if distance not in names or found.get("plain") is None or found.get("partial") is None:
            continue
        cells = [Cell(distance_label(distance, contents.settings), f"and {label_of(measure)}")]
        for kind in kinds:
            row = found[kind]
            cells.append(
                Cell(MISSING)
                if row is None
                else Cell(
                    number(row["rho"]),
                    f"{interval(row['low'], row['high'])}; {p_value(row['p_value'])}",
                    marked=bool(sign(row["low"], row["high"])),
                )
            )
        rows.append([*cells, Cell(count(found["plain"]["n"]))])
    if not rows:
        return None
    shown = {name for name in names if name in set(table["distance"])}
    return TableBlock(
        f"{caption}: Spearman's ρ",
        ["", *(CORRELATION_KINDS[kind].label for kind in kinds), "Images"],
        rows,
        definitions=[CORRELATION_KINDS[kind] for kind in kinds] + [COLUMNS[name] for name in names if name in shown],
        note="Under each ρ its 95% bootstrap interval over images and its permutation p. "
        "In bold where the interval leaves out 0.",
        csv="tables/correlations.csv",
    )


def _how_far(contents: ReportContents) -> list[FigureBlock]:
    blocks = []
    if contents.train_distances is not None and len(contents.train_distances):
        blocks.append(
            FigureBlock(
                "distances",
                lambda: figures_invariance.distance_histogram(
                    contents.distances,
                    contents.train_distances,
                    label=distance_label("nn_distance", contents.settings),
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
                lambda: figures_invariance.percentile_histogram(contents.distances),
                "Histogram of the test images' distance percentiles.",
                "For each test image, the share of training images that are nearer to their own nearest other training "
                "image. A test set that lies as the training set does would fill every bar to the dashed line.",
                half=True,
            )
        )
    return blocks


def _leaks(contents: ReportContents) -> TableBlock | None:
    if "leak" not in contents.distances:
        return None
    leaks = contents.distances[contents.distances["leak"].fillna(False).astype(bool)]
    if leaks.empty:
        return None
    nearest = {}
    if contents.neighbours is not None:
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
