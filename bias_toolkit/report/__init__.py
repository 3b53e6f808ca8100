"""A study's report: findings in words, figures, tables and the HTML page."""

from bias_toolkit.foundation.lazy import lazy_names

_HOMES = {
    "OPTIONAL": "optional",
    "PLOTS": "plots",
    "Finding": "words.finding",
    "Page": "page.page",
    "ReportPage": "write",
    "available": "plots",
    "claim": "page.publish",
    "frame_datasets": "framing_page",
    "ordered_by_stability": "stability",
    "plot": "plots",
    "resize": "page.sizes",
    "save_figure": "page.style",
    "topic_findings": "write",
    "without_title": "page.style",
    "write_page": "page.page",
    "write_report": "write",
}

__all__ = list(_HOMES)

# A report with nothing to do is there in half the time without matplotlib, scipy and the topics.
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
