"""What can be said about how stable the model is under one-pixel steps."""

from __future__ import annotations

from collections.abc import Mapping

from bias_toolkit.foundation.words import count, estimate, known, percent, significant
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
    estimate_over,
    interval_over,
)
from bias_toolkit.report.findings_sizes import size_finding
from bias_toolkit.report.sweeps import sweep_name

FAR_BELOW = 0.1


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
    sizes = size_finding(contents)
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
            f"{_interval(row)}; {count(row['n'], 'image')}.",
        )
        for row in rows.to_dict("records")
    ]


def _interval(row: Mapping) -> str:
    text = interval_over(row["n"], row["low"], row["high"], percent)
    return text[0].upper() + text[1:]


def _change(contents: ReportContents, row: Mapping) -> Finding:
    details = f"{sweep_name(*contents.reference_sweep)}; {count(row['n'], 'image')}"
    if row["value"] == 0:
        return Finding(INVARIANCE, NONE, "Moving an image by one pixel never changed the top-1 class.", f"{details}.")
    claim = f"Moving an image by one pixel changes the top-1 class in {percent(row['value'])} of the steps."
    evidence = f"{_interval(row)}; {details}."
    change = summary_row(contents, "mac")
    if change is not None:
        told = estimate_over(change["n"], change["value"], change["low"], change["high"], significant)
        evidence += f" The probability of the class on top changes by {told} a step on average."
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
        f"{_interval(row)}; {count(row['n'], 'image')}.",
    )
