"""Annotated factors of an image, such as an unusual pose, against the model's stability."""

from matplotlib.axes import Axes

from bias_toolkit.report.columns import require_one_of
from bias_toolkit.report.page.files import Table
from bias_toolkit.report.topic import Choice, Option, Plot, Topic
from bias_toolkit.report.topics.factors.figures import factor_differences
from bias_toolkit.report.topics.factors.findings import Factors, factor_findings, gather
from bias_toolkit.report.topics.factors.section import factors_section


def _differences(contents: Factors, choice: Choice[Factors]) -> Axes:
    require_one_of(contents.table["measure"].unique(), choice.measure, choice.name)
    return factor_differences(contents.table, choice.measure)


TOPIC = Topic(
    "factors",
    gather,
    findings=factor_findings,
    section=lambda contents, draft: factors_section(contents),
    tables=lambda contents: [
        Table("factors", contents.table, "annotated factors against invariance", order=9),
        Table("notes", contents.every_note, "what the regression and the factors left out", order=10),
    ],
    results=lambda contents: {"factors": contents.table, "notes": contents.every_note},
    plots={
        "factors": Plot(
            _differences, lambda of: of.table, "test image with annotated factors", order=11, takes=[Option.MEASURE]
        )
    },
)
