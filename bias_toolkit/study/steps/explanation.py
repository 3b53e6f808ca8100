"""Why one image is unstable, with its page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bias_toolkit
from bias_toolkit.pipeline.step import Job, step
from bias_toolkit.study.steps.analysis import analysis

if TYPE_CHECKING:
    from bias_toolkit.explain.request import Request

EXPLANATIONS = "explanations"


@step(
    EXPLANATIONS + "/{request.name}",
    is_listed=False,
    needs=[analysis],
    inputs=["model", "label_map"],
    settings=["batch_size", "seed"],
    also=lambda: {"toolkit": bias_toolkit.__version__},
    command="explain",
    writes=["explanation.json", "index.html", "figures/*", "pictures/*"],
)
def explanation(job: Job, request: Request) -> None:
    """Remove each candidate cause in turn, measure again, and write what came out."""
    from bias_toolkit.explain import explain_image
    from bias_toolkit.report.explanation import write_explanation
    from bias_toolkit.study.explaining import context_of, subject_of

    found = explain_image(context_of(job.inputs, job.results), subject_of(job.inputs, job.results, request), job.folder)
    found.save(job.folder)
    write_explanation(found, job.folder)
