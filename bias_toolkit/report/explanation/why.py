"""Why one image is unstable: the interventions that remove each candidate cause, and remedies that remove no cause."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bias_toolkit.explain.record import Cause
from bias_toolkit.explain.sentences import cause_names, causes_words, two_digits
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
    found = causes_words(explanation) or "No cause was found."
    blocks: list[Block] = [
        FigureBlock(
            "effects",
            lambda: effects_plot(explanation),
            f"Dot plots of P(top-1 change) and MAC as it is, {percent(explanation.before.p_top1_change.value)} and "
            f"{two_digits(explanation.before.mac.value)}, in the controls and after each change of the image. {found}",
            "P(top-1 change) and MAC of the image as it is, and in random trials: the controls, and the same trials "
            "with each change of the image. Causes are blue, what is no cause is grey. Bars are 95% intervals over "
            "trials. The image as it is has none, as all of its steps were measured. The dashed line is at the "
            "controls. A cause lowers both.",
        ),
    ]
    causes = [line for line in explanation.lines if line.rank is not None]
    if causes:
        several = len(cause_names(explanation)) > 1
        note = f"Each was removed alone, in the same {explanation.trials} random trials as the controls: an effect."
        if several:
            note += f" {found}"
        title = "Causes" if several else "The cause"
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
    before, controls = explanation.before, explanation.controls
    picture = Picture(explanation.picture, "Centre view of the image as it is")
    done = f"All {explanation.steps} steps between shifts of up to {count(explanation.radius, 'pixel')}."
    trials = [Trial("The image as it is", "reference", done, picture=picture, facts=_measured(before))]
    if controls is not None:
        done = f"{explanation.trials} random trials of brightness, contrast and place, which remove no cause."
        trials.append(Trial("Controls", "reference", done, facts=_measured(controls)))
    return trials


def _measured(stability: Stability) -> list[Fact]:
    return [_fact(P, stability.p_top1_change), _fact(MAC, stability.mac, two_digits), *_predictions(stability)]


def _trial(line: CauseLine, explanation: ExplanationRecord) -> Trial:
    facts = []
    if line.after is not None:
        facts = _facts(line, explanation.controls)
    elif line.expected is not None:
        facts = [_fact(f"{P} of images with its margin", line.expected)]
    kind = "cause" if line.rank is not None else "other" if facts else "untried"
    strongest = len(cause_names(explanation)) > 1 and line.rank is not None and line.cause == explanation.first_cause
    verdict = "strongest cause" if strongest else line.verdict
    return Trial(line.name, kind, line.intervention, _picture(line), facts, verdict, line.reason)


def _picture(line: CauseLine) -> Picture | None:
    if line.picture is None:
        return None
    lines = ["centre view, with the nearest one"] if line.cause == Cause.CONTENT else ["centre view"]
    return Picture(line.picture, f"Centre view, {line.intervention}", lines=lines)


def _facts(line: CauseLine, controls: Stability | None) -> list[Fact]:
    after = line.after
    before = (None, None) if controls is None else (controls.p_top1_change, controls.mac)
    facts = [
        _from_to(P, before[0], after.p_top1_change, percent, line.fall, points),
        _from_to(MAC, before[1], after.mac, two_digits, line.mac_fall, two_digits),
        *_predictions(after),
    ]
    if line.made_up:
        facts.append(Fact("Made-up pixels", percent(line.made_up), [f"filled: {line.fill}"] if line.fill else []))
    return facts


def _from_to(
    name: str,
    before: Estimate | None,
    after: Estimate,
    form: Callable[[float], str],
    fall: Estimate | None,
    form_of_fall: Callable[[float], str],
) -> Fact:
    """A value in the controls and after, with the interval of the latter, and the fall with its interval."""
    lines = [after.limits(form, "after: 95% interval ")]
    if fall is not None:
        lines.append(f"fall: {form_of_fall(fall.value)}{fall.limits(form_of_fall, ', 95% interval ')}")
    start = "" if before is None else f"{form(before.value)} → "
    return Fact(name, f"{start}{form(after.value)}", [line for line in lines if line])


def _fact(name: str, estimate: Estimate, form: Callable[[float], str] = percent) -> Fact:
    return Fact(name, form(estimate.value), _limits(estimate, form))


def _limits(estimate: Estimate, form: Callable[[float], str]) -> list[str]:
    limits = estimate.limits(form, "95% interval ")
    return [limits] if limits else []


def points(share: float) -> str:
    """A difference of two shares in percentage points."""
    return f"{percent(share).removesuffix('%')} points"


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
        averaged = f"shifts of up to {count(remedy.radius, 'pixel')}"
        rows.append([averaged, count(remedy.views), *_cells(remedy.after), points(remedy.fall)])
    table = TableBlock(
        "Predictions averaged over shifts",
        ["Averaged over", "Views", P, MAC, "Class at the centre view", f"Fall of {P}"],
        rows,
        definitions=[MEASURES[HEADLINE], MEASURES["mac"]],
        note="Averaging removes no cause. It makes the model less sensitive to where its view begins, for as many "
        "forward passes as there are views. The class is that of the one view, or of the average around it. All steps "
        f"within {count(explanation.radius, 'pixel')} were measured and none was drawn, so there are no intervals.",
    )
    return Section("remedy", "What averaging over shifts gives", [table], folded=True)


def _cells(stability: Stability) -> list[Cell]:
    centre = stability.centre_view
    return [
        Cell(percent(stability.p_top1_change.value)),
        Cell(two_digits(stability.mac.value)),
        Cell(centre.name, *prediction_lines(centre)),
    ]
