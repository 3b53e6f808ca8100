"""The conclusions from the measurements: which interventions show a cause, and whether one is stronger than another.

Almost any change moves an image off a decision boundary, so a fall of P(top-1 change) from the image as it is does not
show a cause. Everything is compared with the controls: the same random trials without the intervention. An intervention
shows a cause if all of these hold:

- P(top-1 change) falls: the interval of its fall is above 0; and it falls by at least half in these trials;
- it calms the response: the interval of the fall of MAC is above 0. Otherwise the top class may only be farther ahead;
- it does not make the model wrong;
- if it removes a part of the signal, the model settles on a class that it gave to one of the views before.

The interval of a fall is over the differences in the same trials. If so few trials of a side differ that resamples do
not show its error, as where nothing changes any more, it follows from the intervals of both sides (Zou & Donner,
Statistics in Medicine 27, 2008). The intervals of all interventions on an image hold together (Bonferroni).
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bias_toolkit.analysis import mean_interval
from bias_toolkit.explain.neighbourhood import Neighbourhood
from bias_toolkit.explain.record import Cause, CauseLine, Estimate, Prediction, Stability, Verdict
from bias_toolkit.foundation.intervals import (
    DIFFERENCE,
    SHARE,
    Interval,
    bounded_limits,
    difference_limits,
    few_differ,
)
from bias_toolkit.foundation.resampling import CONFIDENCE
from bias_toolkit.foundation.words import known, percent

HALF = 0.5
LOSSY = (Cause.UNDERSAMPLING, Cause.FINE_DETAIL)
"""These interventions remove a part of the image's signal: the rest can look like another class."""

COVERED = "Changing position or scale alone is enough; both together are no cause of their own."
MOST_IMAGES, FEWEST_IMAGES = 100, 20
ROUNDING = 12  # decimals to which trials count as equal


@dataclass(frozen=True)
class Trial:
    """One intervention and the model's output under it; `words`, `made_up`, `fill` and `picture` are for its line.

    `outputs` has one step per random trial; `stability` is over all of them. `mixed` says that the intervention
    changes more than the candidate cause, so that it cannot show a cause.
    """

    cause: Cause
    words: str
    outputs: Neighbourhood
    stability: Stability
    made_up: float = 0.0
    fill: str | None = None
    picture: str | None = None
    mixed: bool = False


def judge(
    controls: Neighbourhood, accuracy: float | None, trials: Sequence[Trial], classes: set[int], seed: int = 0
) -> list[CauseLine]:
    """The conclusion on each trial, in the order of `in_order`. Causes have a `rank`.

    Position and scale together are a cause only if neither alone is one.

    `controls` are the same random trials without an intervention; the model is right on a share `accuracy` of their
    views (None if the right class is not known). `classes` are those that the model gave to a view without an
    intervention. `seed` is of the bootstrap.
    """
    confidence = 1 - (1 - CONFIDENCE) / max(len(trials), 1)
    lines = [_line(controls, accuracy, trial, classes, confidence, seed) for trial in trials]
    if any(line.verdict == Verdict.CAUSE and line.cause in (Cause.OFF_CENTRE, Cause.SCALE) for line in lines):
        lines = [
            dataclasses.replace(line, verdict=Verdict.COVERED, reason=COVERED)
            if line.cause == Cause.FRAMING and line.verdict == Verdict.CAUSE
            else line
            for line in lines
        ]
    causes = [(line, trial.outputs) for line, trial in zip(lines, trials, strict=True) if line.verdict == Verdict.CAUSE]
    ranked = [line for line in lines if line.verdict != Verdict.CAUSE]
    for line, outputs in causes:
        stronger = {
            other.cause
            for other, others in causes
            if other.cause != line.cause and difference(outputs.changes, others.changes, confidence, seed).low > 0
        }
        ranked.append(dataclasses.replace(line, rank=1 + len(stronger)))
    return in_order(ranked)


def in_order(lines: Sequence[CauseLine]) -> list[CauseLine]:
    """Causes first, by rank and then by the P(top-1 change) that is left; then the other lines by verdict."""
    causes = sorted(
        (line for line in lines if line.verdict == Verdict.CAUSE),
        key=lambda line: (line.rank, line.after.p_top1_change.value),
    )
    others = (line for line in lines if line.verdict != Verdict.CAUSE)
    return [*causes, *sorted(others, key=lambda line: list(Verdict).index(line.verdict))]


def expected_from_margin(
    margin: float, margins: np.ndarray, changes: np.ndarray
) -> tuple[Estimate, int, tuple[float, float]] | None:
    """Mean P(top-1 change) of the images whose margin is nearest to this one.

    `margins` and `changes`, float (images,), are the measures margin and p_top1_change of the other images. Gives the
    mean with its 95% interval over images, which holds at any n; the number of images, a tenth of the other images, but
    at least 20 and at most 100; and their least and largest margin. None if there are fewer than 20 other images.
    """
    known = ~(np.isnan(margins) | np.isnan(changes))
    margins, changes = np.asarray(margins, float)[known], np.asarray(changes, float)[known]
    if len(margins) < FEWEST_IMAGES:
        return None
    n = min(max(len(margins) // 10, FEWEST_IMAGES), MOST_IMAGES)
    nearest = np.argsort(np.abs(margins - margin), kind="stable")[:n]
    changes, margins = changes[nearest], margins[nearest]
    estimate = Estimate(float(changes.mean()), *bounded_limits(changes, SHARE))
    return estimate, n, (float(margins.min()), float(margins.max()))


def judge_coin_toss(
    expected: tuple[Estimate, int, tuple[float, float]] | None, own: float, margin: float, place: str
) -> CauseLine:
    """Whether the image changes more often than images with its margin. This is an association: nothing is changed.

    `expected` is from `expected_from_margin`, `own` is P(top-1 change) of the image along the study's own sweep, and
    `place` says where that was measured. Nothing was drawn for `own`, so it has no interval.
    """
    compared = "compared with the test images of the same margin"
    if expected is None:
        reason = f"The study has fewer than {FEWEST_IMAGES} other test images to compare the margin with."
        return CauseLine(Cause.COIN_TOSS, compared, Verdict.NOT_TRIED, reason)
    usual, n, (least, largest) = expected
    verdict = Verdict.MORE if own > usual.high else Verdict.LIKE_MARGIN
    if own > usual.high:
        found = "This image changes more often than they do on average"
    elif own < usual.low:
        found = "This image changes less often than they do on average"
    else:
        found = "That this image changes more often than they do on average was not found"
    near = f"the margin nearest to its {margin:.3f} ({least:.3f} to {largest:.3f})"
    reason = (
        f"{place[0].upper()}{place[1:]} its top-1 class changes in {percent(own)} of the steps. The {n} test images "
        f"with {near} change in {usual.text()}. {found}. This is an association: its margin was not changed."
    )
    return CauseLine(Cause.COIN_TOSS, compared, verdict, reason, expected=usual)


def stability_of(
    outputs: Neighbourhood, names: Sequence[str], right: int | None, seed: int = 0, drawn: bool = True
) -> Stability:
    """P(top-1 change), MAC and predictions over the sweeps of `outputs`.

    `names` are those of the model's classes; `right` is the right class, None if it is not known. If the sweeps were
    `drawn` at random, both measures have an interval over sweeps. `seed` is of the bootstrap.
    """
    if drawn:
        measures = [Estimate(*over_trials(values, seed=seed)[:3]) for values in (outputs.changes, outputs.macs)]
    else:
        measures = [Estimate(float(values.mean())) for values in (outputs.changes, outputs.macs)]
    return Stability(
        *measures,
        centre_view=_prediction(outputs.centre, names, right),
        over_shifts=_prediction(outputs.mean_prediction, names, right),
        accuracy=None if right is None else outputs.accuracy(right),
    )


def over_trials(values: np.ndarray, confidence: float = CONFIDENCE, seed: int = 0) -> Interval:
    """The mean of a measure of independent random trials (S,), in [0, 1], with its interval."""
    return mean_interval(values.round(ROUNDING), seed=seed, confidence=confidence, limits=SHARE)


def difference(first: np.ndarray, second: np.ndarray, confidence: float = CONFIDENCE, seed: int = 0) -> Estimate:
    """The mean of `first` minus that of `second`, measures in [0, 1] of the same random trials (S,).

    The interval has the error of both sides: see the module's description.
    """
    change = (first - second).round(ROUNDING)
    if any(map(few_differ, (first, second, change))):
        low, high = difference_limits(over_trials(first, confidence, seed), over_trials(second, confidence, seed))
    else:
        low, high = mean_interval(
            (first - second).round(ROUNDING), seed=seed, confidence=confidence, limits=DIFFERENCE
        )[1:3]
    return Estimate(float(first.mean() - second.mean()), *(float(np.clip(end, *DIFFERENCE)) for end in (low, high)))


def _prediction(output: np.ndarray, names: Sequence[str], right: int | None) -> Prediction:
    """The most probable class of an output (C,)."""
    index = int(output.argmax())
    return Prediction(index, names[index], float(output.max()), None if right is None else index == right)


def _line(
    controls: Neighbourhood,
    accuracy: float | None,
    trial: Trial,
    classes: set[int],
    confidence: float,
    seed: int,
) -> CauseLine:
    fall = difference(controls.changes, trial.outputs.changes, confidence, seed)
    mac_fall = difference(controls.macs, trial.outputs.macs, confidence, seed)
    verdict, reason = _verdict(trial, fall, mac_fall, float(controls.changes.mean()), accuracy, classes)
    return CauseLine(
        cause=trial.cause,
        intervention=trial.words,
        verdict=verdict,
        reason=reason,
        after=trial.stability,
        fall=fall,
        mac_fall=mac_fall,
        made_up=trial.made_up,
        fill=trial.fill,
        picture=trial.picture,
    )


def _verdict(
    trial: Trial, fall: Estimate, mac_fall: Estimate, before: float, accuracy: float | None, classes: set[int]
) -> tuple[Verdict, str]:
    """The verdict, and why; `before` is P(top-1 change) and `accuracy` the share of right views under the controls."""
    stability, settled = trial.stability, trial.stability.over_shifts
    if fall.high < 0:
        return Verdict.NOT_FOUND, "P(top-1 change) rises."
    if not fall.low > 0:
        return Verdict.NOT_FOUND, "No fall of P(top-1 change) was found: its interval includes 0."
    if fall.value < HALF * before:
        reason = "P(top-1 change) falls, but by less than half in these trials. The removal of a cause takes half away."
        return Verdict.PARTLY, reason
    if not mac_fall.low > 0:
        if mac_fall.high < 0:
            mac = "the response is more restless: MAC rises."
        else:
            mac = "that the response is calmer was not found: the interval of MAC's fall includes 0."
        reason = f"P(top-1 change) falls, but {mac} The top class may only be farther ahead of the others."
        return Verdict.NOT_CALM, reason
    if settled.is_right is False and known(accuracy) and stability.accuracy < accuracy:
        reason = (
            f"P(top-1 change) falls, but the model is then right on {percent(stability.accuracy, 0)} of the views, and "
            f"on {percent(accuracy, 0)} under the controls. Over all shifts it says {settled.name}."
        )
        return Verdict.WRONG, reason
    if trial.cause in LOSSY and not settled.is_right and settled.class_index not in classes:
        reason = (
            "P(top-1 change) falls, but the model then says a class that it gave to none of the views before: "
            f"{settled.name}."
        )
        return Verdict.ELSEWHERE, reason
    if trial.mixed:
        reason = (
            "P(top-1 change) and MAC fall, but whole images differ in framing and surroundings too. So this does not "
            "show that the content is the cause."
        )
        return Verdict.MIXED, reason
    calm = "P(top-1 change) and MAC fall. Over all shifts the model"
    if settled.is_right is None:
        return Verdict.CAUSE, f"{calm} then says {settled.name}."
    if settled.is_right:
        return Verdict.CAUSE, f"{calm} is then right: {settled.name}."
    return Verdict.CAUSE, f"{calm} is then wrong: {settled.name}. So it is a cause, and no remedy."
