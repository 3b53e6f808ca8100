"""`run-shards`: one part of a step's work, for the array jobs of a cluster."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.words import count
from bias_toolkit.study import steps
from bias_toolkit_cli.options import StudyFolder, open_study, takes_study_options
from bias_toolkit_cli.output import console_progress, print_json, say

_IN_PARTS = [step for step in steps.STEPS if step.sharding is not None and not step.sharding.in_turn]


@takes_study_options(*_IN_PARTS)
def run_shards(
    study: StudyFolder,
    step: Annotated[
        str, typer.Argument(metavar="STEP", help="The step's folder in the study, such as features/train.")
    ],
    options: dict[str, Any],
    part: Annotated[
        str | None,
        typer.Option(metavar="K/N", help="Do the Kth of N parts of the shards. Without it, the step is only begun."),
    ] = None,
) -> None:
    """Begin a step; then, with --part, do a part of its shards and nothing else.

    The parts may run at the same time, on machines with the same folders. The next ordinary command finishes the step.

    Example: bias-toolkit run-shards study features/train --part 3/16
    """
    opened = open_study(study, options)
    if part is None:
        missing = opened.begin_shards(step, progress=console_progress())
        result, sentence = {"missing_shards": missing}, f"{step} is begun; {count(missing, 'shard')} missing."
    else:
        matched = re.fullmatch(r"([1-9]\d{0,5})/([1-9]\d{0,5})", part)
        if matched is None or int(matched[1]) > int(matched[2]):
            raise InputError(f"--part is {part!r}, but must be such as 3/16: the third of 16 parts.")
        done = opened.run_shards(step, int(matched[1]), int(matched[2]), progress=console_progress())
        result, sentence = {"shards": done}, f"Part {part} of {step}: {count(done, 'shard')} done."
    if options["json_output"]:
        print_json(result)
    else:
        say(sentence)
