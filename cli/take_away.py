"""Taking a study's test images to other tools: `export` and `explore`."""

from pathlib import Path
from typing import Annotated

import typer

from bias_toolkit_cli.output import console_progress, opened, say

Opened = Annotated[str, typer.Argument(metavar="STUDY", help="The folder of an analysed study.")]


def export(
    study: Opened,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The new folder.")],
    to: Annotated[str, typer.Option(metavar="FORMAT", help="The format: {formats}.")],
) -> None:
    """Write the test images with their classes, measures, distances and boxes for other tools.

    csv and parquet are tables, with a dictionary of their columns. A fiftyone folder is loaded by FiftyOne, a spotlight
    folder is opened by Renumics Spotlight. No image is copied.

    Example: bias-toolkit export study --to csv tables
    """
    with console_progress()("Exporting", None):
        folder = opened(study).export(to, out)
    say(f"Wrote {', '.join(sorted(path.name for path in folder.iterdir()))} to {folder}.")


def explore(study: Opened) -> None:
    """Open the test images in Renumics Spotlight, in the browser; it needs the extra explore.

    Each image has its label, its predicted class, the measures of the reference sweep, its distances from the training
    images, its box and framing, its three nearest training images, its features, and the page that explains it. It
    opens on distance against P(top-1 change). It ends when its tabs are closed, or with Ctrl-C.

    Example: bias-toolkit explore study
    """
    opened(study).explore()
