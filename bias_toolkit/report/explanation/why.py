"""Why one image is unstable: the interventions that remove each candidate cause, and remedies that remove no cause."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bias_toolkit.explain.sentences import two_digits
from bias_toolkit.foundation.words import MISSING, count, known, percent
from bias_toolkit.invariance import HEADLINE
from bias_toolkit.report.explanation.figures import effects_plot
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
    from bias_toolkit.explain.record import CauseLine, Estimate, ExplanationRecord, Prediction, Stability

P, MAC = label_of(HEADLINE), "MAC"


def why_section(explanation: ExplanationRecord) -> Section | None:
    """Every candidate cause with the effect of its removal; None for a stable image, which has none."""
    if not explanation.lines:
        return None
    first = f"The first cause is: {explanation.causes[0].name}." if explanation.causes else "No cause was found."
    blocks: list[Block] = [
        Paragraph(
            "Each candidate cause was taken away from the image, and the same one-pixel steps were measured again. "
            "Changes that take no cause away (controls) show how far P(top-1 change) moves by itself."
        ),
        FigureBlock(
            "effects",
            lambda: effects_plot(explanation),
            f"Dot plot of P(top-1 change) as it is, {percent(explanation.before.p_top1_change.value)}, and after each "
            f"change of the image. {first}",
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


def _references(explanation: ExplanationRecord) -> list[Trial]:
    before, controls = explanation.before, explanation.controls
    picture = Picture(explanation.picture, "Centre view of the image as it is")
    facts = [_fact(P, before.p_top1_change), _fact(MAC, before.mac, two_digits), _prediction(before.prediction)]
    trials = [Trial("The image as it is", "reference", picture=picture, facts=facts)]
    if controls is not None:
        done = "Other brightness and contrast, which take no cause away."
        trials.append(Trial("Controls", "reference", done, facts=[_fact(P, controls)]))
    return trials


def _trial(line: CauseLine, explanation: ExplanationRecord) -> Trial:
    facts = []
    if line.after is not None:
        facts = _facts(line, explanation.before, line.after)
    elif line.expected is not None:
        facts = [_fact(f"{P} of images with its margin", line.expected)]
    kind = "cause" if line.rank is not None else "other" if facts else "untried"
    picture = Picture(line.picture, f"Centre view, {line.intervention}") if line.picture else None
    return Trial(line.name, kind, line.intervention, picture, facts, line.verdict, line.reason, line.rank)


def _facts(line: CauseLine, before: Stability, after: Stability) -> list[Fact]:
    facts = [
        _from_to(P, before.p_top1_change, after.p_top1_change, percent),
        _from_to(MAC, before.mac, after.mac, two_digits),
    ]
    for name, fall in ((f"Fall of {P}", line.fall), ("Fall beyond controls", line.fall_beyond_controls)):
        if fall is not None:
            facts.append(Fact(name, points(fall.value), _limits(fall, _hundredths)))
    facts.append(_prediction(after.prediction))
    facts.append(Fact("Made-up pixels", percent(line.made_up), [f"filled: {line.fill}"] if line.fill else []))
    return facts


def _from_to(name: str, before: Estimate, after: Estimate, form: Callable[[float], str]) -> Fact:
    lines = [before.limits(form, "before "), after.limits(form, "after ")]
    return Fact(name, f"{form(before.value)} → {form(after.value)}", [line for line in lines if line])


def _fact(name: str, estimate: Estimate, form: Callable[[float], str] = percent) -> Fact:
    return Fact(name, form(estimate.value), _limits(estimate, form))


def _limits(estimate: Estimate, form: Callable[[float], str]) -> list[str]:
    limits = estimate.limits(form, "95% interval ")
    return [limits] if limits else []


def points(share: float | None) -> str:
    """A difference of two shares in percentage points."""
    return f"{_hundredths(share)} points" if known(share) else MISSING


def _hundredths(share: float) -> str:
    return percent(share).removesuffix("%")


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
    rows = [["As it is", count(1), *_cells(explanation.before), MISSING]]
    for remedy in explanation.remedies:
        fall = Cell(points(remedy.fall.value), remedy.fall.limits(_hundredths))
        averaged = f"shifts of up to {count(remedy.radius, 'pixel')}"
        rows.append([averaged, count(remedy.views), *_cells(remedy.after), fall])
    table = TableBlock(
        "Predictions averaged over shifts",
        ["Averaged over", "Views", P, MAC, "Prediction", f"Fall of {P}"],
        rows,
        definitions=[MEASURES[HEADLINE], MEASURES["mac"]],
        note="Averaging takes no cause away; it makes the model less sensitive to where its view begins, for as many "
        "forward passes as there are views. Under each value is its 95% interval.",
    )
    return Section("remedy", "Remedy", [table])


def _cells(stability: Stability) -> list[Cell]:
    changes, mac, prediction = stability.p_top1_change, stability.mac, stability.prediction
    return [
        Cell(percent(changes.value), changes.limits()),
        Cell(two_digits(mac.value), mac.limits(two_digits)),
        Cell(prediction.name, _prediction_lines(prediction)[0]),
    ]
