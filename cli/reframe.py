"""`map` and `sizes`: showing the test images at other positions, scales and sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bias_toolkit_cli.options import open_study, takes_study_options
from bias_toolkit_cli.output import console_progress, print_json, say

if TYPE_CHECKING:
    from bias_toolkit import Study

StudyFolder = Annotated[str, typer.Argument(metavar="STUDY", help="The study's folder; made when it is new.")]
GRID = "The map"


@takes_study_options
def framing_map(
    study: StudyFolder,
    options: dict[str, Any],
    images: Annotated[
        int | None, typer.Option(metavar="N", rich_help_panel=GRID, help="Test images to show (default 100).")
    ] = None,
    positions: Annotated[
        list[float] | None,
        typer.Option(
            "--position",
            rich_help_panel=GRID,
            help="Where to put the object's centre, across and down, as a fraction of the view; give it several times "
            "(default 0.25, 0.5, 0.75).",
        ),
    ] = None,
    scales: Annotated[
        list[float] | None,
        typer.Option(
            "--scale",
            rich_help_panel=GRID,
            help="How large to show the object: the square root of the share of the view that its box covers; give it "
            "several times (default 0.15, 0.2, 0.27, 0.36, 0.48, 0.64, 0.8).",
        ),
    ] = None,
    surroundings: Annotated[
        list[str] | None,
        typer.Option(
            rich_help_panel=GRID,
            help="What is around the object: mean, black or inpaint where the image ends, or real: windows of the "
            "image alone; give it several times (default all).",
        ),
    ] = None,
) -> None:
    """Show a sample of test images with their objects at other positions and scales, and sweep there.

    Says how far P(top-1 change) follows the density of the training objects. A report of the study then has the map.

    Example: bias-toolkit map study --images 100
    """
    chosen = {
        "map_images": images,
        "map_positions": positions,
        "map_scales": scales,
        "map_surroundings": surroundings,
    }
    opened = open_study(study, options | chosen)
    opened.measure_map(progress=console_progress())
    found = opened.framing_map
    tables = {name: getattr(found, name).to_dict("records") for name in ("correlations", "contrasts", "cells")}
    _print(opened, tables, "map", options["json_output"])


@takes_study_options
def sizes(
    study: StudyFolder,
    options: dict[str, Any],
    images: Annotated[
        int | None, typer.Option(metavar="N", rich_help_panel=GRID, help="Test images to show (default 200).")
    ] = None,
) -> None:
    """Sweep a sample of test images at every view size, from tight crops to small images on a canvas.

    A report of the study then has the curve, and `plot STUDY size-vs-invariance` draws it.

    Example: bias-toolkit sizes study --images 200
    """
    opened = open_study(study, options | {"size_images": images})
    opened.measure_sizes(progress=console_progress())
    _print(opened, {"curve": opened.size_curve.to_dict("records")}, "sizes", options["json_output"])


def _print(study: Study, tables: dict[str, Any], part: str, as_json: bool) -> None:
    from bias_toolkit.report.topics.cause import part_findings

    findings = part_findings(study, part)
    if as_json:
        print_json({"findings": [finding.to_dict() for finding in findings], **tables})
        return
    figure = {"map": "map", "sizes": "size-vs-invariance"}[part]
    say("\n".join(finding.text for finding in findings))
    say(f"\nDraw it with `bias-toolkit plot {study.folder} {figure} --out figure.pdf`; `bias-toolkit report` shows it.")


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("map")(framing_map)
    app.command()(sizes)
