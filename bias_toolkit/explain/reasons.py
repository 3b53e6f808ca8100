"""The reason of each verdict, in a sentence."""

from __future__ import annotations

from bias_toolkit.explain.record import Cause, Estimate, Prediction, Stability, Verdict
from bias_toolkit.foundation.words import estimate, percent

USUAL_FRAMING = {
    Cause.OFF_CENTRE: "Its position is like that of 90% of the training objects, so it is not off centre.",
    Cause.SCALE: "Its scale is like that of 90% of the training objects, so it is neither too small nor too large.",
    Cause.FRAMING: "Position and scale are both like those of 90% of the training objects.",
}
COVERED = "Changing position or scale alone is enough; both together are no cause of their own."
NOTHING_TO_COMPARE = "The study has fewer than 20 other test images to compare the margin with."


def reason(cause: Cause, verdict: Verdict, before: float, after: Stability, controls: float) -> str:
    """Why an intervention got its verdict.

    Parameters
    ----------
    cause : Cause
        The cause that the intervention removes.
    verdict : Verdict
        Of a measurement: none of `COVERED`, `MORE` and `NOT_TRIED`.
    before, controls : float
        P(top-1 change) of the image as it is, and after changes that remove no cause.
    after : Stability
        Under the intervention.
    """
    changes, prediction = after.p_top1_change, after.prediction
    measured = estimate(changes.value, changes.low, changes.high, percent)
    change = f"P(top-1 change) goes from {percent(before)} to {measured}"
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
    return f"{change}{_of_a_cause(prediction, named)}"


def _of_a_cause(prediction: Prediction, named: str) -> str:
    if prediction.is_right is None:
        return f"; the model then says {named}."
    if prediction.is_right:
        return f", and the model is right ({named})."
    return f", but the model is still wrong ({named}): a cause, and no remedy."


def coin_toss_reason(
    verdict: Verdict, expected: Estimate | None, n: int, own: Estimate, margin: float, place: str
) -> str:
    """Why the comparison with images of the same margin got its verdict.

    Parameters
    ----------
    verdict : Verdict
        `CAUSE`, `MORE`, or `NOT_TRIED`.
    expected : Estimate or None
        P(top-1 change) of the images of the same margin; None if there are too few.
    n : int
        How many they are.
    own : Estimate
        P(top-1 change) of the image.
    margin : float
        Of the image.
    place : str
        Where `own` was measured, in words.
    """
    if expected is None:
        return NOTHING_TO_COMPARE
    measured = estimate(own.value, own.low, own.high, percent)
    usual = estimate(expected.value, expected.low, expected.high, percent)
    less = "no less" if verdict == Verdict.CAUSE else "less"
    return (
        f"{place[0].upper()}{place[1:]} its top-1 class changes in {measured} of the steps; the {n} test images with "
        f"the margin nearest to its {margin:.3f} change in {usual}, {less}."
    )
