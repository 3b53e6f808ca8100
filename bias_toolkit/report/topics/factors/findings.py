"""Which annotated factors of an image, such as an unusual pose, go with instability."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bias_toolkit.foundation.words import count, interval, known, number, p_value, percent
from bias_toolkit.report.source import Source, notes
from bias_toolkit.report.words.definitions import FACTORS
from bias_toolkit.report.words.finding import SIGNIFICANT, Finding, Heading, Kind


def factor_name(factor: str) -> str:
    """The name that is shown for a factor."""
    return FACTORS[factor].label if factor in FACTORS else factor.replace("_", " ")


@dataclass(frozen=True)
class Factors:
    """Table FACTORS, what it leaves out, and table NOTES."""

    table: pd.DataFrame
    notes: Sequence[str]
    every_note: pd.DataFrame


def gather(source: Source) -> Factors:
    """The annotated factors of a study's test images."""
    analysis = source.analysis
    return Factors(analysis.factors, notes(source, "factors"), analysis.notes)


def factor_findings(contents: Factors) -> list[Finding]:
    """Factors that go with instability after correction for their number, and whether the margin explains them."""
    table = contents.table
    if not len(table):
        return [Finding(Heading.FACTORS, Kind.UNKNOWN, contents.notes[0])] if contents.notes else []
    rows = table[table["measure"].eq("p_top1_change")].to_dict("records")
    if not rows:
        return []
    found = [row for row in rows if known(row["p_adjusted"]) and row["p_adjusted"] < SIGNIFICANT]
    tested = count(len(rows), "factor")
    if not found:
        claim = "No annotated factor was found to go with instability."
        evidence = f"None of {tested} leaves its mark on P(top-1 change) after correction for their number."
        return [Finding(Heading.FACTORS, Kind.NONE, claim, evidence)]
    found.sort(key=lambda row: (-abs(row["difference"]), row["factor"]))
    names = ", ".join(factor_name(row["factor"]).lower() for row in found)
    claim = f"Of {tested}, {len(found)} {'goes' if len(found) == 1 else 'go'} with another stability: {names}."
    told = " ".join(_told(row) for row in found[:3])
    return [Finding(Heading.FACTORS, Kind.EFFECT, claim, told)]


def _told(row: Mapping[str, Any]) -> str:
    def brackets(name: str, p: str) -> str:
        limits = interval(row[f"{name}_low"], row[f"{name}_high"], points)
        return f"(95% interval {limits}; adjusted {p_value(row[p])})"

    given = "not defined"
    if known(row["given_margin"]):
        given = f"{points(row['given_margin'])} {brackets('given_margin', 'given_margin_p_adjusted')}"
    return (
        f"{factor_name(row['factor'])}: P(top-1 change) {percent(row['value'])} on {count(row['n_with'], 'image')} "
        f"with it, {percent(row['without'])} on {count(row['n_without'], 'image')} without, a difference of "
        f"{points(row['difference'])} percentage points {brackets('difference', 'p_adjusted')}; among images of like "
        f"margin {given}."
    )


def points(value: float) -> str:
    """A difference of shares in percentage points, with its sign: `+3.2`."""
    text = number(100 * value, 1)
    return f"+{text}" if value > 0 and text.strip("0.") else text
