"""Estimated boxes: their method, their quality, and the conclusions that they do not allow."""

import dataclasses
from typing import Any

from bias_toolkit.report.page.files import Table
from bias_toolkit.report.topic import Topic
from bias_toolkit.report.topics.localisation.contents import Localisation, gather
from bias_toolkit.report.topics.localisation.findings import localisation_findings
from bias_toolkit.report.topics.localisation.section import localisation_section

NOT_WRITTEN = ("framing", "read")


def _results(located: Localisation | None) -> dict[str, Any]:
    if located is None:
        return {"localisation": None}
    names = [field.name for field in dataclasses.fields(located) if field.name not in NOT_WRITTEN]
    return {"localisation": {name: getattr(located, name) for name in names}}


TOPIC = Topic(
    "localisation",
    gather,
    findings=localisation_findings,
    section=lambda located, draft: localisation_section(located),
    tables=lambda located: [
        Table(
            "localisation",
            located.quality,
            f"how good estimated boxes are, measured on {located.measured_on}",
            order=27,
        ),
        Table("unlocated", located.unlocated, "images without an estimated box, with the reason", order=28),
    ],
    results=_results,
)
