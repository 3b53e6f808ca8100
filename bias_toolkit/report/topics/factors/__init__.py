"""Annotated factors of an image, such as an unusual pose, against the model's stability."""

from __future__ import annotations

from matplotlib.figure import Figure

from bias_toolkit.report.columns import require_one_of
from bias_toolkit.report.page.files import Table
from bias_toolkit.report.topic import Choice, Option, Plot, Topic
from bias_toolkit.report.topics.factors.figures import factor_differences
from bias_toolkit.report.topics.factors.findings import Factors, factor_findings, gather
from bias_toolkit.report.topics.factors.section import factors_section


def _tables(contents: Factors) -> list[Table]:
    return [
        Table("factors", contents.table, "annotated factors against invariance", order=9),
        Table("notes", contents.every_note, "what the regression and the factors left out", order=10),
    ]


def _differences(contents: Factors, choice: Choice[Factors]) -> Figure:
    require_one_of(contents.table["measure"].unique(), choice.measure, choice.name)
    return factor_differences(contents.table, choice.measure).figure


TOPIC = Topic(
    "factors",
    gather,
    findings=factor_findings,
    section=lambda contents, draft: factors_section(contents),
    tables=_tables,
    results=lambda contents: {"factors": contents.table, "notes": contents.every_note},
    plots={
        "factors": Plot(
            _differences,
            shown=lambda contents: contents.table,
            lacking="test image with annotated factors",
            order=11,
            takes=frozenset({Option.MEASURE}),
        )
    },
)
