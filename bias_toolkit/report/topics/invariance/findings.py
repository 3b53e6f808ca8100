"""What can be said about how stable the model is under one-pixel steps."""

from __future__ import annotations

from collections.abc import Mapping

from bias_toolkit.foundation.words import count, estimate, percent, significant
from bias_toolkit.report.topics.invariance.contents import InvarianceContents, NoiseFloor
from bias_toolkit.report.topics.invariance.sizes import size_finding
from bias_toolkit.report.words.finding import TOO_FEW_IMAGES, Finding, Heading, Kind, estimate_over, interval_over
from bias_toolkit.report.words.sweeps import sweep_name

FAR_BELOW = 0.1


def invariance_findings(contents: InvarianceContents) -> list[Finding]:
    """How often one pixel changes the answer, whether noise can explain it, and how it depends on the size."""
    row = contents.row("p_top1_change")
    if row is None:
        claim = "How often one pixel changes the top-1 class was not measured."
        return [Finding(Heading.INVARIANCE, Kind.UNKNOWN, claim), *_consistency(contents)]
    found = [_change(contents, row), noise_finding(contents.noise_floor, row)]
    sizes = size_finding(contents)
    if sizes is not None:
        found.append(sizes)
    return [*found, *_consistency(contents), _accuracy(contents)]


def _consistency(contents: InvarianceContents) -> list[Finding]:
    summary = contents.summary
    rows = summary[summary["measure"].eq("consistency") & summary["value"].notna()] if len(summary) else summary
    return [
        Finding(
            Heading.INVARIANCE,
            Kind.FACT,
            f"Two views of an image at random offsets agree in their top-1 class in {percent(row['value'])} of pairs.",
            f"{_interval(row)}; {count(row['n'], 'image')}.",
        )
        for row in rows.to_dict("records")
    ]


def _interval(row: Mapping) -> str:
    text = interval_over(row["n"], row["low"], row["high"], percent)
    return text[0].upper() + text[1:]


def _change(contents: InvarianceContents, row: Mapping) -> Finding:
    details = f"{sweep_name(*contents.reference)}; {count(row['n'], 'image')}"
    if row["value"] == 0:
        return Finding(
            Heading.INVARIANCE, Kind.NONE, "Moving an image by one pixel never changed the top-1 class.", f"{details}."
        )
    claim = f"Moving an image by one pixel changes the top-1 class in {percent(row['value'])} of the steps."
    evidence = f"{_interval(row)}; {details}."
    change = contents.row("mac")
    if change is not None:
        told = estimate_over(change["n"], change["value"], change["low"], change["high"], significant)
        evidence += f" The probability of the class on top changes by {told} a step on average."
    if row["n"] < TOO_FEW_IMAGES:
        return Finding(Heading.INVARIANCE, Kind.CAUTION, claim, f"{evidence} So few images say little about others.")
    return Finding(Heading.INVARIANCE, Kind.EFFECT, claim, evidence)


def noise_finding(floor: NoiseFloor | None, row: Mapping) -> Finding:
    """Whether the noise floor is far below `p_top1_change`, a row of SUMMARY."""
    if floor is None:
        return Finding(
            Heading.INVARIANCE,
            Kind.UNKNOWN,
            "Whether rounding alone changes the class is not known: no noise floor was measured.",
        )
    evidence = (
        f"Evaluating the same views again changed the top-1 class in {floor.n_changed:,} of "
        f"{count(floor.n_views, 'evaluation')}: noise floor {estimate(floor.value, floor.low, floor.high, percent)}, "
        f"against {percent(row['value'])} under a shift."
    )
    if floor.value == row["value"] == 0:
        return Finding(
            Heading.INVARIANCE, Kind.FACT, "Numerical noise did not change the top-1 class either.", evidence
        )
    if floor.value > FAR_BELOW * row["value"]:
        return Finding(
            Heading.INVARIANCE,
            Kind.CAUTION,
            "Numerical noise is too near what was measured: rounding, not the shift, may change the class.",
            evidence,
        )
    if floor.high >= row["low"]:
        return Finding(
            Heading.INVARIANCE,
            Kind.CAUTION,
            "Too few views were evaluated again to put numerical noise below what was measured.",
            f"{evidence} A larger --noise-images would tell.",
        )
    return Finding(Heading.INVARIANCE, Kind.FACT, "Numerical noise does not explain it.", evidence)


def _accuracy(contents: InvarianceContents) -> Finding:
    row = contents.row("accuracy")
    if row is None:
        return Finding(
            Heading.INVARIANCE,
            Kind.UNKNOWN,
            "Accuracy is not given: no test image has a label that is one of the model's classes.",
        )
    return Finding(
        Heading.INVARIANCE,
        Kind.FACT,
        f"Accuracy over the same views is {percent(row['value'])}.",
        f"{_interval(row)}; {count(row['n'], 'image')}.",
    )
