"""The images that were explained, and what their instability comes from."""

from bias_toolkit.report.topic import Topic
from bias_toolkit.report.topics.explanations.findings import Explained, explanation_findings, gather
from bias_toolkit.report.topics.explanations.section import explanations_section


def _results(contents: Explained) -> dict:
    told = None if contents.summary is None else {"summary": contents.summary, "images": contents.images}
    return {"explained": told}


TOPIC = Topic(
    "explanations",
    gather,
    findings=explanation_findings,
    section=lambda contents, draft: explanations_section(contents),
    results=_results,
)
