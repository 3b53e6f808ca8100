"""`map`, `sizes` and `remedies`: showing the test images otherwise, or to a changed model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bias_toolkit.study import steps
from bias_toolkit_cli.options import StudyFolder, open_study, takes_study_options
from bias_toolkit_cli.output import console_progress, print_json, say, say_findings

if TYPE_CHECKING:
    from bias_toolkit import Study


@takes_study_options(steps.framing_map)
def map(study: StudyFolder, options: dict[str, Any]) -> None:
    """Show test images with their objects at other positions and scales, and measure one-pixel steps there.

    The result says whether the model is least stable where training objects are rare. The report then shows the map.

    Example: bias-toolkit map study --images 100
    """
    opened = open_study(study, options)
    opened.measure_map(progress=console_progress())
    framing_map = opened.framing_map
    tables = {name: getattr(framing_map, name).to_dict("records") for name in ("correlations", "contrasts", "cells")}
    _print(opened, tables, "map", options["json_output"])


@takes_study_options(steps.size_curve)
def sizes(study: StudyFolder, options: dict[str, Any]) -> None:
    """Measure one-pixel steps at every view size, from a tight crop to a small image on a canvas.

    A report of the study then has the curve, and `plot STUDY size-vs-invariance` draws it.

    Example: bias-toolkit sizes study --images 200
    """
    opened = open_study(study, options)
    opened.measure_sizes(progress=console_progress())
    _print(opened, {"curve": opened.size_curve.to_dict("records")}, "sizes", options["json_output"])


@takes_study_options(steps.remedies)
def remedies(study: StudyFolder, options: dict[str, Any]) -> None:
    """Try what makes the model more stable without training, and what it costs.

    Each remedy is compared with the model as it is, image by image: averages over shifted views, a blurred input,
    low-pass filters in the network, and a window that follows the image's content. The report then shows the result.

    Example: bias-toolkit remedies study --images 200
    """
    opened = open_study(study, options)
    opened.measure_remedies(progress=console_progress())
    tables = {"effects": opened.remedy_effects.to_dict("records"), "tenths": opened.remedy_tenths.to_dict("records")}
    _print(opened, tables, "remedies", options["json_output"])


def _print(study: Study, tables: dict[str, Any], part: str, as_json: bool) -> None:
    from bias_toolkit.report.topics import cause, remedies

    findings = remedies.study_findings(study) if part == "remedies" else cause.part_findings(study, part)
    if as_json:
        print_json({"findings": [finding.to_dict() for finding in findings], **tables})
        return
    figure = {"map": "map", "sizes": "size-vs-invariance", "remedies": "remedies"}[part]
    say_findings(findings)
    say(f"\nDraw it with `bias-toolkit plot {study.folder} {figure} --out figure.pdf`; `bias-toolkit report` shows it.")
