"""Findings on estimated boxes, and the conclusions that they do not allow."""

from enum import Enum
from functools import partial

from bias_toolkit.foundation.words import Form, count, interval, known, number, percent
from bias_toolkit.objects import OF_ALL_OBJECTS
from bias_toolkit.report.source import Source
from bias_toolkit.report.topics.localisation.contents import Localisation, gather, missing_boxes
from bias_toolkit.report.topics.localisation.marks import MISSTATED
from bias_toolkit.report.words.finding import Estimate, Finding, Heading, Kind, Unit, sign
from bias_toolkit.report.words.sentences import SET_NAMES, three_digits

CENTRED = "centred"
ESTIMATED_RANK = 16
_finding = partial(Finding, Heading.FRAMING)


class Verdict(Enum):
    """An estimated box compared with a box in the image's middle; the value is the sign of the gain."""

    BETTER = 1  # in all criteria
    ALIKE = 0
    WORSE = -1  # in any criterion
    UNKNOWN = None


def localisation_findings(located: Localisation) -> list[Finding]:
    """That boxes are estimated, their quality, and the criteria in which they are no better than the image's middle."""
    claim = f"The boxes of the {located.names} are estimated: the model located the objects, nobody drew their boxes."
    findings = [
        _finding(
            Kind.CAUTION,
            claim,
            overlap_sentence(located),
            estimate=_gain(
                located,
                "localisation_accuracy",
                "Images in which the box overlaps the object’s own by half or more, estimated boxes minus boxes in the "
                "image’s middle:",
                Unit.POINTS,
            ),
            rank=ESTIMATED_RANK,
        )
    ]
    for split, each in located.sets.items():
        if without := each.n_images - each.n_located:
            claim = f"In some images of the {SET_NAMES[split]} set no object was located."
            evidence = f"{without:,} of {count(each.n_images, 'image')}. The reasons are in tables/unlocated.csv."
            findings.append(_finding(Kind.FACT, claim, evidence))
    if known(located.value("cx_sd")["value"]):
        findings.extend([_position(located), _scale(located), _centring(located)])
    if not located.measured_here:
        claim = "How good the estimated boxes of this study are is not known: neither set has boxes of its own."
        evidence = f"What is said of them was measured on {located.measured_on}, and may be otherwise here."
        findings.append(_finding(Kind.CAUTION, claim, evidence))
    return findings


def measured(located: Localisation, criterion: str, estimator: str = "estimated", form: Form = number) -> str:
    """`0.58 (0.55 to 0.61)`: a criterion with its 95% interval."""
    row = located.value(criterion, estimator)
    if not known(row["value"]):
        return "not defined"
    limits = f" ({interval(row['low'], row['high'], form)})" if known(row["low"]) else ""
    return f"{form(row['value'])}{limits}"


def verdict(located: Localisation, *criteria: str) -> Verdict:
    """Estimated boxes compared with a box in the image's middle by some criteria."""
    signs = [sign(*(located.value(criterion)[f"gain_{end}"] for end in ("low", "high"))) for criterion in criteria]
    return Verdict(None if None in signs else min(signs))


def overlap_sentence(located: Localisation) -> str:
    """How often an estimated box is near the object's own, compared with a box in the image's middle."""
    better = {
        Verdict.BETTER: "more often than",
        Verdict.ALIKE: "no more often than",
        Verdict.WORSE: "less often than",
        Verdict.UNKNOWN: "beside",
    }
    return (
        "An estimated box overlaps the object's own by half or more (intersection over union) "
        f"{better[verdict(located, 'localisation_accuracy')]} a box of typical size in the image's middle: in "
        f"{measured(located, 'localisation_accuracy', form=percent)} of the images against "
        f"{measured(located, 'localisation_accuracy', CENTRED, percent)}, measured on {located.measured_on}."
    )


def box_sentences(source: Source) -> list[str]:
    """For the command line: the sets with estimated boxes, the quality of these, and the sets without boxes."""
    located = gather(source)
    if located is None:
        return missing_boxes(source)
    sets = [
        f"The boxes of the {SET_NAMES[split]} set are estimated by the model: {count(each.n_located, 'box', 'boxes')} "
        f"in {count(each.n_images, 'image')}."
        for split, each in located.sets.items()
    ]
    return [*sets, overlap_sentence(located), *missing_boxes(source)]


def _gain(located: Localisation, criterion: str, label: str, unit: Unit = Unit.SIGNIFICANT) -> Estimate | None:
    """By how much estimated boxes are better in a criterion, or their error of centring; None if not measured."""
    row = located.value(criterion)
    if not known(row["gain"]):
        return None
    low, high = (row[end] if known(row[end]) else None for end in ("gain_low", "gain_high"))
    return Estimate(f"{criterion}_gain", label, row["gain"], low, high, int(row["n_images"]), unit=unit, nothing=0.0)


def _position(located: Localisation) -> Finding:
    ways = {"horizontally": "cx_sd", "vertically": "cy_sd"}
    worse = min(ways, key=lambda way: located.value(ways[way])["gain_low"])
    label = f"Standard deviation of the centre’s error {worse}, of the image’s middle minus of estimated boxes:"
    estimate = _gain(located, ways[worse], label)
    numbers = (
        f"{way} {measured(located, name, form=three_digits)} of the image’s side against "
        f"{measured(located, name, CENTRED, three_digits)}"
        for way, name in ways.items()
    )
    evidence = (
        f"Standard deviation of the error of a box’s centre, against that of the image’s middle: {'; '.join(numbers)}."
    )
    outcome = verdict(located, *ways.values())
    if outcome is Verdict.BETTER:
        claim = "Estimated boxes tell where an object is better than the image's middle does."
        return _finding(Kind.FACT, claim, evidence, estimate=estimate)
    better = [way for way, name in ways.items() if verdict(located, name) is Verdict.BETTER]
    than = "worse than" if outcome is Verdict.WORSE and not better else "better than" if better else "no better than"
    only = f" {better[0]} only" if better else ""
    return _finding(
        Kind.CAUTION,
        f"The position of estimated boxes is {than} a guess of the image's middle{only}.",
        f"{evidence} So where the object of a single image lies may not be concluded from them, and a relation of "
        "stability with the distance from the centre, or the lack of one, may be the estimate's.",
        estimate=estimate,
    )


def _scale(located: Localisation) -> Finding:
    label = "Standard deviation of the error of log scale, of one size for all minus of estimated boxes:"
    estimate = _gain(located, "log_scale_sd", label)
    evidence = (
        f"Standard deviation of the error of log scale: {measured(located, 'log_scale_sd')}, and of a box of one size "
        f"{measured(located, 'log_scale_sd', CENTRED)}."
    )
    if verdict(located, "log_scale_sd") is Verdict.BETTER:
        claim = "Estimated boxes tell how large an object is better than one size for all."
        return _finding(Kind.FACT, claim, evidence, estimate=estimate)
    worse = verdict(located, "log_scale_sd") is Verdict.WORSE
    claim = f"The size of estimated boxes is {'worse' if worse else 'no better'} than one size for all."
    so = "So how large the object of a single image is may not be concluded from them."
    return _finding(Kind.CAUTION, claim, f"{evidence} {so}", estimate=estimate)


def _centring(located: Localisation) -> Finding:
    column = located.centring
    those = "" if column == OF_ALL_OBJECTS.column else ", of boxes that do not touch the border,"
    estimate = _gain(located, column, "Centre bias, of estimated boxes minus of the objects’ own:")
    evidence = (
        f"Estimated boxes give a centre bias{those} of {measured(located, column)} where the objects' own give "
        f"{measured(located, column, 'given')}."
    )
    if located.centring_error:
        return _finding(
            Kind.CAUTION,
            f"Estimated boxes {MISSTATED[located.centring_error]} centring.",
            f"{evidence} So part of what is found of centring, or of a lack of it, is the estimate's, and its amount "
            "may not be concluded from them.",
            estimate=estimate,
        )
    claim = "No difference in centring between estimated boxes and the objects' own was found."
    return _finding(Kind.NONE, claim, evidence, estimate=estimate)
