"""The effect of framing: position, scale and view size varied by intervention."""

import pandas as pd
from matplotlib.figure import Figure

from bias_toolkit.analysis import COMPARED_MEASURES, RELATED_MEASURES, FramingMap
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.report.columns import require_one_of
from bias_toolkit.report.page.files import Table
from bias_toolkit.report.source import Source
from bias_toolkit.report.topic import Choice, Option, Plot, Topic
from bias_toolkit.report.topics.cause.map_figures import framing_maps, map_against_density
from bias_toolkit.report.topics.cause.map_findings import TOO_FEW, map_findings
from bias_toolkit.report.topics.cause.section import Cause, cause_section, gather
from bias_toolkit.report.topics.cause.size_curve import size_curve_finding, size_vs_invariance
from bias_toolkit.report.words.finding import Finding


def _size_findings(contents: Cause) -> list[Finding]:
    """Whether the size curve has a minimum; empty if there is no curve."""
    if contents.size_measures is None:
        return []
    finding = size_curve_finding(contents.size_measures, seed=contents.seed)
    return [] if finding is None else [finding]


_PARTS = {"map": lambda contents: map_findings(contents.framing_map), "sizes": _size_findings}


def part_findings(source: Source, part: str) -> list[Finding]:
    """The findings of the `map` or the `sizes` alone, without the rest of a report."""
    return _PARTS[part](gather(source))


def _tables(contents: Cause) -> list[Table]:
    framing_map, tables = contents.framing_map, []
    if framing_map is not None:
        contrasts = "the map where training objects are many, and where they are few"
        tables = [
            Table("map_cells", framing_map.cells, "one row per cell of the framing map", order=11),
            Table("map_correlations", framing_map.correlations, "the training density against the map", order=12),
            Table("map_contrasts", framing_map.contrasts, contrasts, order=13),
        ]
    return [*tables, Table("size_curve", contents.size_curve, "means of every measure over the view size", order=14)]


def _map(contents: Cause, choice: Choice[Cause]) -> Figure:
    require_one_of(COMPARED_MEASURES, choice.measure, choice.name)
    return framing_maps(_cells(contents), choice.measure)


def _map_vs_density(contents: Cause, choice: Choice[Cause]) -> Figure:
    require_one_of(RELATED_MEASURES, choice.measure, choice.name)
    return map_against_density(_cells(contents), contents.framing_map.correlations, choice.measure)


def _cells(contents: Cause) -> pd.DataFrame:
    """The cells of the map; InputError if none has enough images."""
    if contents.framing_map.cells.empty:
        raise InputError(TOO_FEW)
    return contents.framing_map.cells


def _size_vs_invariance(contents: Cause, choice: Choice[Cause]) -> Figure:
    require_one_of(contents.shown_sizes["measure"].unique(), choice.measure, choice.name)
    studies = (contents, *choice.beside)
    # Studies of one model on several test sets are named by study too, and numbered if these names are equal.
    for names in (
        [each.model() for each in studies],
        [f"{each.model()}, {each.study}" for each in studies],
        [f"{each.model()}, {each.study} ({number})" for number, each in enumerate(studies, start=1)],
    ):
        if len(set(names)) == len(studies):
            break
    curves = {name: each.shown_sizes for name, each in zip(names, studies, strict=True)}
    return size_vs_invariance(curves, choice.measure)


def _with_density(contents: Cause) -> FramingMap | None:
    """The map; InputError if it has no training density."""
    made = contents.framing_map
    if made is not None and len(made.cells) and made.cells["log_density"].isna().all():
        raise InputError("The study's map has no training density, as boxes are missing, which map-vs-density shows.")
    return made


TOPIC = Topic(
    "cause",
    gather,
    findings=lambda contents: [finding for part in _PARTS.values() for finding in part(contents)],
    section=lambda contents, draft: cause_section(contents),
    tables=_tables,
    plots={
        "size-vs-invariance": Plot(
            _size_vs_invariance,
            lambda contents: contents.shown_sizes,
            "sweep at several view sizes",
            order=5,
            takes=(Option.MEASURE, Option.WITH),
            command="sizes",
        ),
        "map": Plot(
            _map, lambda contents: contents.framing_map, "framing map", order=6, takes=[Option.MEASURE], command="map"
        ),
        "map-vs-density": Plot(
            _map_vs_density, _with_density, "framing map", order=7, takes=[Option.MEASURE], command="map"
        ),
    },
)
