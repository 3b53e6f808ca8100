"""The stability of the model under one-pixel steps."""

from typing import Any

from matplotlib.axes import Axes

from bias_toolkit.report.columns import require_numbers
from bias_toolkit.report.page.files import Table
from bias_toolkit.report.topic import Choice, Option, Plot, Topic
from bias_toolkit.report.topics.invariance.figures import measure_histogram
from bias_toolkit.report.topics.invariance.findings import (
    InvarianceContents,
    gather,
    invariance_findings,
    stability_answer,
)
from bias_toolkit.report.topics.invariance.section import invariance_section


def _histogram(contents: InvarianceContents, choice: Choice[InvarianceContents]) -> Axes:
    require_numbers(contents.per_image, measure=choice.measure)
    return measure_histogram(contents.per_image, choice.measure)


def _results(contents: InvarianceContents) -> dict[str, Any]:
    sweep = contents.reference
    return {
        "reference_sweep": None if sweep is None else dict(zip(("protocol", "transform", "size"), sweep, strict=True)),
        "noise_floor": contents.noise_floor,
        "sequential": contents.sequential if len(contents.sequential) else None,
        "summary": contents.summary,
    }


TOPIC = Topic(
    "invariance",
    gather,
    findings=invariance_findings,
    section=lambda contents, draft: invariance_section(contents),
    answer=stability_answer,
    tables=lambda contents: [
        Table("summary", contents.summary, "means of every measure under every sweep", order=2),
        Table("measures", contents.measures, "one row per test image and sweep", order=16),
        Table(
            "sequential",
            contents.sequential if len(contents.sequential) else None,
            "how many images each sweep took to reach its precision",
            order=17,
        ),
    ],
    results=_results,
    plots={"invariance": Plot(_histogram, lambda of: of.per_image, "sweep", order=8, takes=[Option.MEASURE])},
)
