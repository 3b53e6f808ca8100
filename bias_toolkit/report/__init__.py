"""A study's report: findings in words, figures, tables and the HTML page."""

from bias_toolkit.report.framing_page import frame_datasets
from bias_toolkit.report.page.page import Page, write_page
from bias_toolkit.report.page.publish import claim
from bias_toolkit.report.page.sizes import resize
from bias_toolkit.report.page.style import save_figure, without_title
from bias_toolkit.report.plots import PLOTS, available, plot
from bias_toolkit.report.stability import ordered_by_stability
from bias_toolkit.report.topics import OPTIONAL
from bias_toolkit.report.words.finding import Finding
from bias_toolkit.report.write import ReportPage, topic_findings, write_report

__all__ = [
    "OPTIONAL", "PLOTS", "Finding", "Page", "ReportPage", "available", "claim", "frame_datasets",
    "ordered_by_stability", "plot", "resize", "save_figure", "topic_findings", "without_title", "write_page",
    "write_report",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
