"""Why one image is unstable: the interventions that remove each candidate cause, and remedies that remove no cause."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bias_toolkit.foundation.words import MISSING, count, interval, known, percent, significant
from bias_toolkit.report.explanation.figures_effects import effects_plot
from bias_toolkit.report.page.blocks import (
    Block,
    Cell,
    Fact,
    FigureBlock,
    Paragraph,
    Picture,
    Section,
    TableBlock,
    Trial,
    TrialsBlock,
)
from bias_toolkit.report.words.definitions import MEASURES, label_of

if TYPE_CHECKING:
    from bias_toolkit.explain.record import CauseLine, Estimate, ExplanationRecord, Prediction, Remedy, Stability

P, MAC = label_of("p_top1_change"), "MAC"


def why_section(explanation: ExplanationRecord) -> Section | None:
    """Every candidate cause with the effect of its removal; None for a stable image, which has none."""
    if not explanation.lines:
        return None
    blocks: list[Block] = [
        Paragraph(
            "Each candidate cause was taken away from the image, and the same one-pixel steps were measured again. "
            "Changes that take no cause away (controls) show how far P(top-1 change) moves by itself."
        ),
        FigureBlock(
            "effects",
            lambda: effects_plot(explanation),
            f"Dot plot of P(top-1 change) as it is, {percent(explanation.before.p_top1_change.value)}, and after each "
            f"change of the image. {_first_cause(explanation)}",
            "P(top-1 change) of the image as it is and after each change of it, over the same steps, with 95% "
            "intervals: causes in blue, all else in grey; the square is the controls, diamonds are averaged "
            "predictions.",
        ),
        TrialsBlock("To compare with", _references(explanation)),
    ]
    causes = [line for line in explanation.lines if line.rank is not None]
    others = [line for line in explanation.lines if line.rank is None]
    if causes:
        title = "The cause" if len(causes) == 1 else "Causes, the first one first"
        blocks.append(TrialsBlock(title, [_trial(line, explanation) for line in causes]))
    else:
        blocks.append(Paragraph("Nothing that was tried could be shown to be a cause."))
    if others:
        blocks.append(TrialsBlock("No cause", [_trial(line, explanation) for line in others]))
    return Section("why", "Why", blocks)


def _first_cause(explanation: ExplanationRecord) -> str:
    return f"The first cause is: {explanation.causes[0].name}." if explanation.causes else "No cause was found."


def _references(explanation: ExplanationRecord) -> list[Trial]:
    before = explanation.before
    found = [
        Trial(
            "The image as it is",
            "reference",
            picture=Picture(explanation.picture, "Centre view of the image as it is"),
            facts=[
                Fact(P, percent(before.p_top1_change.value), _limits(before.p_top1_change)),
                Fact(MAC, _two_digits(before.mac.value), _limits(before.mac, _two_digits)),
                _prediction(before.prediction),
            ],
        )
    ]
    if explanation.controls is not None:
        found.append(
            Trial(
                "Controls",
                "reference",
                done="Other brightness and contrast, which take no cause away.",
                facts=[Fact(P, percent(explanation.controls.value), _limits(explanation.controls))],
            )
        )
    return found


def _trial(line: CauseLine, explanation: ExplanationRecord) -> Trial:
    if line.after is not None:
        facts = _facts(line, explanation.before, line.after)
    elif line.expected is not None:
        facts = [Fact(f"{P} of images with its margin", percent(line.expected.value), _limits(line.expected))]
    else:
        facts = []
    kind = "cause" if line.rank is not None else "other" if facts else "untried"
    picture = Picture(line.picture, f"Centre view, {line.intervention}") if line.picture else None
    return Trial(line.name, kind, line.intervention, picture, facts, line.verdict, line.reason, line.rank)


def _facts(line: CauseLine, before: Stability, after: Stability) -> list[Fact]:
    facts = [
        _from_to(P, before.p_top1_change, after.p_top1_change, percent),
        _from_to(MAC, before.mac, after.mac, _two_digits),
    ]
    if line.fall is not None:
        facts.append(Fact(f"Fall of {P}", points(line.fall.value), _limits(line.fall, _hundredths)))
    if line.fall_beyond_controls is not None:
        beyond = line.fall_beyond_controls
        facts.append(Fact("Fall beyond controls", points(beyond.value), _limits(beyond, _hundredths)))
    facts.append(_prediction(after.prediction))
    facts.append(Fact("Made-up pixels", percent(line.made_up), [f"filled: {line.fill}"] if line.fill else []))
    return facts


def _from_to(name: str, before: Estimate, after: Estimate, form) -> Fact:
    lines = [
        f"{when} {interval(estimate.low, estimate.high, form)}"
        for when, estimate in (("before", before), ("after", after))
        if known(estimate.low) and known(estimate.high)
    ]
    return Fact(name, f"{form(before.value)} → {form(after.value)}", lines)


def _limits(estimate: Estimate, form=percent) -> list[str]:
    known_limits = known(estimate.low) and known(estimate.high)
    return [f"95% interval {interval(estimate.low, estimate.high, form)}"] if known_limits else []


def points(share: float | None) -> str:
    """A difference of two shares in percentage points."""
    return f"{_hundredths(share)} points" if known(share) else MISSING


def _hundredths(share: float) -> str:
    return percent(share).removesuffix("%")


def _two_digits(value: float | None) -> str:
    return significant(value, 2)


def _prediction(prediction: Prediction) -> Fact:
    return Fact("Prediction", prediction.name, _prediction_lines(prediction))


def _prediction_lines(prediction: Prediction) -> list[str]:
    lines = [f"probability {percent(prediction.probability)}"]
    if prediction.is_right is not None:
        lines[0] += ", right" if prediction.is_right else ", wrong"
    if known(prediction.accuracy):
        lines.append(f"right on {percent(prediction.accuracy, 0)} of the views")
    return lines


def remedy_section(explanation: ExplanationRecord) -> Section | None:
    """The effect of averaging predictions over shifts; None if that was not measured."""
    if not explanation.remedies:
        return None
    before = explanation.before
    rows = [["As it is", count(1), *_cells(before), MISSING]]
    rows.extend(_row(remedy) for remedy in explanation.remedies)
    table = TableBlock(
        "Predictions averaged over shifts",
        ["Averaged over", "Views", P, MAC, "Prediction", f"Fall of {P}"],
        rows,
        definitions=[MEASURES["p_top1_change"], MEASURES["mac"]],
        note="Averaging takes no cause away; it makes the model less sensitive to where its view begins, for as many "
        "forward passes as there are views. Under each value is its 95% interval.",
    )
    return Section("remedy", "Remedy", [table])


def _row(remedy: Remedy) -> Sequence[Cell | str]:
    fall = Cell(points(remedy.fall.value), _ends(remedy.fall, _hundredths))
    return [f"shifts of up to {count(remedy.radius, 'pixel')}", count(remedy.views), *_cells(remedy.after), fall]


def _cells(stability: Stability) -> list[Cell]:
    prediction = stability.prediction
    return [
        Cell(percent(stability.p_top1_change.value), _ends(stability.p_top1_change, percent)),
        Cell(_two_digits(stability.mac.value), _ends(stability.mac, _two_digits)),
        Cell(prediction.name, _prediction_lines(prediction)[0]),
    ]


def _ends(estimate: Estimate, form) -> str:
    return interval(estimate.low, estimate.high, form) if known(estimate.low) and known(estimate.high) else ""
