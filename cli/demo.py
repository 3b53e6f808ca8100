"""`demo`: the whole argument on the built-in dataset."""

from pathlib import Path
from typing import Annotated

import typer

from bias_toolkit_cli.output import console_progress, print_json, say, say_findings, tell_news


def demo(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="The folder for the demo's studies and its page.")] = Path(
        "bias-toolkit-demo"
    ),
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Make a full report from the built-in dataset, with nothing to download.

    Example: bias-toolkit demo --out bias-toolkit-demo
    """
    progress = console_progress()
    with progress("Opening the demo", None):
        from bias_toolkit.demo import run_demo
    page, answers, findings = run_demo(out, progress, lambda page: tell_news([f"First report: {page}"]))
    if json_output:
        print_json({"findings": [finding.to_dict() for finding in [*answers, *findings]], "report": str(page)})
    else:
        say_findings(answers)
        say(f"\nReport: {page}")
