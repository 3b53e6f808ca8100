"""Why one image is unstable: the interventions that remove each candidate cause, and remedies that remove no cause."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bias_toolkit.explain.record import Cause
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
    """The causes with the effect of their removal; None for a stable image, of which no cause was looked for."""
    if not explanation.lines:
        return None
    first = f"The first cause is: {explanation.causes[0].name}." if explanation.causes else "No cause was found."
    blocks: list[Block] = [
        FigureBlock(
            "effects",
            lambda: effects_plot(explanation),
            f"Dot plots of P(top-1 change) and MAC as it is, {percent(explanation.before.p_top1_change.value)} and "
            f"{two_digits(explanation.before.mac.value)}, and after each change of the image. {first}",
            "P(top-1 change) and MAC of the image as it is and after each change of it, over the same steps, with 95% "
            "intervals. Causes are blue, all else is grey. The square is the controls: changes of brightness and "
            "contrast, which remove no cause. Diamonds are averaged predictions. A cause lowers both.",
        ),
    ]
    causes = [line for line in explanation.lines if line.rank is not None]
    if causes:
        title = "The cause" if len(causes) == 1 else "Causes, the first one first"
        note = "Each cause was removed alone, and the same one-pixel steps were measured again: these are effects."
        blocks.append(TrialsBlock(title, [_trial(line, explanation) for line in causes], note))
    else:
        blocks.append(Paragraph("No cause was found. What was tried is below, each with its result."))
    return Section("why", "Why", blocks)


def no_cause_section(explanation: ExplanationRecord) -> Section | None:
    """What is no cause, with its effect, and the image as it is to compare with; None for a stable image."""
    if not explanation.lines:
        return None
    others = [line for line in explanation.lines if line.rank is None and line.cause != Cause.COIN_TOSS]
    blocks: list[Block] = [TrialsBlock("To compare with", _references(explanation))]
    if others:
        blocks.append(TrialsBlock("No cause", [_trial(line, explanation) for line in others]))
    return Section("no-cause", "What is no cause", blocks, folded=True)


def margin_trials(explanation: ExplanationRecord) -> list[TrialsBlock]:
    """The comparison with images of the same margin; empty if the image is stable."""
    lines = [line for line in explanation.lines if line.cause == Cause.COIN_TOSS]
    return [TrialsBlock("Images of the same margin", [_trial(line, explanation) for line in lines])] if lines else []


def _references(explanation: ExplanationRecord) -> list[Trial]:
    before, controls, controls_mac = explanation.before, explanation.controls, explanation.controls_mac
    picture = Picture(explanation.picture, "Centre view of the image as it is")
    facts = [_fact(P, before.p_top1_change), _fact(MAC, before.mac, two_digits), *_predictions(before)]
    trials = [Trial("The image as it is", "reference", picture=picture, facts=facts)]
    if controls is not None:
        facts = [_fact(P, controls)]
        if controls_mac is not None:
            facts.append(_fact(MAC, controls_mac, two_digits))
        done = "Mean over four changes of brightness and contrast, which remove no cause."
        trials.append(Trial("Controls", "reference", done, facts=facts))
    return trials


def _trial(line: CauseLine, explanation: ExplanationRecord) -> Trial:
    facts = []
    if line.after is not None:
        facts = _facts(line, explanation.before, line.after)
    elif line.expected is not None:
        facts = [_fact(f"{P} of images with its margin", line.expected)]
    kind = "cause" if line.rank is not None else "other" if facts else "untried"
    return Trial(line.name, kind, line.intervention, _picture(line), facts, line.verdict, line.reason, line.rank)


def _picture(line: CauseLine) -> Picture | None:
    if line.picture is None:
        return None
    lines = ["centre view, with the nearest of them"] if line.cause == Cause.CONTENT else ["centre view"]
    return Picture(line.picture, f"Centre view, {line.intervention}", lines=lines)


def _facts(line: CauseLine, before: Stability, after: Stability) -> list[Fact]:
    facts = [
        _from_to(P, before.p_top1_change, after.p_top1_change, percent, _limits_of(line.fall, _hundredths, " points")),
        _from_to(MAC, before.mac, after.mac, two_digits, _limits_of(line.mac_fall, two_digits)),
    ]
    if line.fall_beyond_controls is not None:
        beyond = line.fall_beyond_controls
        facts.append(Fact("Lower than after controls by", points(beyond.value), _limits(beyond, _hundredths)))
    facts += _predictions(after)
    if line.made_up:
        facts.append(Fact("Made-up pixels", percent(line.made_up), [f"filled: {line.fill}"] if line.fill else []))
    return facts


def _from_to(
    name: str,
    before: Estimate,
    after: Estimate,
    form: Callable[[float], str],
    fall: str,
) -> Fact:
    """A value before and after, with the interval of the latter and that of the fall."""
    lines = [after.limits(form, "after: "), f"fall: {fall}" if fall else ""]
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


def _limits_of(fall: Estimate | None, form: Callable[[float], str], unit: str = "") -> str:
    """The interval of a fall with its unit; empty if it is not known."""
    limits = "" if fall is None else fall.limits(form)
    return f"{limits}{unit}" if limits else ""


def _predictions(stability: Stability) -> list[Fact]:
    """The class at the centre view, and that over all shifts if it is another."""
    centre, over = stability.centre_view, stability.over_shifts
    facts = [Fact("Class at the centre view", centre.name, prediction_lines(centre))]
    if over.name != centre.name:
        facts.append(Fact("Class over all shifts", over.name, prediction_lines(over)))
    if known(stability.accuracy):
        facts.append(Fact("Views with the right class", percent(stability.accuracy, 0), ["of all shifts"]))
    return facts


def prediction_lines(prediction: Prediction) -> list[str]:
    """`probability 83.0%, right`; whether it is right only where that is known."""
    right = {True: ", right", False: ", wrong", None: ""}[prediction.is_right]
    return [f"probability {percent(prediction.probability)}{right}"]


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
        ["Averaged over", "Views", P, MAC, "Class at the centre view", f"Fall of {P}"],
        rows,
        definitions=[MEASURES[HEADLINE], MEASURES["mac"]],
        note="Averaging removes no cause. It makes the model less sensitive to where its view begins, for as many "
        "forward passes as there are views. The class is that of the one view, or of the average around it. Under each "
        "value is its 95% interval.",
    )
    return Section("remedy", "What averaging over shifts gives", [table], folded=True)


def _cells(stability: Stability) -> list[Cell]:
    changes, mac, centre = stability.p_top1_change, stability.mac, stability.centre_view
    return [
        Cell(percent(changes.value), changes.limits()),
        Cell(two_digits(mac.value), mac.limits(two_digits)),
        Cell(centre.name, *prediction_lines(centre)),
    ]
