"""`check`: whether a finished report keeps limits, for use in continuous integration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from bias_toolkit.foundation.errors import InputError
from bias_toolkit_cli.output import opened, print_json, say

if TYPE_CHECKING:
    import pandas as pd


class Limit(NamedTuple):
    """A limit of a measure: the option that names it, and the end of the interval that has to keep it."""

    option: str
    measure: str
    end: str  # high: has to be at most the limit; low: at least


LIMITS = (
    Limit("--max-p-top1-change", "p_top1_change", "high"),
    Limit("--max-mac", "mac", "high"),
    Limit("--min-accuracy", "accuracy", "low"),
)
WORDS = {"high": ("at most", "above"), "low": ("at least", "below")}


def check(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="The study's folder, with a finished report.")],
    max_p_top1_change: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Largest P(top-1 change), such as 0.05.")
    ] = None,
    max_mac: Annotated[float | None, typer.Option(metavar="SHARE", help="Largest mean absolute change.")] = None,
    min_accuracy: Annotated[float | None, typer.Option(metavar="SHARE", help="Smallest accuracy.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Compare the headline of a finished report with limits, for use in CI. Exit code 1 if one is not kept.

    A limit is kept if the whole 95% interval keeps it: its upper end for a largest value, its lower end for a smallest.

    Example: bias-toolkit check study --max-p-top1-change 0.05
    """
    given = [(limit, value) for limit, value in zip(LIMITS, (max_p_top1_change, max_mac, min_accuracy), strict=True)]
    given = [(limit, value) for limit, value in given if value is not None]
    if not given:
        raise InputError("No limit was given; give one, such as --max-p-top1-change 0.05.")
    for limit, value in given:
        if not 0 <= value <= 1:
            raise InputError(f"{limit.option} is {value:g}, but must be a share from 0 to 1.")
    study_there = opened(study)
    # Raises InputError unless the report is of the study's present inputs and settings.
    study_there.answers()
    sweep, summary = study_there.reference_sweep, study_there.analysis.summary
    if sweep is None:
        raise InputError(f"{study} has no sweep with steps; run `bias-toolkit report` with --protocol.")
    of_sweep = summary[summary["protocol"].eq(sweep.protocol) & summary["transform"].eq(sweep.transform)]
    of_sweep = of_sweep[of_sweep["size"].sub(sweep.size).abs() < 1e-6]
    checked = [_checked(study, limit, value, of_sweep[of_sweep["measure"].eq(limit.measure)]) for limit, value in given]
    passed = all(each["passed"] for each in checked)
    if json_output:
        print_json({"passed": passed, "limits": checked})
    else:
        say("\n".join(_sentence(limit, each) for (limit, _), each in zip(given, checked, strict=True)))
    if not passed:
        raise typer.Exit(1)


def _checked(study: str, limit: Limit, value: float, rows: pd.DataFrame) -> dict[str, Any]:
    """The measure, its value and interval, and whether it keeps the limit."""
    from bias_toolkit.foundation.intervals import FEWEST_IMAGES
    from bias_toolkit.foundation.words import known

    row = rows.iloc[0].to_dict() if len(rows) else {"value": None, "n": 0}
    if not known(row["value"]):
        raise InputError(
            f"{study} has no {limit.measure}, as no test image has a label of the model; leave {limit.option} out."
        )
    if row["n"] < FEWEST_IMAGES or not known(row[limit.end]):
        raise InputError(
            f"{study} has too few test images for an interval of {limit.measure}, so no limit can be checked."
        )
    passed = row["high"] <= value if limit.end == "high" else row["low"] >= value
    numbers = {name: row[name] for name in ("measure", "value", "low", "high", "n")}
    return numbers | {"limit": value, "passed": bool(passed)}


def _sentence(limit: Limit, checked: dict[str, Any]) -> str:
    from bias_toolkit.foundation.words import count, interval, significant
    from bias_toolkit.report.words.definitions import label_of

    kept, missed = WORDS[limit.end]
    ends = interval(checked["low"], checked["high"], significant)
    end = "upper" if limit.end == "high" else "lower"
    return (
        f"{label_of(limit.measure)} is {significant(checked['value'])} (95% interval {ends}; "
        f"{count(checked['n'], 'image')}): the {end} end is {kept if checked['passed'] else missed} the limit of "
        f"{checked['limit']:g}."
    )
