"""The page with its figures and tables, and links to the available explanations."""

from dataclasses import dataclass

from bias_toolkit.pipeline.step import Job, step
from bias_toolkit.study.steps.analysis import analysis
from bias_toolkit.study.steps.mean_images import mean_images
from bias_toolkit.study.steps.noise import noise

FORM = 3
"""The form of the page and of results.json, to be raised when either changes."""


@dataclass(frozen=True)
class Shown:
    """The optional steps in a report: their names and keys."""

    parts: tuple[tuple[str, str], ...]


def _every_setting() -> list[str]:
    from bias_toolkit.study.settings import Settings

    return list(Settings.__dataclass_fields__)


@step(
    "report",
    is_listed=False,
    needs=[analysis, noise, mean_images],
    # The page lists all settings.
    settings=_every_setting(),
    also=lambda: {"form": FORM},
    command="report",
    writes=["index.html", "results.json", "figures/*", "tables/*", "images/*"],
    replaces_itself=True,
)
def report(job: Job, shown: Shown) -> None:
    """Write the report in place of an earlier one."""
    from bias_toolkit.report import claim, write_report

    claim(job.folder)
    write_report(job.results, job.folder, job.progress)
