"""An explanation in words."""

from bias_toolkit.explain.record import CauseLine, ExplanationRecord, Prediction, Remedy, Stability, Verdict
from bias_toolkit.foundation.words import below_all, count, number, percent, significant

MOST_NEIGHBOURS = 3
FRAMING_WORDS = {"centre_distance": "distance from the centre", "scale": "scale", "aspect": "aspect"}
MARGIN_WORDS = {
    Verdict.LIKE_MARGIN: "That it changes more often than test images with its margin was not found (an association).",
    Verdict.MORE: "It changes more often than test images with its margin (an association).",
}


def answer(explanation: ExplanationRecord) -> str:
    """Whether the image is unstable and what causes it, in a few sentences."""
    return " ".join(answer_sentences(explanation))


def answer_sentences(explanation: ExplanationRecord) -> list[str]:
    """The parts of `answer`: how unstable the image is, its causes, and how other images of its margin change."""
    return [*_how_unstable(explanation), *_why(explanation)]


def text(explanation: ExplanationRecord) -> str:
    """The whole answer, for a terminal: how unstable, how unlike the training images, and why."""
    counts = f", which counts as {explanation.counts_as}" if explanation.counts_as else ""
    name = f" ({explanation.label_name}{counts})" if explanation.label_name else ""
    parts = [f"{explanation.image_id}{name}", "", answer(explanation), predictions_words(explanation.before), ""]
    parts += ["Compared with other images (associations; nothing was changed):", *_unlike(explanation)]
    if explanation.lines:
        parts += ["", f"Each candidate cause removed, in {explanation.trials} random trials:"]
        if explanation.controls is not None:
            parts.append(
                f"  –  the controls, the same trials with no cause removed: {_measures(explanation.controls)}."
            )
        parts += [f"  {_line(line)}" for line in explanation.lines]
    if explanation.remedies:
        parts += ["", "The prediction averaged over small shifts:"]
        parts += [
            f"  up to {count(remedy.radius, 'pixel')} ({remedy.views} views): {_remedy(remedy)}."
            for remedy in explanation.remedies
        ]
    return "\n".join(parts)


def predictions_words(stability: Stability) -> str:
    """The class at the centre view, the class over all shifts where it is another, and how often the model is right."""
    centre, over = stability.centre_view, stability.over_shifts
    sentences = [f"At the centre view the model says {predicted(centre)}."]
    if over.name == centre.name:
        sentences.append("Over all shifts it says the same.")
    else:
        sentences.append(f"Over all shifts it says {predicted(over)}.")
    if stability.accuracy is not None:
        sentences.append(f"It is right on {percent(stability.accuracy, 0)} of the shifted views.")
    return " ".join(sentences)


def predicted(prediction: Prediction) -> str:
    """`goldfish (probability 0.83, right)`."""
    right = {True: ", right", False: ", wrong", None: ""}[prediction.is_right]
    return f"{prediction.name} (probability {number(prediction.probability)}{right})"


def two_digits(value: float | None) -> str:
    """A value of MAC with two significant digits."""
    return significant(value, 2)


def causes_words(explanation: ExplanationRecord) -> str:
    """`One cause was found: framed off centre.`, the strongest of several, or several in no order; empty for none."""
    names = cause_names(explanation)
    if len(names) < 2:
        return "".join(f"One cause was found: {name}." for name in names)
    if (first := explanation.first_cause) is not None:
        return f"{count(len(names))} causes were found. The strongest is: {first.text}."
    listed = ", and ".join(", ".join(names).rsplit(", ", 1))
    return f"{count(len(names))} causes were found, in no order: {listed}. Their intervals do not tell them apart."


def cause_names(explanation: ExplanationRecord) -> list[str]:
    """The causes in words, each once."""
    return list(dict.fromkeys(line.name for line in explanation.causes))


def _how_unstable(explanation: ExplanationRecord) -> list[str]:
    value, n = explanation.before.p_top1_change.value, explanation.steps
    shown = f"{percent(value)} of the {n} one-pixel steps within {explanation.radius} pixels"
    if explanation.is_stable:
        limit = percent(explanation.unstable_from, 0)
        return [
            f"Stable: its top-1 class changes in {shown}.",
            f"An image is called unstable from {limit} on.",
        ]
    sentences = [f"Unstable: its top-1 class changes in {shown}."]
    standing = explanation.standing("p_top1_change")
    if standing is not None and standing.percentile is not None:
        n = len(explanation.response.top1) - 1
        share = "all" if standing.percentile == 1 else f"{below_all(standing.percentile)} of the"
        sentences.append(
            f"On the study's own sweep it changes in {round(standing.value * n)} of {count(n, 'step')}, more than on "
            f"{share} {_others(explanation)}."
        )
    return sentences


def _why(explanation: ExplanationRecord) -> list[str]:
    if explanation.is_stable:
        return []
    causes, sentences = explanation.causes, [causes_words(explanation)]
    controls = [] if explanation.controls is None else [_controls(explanation.controls)]
    if causes and (explanation.first_cause or len(cause_names(explanation)) == 1):
        first = causes[0]
        sentences += controls
        sentences.append(
            f"In the same trials with {first.intervention}, it is {first.after.p_top1_change.text()}.{_made_up(first)} "
            f"{first.reason}"
        )
        others = ", ".join(name for name in cause_names(explanation) if name != first.name)
        if others:
            sentences.append(f"The removal of each of these alone lowers it too: {others}.")
    elif not causes and not any(line.after for line in explanation.lines):
        sentences = ["No candidate cause could be removed, so none was found."]
    elif not causes:
        sentences = ["No cause was found: nothing that was tried is shown to make the image unstable.", *controls]
        restless = dict.fromkeys(line.name for line in explanation.lines if line.verdict == Verdict.NOT_CALM)
        if restless:
            whose = "this" if len(restless) == 1 else "each of these"
            sentences.append(
                f"The removal of {whose} lowers P(top-1 change), but that it calms the response was not found: "
                f"{', '.join(restless)}."
            )
    compared = next((line for line in explanation.lines if line.expected is not None), None)
    if compared is not None:
        sentences.append(MARGIN_WORDS[compared.verdict])
    return sentences


def _controls(controls: Stability) -> str:
    shown = controls.p_top1_change.text()
    return f"In random trials of place, brightness and contrast, which remove no cause, P(top-1 change) is {shown}."


def _others(explanation: ExplanationRecord) -> str:
    return "other test images" if explanation.in_test_set else "test images"


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
        share = below_all(margin.percentile)
        sentences.append(f"Margin {number(margin.value, 3)}, above {share} of the {_others(explanation)}.")
    if explanation.framing is None:
        sentences.append(explanation.framing_reason)
    else:
        standings = {each.name: each for each in explanation.framing.standings}
        compared = [
            f"{words} {number(standings[name].value)} (median {number(standings[name].training_median)}, above "
            f"{below_all(standings[name].percentile)})"
            for name, words in FRAMING_WORDS.items()
        ]
        sentences.append(f"Its object, against {explanation.framing.population}: {', '.join(compared)}.")
    return sentences


def _line(line: CauseLine) -> str:
    marker = "– " if line.rank is None else "* "
    sentence = f"{marker} {line.name}: {line.intervention}."
    if line.after is not None:
        sentence += f" {_measures(line.after)}."
    return f"{sentence}{_made_up(line)} {line.reason}"


def _measures(stability: Stability) -> str:
    return f"P(top-1 change) {stability.p_top1_change.text()}, MAC {stability.mac.text(two_digits)}"


def _made_up(line: CauseLine) -> str:
    return f" {percent(line.made_up)} of the view's pixels had to be made up ({line.fill})." if line.made_up else ""


def _remedy(remedy: Remedy) -> str:
    return f"{_measures(remedy.after)}; at the centre view {predicted(remedy.after.centre_view)}"
