"""The conclusions from the measurements: which interventions show a cause, and the order of the causes.

Almost any change moves an image off a decision boundary, so a fall of P(top-1 change) alone does not show a cause. An
intervention shows a cause if all of these hold:

- the framing that it changes is unusual;
- it takes away half of P(top-1 change), both of the image as it is and of the image after changes that remove no cause;
- it calms the response: the interval of the fall of MAC is above 0. Otherwise the top class may only be farther ahead;
- it does not make the model wrong;
- if it removes a part of the signal, the model settles on a class that it gave to one of the views before, and the
  view has such a signal: an enlarged image has no fine detail.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bias_toolkit.analysis import mean_interval
from bias_toolkit.explain.neighbourhood import Neighbourhood, estimate, estimate_fall
from bias_toolkit.explain.record import Cause, CauseLine, Estimate, Prediction, Stability, Verdict
from bias_toolkit.foundation.intervals import SHARE

HALF = 0.5
LOSSY = (Cause.UNDERSAMPLING, Cause.FINE_DETAIL)
"""These interventions remove a part of the image's signal: the rest can look like another class."""

USUAL_FRAMING = {
    Cause.OFF_CENTRE: "Its position is like that of 90% of the training objects, so it is not off centre.",
    Cause.SCALE: "Its scale is like that of 90% of the training objects, so it is neither too small nor too large.",
    Cause.FRAMING: "Its position and its scale are both like those of 90% of the training objects.",
}
COVERED = "Changing position or scale alone is enough; both together are no cause of their own."
MOST_IMAGES, FEWEST_IMAGES = 100, 20


@dataclass(frozen=True)
class Trial:
    """One intervention and the model's output under it; `words`, `made_up`, `fill` and `picture` are for its line.

    `neighbourhoods` has one entry per way in which the intervention was made; `stability` is over all of them.
    `excluded` is the verdict if the image does not have the candidate cause: the framing is usual, or the view has no
    fine detail. `mixed` says that the intervention changes more than the candidate cause, so that it cannot show a
    cause.
    """

    cause: Cause
    words: str
    neighbourhoods: Sequence[Neighbourhood]
    stability: Stability
    made_up: float = 0.0
    fill: str | None = None
    picture: str | None = None
    excluded: Verdict | None = None
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
    """Lines in the order of `judge`."""
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
    """Whether the image changes more often than images with its margin. This is an association: nothing is changed.

    `expected` is from `expected_from_margin`, `own` is P(top-1 change) of the image along the study's own sweep, and
    `place` says where that was measured.
    """
    compared = "compared with the test images of the same margin"
    if expected is None:
        reason = f"The study has fewer than {FEWEST_IMAGES} other test images to compare the margin with."
        return CauseLine(Cause.COIN_TOSS, compared, Verdict.NOT_TRIED, reason)
    usual, n = expected
    verdict, more = (
        (Verdict.LIKE_MARGIN, "This image does not clearly change more often")
        if own.low <= usual.high
        else (Verdict.MORE, "This image changes more often")
    )
    reason = (
        f"{place[0].upper()}{place[1:]} its top-1 class changes in {own.text()} of the steps. The {n} test images with "
        f"the margin nearest to its {margin:.3f} change in {usual.text()}. {more}. This is an association: its margin "
        "was not changed."
    )
    return CauseLine(Cause.COIN_TOSS, compared, verdict, reason, expected=usual)


def stability_of(
    neighbourhoods: Sequence[Neighbourhood], names: Sequence[str], rights: Sequence[int | None], seed: int = 0
) -> Stability:
    """P(top-1 change), MAC and predictions over one or more neighbourhoods.

    `names` are those of the model's classes, `rights` the right class of each neighbourhood. If one of these is None,
    the accuracy is None. `seed` is of the bootstrap.
    """
    accuracy = None
    if None not in rights:
        pairs = zip(neighbourhoods, rights, strict=True)
        accuracy = float(np.mean([neighbourhood.accuracy(right) for neighbourhood, right in pairs]))
    return Stability(
        p_top1_change=estimate([each.changes for each in neighbourhoods], seed),
        mac=estimate([each.macs for each in neighbourhoods], seed),
        centre_view=_prediction([each.centre for each in neighbourhoods], names, rights),
        over_shifts=_prediction([each.mean_prediction for each in neighbourhoods], names, rights),
        accuracy=accuracy,
    )


def _prediction(outputs: Sequence[np.ndarray], names: Sequence[str], rights: Sequence[int | None]) -> Prediction:
    """The most probable class of each of several outputs (C,)."""
    predicted = [int(output.argmax()) for output in outputs]
    return Prediction(
        class_index=predicted[0],
        name=", ".join(dict.fromkeys(names[index] for index in predicted)),
        probability=float(np.mean([output.max() for output in outputs])),
        is_right=None if None in rights else bool(np.mean(np.equal(predicted, rights)) > HALF),
    )


def _line(
    before: Neighbourhood, accuracy_before: float | None, trial: Trial, controls: Sequence[Neighbourhood], seed: int
) -> CauseLine:
    after = [neighbourhood.changes for neighbourhood in trial.neighbourhoods]
    fall = estimate_fall([before.changes], after, seed)
    mac_fall = estimate_fall([before.macs], [neighbourhood.macs for neighbourhood in trial.neighbourhoods], seed)
    beyond = estimate_fall([control.changes for control in controls], after, seed)
    controlled = float(np.mean([control.changes for control in controls]))
    verdict = _verdict(trial, before, controlled, fall, mac_fall, accuracy_before)
    return CauseLine(
        cause=trial.cause,
        intervention=trial.words,
        verdict=verdict,
        reason=_reason(trial.cause, verdict, trial.stability.over_shifts),
        after=trial.stability,
        fall=fall,
        mac_fall=mac_fall,
        fall_beyond_controls=beyond,
        made_up=trial.made_up,
        fill=trial.fill,
        picture=trial.picture,
    )


def _verdict(
    trial: Trial,
    before: Neighbourhood,
    controlled: float,
    fall: Estimate,
    mac_fall: Estimate,
    accuracy_before: float | None,
) -> Verdict:
    stability, after = trial.stability, trial.stability.p_top1_change.value
    settled = stability.over_shifts
    if trial.excluded is not None:
        return trial.excluded
    if after > HALF * before.changes.mean() or not fall.low > 0:
        return Verdict.SMALL
    if not after < HALF * controlled:
        return Verdict.NO_MORE
    if not mac_fall.low > 0:
        return Verdict.NOT_CALM
    if settled.is_right is False and accuracy_before is not None and stability.accuracy < accuracy_before:
        return Verdict.WRONG
    if trial.cause in LOSSY and not settled.is_right and settled.class_index not in before.classes:
        return Verdict.ELSEWHERE
    return Verdict.MIXED if trial.mixed else Verdict.CAUSE


def _reason(cause: Cause, verdict: Verdict, settled: Prediction) -> str:
    """Why an intervention got its verdict, in words; `settled` is the prediction over all shifts under it."""
    match verdict:
        case Verdict.USUAL:
            return USUAL_FRAMING[cause]
        case Verdict.ENLARGED:
            return (
                "The view shows the image enlarged, so it has no detail as fine as its pixels. The blur removes "
                "coarser content, so it cannot show that fine detail is the cause."
            )
        case Verdict.SMALL:
            return "Not even half of the class changes are clearly gone."
        case Verdict.NO_MORE:
            return (
                "The class changes at fewer steps, but at more than half as many as after changes of brightness and "
                "contrast, which remove no cause."
            )
        case Verdict.NOT_CALM:
            return (
                "The class changes at fewer steps, but the response did not calm: MAC did not clearly fall. The top "
                "class may only be farther ahead of the others."
            )
        case Verdict.WRONG:
            return (
                "The class changes at fewer steps, but the model is then wrong more often. Over all shifts it says "
                f"{settled.name}."
            )
        case Verdict.ELSEWHERE:
            return (
                "The class changes at fewer steps, but the model then says a class that it gave to none of the views "
                f"before: {settled.name}."
            )
        case Verdict.MIXED:
            return (
                "The response is calm, but whole images differ in framing and surroundings too. So this does not show "
                "that the content is the cause."
            )
    calm = "MAC falls too. Over all shifts the model"
    if settled.is_right is None:
        return f"{calm} then says {settled.name}."
    if settled.is_right:
        return f"{calm} is then right: {settled.name}."
    return f"{calm} is still wrong: {settled.name}. So it is a cause, and no remedy."


def _cause_order(line: CauseLine) -> tuple[bool, float, float]:
    settled = line.after.over_shifts
    return settled.is_right is False, -line.fall.value, -settled.probability
