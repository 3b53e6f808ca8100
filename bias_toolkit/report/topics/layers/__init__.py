"""Where in the network invariance is lost: the operations that subsample, measured one by one."""

from matplotlib.figure import Figure

from bias_toolkit.report.page.files import Table
from bias_toolkit.report.topic import Choice, Plot, Topic
from bias_toolkit.report.topics.layers.figures import measures_by_depth
from bias_toolkit.report.topics.layers.findings import layer_findings
from bias_toolkit.report.topics.layers.section import LAYERS_FIGURE, Layers, gather, layers_section


def _plot(contents: Layers, choice: Choice[Layers]) -> Figure:
    return measures_by_depth(contents.analysis.summary)


def _tables(contents: Layers) -> list[Table]:
    if contents.analysis is None:
        return []
    summary, contrasts, correlations = contents.analysis
    return [
        Table("layer_summary", summary, "means of every measure of every operation that subsamples", order=14),
        Table("layer_contrasts", contrasts, "what low-pass filters and a blurred input change in them", order=14),
        Table("layer_correlations", correlations, "what goes with P(top-1 change) over images", order=14),
        Table("layers", contents.layers, "one row per image, condition and operation", order=14),
    ]


TOPIC = Topic(
    "layers",
    gather,
    findings=layer_findings,
    section=lambda contents, draft: layers_section(contents),
    tables=_tables,
    plots={
        LAYERS_FIGURE: Plot(
            _plot, lambda of: of.analysis, "measures of its network’s operations", order=7, command="layers"
        )
    },
)
