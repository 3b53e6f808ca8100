"""An explanation in words."""

from bias_toolkit.explain.record import Cause, CauseLine, ExplanationRecord, Stability
from bias_toolkit.foundation.words import below_all, count, interval, number, percent, significant

MOST_NEIGHBOURS = 3


def answer(explanation: ExplanationRecord) -> str:
    """Whether the image is unstable and what causes it, in a few sentences."""
    return " ".join([_how_unstable(explanation), *_why(explanation)])


def text(explanation: ExplanationRecord) -> str:
    """The whole answer, for a terminal: how unstable, how unlike the training images, and why."""
    name = f" ({explanation.label_name})" if explanation.label_name else ""
    parts = [f"{explanation.image_id}{name}", "", answer(explanation), "", *_unlike(explanation)]
    if explanation.lines:
        parts += ["", "Each candidate cause removed, and the steps measured again:"]
        parts += [f"  {_line(explanation, line)}" for line in explanation.lines]
        if explanation.controls is not None:
            shown = explanation.controls.text()
            parts.append(f"  –  changes that remove nothing (brightness, contrast): P(top-1 change) {shown}.")
    if explanation.remedies:
        parts += ["", "The prediction averaged over small shifts:"]
        parts += [
            f"  up to {count(remedy.radius, 'pixel')} ({remedy.views} views): {stability_words(remedy.after)}."
            for remedy in explanation.remedies
        ]
    return "\n".join(parts)


def stability_words(stability: Stability) -> str:
    """`P(top-1 change) 4.0% (95% interval …), MAC 0.012, goldfish 0.83, right`."""
    changes, mac, prediction = stability.p_top1_change, stability.mac, stability.prediction
    words = [
        f"P(top-1 change) {changes.text()}",
        f"MAC {two_digits(mac.value)} ({interval(mac.low, mac.high, two_digits)})",
        f"{prediction.name} {number(prediction.probability)}",
    ]
    if prediction.is_right is not None:
        words.append("right" if prediction.is_right else "wrong")
    return ", ".join(words)


def two_digits(value: float | None) -> str:
    """A value of MAC with two significant digits."""
    return significant(value, 2)


def _how_unstable(explanation: ExplanationRecord) -> str:
    shown = explanation.before.p_top1_change.text()
    where = f"of the one-pixel steps within {explanation.radius} pixels"
    if explanation.is_stable:
        return (
            f"Stable: its top-1 class changes in {shown} {where}, less than the "
            f"{percent(explanation.unstable_from, 0)} from which an image is called unstable."
        )
    standing = explanation.standing("p_top1_change")
    sentence = f"Unstable: its top-1 class changes in {shown} {where}."
    if standing is not None and standing.percentile is not None:
        sentence += (
            f" Along the study's own sweep it changes in {percent(standing.value, 0)} of the steps, more than on "
            f"{below_all(standing.percentile)} of the test images."
        )
    return sentence


def _why(explanation: ExplanationRecord) -> list[str]:
    if explanation.is_stable:
        return []
    causes = explanation.causes
    if not causes:
        return ["Nothing that was tried explains it: no cause that was removed makes the image stable."]
    first = causes[0]
    if first.cause == Cause.COIN_TOSS:
        return [f"No cause that was removed makes it stable; it is {first.name}. {first.reason}"]
    sentences = [f"First cause: {first.name}. With {first.intervention}, {first.reason}{_made_up(first)}"]
    others = [line for line in causes[1:] if line.cause not in (Cause.COIN_TOSS, first.cause)]
    if others:
        names = ", ".join(dict.fromkeys(line.name for line in others))
        sentences.append(f"Removing any of these alone helps as well: {names}.")
    if any(line.cause == Cause.COIN_TOSS for line in causes[1:]):
        sentences.append("It is no more unstable than other images with its margin.")
    return sentences


def _unlike(explanation: ExplanationRecord) -> list[str]:
    sentences = []
    distances = explanation.distances
    if distances is not None:
        sentence = f"Nearest training image at {significant(distances.nn_distance)} ({distances.metric})"
        if distances.distance_percentile is not None:
            share = below_all(distances.distance_percentile)
            sentence += f": {share} of the training images are nearer to their own nearest one"
        names = [neighbour.name or neighbour.image_id for neighbour in explanation.neighbours[:MOST_NEIGHBOURS]]
        sentences.append(f"{sentence}." + (f" Nearest: {', '.join(names)}." if names else ""))
    margin = explanation.standing("margin")
    if margin is not None and margin.percentile is not None:
        sentences.append(f"Margin {number(margin.value, 3)}, above {below_all(margin.percentile)} of the test images.")
    if explanation.framing is None:
        sentences.append(explanation.framing_reason)
    else:
        standings = {each.name: each for each in explanation.framing.standings}
        compared = [
            f"{name} {number(standings[name].value)} (median {number(standings[name].training_median)}, above "
            f"{below_all(standings[name].percentile)})"
            for name in ("centre_distance", "scale", "aspect")
        ]
        sentences.append(f"In what the model sees, against {explanation.framing.population}: {', '.join(compared)}.")
    return sentences


def _line(explanation: ExplanationRecord, line: CauseLine) -> str:
    marker = "– " if line.rank is None else f"{line.rank}."
    sentence = f"{marker} {line.name}: {line.intervention}. {line.reason}"
    if line.after is not None:
        sentence += f" MAC goes from {two_digits(explanation.before.mac.value)} to {line.after.mac.text(two_digits)}."
    return sentence + _made_up(line)


def _made_up(line: CauseLine) -> str:
    return f" {percent(line.made_up)} of the view's pixels had to be made up ({line.fill})." if line.made_up else ""
