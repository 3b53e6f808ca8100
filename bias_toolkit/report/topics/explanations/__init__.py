"""The images that were explained, and what their instability comes from."""

from bias_toolkit.report.topic import Topic
from bias_toolkit.report.topics.explanations.findings import explanation_findings, gather
from bias_toolkit.report.topics.explanations.section import explanations_section

TOPIC = Topic(
    "explanations",
    gather,
    findings=explanation_findings,
    section=lambda contents, draft: explanations_section(contents),
    results=lambda contents: {"explained": None if contents.summary is None else vars(contents)},
)
