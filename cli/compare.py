"""`compare`: studies side by side."""

from pathlib import Path
from typing import Annotated

import typer

from bias_toolkit_cli.output import console_progress, print_json, say, say_findings


def compare(
    studies: Annotated[
        list[str],
        typer.Argument(metavar="STUDY STUDY…", help="The studies' folders; the others are compared with the first."),
    ],
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The folder for the page, with figures, tables and pictures.")
    ],
    resamples: Annotated[int, typer.Option(min=1, help="Bootstrap resamples of intervals.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of the resamples.")] = 0,
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Put studies side by side: which model is more stable, and at what accuracy.

    Nothing is computed in the studies; each needs what `bias-toolkit analyse` or `report` computes. Where the test
    images are the same, they are compared one by one.

    Example: bias-toolkit compare study-of-lite0 study-of-lite2 --out comparison
    """
    progress = console_progress()
    with progress("Opening the studies", None):
        from bias_toolkit.comparison import compare as compare_studies
    comparison = compare_studies(studies, out, resamples=resamples, seed=seed, progress=progress)
    if json_output:
        result = {
            "findings": [finding.to_dict() for finding in comparison.findings],
            "means": comparison.means.to_dict("records"),
            "differences": comparison.differences.to_dict("records"),
            "page": str(comparison.page),
        }
        print_json(result)
        return
    say_findings(comparison.answers)
    say(f"\nPage: {comparison.page}")
