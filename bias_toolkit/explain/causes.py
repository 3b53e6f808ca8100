"""From what was measured to causes: which interventions count, and in which order.

An image on a decision boundary is moved off it by almost any change, so a fall of P(top-1 change) alone shows no
cause. What is asked of one: the framing that was changed is unusual in the first place; half of P(top-1 change) is
gone, of what the image has and of what it has left after changes that remove nothing; the model is not made wrong;
and what takes something from the signal leaves it with one of the answers that it wavered between.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bias_toolkit.explain.explanation import (
    CAUSE,
    COVERED,
    ELSEWHERE,
    MIXED,
    MORE,
    NO_MORE,
    NOT_TRIED,
    SMALL,
    USUAL,
    WRONG,
    CauseLine,
    Estimate,
    Prediction,
    Stability,
)
from bias_toolkit.explain.neighbourhood import Neighbourhood, estimate, estimate_difference, estimate_fall
from bias_toolkit.foundation.words import estimate as estimate_text
from bias_toolkit.foundation.words import percent

HALF = 0.5
FRAMING_CAUSES = {
    "off_centre": "Its position is like that of 90% of the training objects, so it is not off centre.",
    "scale": "Its scale is like that of 90% of the training objects, so it is neither too small nor too large.",
    "framing": "Position and scale are both like those of 90% of the training objects.",
}
LOSSY = ("undersampling", "fine_detail")
"""What these interventions leave of an image can be an image of something else, on which the model is stable."""

ORDER = {
    verdict: number
    for number, verdict in enumerate((WRONG, ELSEWHERE, MIXED, NO_MORE, SMALL, COVERED, MORE, USUAL, NOT_TRIED))
}


@dataclass(frozen=True)
class Trial:
    """One intervention and what the model did under it.

    Parameters
    ----------
    cause, words : str
        As `CauseLine.cause` and `CauseLine.intervention`.
    neighbourhoods : sequence of Neighbourhood
        One; or several, where the intervention was made in several ways.
    stability : Stability
        Of all of them together.
    made_up, fill, picture :
        As in `CauseLine`.
    usual : bool
        Whether what was changed is usual already.
    mixed : str
        What else the intervention changes, which keeps it from showing a cause; empty for nothing.
    """

    cause: str
    words: str
    neighbourhoods: Sequence[Neighbourhood]
    stability: Stability
    made_up: float = 0.0
    fill: str | None = None
    picture: str | None = None
    usual: bool = False
    mixed: str = ""


def judge(
    before: Neighbourhood,
    accuracy_before: float | None,
    trials: Sequence[Trial],
    controls: Sequence[Neighbourhood],
    seed: int = 0,
) -> list[CauseLine]:
    """What each trial says, causes first in their order, `rank` given.

    Of causes, those after whose removal the model is right (or where that is not known) come before those after
    whose removal it stays wrong; then what takes more from P(top-1 change) comes first; of equals, what leaves the
    model more certain. Position and scale together are a cause only if neither alone is one.

    Parameters
    ----------
    before : Neighbourhood
        Of the image as it is.
    accuracy_before : float or None
        Share of its views on which the model is right, None where that is not known.
    trials : sequence of Trial
    controls : sequence of Neighbourhood
        Under changes that remove no cause.
    seed : int
        Of the bootstrap.
    """
    lines = [_line(before, accuracy_before, trial, controls, seed) for trial in trials]
    if any(line.verdict == CAUSE and line.cause in ("off_centre", "scale") for line in lines):
        lines = [_covered(line) if line.cause == "framing" and line.verdict == CAUSE else line for line in lines]
    return ranked(lines)


def ranked(lines: Sequence[CauseLine]) -> list[CauseLine]:
    """Lines in the order of `judge`; a coin toss, which was not shown by intervention, is the last of the causes."""
    causes = sorted((line for line in lines if line.verdict == CAUSE), key=_cause_order)
    others = sorted((line for line in lines if line.verdict != CAUSE), key=lambda line: ORDER[line.verdict])
    numbered = [dataclasses.replace(line, rank=number) for number, line in enumerate(causes, start=1)]
    return [*numbered, *others]


def judge_coin_toss(expected: tuple[Estimate, int] | None, own: Estimate, margin: float, place: str) -> CauseLine:
    """Whether the image changes no more than the margin lets expect.

    Parameters
    ----------
    expected : (Estimate, int) or None
        From `expected_from_margin`.
    own : Estimate
        P(top-1 change) of the image along the study's own sweep.
    margin : float
    place : str
        Where `own` was measured, in words.
    """
    words = "compared with the test images of the same margin"
    if expected is None:
        reason = "The study has fewer than 20 other test images to compare the margin with."
        return CauseLine("coin_toss", words, NOT_TRIED, reason)
    usual, n = expected
    is_usual = own.low <= usual.high
    measured = f"{place} its top-1 class changes in {estimate_text(own.value, own.low, own.high, percent)} of the steps"
    others = (
        f"the {n} test images with the margin nearest to its {margin:.3f} change in "
        f"{estimate_text(usual.value, usual.low, usual.high, percent)}"
    )
    reason = f"{measured[0].upper()}{measured[1:]}; {others}, {'no less' if is_usual else 'less'}."
    return CauseLine("coin_toss", words, CAUSE if is_usual else MORE, reason, expected=usual)


def stability_of(
    neighbourhoods: Sequence[Neighbourhood], names: Sequence[str], rights: Sequence[int | None], seed: int = 0
) -> Stability:
    """P(top-1 change), MAC and prediction over some neighbourhoods.

    Parameters
    ----------
    neighbourhoods : sequence of Neighbourhood
    names : sequence of str
        Of the model's classes.
    rights : sequence of int or None
        The right class of each neighbourhood; accuracy is None where one is not known.
    seed : int
        Of the bootstrap.
    """
    means = [neighbourhood.mean_prediction for neighbourhood in neighbourhoods]
    predicted = [int(mean.argmax()) for mean in means]
    known = [right for right in rights if right is not None]
    accuracy = None
    if len(known) == len(rights):
        pairs = zip(neighbourhoods, rights, strict=True)
        accuracy = float(np.mean([neighbourhood.accuracy(right) for neighbourhood, right in pairs]))
    prediction = Prediction(
        class_index=predicted[0],
        name=", ".join(dict.fromkeys(names[index] for index in predicted)),
        probability=float(np.mean([mean.max() for mean in means])),
        is_right=None if accuracy is None else 2 * _agreeing(predicted, rights) > len(rights),
        accuracy=accuracy,
    )
    changes = [neighbourhood.changes for neighbourhood in neighbourhoods]
    macs = [neighbourhood.macs for neighbourhood in neighbourhoods]
    return Stability(estimate(changes, seed), estimate(macs, seed), prediction)


def _agreeing(predicted: Sequence[int], rights: Sequence[int | None]) -> int:
    return sum(one == right for one, right in zip(predicted, rights, strict=True))


def _line(
    before: Neighbourhood,
    accuracy_before: float | None,
    trial: Trial,
    controls: Sequence[Neighbourhood],
    seed: int,
) -> CauseLine:
    after = [neighbourhood.changes for neighbourhood in trial.neighbourhoods]
    fall = estimate_fall(before.changes, after, seed)
    beyond = estimate_difference([control.changes for control in controls], after, seed)
    controlled = float(np.mean([control.changes for control in controls]))
    verdict, reason = _verdict(trial, before, controlled, fall, accuracy_before)
    return CauseLine(
        cause=trial.cause,
        intervention=trial.words,
        verdict=verdict,
        reason=reason,
        after=trial.stability,
        fall=fall,
        fall_beyond_controls=beyond,
        made_up=trial.made_up,
        fill=trial.fill,
        picture=trial.picture,
    )


def _verdict(
    trial: Trial, before: Neighbourhood, controlled: float, fall: Estimate, accuracy_before: float | None
) -> tuple[str, str]:
    prediction = trial.stability.prediction
    changes = trial.stability.p_top1_change
    start, after = float(before.changes.mean()), changes.value
    told = f"P(top-1 change) goes from {percent(start)} to {estimate_text(after, changes.low, changes.high, percent)}"
    if trial.usual:
        return USUAL, f"{FRAMING_CAUSES[trial.cause]} With it changed, {told}."
    if after > HALF * start or not fall.low > 0:
        return SMALL, f"{told}: less than half of it is clearly gone."
    if not after < HALF * controlled:
        return NO_MORE, f"{told}, but changes that remove nothing also leave only {percent(controlled)}."
    if _made_wrong(prediction, accuracy_before):
        return WRONG, f"{told}, but only because the model is then wrong ({_named(prediction)}): no remedy."
    if trial.cause in LOSSY and not prediction.is_right and prediction.class_index not in before.classes:
        return ELSEWHERE, f"{told}, but at a class that the model gave to none of the views ({_named(prediction)})."
    if trial.mixed:
        return MIXED, f"{told}, but {trial.mixed}, so that this shows no cause."
    if prediction.is_right is None:
        return CAUSE, f"{told}; the model then says {_named(prediction)}."
    if prediction.is_right:
        return CAUSE, f"{told}, and the model is right ({_named(prediction)})."
    return CAUSE, f"{told}, but the model is still wrong ({_named(prediction)}): a cause, and no remedy."


def _made_wrong(prediction: Prediction, accuracy_before: float | None) -> bool:
    """Whether the model is wrong now, and was right more often before."""
    return prediction.is_right is False and accuracy_before is not None and prediction.accuracy < accuracy_before


def _named(prediction: Prediction) -> str:
    return f"{prediction.name}, {prediction.probability:.2f}"


def _covered(line: CauseLine) -> CauseLine:
    reason = "Changing position or scale alone is enough; both together are no cause of their own."
    return dataclasses.replace(line, verdict=COVERED, reason=reason)


def _cause_order(line: CauseLine) -> tuple[bool, bool, float, float]:
    if line.after is None:
        return True, True, 0.0, 0.0
    prediction = line.after.prediction
    return False, prediction.is_right is False, -line.fall.value, -prediction.probability
