"""What can be said about how stable the model is under one-pixel steps."""

from __future__ import annotations

import math
from collections.abc import Mapping

from bias_toolkit.report.contents import NoiseFloor, ReportContents
from bias_toolkit.report.finding import (
    CAUTION,
    EFFECT,
    FACT,
    INVARIANCE,
    NONE,
    TOO_FEW_IMAGES,
    UNKNOWN,
    Finding,
)
from bias_toolkit.report.formatting import count, estimate, interval, known, percent, significant

FAR_BELOW = 0.1


def image_size(protocol: str, size: float) -> float:
    """Side of the image as the view shows it, in view sides: above 1 a tighter crop, below 1 an image on a canvas."""
    return 1 / size if protocol == "embed" else 1 / math.sqrt(size)


def sweep_name(protocol: str, transform: str, size: float) -> str:
    """`crop, diagonal, size 1`."""
    parts = (protocol, transform, f"size {size:g}" if known(size) else None)
    return ", ".join(part for part in parts if isinstance(part, str) and part)


def summary_row(contents: ReportContents, measure: str):
    """The SUMMARY row of a measure under the reference sweep, None where it is absent or not defined."""
    summary, sweep = contents.table("summary"), contents.reference_sweep
    if not len(summary) or sweep is None:
        return None
    protocol, transform, size = sweep
    rows = summary[
        summary["protocol"].eq(protocol)
        & summary["transform"].eq(transform)
        & summary["size"].sub(size).abs().lt(1e-6)
        & summary["measure"].eq(measure)
    ]
    return None if rows.empty or not known(rows.iloc[0]["value"]) else rows.iloc[0].to_dict()


def invariance_findings(contents: ReportContents) -> list[Finding]:
    """How often one pixel changes the answer, whether noise can explain it, and how it depends on the size."""
    row = summary_row(contents, "p_top1_change")
    if row is None:
        claim = "How often one pixel changes the top-1 class was not measured."
        return [Finding(INVARIANCE, UNKNOWN, claim), *_consistency(contents)]
    found = [_change(contents, row), noise_finding(contents.noise_floor, row)]
    sizes = _sizes(contents)
    if sizes is not None:
        found.append(sizes)
    return [*found, *_consistency(contents), _accuracy(contents)]


def _consistency(contents: ReportContents) -> list[Finding]:
    summary = contents.table("summary")
    rows = summary[summary["measure"].eq("consistency") & summary["value"].notna()] if len(summary) else summary
    return [
        Finding(
            INVARIANCE,
            FACT,
            f"Two views of an image at random offsets agree in their top-1 class in {percent(row['value'])} of pairs.",
            f"95% interval {interval(row['low'], row['high'], percent)}; {count(row['n'], 'image')}.",
        )
        for row in rows.to_dict("records")
    ]


def _change(contents: ReportContents, row: Mapping) -> Finding:
    details = f"{sweep_name(*contents.reference_sweep)}; {count(row['n'], 'image')}"
    if row["value"] == 0:
        return Finding(INVARIANCE, NONE, "Moving an image by one pixel never changed the top-1 class.", f"{details}.")
    claim = f"Moving an image by one pixel changes the top-1 class in {percent(row['value'])} of the steps."
    evidence = f"95% interval {interval(row['low'], row['high'], percent)}; {details}."
    change = summary_row(contents, "mac")
    if change is not None:
        evidence += (
            f" The probability of the class on top changes by "
            f"{estimate(change['value'], change['low'], change['high'], significant)} a step on average."
        )
    if row["n"] < TOO_FEW_IMAGES:
        return Finding(INVARIANCE, CAUTION, claim, f"{evidence} So few images say little about others.")
    return Finding(INVARIANCE, EFFECT, claim, evidence)


def noise_finding(floor: NoiseFloor | None, row: Mapping) -> Finding:
    """Whether the noise floor is far below `p_top1_change`, a row of SUMMARY."""
    if floor is None:
        return Finding(
            INVARIANCE, UNKNOWN, "Whether rounding alone changes the class is not known: no noise floor was measured."
        )
    evidence = (
        f"Evaluating the same views again changed the top-1 class in {floor.n_changed:,} of "
        f"{count(floor.n_views, 'evaluation')}: noise floor {estimate(floor.value, floor.low, floor.high, percent)}, "
        f"against {percent(row['value'])} under a shift."
    )
    if floor.value == row["value"] == 0:
        return Finding(INVARIANCE, FACT, "Numerical noise did not change the top-1 class either.", evidence)
    if floor.value > FAR_BELOW * row["value"]:
        return Finding(
            INVARIANCE,
            CAUTION,
            "Numerical noise is too near what was measured: rounding, not the shift, may change the class.",
            evidence,
        )
    if floor.high >= row["low"]:
        return Finding(
            INVARIANCE,
            CAUTION,
            "Too few views were evaluated again to put numerical noise below what was measured.",
            f"{evidence} A larger --noise-images would tell.",
        )
    return Finding(INVARIANCE, FACT, "Numerical noise does not explain it.", evidence)


def _sizes(contents: ReportContents) -> Finding | None:
    summary = contents.table("summary")
    rows = summary[
        summary["measure"].eq("p_top1_change")
        & summary["transform"].eq(contents.reference_sweep[1])
        & summary["protocol"].isin(["crop", "embed"])
        & summary[["value", "low", "high"]].notna().all(axis=1)
    ]
    if len(rows) < 2:
        return None
    rows = rows.assign(
        shown=[image_size(*pair) for pair in zip(rows["protocol"], rows["size"], strict=True)]
    ).sort_values("shown", kind="stable")
    smallest, largest = rows.iloc[0], rows.iloc[-1]
    lowest = rows.loc[rows["value"].idxmin()]

    def told(row) -> str:
        return (
            f"{percent(row['value'])} ({interval(row['low'], row['high'], percent)}) at {row['protocol']} "
            f"size {row['size']:g}"
        )

    above_small, above_large = smallest["low"] > lowest["high"], largest["low"] > lowest["high"]
    if above_small and above_large:
        return Finding(
            INVARIANCE,
            EFFECT,
            "P(top-1 change) is U-shaped over the size at which the image is shown.",
            f"It is lowest, {told(lowest)}, and higher when the image is shown smaller, {told(smallest)}, and larger, "
            f"{told(largest)}.",
        )
    if above_small or above_large:
        other, direction = (smallest, "smaller") if above_small else (largest, "larger")
        return Finding(
            INVARIANCE,
            EFFECT,
            f"The model is less stable when the image is shown {direction}.",
            f"P(top-1 change) is {told(other)} against {told(lowest)}.",
        )
    return Finding(
        INVARIANCE,
        NONE,
        "No dependence of P(top-1 change) on the size at which the image is shown was found.",
        f"It is {told(smallest)} and {told(largest)}; their intervals overlap that of the lowest, {told(lowest)}.",
    )


def _accuracy(contents: ReportContents) -> Finding:
    row = summary_row(contents, "accuracy")
    if row is None:
        return Finding(
            INVARIANCE,
            UNKNOWN,
            "Accuracy is not given: no test image has a label that is one of the model's classes.",
        )
    return Finding(
        INVARIANCE,
        FACT,
        f"Accuracy over the same views is {percent(row['value'])}.",
        f"95% interval {interval(row['low'], row['high'], percent)}; {count(row['n'], 'image')}.",
    )
