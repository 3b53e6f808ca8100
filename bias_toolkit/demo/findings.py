"""The demo's findings: sentences that follow from its numbers."""

from collections.abc import Mapping
from enum import StrEnum
from itertools import product

import pandas as pd

from bias_toolkit.demo.argument import change_difference
from bias_toolkit.foundation.words import estimate, interval, percent
from bias_toolkit.report import Finding
from bias_toolkit.report.words.finding import Kind, sign
from bias_toolkit.report.words.sentences import in_points, three_digits


class Heading(StrEnum):
    """The headings of the demo's findings."""

    LAW = "The law that placed the objects"
    LEARNT = "Where invariance is learnt"
    POSITION = "Position"
    SCALE = "Scale"
    FRAMED_ANEW = "Framed anew"


MIDDLE, OFF_CENTRE = (0.0, 0.1), (0.2, 0.3)
TRAINED, SMALL, LARGE = (0.35, 0.55), (0.2, 0.25), (0.55, 0.8)
# The width of a 95% interval in standard errors; an estimate exceeds chance at one in a thousand.
WIDTH, BEYOND_CHANCE = 3.92, 3.29
QUANTITIES = {
    "centre_bias": "centre bias",
    "log_scale_mean": "mean of log scale",
    "log_scale_sd": "standard deviation of log scale",
}


def law_findings(law: pd.DataFrame) -> list[Finding]:
    """Whether the boxes agree with the law that placed the objects, for each demo dataset."""
    findings = []
    for dataset, rows in law.groupby("dataset", sort=False):
        outside = rows[(rows["law"] < rows["low"]) | (rows["law"] > rows["high"])]
        standard_errors = (outside["estimate"] - outside["law"]).abs() / ((outside["high"] - outside["low"]) / WIDTH)
        names = " and ".join(QUANTITIES[quantity] for quantity in outside["quantity"])
        kind, claim = Kind.FACT, f"The boxes of demo:{dataset} give back the law that placed them."
        if standard_errors.gt(BEYOND_CHANCE).any():
            kind = Kind.CAUTION
            claim = f"The boxes of demo:{dataset} do not give back the law that placed them: {names}."
        elif len(outside):
            claim += f" The interval of the {names} just misses the law's value, as one in twenty does by chance."
        evidence = "; ".join(
            f"{QUANTITIES[row.quantity]} {estimate(row.estimate, row.low, row.high, three_digits)}, "
            f"by the law {three_digits(row.law)}"
            for row in rows.itertuples()
        )
        findings.append(Finding(Heading.LAW, kind, claim, f"{evidence[0].upper()}{evidence[1:]}."))
    return findings


def learnt_findings(tables: Mapping[tuple[str, str], pd.DataFrame]) -> list[Finding]:
    """The stability and accuracy of each network on each test set, and by distance from the training images.

    `tables` has the result of `argument.binned` for each (network, test set).
    """
    findings = []
    for network in dict.fromkeys(network for network, _ in tables):
        sets = {name: table for (of, name), table in tables.items() if of == network}
        whole = {name: table[table["by"] == "all"].iloc[0] for name, table in sets.items()}
        usual, varied = whole["photographer"], whole["uniform"]
        if varied["low"] > usual["high"]:
            kind, claim = Kind.EFFECT, f"{network}: stable on pictures framed as in training, not on others."
        else:
            kind, claim = Kind.NONE, f"{network}: as stable on pictures framed as in training as on others."
        fifths = sets["uniform"][sets["uniform"]["by"] == "nn_distance"]
        first, last = fifths.iloc[0], fifths.iloc[-1]
        evidence = (
            f"P(top-1 change) is {_change(usual)} under the training law, with accuracy {percent(usual['accuracy'])}, "
            f"and {_change(varied)} where position and scale are uniform, with accuracy {percent(varied['accuracy'])}. "
            f"There it is {_change(first)} in the fifth of the images nearest to the training images and "
            f"{_change(last)} in the farthest."
        )
        findings.append(Finding(Heading.LEARNT, kind, claim, evidence))
    return findings


def framing_findings(per_image: Mapping[str, pd.DataFrame]) -> list[Finding]:
    """The effect of an off-centre position and of another scale on each network, on the uniform test set."""
    findings = []
    for network, table in per_image.items():
        findings.append(
            _effect(
                Heading.POSITION,
                change_difference(table, "off_centre", MIDDLE, OFF_CENTRE),
                f"{network}: an object off centre makes it less stable.",
                f"{network}: no loss of stability with an object off centre was found.",
                "At the trained scale, P(top-1 change) with the object's centre 0.2 to 0.3 widths from the middle, "
                "minus that within 0.1",
            )
        )
    for (network, table), (other, words) in product(per_image.items(), ((SMALL, "smaller"), (LARGE, "larger"))):
        findings.append(
            _effect(
                Heading.SCALE,
                change_difference(table, "scale", TRAINED, other),
                f"{network}: an object {words} than in training makes it less stable.",
                f"{network}: no loss of stability with an object {words} than in training was found.",
                f"Near the middle, P(top-1 change) at scales {other[0]:.2f} to {other[1]:.2f}, minus that at "
                f"{TRAINED[0]:.2f} to {TRAINED[1]:.2f}",
            )
        )
    return findings


def _effect(heading: Heading, difference: tuple[float, float, float], if_more: str, if_not: str, what: str) -> Finding:
    value, low, high = difference
    kind, claim = (Kind.EFFECT, if_more) if sign(low, high) == 1 else (Kind.NONE, if_not)
    points = f"{in_points(value)} percentage points (95% interval {interval(low, high, in_points)})"
    return Finding(heading, kind, claim, f"{what}: {points}.")


def _change(row: pd.Series) -> str:
    return f"{percent(row['p_top1_change'])} ({interval(row['low'], row['high'], percent)})"
