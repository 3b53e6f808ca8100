"""A study's report: findings in words, figures, tables and the HTML page."""

from bias_toolkit.report.contents import (
    DatasetDescription,
    ExplainedImage,
    ModelDescription,
    NoiseFloor,
    ReportContents,
)
from bias_toolkit.report.explanation import write_explanation
from bias_toolkit.report.figures_classes import class_ranking
from bias_toolkit.report.figures_framing import (
    category_ranking,
    centre_distance_histogram,
    centres_against_null,
    heat_map,
    mean_coverage,
    scale_histogram,
)
from bias_toolkit.report.figures_invariance import (
    distance_histogram,
    measure_by_size,
    measure_histogram,
    percentile_histogram,
)
from bias_toolkit.report.figures_relation import (
    curve_given_margin,
    distance_vs_invariance,
    distance_vs_invariance_by_class,
    invariance_vs_position,
    invariance_vs_scale,
)
from bias_toolkit.report.finding import Finding
from bias_toolkit.report.findings import all_findings, as_text
from bias_toolkit.report.page import Page, write_page
from bias_toolkit.report.plots import PLOTS, plot
from bias_toolkit.report.results import results
from bias_toolkit.report.style import BLUE, VERMILLION, in_percent, new_figure, save_figure, styled
from bias_toolkit.report.write import write_report

__all__ = [
    "BLUE",
    "PLOTS",
    "VERMILLION",
    "DatasetDescription",
    "ExplainedImage",
    "Finding",
    "ModelDescription",
    "NoiseFloor",
    "Page",
    "ReportContents",
    "all_findings",
    "as_text",
    "category_ranking",
    "centre_distance_histogram",
    "centres_against_null",
    "class_ranking",
    "curve_given_margin",
    "distance_histogram",
    "distance_vs_invariance",
    "distance_vs_invariance_by_class",
    "heat_map",
    "in_percent",
    "invariance_vs_position",
    "invariance_vs_scale",
    "mean_coverage",
    "measure_by_size",
    "measure_histogram",
    "new_figure",
    "percentile_histogram",
    "plot",
    "results",
    "save_figure",
    "scale_histogram",
    "styled",
    "write_explanation",
    "write_page",
    "write_report",
]
