"""Single figures by name, for a publication."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.invariance import STEP_PROTOCOLS
from bias_toolkit.report import (
    figures_classes,
    figures_factors,
    figures_framing,
    figures_invariance,
    figures_map,
    figures_regression,
    figures_relation,
    figures_sizes,
)
from bias_toolkit.report.contents import ReportContents, correlation, curve_rows, require_numbers
from bias_toolkit.report.definitions import distance_label
from bias_toolkit.report.localisation import marked_plot

if TYPE_CHECKING:
    from bias_toolkit.analysis import FramingMap

PLOTS: dict[str, Callable[..., Figure]] = {}
_OF_DISTANCE = {"distance-vs-invariance", "distance-given-margin"}
_OF_PER_IMAGE = _OF_DISTANCE | {"invariance-vs-position", "invariance-vs-scale", "invariance"}


def plot(
    contents: ReportContents,
    name: str,
    *,
    measure: str = "p_top1_change",
    distance: str = "nn_distance",
    bins: int | None = None,
    by_class: bool = False,
    beside: Sequence[ReportContents] = (),
) -> Figure:
    """Draw one of `PLOTS`.

    Parameters
    ----------
    contents : ReportContents
    name : str
    measure, distance : str
        Columns of the per-image table, for the figures that relate two of them.
    bins : int, optional
        Quantile bins; by default as many as the study's curves have, or five a class.
    by_class : bool
        One panel a class; only distance-vs-invariance has it.
    beside : sequence of ReportContents
        Other studies to draw on the same axes; only size-vs-invariance has it.

    Raises
    ------
    InputError
        If there is no such figure, the study lacks what it shows, or an option names no column of numbers.
    """
    if name not in PLOTS:
        raise InputError(f"There is no figure {name!r}; the figures are {', '.join(PLOTS)}.")
    if by_class and name != "distance-vs-invariance":
        raise InputError(f"--by-class is for distance-vs-invariance only; {name} has no panel for each class.")
    if beside and name != "size-vs-invariance":
        raise InputError(f"--with is for size-vs-invariance only; {name} shows one study.")
    if bins is not None and bins < 1:
        raise InputError(f"--bins is {bins}, but must be at least 1.")
    _check_columns(contents, name, measure, distance)
    others = {"beside": beside} if beside else {}
    figure = PLOTS[name](contents, measure=measure, distance=distance, bins=bins, by_class=by_class, **others)
    return marked_plot(figure, contents, name)


def _check_columns(contents: ReportContents, name: str, measure: str, distance: str) -> None:
    if name in _OF_PER_IMAGE:
        options = {"measure": measure} | ({"distance": distance} if name in _OF_DISTANCE else {})
        require_numbers(_per_image(contents, name), **options)
    elif name == "classes":
        classes = _there(contents.table("classes"), name, "labelled test image")
        estimates = [column for column in classes if f"{column}_low" in classes]
        require_numbers(classes[estimates], measure=measure)
    elif name == "factors":
        measured = _there(contents.table("factors"), name, "test image with annotated factors")["measure"]
        if measure not in set(measured):
            raise InputError(f"--measure is {measure!r}, but {name} can show only {', '.join(measured.unique())}.")
    elif name == "size-vs-invariance":
        measured = _size_curve(contents, name)["measure"]
        if measure not in set(measured):
            raise InputError(f"--measure is {measure!r}, but {name} can show only {', '.join(measured.unique())}.")


def _named(name: str):
    def register(draw: Callable) -> Callable:
        PLOTS[name] = draw
        return draw

    return register


def _there(table, name: str, what: str):
    if table is None or (isinstance(table, pd.DataFrame) and table.empty):
        raise InputError(f"The study has no {what}, which {name} shows.")
    return table


def _per_image(contents: ReportContents, name: str) -> pd.DataFrame:
    return _there(contents.per_image, name, "sweep")


def _computed(contents: ReportContents, distance: str, measure: str, bins: int | None) -> dict:
    """What the study has of a pair's curve and correlations, so that a figure gives the report's numbers."""
    found = {}
    if bins is None:
        found["curve"] = curve_rows(contents.table("curves"), distance, measure)
    if correlation(contents.table("correlations"), distance, measure, "plain") is not None:
        found["correlations"] = contents.table("correlations")
    return found


def _bins(contents: ReportContents, bins: int | None) -> int:
    return bins or int(contents.settings.get("bins", figures_relation.BINS))


@_named("distance-vs-invariance")
def _distance_vs_invariance(contents, measure, distance, bins, by_class, **_) -> Figure:
    per_image = _per_image(contents, "distance-vs-invariance")
    options = {"measure": measure, "distance": distance, "x_label": distance_label(distance, contents.settings)}
    if by_class:
        return figures_relation.distance_vs_invariance_by_class(
            per_image, **options, bins=bins or figures_relation.BINS_OF_A_CLASS, class_name=contents.class_name
        )
    computed = _computed(contents, distance, measure, bins)
    return figures_relation.distance_vs_invariance(per_image, **options, **computed, bins=_bins(contents, bins)).figure


@_named("distance-given-margin")
def _distance_given_margin(contents, measure, distance, bins, **_) -> Figure:
    return figures_relation.curve_given_margin(
        _per_image(contents, "distance-given-margin"),
        measure=measure,
        distance=distance,
        bins=_bins(contents, bins),
        x_label=distance_label(distance, contents.settings),
    ).figure


@_named("invariance-vs-position")
def _invariance_vs_position(contents, measure, bins, **_) -> Figure:
    per_image = _per_image(contents, "invariance-vs-position")
    computed = _computed(contents, "centre_distance", measure, bins)
    return figures_relation.invariance_vs_position(
        per_image, measure=measure, bins=_bins(contents, bins), **computed
    ).figure


@_named("invariance-vs-scale")
def _invariance_vs_scale(contents, measure, bins, **_) -> Figure:
    per_image = _per_image(contents, "invariance-vs-scale")
    computed = _computed(contents, "scale", measure, bins)
    return figures_relation.invariance_vs_scale(
        per_image, measure=measure, bins=_bins(contents, bins), **computed
    ).figure


def _size_curve(contents: ReportContents, name: str) -> pd.DataFrame:
    """The size curve, or where there is none, what the study's own sweeps have of it."""
    if contents.size_curve is not None:
        return contents.size_curve
    summary = _there(contents.table("summary"), name, "sweep")
    rows = summary[summary["protocol"].isin(STEP_PROTOCOLS)]
    if rows.groupby(["protocol", "size"]).ngroups < 2:
        raise InputError(
            f"{contents.name} was swept at one view size, and {name} shows several; run `bias-toolkit sizes` on it."
        )
    return rows


@_named("size-vs-invariance")
def _size_vs_invariance(contents, measure, beside=(), **_) -> Figure:
    studies = (contents, *beside)
    # Studies of one model on several test sets are told apart by their own names, and by their place where these are
    # the same too.
    for names in (
        [each.model.name for each in studies],
        [f"{each.model.name}, {each.name}" for each in studies],
        [f"{each.model.name}, {each.name} ({number})" for number, each in enumerate(studies, start=1)],
    ):
        if len(set(names)) == len(studies):
            break
    curves = {name: _size_curve(each, "size-vs-invariance") for name, each in zip(names, studies, strict=True)}
    return figures_sizes.size_vs_invariance(curves, measure)


@_named("map")
def _map(contents, measure, **_) -> Figure:
    return figures_map.framing_maps(_framing_map(contents, "map", measure, figures_map.MAPPED).cells, measure)


@_named("map-vs-density")
def _map_vs_density(contents, measure, **_) -> Figure:
    found = _framing_map(contents, "map-vs-density", measure, figures_map.RELATED)
    if found.cells["log_density"].isna().all():
        raise InputError("The study's map has no training density, as boxes are missing, which map-vs-density shows.")
    return figures_map.map_against_density(found.cells, found.correlations, measure)


def _framing_map(contents: ReportContents, name: str, measure: str, measures: Sequence[str]) -> FramingMap:
    if contents.framing_map is None:
        raise InputError(f"The study has no framing map, which {name} shows; run `bias-toolkit map` on it.")
    if measure not in measures:
        raise InputError(f"--measure is {measure!r}, but {name} can show only {', '.join(measures)}.")
    return contents.framing_map


@_named("invariance")
def _invariance(contents, measure, **_) -> Figure:
    return figures_invariance.measure_histogram(_per_image(contents, "invariance"), measure).figure


@_named("classes")
def _classes(contents, measure, **_) -> Figure:
    classes = _there(contents.table("classes"), "classes", "labelled test image")
    return figures_classes.class_ranking(classes, measure, class_name=contents.class_name).figure


@_named("odds-ratios")
def _odds_ratios(contents, **_) -> Figure:
    return figures_regression.odds_ratios(_there(contents.table("odds_ratios"), "odds-ratios", "regression")).figure


@_named("factors")
def _factors(contents, measure, **_) -> Figure:
    factors = _there(contents.table("factors"), "factors", "test image with annotated factors")
    return figures_factors.factor_differences(factors, measure).figure


@_named("centres")
def _centres(contents, **_) -> Figure:
    return figures_framing.centres_against_null(_there(contents.train_maps, "centres", "training object"))


@_named("coverage")
def _coverage(contents, **_) -> Figure:
    return figures_framing.mean_coverage(_there(contents.train_maps, "coverage", "training object")).figure


@_named("centre-distance")
def _centre_distance(contents, **_) -> Figure:
    framing = _there(contents.train_framing, "centre-distance", "training object")
    return figures_framing.centre_distance_histogram(framing).figure


@_named("scale")
def _scale(contents, **_) -> Figure:
    framing = _there(contents.train_framing, "scale", "training object")
    return figures_framing.scale_histogram(framing, contents.test_framing).figure


@_named("distance-percentiles")
def _distance_percentiles(contents, **_) -> Figure:
    distances = _there(contents.distances, "distance-percentiles", "distance")
    return figures_invariance.percentile_histogram(distances).figure
