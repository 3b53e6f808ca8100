"""`explain`: why one image is unstable."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.words import count
from bias_toolkit_cli.options import ExecutorName, RayAddress
from bias_toolkit_cli.output import console_progress, opened, print_json, say

if TYPE_CHECKING:
    from bias_toolkit.study import Study


def explain(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="The study's folder.")],
    image: Annotated[
        str | None, typer.Argument(metavar="IMAGE", help="A test image's id or path, or any other image file.")
    ] = None,
    box: Annotated[
        str | None,
        typer.Option(
            metavar="X0,Y0,X1,Y1", help="The object's box in pixels, for an image that is not in the test set."
        ),
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="The image's label or class name, for an image that is not in the test set.")
    ] = None,
    worst: Annotated[
        int | None,
        typer.Option(metavar="N", help="Explain the N most unstable test images instead, and add them to the report."),
    ] = None,
    trust_study: Annotated[
        bool,
        typer.Option(
            "--trust-study",
            help="Run the code of the model that only the study's record names; for studies whose author you trust.",
        ),
    ] = False,
    executor: ExecutorName = None,
    ray_address: RayAddress = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Say why the model is unstable on an image, by removing each candidate cause and measuring again.

    Example: bias-toolkit explain study n01443537/goldfish_7.JPEG

    Example: bias-toolkit explain study my-photograph.jpg --box 10,20,200,180 --label goldfish

    Example: bias-toolkit explain study --worst 20
    """
    if (image is None) == (worst is None):
        raise InputError("Give either IMAGE or --worst N: what is to be explained.")
    if worst is not None and (box is not None or label is not None):
        raise InputError("--box and --label are for an IMAGE; leave them out with --worst.")
    there = opened(study, trust_study, executor=executor, ray_address=ray_address)
    if worst is not None:
        _explain_worst(there, worst, json_output)
        return
    explanation = there.explain(image, box=_box(box), label=label, progress=console_progress())
    layer = there.most_moved(explanation.image_id)
    if json_output:
        print_json(explanation.to_dict() | {"page": str(explanation.page), "layer": layer and layer._asdict()})
    else:
        of_layer = f"\n\n{layer.text}" if layer else ""
        say(f"{explanation.text}{of_layer}\n\nPage: {explanation.page}")


def _explain_worst(study: Study, n: int, json_output: bool) -> None:
    """Explain the most unstable images; printed are all of them that were explained so far, which the report counts."""
    from bias_toolkit.explain import summarise
    from bias_toolkit.report.topics.explanations import least_stable_explained

    study.explain_worst(n, progress=console_progress())
    explanations = least_stable_explained(study.results)
    summary = summarise(explanations)
    if json_output:
        images = [explanation.to_dict() | {"page": str(explanation.page)} for explanation in explanations]
        print_json({"summary": asdict(summary), "images": images})
    else:
        before = len(explanations) - n
        note = f"\n{count(before)} of these had been explained before." if before > 0 else ""
        say(f"{summary.text}{note}\n\nReport: {study.folder / 'report' / 'index.html'}")


def _box(text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(edge) for edge in text.split(","))
    except ValueError:
        raise InputError(f"--box is {text!r}, but must be four numbers x0,y0,x1,y1 in pixels.") from None
