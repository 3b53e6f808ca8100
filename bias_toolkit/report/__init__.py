"""A study's report: findings in words, figures, tables and the HTML page."""

from importlib import import_module
from typing import Any

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


def __getattr__(name: str) -> Any:
    # A report with nothing to do is there in half the time without matplotlib, scipy and the topics.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
