"""Taking a study's test images to other tools: `export`."""

from pathlib import Path
from typing import Annotated

import typer

from bias_toolkit_cli.output import console_progress, say


def export(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="The folder of an analysed study.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The new folder.")],
    to: Annotated[str, typer.Option(metavar="FORMAT", help="The format: {formats}.")],
) -> None:
    """Write the test images with their classes, measures, distances and boxes for other tools.

    csv and parquet are tables, with a dictionary of their columns. A fiftyone folder is loaded by FiftyOne. No image is
    copied.

    Example: bias-toolkit export study --to csv tables
    """
    from bias_toolkit.study import Study

    with console_progress()("Exporting", None):
        folder = Study(study).export(to, out)
    say(f"Wrote {', '.join(sorted(path.name for path in folder.iterdir()))} to {folder}.")
