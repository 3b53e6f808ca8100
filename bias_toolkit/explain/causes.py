"""The conclusions from the measurements: which interventions show a cause, and the order of the causes.

Almost any change moves an image off a decision boundary, so a fall of P(top-1 change) alone does not show a cause. An
intervention shows a cause if all of these hold:

- the framing that it changes is unusual;
- it takes away half of P(top-1 change), both of the image as it is and of the image after changes that remove no cause;
- it does not make the model wrong;
- if it removes a part of the signal, the model settles on a class that it gave to one of the views before.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bias_toolkit.analysis import mean_interval
from bias_toolkit.explain.neighbourhood import Neighbourhood, estimate, estimate_difference, estimate_fall
from bias_toolkit.explain.record import Cause, CauseLine, Estimate, Prediction, Stability, Verdict
from bias_toolkit.foundation.intervals import SHARE
from bias_toolkit.foundation.words import percent

HALF = 0.5
LOSSY = (Cause.UNDERSAMPLING, Cause.FINE_DETAIL)
"""These interventions remove a part of the image's signal: the rest can look like another class."""

USUAL_FRAMING = {
    Cause.OFF_CENTRE: "Its position is like that of 90% of the training objects, so it is not off centre.",
    Cause.SCALE: "Its scale is like that of 90% of the training objects, so it is neither too small nor too large.",
    Cause.FRAMING: "Position and scale are both like those of 90% of the training objects.",
}
COVERED = "Changing position or scale alone is enough; both together are no cause of their own."
MOST_IMAGES, FEWEST_IMAGES = 100, 20


@dataclass(frozen=True)
class Trial:
    """One intervention and the model's output under it; `words`, `made_up`, `fill` and `picture` are for its line.

    `neighbourhoods` has one entry per way in which the intervention was made; `stability` is over all of them. `usual`
    says that the changed framing is usual already. `mixed` says that the intervention changes more than the candidate
    cause, so that it cannot show a cause.
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

    `before` is of the image as it is, on a share `accuracy_before` of whose views the model is right (None if the right
    class is not known); `controls` are under changes that remove no cause. `seed` is of the bootstrap.
    """
    lines = [_line(before, accuracy_before, trial, controls, seed) for trial in trials]
    if any(line.verdict == Verdict.CAUSE and line.cause in (Cause.OFF_CENTRE, Cause.SCALE) for line in lines):
        lines = [
            dataclasses.replace(line, verdict=Verdict.COVERED, reason=COVERED)
            if line.cause == Cause.FRAMING and line.verdict == Verdict.CAUSE
            else line
            for line in lines
        ]
    return ranked(lines)


def ranked(lines: Sequence[CauseLine]) -> list[CauseLine]:
    """Lines in the order of `judge`. The coin toss is the last of the causes, because no intervention shows it."""
    causes = sorted((line for line in lines if line.verdict == Verdict.CAUSE), key=_cause_order)
    numbered = [dataclasses.replace(line, rank=number) for number, line in enumerate(causes, start=1)]
    others = (line for line in lines if line.verdict != Verdict.CAUSE)
    return [*numbered, *sorted(others, key=lambda line: list(Verdict).index(line.verdict))]


def expected_from_margin(
    margin: float, margins: np.ndarray, changes: np.ndarray, seed: int = 0
) -> tuple[Estimate, int] | None:
    """Mean P(top-1 change) of the images whose margin is nearest to this one.

    `margins` and `changes`, float (images,), are the measures margin and p_top1_change of the other images. Gives the
    mean with its 95% interval over images, and the number of images: a tenth of the other images, but at least 20 and
    at most 100. None if there are fewer than 20 other images. `seed` is of the bootstrap.
    """
    known = ~(np.isnan(margins) | np.isnan(changes))
    margins, changes = np.asarray(margins, float)[known], np.asarray(changes, float)[known]
    if len(margins) < FEWEST_IMAGES:
        return None
    n = min(max(len(margins) // 10, FEWEST_IMAGES), MOST_IMAGES)
    nearest = np.argsort(np.abs(margins - margin), kind="stable")[:n]
    return Estimate(*mean_interval(changes[nearest], seed=seed, limits=SHARE)[:3]), n


def judge_coin_toss(expected: tuple[Estimate, int] | None, own: Estimate, margin: float, place: str) -> CauseLine:
    """Whether the image changes no more than images with its margin usually do.

    `expected` is from `expected_from_margin`, `own` is P(top-1 change) of the image along the study's own sweep, and
    `place` says where that was measured.
    """
    compared = "compared with the test images of the same margin"
    if expected is None:
        reason = "The study has fewer than 20 other test images to compare the margin with."
        return CauseLine(Cause.COIN_TOSS, compared, Verdict.NOT_TRIED, reason)
    usual, n = expected
    verdict, less = (Verdict.CAUSE, "no less") if own.low <= usual.high else (Verdict.MORE, "less")
    reason = (
        f"{place[0].upper()}{place[1:]} its top-1 class changes in {own.text()} of the steps; the {n} test images with "
        f"the margin nearest to its {margin:.3f} change in {usual.text()}, {less}."
    )
    return CauseLine(Cause.COIN_TOSS, compared, verdict, reason, expected=usual)


def stability_of(
    neighbourhoods: Sequence[Neighbourhood], names: Sequence[str], rights: Sequence[int | None], seed: int = 0
) -> Stability:
    """P(top-1 change), MAC and prediction over one or more neighbourhoods.

    `names` are those of the model's classes, `rights` the right class of each neighbourhood. If one of these is None,
    the accuracy is None. `seed` is of the bootstrap.
    """
    means = [neighbourhood.mean_prediction for neighbourhood in neighbourhoods]
    predicted = [int(mean.argmax()) for mean in means]
    is_right = accuracy = None
    if None not in rights:
        pairs = zip(neighbourhoods, rights, strict=True)
        accuracy = float(np.mean([neighbourhood.accuracy(right) for neighbourhood, right in pairs]))
        is_right = bool(np.mean(np.equal(predicted, rights)) > HALF)
    prediction = Prediction(
        class_index=predicted[0],
        name=", ".join(dict.fromkeys(names[index] for index in predicted)),
        probability=float(np.mean([mean.max() for mean in means])),
        is_right=is_right,
        accuracy=accuracy,
    )
    changes = [neighbourhood.changes for neighbourhood in neighbourhoods]
    macs = [neighbourhood.macs for neighbourhood in neighbourhoods]
    return Stability(estimate(changes, seed), estimate(macs, seed), prediction)


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
        reason=_reason(trial.cause, verdict, start, trial.stability, controlled),
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
    if prediction.is_right is False and accuracy_before is not None and prediction.accuracy < accuracy_before:
        return Verdict.WRONG
    if trial.cause in LOSSY and not prediction.is_right and prediction.class_index not in before.classes:
        return Verdict.ELSEWHERE
    return Verdict.MIXED if trial.mixed else Verdict.CAUSE


def _reason(cause: Cause, verdict: Verdict, before: float, after: Stability, controls: float) -> str:
    """Why an intervention got its verdict; `before` and `controls` are values of P(top-1 change)."""
    prediction = after.prediction
    change = f"P(top-1 change) goes from {percent(before)} to {after.p_top1_change.text()}"
    named = f"{prediction.name}, {prediction.probability:.2f}"
    match verdict:
        case Verdict.USUAL:
            return f"{USUAL_FRAMING[cause]} With it changed, {change}."
        case Verdict.SMALL:
            return f"{change}: less than half of it is clearly gone."
        case Verdict.NO_MORE:
            return f"{change}, but changes that remove nothing also leave only {percent(controls)}."
        case Verdict.WRONG:
            return f"{change}, but only because the model is then wrong ({named}): no remedy."
        case Verdict.ELSEWHERE:
            return f"{change}, but at a class that the model gave to none of the views ({named})."
        case Verdict.MIXED:
            return f"{change}, but whole images differ in framing and surroundings too, so that this shows no cause."
    if prediction.is_right is None:
        return f"{change}; the model then says {named}."
    if prediction.is_right:
        return f"{change}, and the model is right ({named})."
    return f"{change}, but the model is still wrong ({named}): a cause, and no remedy."


def _cause_order(line: CauseLine) -> tuple[bool, bool, float, float]:
    if line.after is None:
        return True, True, 0.0, 0.0
    prediction = line.after.prediction
    return False, prediction.is_right is False, -line.fall.value, -prediction.probability
