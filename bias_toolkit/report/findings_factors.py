"""Which annotated factors of an image, such as an unusual pose, go with instability."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bias_toolkit.foundation.words import count, interval, known, number, p_value, percent
from bias_toolkit.report.contents import ReportContents
from bias_toolkit.report.definitions import FACTORS
from bias_toolkit.report.finding import EFFECT, NONE, UNKNOWN, Finding

TOPIC = "Annotated factors"
SIGNIFICANT = 0.05


def factor_name(factor: str) -> str:
    """The name that is shown for a factor."""
    return FACTORS[factor].label if factor in FACTORS else factor.replace("_", " ")


def factor_notes(contents: ReportContents) -> list[str]:
    """What the factors left out."""
    notes = contents.table("notes")
    return list(notes.loc[notes["topic"].eq("factors"), "sentence"]) if len(notes) else []


def factor_findings(contents: ReportContents) -> list[Finding]:
    """Factors that go with instability after correction for their number, and whether the margin explains them."""
    table, notes = contents.table("factors"), factor_notes(contents)
    if not len(table):
        return [Finding(TOPIC, UNKNOWN, notes[0])] if notes else []
    rows = table[table["measure"].eq("p_top1_change")].to_dict("records")
    if not rows:
        return []
    found = [row for row in rows if known(row["p_adjusted"]) and row["p_adjusted"] < SIGNIFICANT]
    tested = count(len(rows), "factor")
    if not found:
        claim = "No annotated factor was found to go with instability."
        evidence = f"None of {tested} leaves its mark on P(top-1 change) after correction for their number."
        return [Finding(TOPIC, NONE, claim, evidence)]
    found.sort(key=lambda row: (-abs(row["difference"]), row["factor"]))
    names = ", ".join(factor_name(row["factor"]).lower() for row in found)
    claim = f"Of {tested}, {len(found)} {'goes' if len(found) == 1 else 'go'} with another stability: {names}."
    told = " ".join(_told(row) for row in found[:3])
    return [Finding(TOPIC, EFFECT, claim, told)]


def _told(row: Mapping[str, Any]) -> str:
    given = (
        "not defined"
        if not known(row["given_margin"])
        else f"{points(row['given_margin'])} (95% interval "
        f"{interval(row['given_margin_low'], row['given_margin_high'], points)}; adjusted "
        f"{p_value(row['given_margin_p_adjusted'])})"
    )
    limits = interval(row["difference_low"], row["difference_high"], points)
    return (
        f"{factor_name(row['factor'])}: P(top-1 change) {percent(row['value'])} on {count(row['n_with'], 'image')} "
        f"with it, {percent(row['without'])} on {count(row['n_without'], 'image')} without, a difference of "
        f"{points(row['difference'])} percentage points (95% interval {limits}; adjusted "
        f"{p_value(row['p_adjusted'])}); "
        f"among images of like margin {given}."
    )


def points(value: float) -> str:
    """A difference of shares in percentage points, with its sign: `+3.2`."""
    text = number(100 * value, 1)
    return f"+{text}" if value > 0 and text.strip("0.") else text
