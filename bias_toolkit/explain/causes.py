"""The conclusions from the measurements: which interventions show a cause, and the order of the causes.

Almost any change moves an image off a decision boundary, so a fall of P(top-1 change) alone does not show a cause. An
intervention shows a cause if all of these hold:

- the framing that it changes is unusual;
- it takes away half of P(top-1 change), both of the image as it is and of the image after changes that remove no cause;
- it does not make the model wrong;
- if it removes a part of the signal, the model settles on a class that it gave to one of the views before.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bias_toolkit.explain.neighbourhood import Neighbourhood, estimate, estimate_difference, estimate_fall
from bias_toolkit.explain.reasons import COVERED, coin_toss_reason, reason
from bias_toolkit.explain.record import Cause, CauseLine, Estimate, Prediction, Stability, Verdict

HALF = 0.5
LOSSY = (Cause.UNDERSAMPLING, Cause.FINE_DETAIL)
"""These interventions remove a part of the image's signal: the rest can look like another class."""

ORDER = (
    Verdict.WRONG,
    Verdict.ELSEWHERE,
    Verdict.MIXED,
    Verdict.NO_MORE,
    Verdict.SMALL,
    Verdict.COVERED,
    Verdict.MORE,
    Verdict.USUAL,
    Verdict.NOT_TRIED,
)


@dataclass(frozen=True)
class Trial:
    """One intervention and the model's output under it.

    Parameters
    ----------
    cause : Cause
    words : str
        As `CauseLine.intervention`.
    neighbourhoods : sequence of Neighbourhood
        One, or one for each way in which the intervention was made.
    stability : Stability
        Over all neighbourhoods together.
    made_up, fill, picture :
        As in `CauseLine`.
    usual : bool
        Whether the framing that was changed is usual already.
    mixed : bool
        Whether the intervention changes more than the candidate cause. It then cannot show a cause.
    """

    cause: Cause
    words: str
    neighbourhoods: Sequence[Neighbourhood]
    stability: Stability
    made_up: float = 0.0
    fill: str | None = None
    picture: str | None = None
    usual: bool = False
    mixed: bool = False


def judge(
    before: Neighbourhood,
    accuracy_before: float | None,
    trials: Sequence[Trial],
    controls: Sequence[Neighbourhood],
    seed: int = 0,
) -> list[CauseLine]:
    """The conclusion on each trial. Causes come first, in their order, and have a `rank`.

    Causes after whose removal the model is right, or its accuracy is unknown, come before those after whose removal it
    is wrong. Among these, the cause whose removal takes more from P(top-1 change) comes first; if two take the same,
    the one that leaves the model more certain. Position and scale together are a cause only if neither alone is one.

    Parameters
    ----------
    before : Neighbourhood
        Of the image as it is.
    accuracy_before : float or None
        Share of its views on which the model is right; None if the right class is not known.
    trials : sequence of Trial
    controls : sequence of Neighbourhood
        Under changes that remove no cause.
    seed : int
        Of the bootstrap.
    """
    lines = [_line(before, accuracy_before, trial, controls, seed) for trial in trials]
    if any(line.verdict == Verdict.CAUSE and line.cause in (Cause.OFF_CENTRE, Cause.SCALE) for line in lines):
        lines = [_covered(line) if line.cause == Cause.FRAMING else line for line in lines]
    return ranked(lines)


def ranked(lines: Sequence[CauseLine]) -> list[CauseLine]:
    """Lines in the order of `judge`. A coin toss is not shown by an intervention, so it is the last of the causes."""
    causes = sorted((line for line in lines if line.verdict == Verdict.CAUSE), key=_cause_order)
    numbered = [dataclasses.replace(line, rank=number) for number, line in enumerate(causes, start=1)]
    others = (line for line in lines if line.verdict != Verdict.CAUSE)
    return [*numbered, *sorted(others, key=lambda line: ORDER.index(line.verdict))]


def judge_coin_toss(expected: tuple[Estimate, int] | None, own: Estimate, margin: float, place: str) -> CauseLine:
    """Whether the image changes no more than images with its margin usually do.

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
    verdict, usual, n = Verdict.NOT_TRIED, None, 0
    if expected is not None:
        usual, n = expected
        verdict = Verdict.CAUSE if own.low <= usual.high else Verdict.MORE
    return CauseLine(
        Cause.COIN_TOSS,
        "compared with the test images of the same margin",
        verdict,
        coin_toss_reason(verdict, usual, n, own, margin, place),
        expected=usual,
    )


def stability_of(
    neighbourhoods: Sequence[Neighbourhood], names: Sequence[str], rights: Sequence[int | None], seed: int = 0
) -> Stability:
    """P(top-1 change), MAC and prediction over one or more neighbourhoods.

    Parameters
    ----------
    neighbourhoods : sequence of Neighbourhood
    names : sequence of str
        Of the model's classes.
    rights : sequence of int or None
        The right class of each neighbourhood. If one of them is None, the accuracy is None.
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
    before: Neighbourhood, accuracy_before: float | None, trial: Trial, controls: Sequence[Neighbourhood], seed: int
) -> CauseLine:
    after = [neighbourhood.changes for neighbourhood in trial.neighbourhoods]
    fall = estimate_fall(before.changes, after, seed)
    beyond = estimate_difference([control.changes for control in controls], after, seed)
    start, controlled = float(before.changes.mean()), float(np.mean([control.changes for control in controls]))
    verdict = _verdict(trial, before, controlled, fall, accuracy_before)
    return CauseLine(
        cause=trial.cause,
        intervention=trial.words,
        verdict=verdict,
        reason=reason(trial.cause, verdict, start, trial.stability, controlled),
        after=trial.stability,
        fall=fall,
        fall_beyond_controls=beyond,
        made_up=trial.made_up,
        fill=trial.fill,
        picture=trial.picture,
    )


def _verdict(
    trial: Trial, before: Neighbourhood, controlled: float, fall: Estimate, accuracy_before: float | None
) -> Verdict:
    prediction, after = trial.stability.prediction, trial.stability.p_top1_change.value
    if trial.usual:
        return Verdict.USUAL
    if after > HALF * before.changes.mean() or not fall.low > 0:
        return Verdict.SMALL
    if not after < HALF * controlled:
        return Verdict.NO_MORE
    if _made_wrong(prediction, accuracy_before):
        return Verdict.WRONG
    if trial.cause in LOSSY and not prediction.is_right and prediction.class_index not in before.classes:
        return Verdict.ELSEWHERE
    return Verdict.MIXED if trial.mixed else Verdict.CAUSE


def _made_wrong(prediction: Prediction, accuracy_before: float | None) -> bool:
    """Whether the model is wrong now, and was right more often before."""
    return prediction.is_right is False and accuracy_before is not None and prediction.accuracy < accuracy_before


def _covered(line: CauseLine) -> CauseLine:
    """The line on position and scale together, if one of the two is a cause alone."""
    if line.verdict != Verdict.CAUSE:
        return line
    return dataclasses.replace(line, verdict=Verdict.COVERED, reason=COVERED)


def _cause_order(line: CauseLine) -> tuple[bool, bool, float, float]:
    if line.after is None:
        return True, True, 0.0, 0.0
    prediction = line.after.prediction
    return False, prediction.is_right is False, -line.fall.value, -prediction.probability
