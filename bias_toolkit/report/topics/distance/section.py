"""The page's section on distance from the training set against invariance: its tables and figures."""

import dataclasses
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bias_toolkit.analysis import RELATED_MEASURES
from bias_toolkit.foundation.words import count, percent, significant
from bias_toolkit.invariance import HEADLINE
from bias_toolkit.report.columns import has_values
from bias_toolkit.report.page.blocks import Block, Dot, FigureBlock, Omitted, Paragraph, Section
from bias_toolkit.report.page.style import BLUE, GREY, histogram, in_percent, new_figure, styled, subtitle
from bias_toolkit.report.relations import figures
from bias_toolkit.report.relations.blocks import correlations_table, relation_figure
from bias_toolkit.report.relations.findings import relation
from bias_toolkit.report.relations.tables import Relations
from bias_toolkit.report.topics.distance.findings import FIGURE, NEAREST, DistanceContents
from bias_toolkit.report.topics.distance.leaks import leak_blocks
from bias_toolkit.report.topics.distance.search_quality import quality_blocks
from bias_toolkit.report.words.definitions import DISTANCES, distance_label, label_of

TITLE = "Distance from the training set"
HISTOGRAM_BINS = 40
PHOTOGRAPHS, AT_AN_END = 500, 50


def distance_section(contents: DistanceContents, folder: Path) -> Section | Omitted:
    """Curves with and without control for the margin, correlations, percentiles and leaks; `folder` gets pictures."""
    if not has_values(contents.distances, "nn_distance"):
        return Omitted(TITLE, "the test images' distances were not computed.")
    return Section("distance", TITLE, list(_blocks(contents, folder)))


def _blocks(contents: DistanceContents, folder: Path) -> Iterator[Block]:
    relations = contents.relations
    if has_values(relations.per_image, "nn_distance", HEADLINE):
        yield Paragraph(
            "Images on which the model is unsure are both farther from the training set and less stable. So no "
            "relation with distance is shown without the same relation among images of similar margin."
        )
        for measure in RELATED_MEASURES:
            if has_values(relations.per_image, "nn_distance", measure):
                yield from _relation_figures(relations, measure)
    family = (
        "The family is all ρ of one column. It is one question asked several times: the distances are nearly copies of "
        "one another, and the percentile follows from the first."
    )
    correlations = correlations_table(relations, DISTANCES, "Distance against invariance", family)
    if correlations is not None:
        yield correlations
    yield from _how_far(contents)
    yield from quality_blocks(contents.search_quality)
    if contents.leaks is not None:
        yield from leak_blocks(contents.leaks, folder)


def opening_curve(contents: DistanceContents) -> list[FigureBlock]:
    """P(top-1 change) against distance, with photographs; empty if one of them was not measured."""
    relations = contents.relations
    measured = has_values(contents.distances, "nn_distance") and has_values(
        relations.per_image, "nn_distance", HEADLINE
    )
    if not measured:
        return []
    curve, rows = _curve(relations, HEADLINE), figures.complete(relations.per_image, "nn_distance", HEADLINE)
    shown = shown_images(rows)
    note = "Point at a dot, or use the arrow keys, to see its photograph. A click keeps it."
    if len(shown) < len(rows):
        note += f" {count(len(shown))} dots have one: the least stable, the most stable, and a sample."
    dots = [_dot(contents, number, rows.iloc[number]) for number in shown]
    return [dataclasses.replace(curve, dots=dots, dots_note=note)]


def shown_images(rows: pd.DataFrame) -> list[int]:
    """The places of the images whose photographs are shown: at most `PHOTOGRAPHS`, those at both ends and a sample."""
    n = len(rows)
    if n <= PHOTOGRAPHS:
        return list(range(n))
    ordered = np.argsort(-rows[HEADLINE].to_numpy(float), kind="stable")
    ends = np.concatenate([ordered[:AT_AN_END], ordered[-AT_AN_END:]])
    others = np.setdiff1d(np.arange(n), ends)
    sample = np.random.default_rng(0).choice(others, PHOTOGRAPHS - len(ends), replace=False)
    return sorted([*ends.tolist(), *sample.tolist()])


def _dot(contents: DistanceContents, number: int, row: pd.Series) -> Dot:
    image_id = row["image_id"]
    lines = [image_id, f"{label_of(HEADLINE)} {percent(row[HEADLINE])}, distance {significant(row['nn_distance'])}"]
    read = partial(contents.read, image_id)
    return Dot(number, contents.names.shown(row["label"]), lines, contents.links.get(image_id), read)


def _curve(relations: Relations, measure: str) -> FigureBlock:
    x_label = distance_label("nn_distance", {"metric": relations.metric})
    return relation_figure(
        relations,
        _figure_name(measure),
        "nn_distance",
        measure,
        f"{label_of(measure)} against the distance to the nearest training image",
        partial(figures.distance_vs_invariance, distance="nn_distance", x_label=x_label),
        rhos_in_alt=True,
    )


def _figure_name(measure: str) -> str:
    return FIGURE.format(measure.replace("_", "-"))


def _relation_figures(relations: Relations, measure: str) -> Iterator[FigureBlock]:
    x_label = distance_label("nn_distance", {"metric": relations.metric})
    name, label = _figure_name(measure), label_of(measure)
    yield _curve(relations, measure)
    complete = relations.per_image.reindex(columns=["nn_distance", measure, "margin"]).dropna()
    # With one stratum both curves are the same.
    if len(complete) > figures.LARGEST_STRATUM and relations.has_curve("nn_distance", measure):
        yield FigureBlock(
            f"{name}-given-margin",
            lambda: figures.curve_given_margin(
                relations.per_image,
                measure=measure,
                distance="nn_distance",
                bins=relations.bins,
                correlations=relations.correlations,
                x_label=x_label,
            ),
            f"{label} by percentile of distance, among all images and among images of similar margin.",
            "The same curve over percentiles of distance: among all images, and among images of similar margin, where "
            "each image's distance is ranked only against those of images whose margin is nearly its own. ρ given the "
            "margin is no number of this curve: it holds the rank of the margin constant, without groups. "
            f"{relation(relations, NEAREST, measure).claim}",
            half=True,
        )


def _how_far(contents: DistanceContents) -> Iterator[FigureBlock]:
    if len(contents.training_spacing):
        label = distance_label("nn_distance", {"metric": contents.relations.metric})
        yield FigureBlock(
            "distances",
            lambda: distance_histogram(contents.distances, contents.training_spacing, label),
            "Histogram of the test images' distances to the nearest training image, with the training images' own.",
            "How far test images are from their nearest training image (bars), and how far training images are from "
            "their nearest other training image (line).",
            half=True,
        )
    if has_values(contents.distances, "distance_percentile"):
        yield FigureBlock(
            "percentiles",
            lambda: percentile_histogram(contents.distances),
            "Histogram of the test images' distance percentiles.",
            "For each test image, the share of training images that are nearer to their own nearest other training "
            "image. A test set that lies as the training set does would fill every bar to the dashed line.",
            half=True,
        )


@styled
def percentile_histogram(distances: pd.DataFrame, bins: int = 20) -> Axes:
    """Percentiles of test images in the training images' own distances; bars of equal distributions reach the line."""
    ax = new_figure().add_subplot()
    values = distances["distance_percentile"].dropna().to_numpy(float)
    weights = np.full(len(values), 1 / max(len(values), 1))
    ax.hist(values, np.linspace(0, 1, bins + 1), weights=weights, color=BLUE, alpha=0.8, rwidth=0.92)
    ax.axhline(1 / bins, color=GREY, linestyle="--", linewidth=1.2)
    ax.set(
        title="Distance percentile of the test images",
        xlabel="share of training images nearer to their own nearest",
        ylabel="share of test images",
        xlim=(0, 1),
    )
    subtitle(ax, f"{count(len(values), 'test image')}; dashed: a test set that lies as the training set does")
    for axis in (ax.xaxis, ax.yaxis):
        in_percent(axis)
    ax.grid(False, axis="x")
    return ax


@styled
def distance_histogram(
    distances: pd.DataFrame, train_distances: np.ndarray, label: str = "distance to nearest training image"
) -> Axes:
    """Distances of test images (DISTANCES rows), and of training images to their nearest other training image (n,)."""
    test, train = distances["nn_distance"].dropna().to_numpy(float), np.asarray(train_distances, float)
    train = train[np.isfinite(train)]
    highest = max(values.max() for values in (test, train) if len(values)) or 1.0  # of copies of one image, all are 0
    edges = np.linspace(0, highest, HISTOGRAM_BINS + 1)
    ax = histogram(
        test,
        edges,
        np.histogram(train, edges, density=True)[0],
        labels=(count(len(test), "test image"), count(len(train), "training image")),
        title="Distance to the nearest training image",
        xlabel=label,
        xlim=(0, highest),
    )
    ax.legend(loc="best")
    return ax
