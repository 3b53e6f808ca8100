"""Findings on how two datasets' framing differs, and on differences too small to be detected."""

import dataclasses
import math
from collections.abc import Mapping
from functools import partial

from bias_toolkit.foundation.words import count, interval, known, number, p_value, percent, significant
from bias_toolkit.objects import COMPARED_BY_MEDIANS, OF_ALL_OBJECTS
from bias_toolkit.report.topics.framing.contents import FramedSet, FramingContents
from bias_toolkit.report.words.definitions import FRAMING_VARIABLES, label_of
from bias_toolkit.report.words.finding import (
    SIGNIFICANT,
    TOO_FEW_IMAGES,
    Finding,
    Heading,
    Kind,
    limits_of_row,
    sign,
    value_of,
)
from bias_toolkit.report.words.sentences import in_points, three_digits

_finding = partial(Finding, Heading.FRAMING)
LOGARITHMS = ("log_scale", "log_aspect")
PLACES = {"cx": ("right", "left"), "cy": ("down", "up")}
UNITS = {
    "cx": "of the frame's width",
    "cy": "of the frame's height",
    "truncated": "percentage points",
    "objects_per_image": "objects",
}
FORMS = {"cx": three_digits, "cy": three_digits, "truncated": in_points}


def comparison_findings(contents: FramingContents) -> list[Finding]:
    """Whether a classifier distinguishes the sets, which variables differ by how much, and bounds on the others."""
    first, second, comparison = contents.first, contents.second, contents.comparison
    if second is None or not first:
        return []
    findings = _none_possible(contents)
    if not findings:
        rows = comparison.variables.set_index("variable", drop=False)
        variables = [rows.loc[name].to_dict() for name in FRAMING_VARIABLES]
        differing = [row for row in variables if _differs(row)]
        alike = [row for row in variables if not _differs(row) and known(row["p_value"])]
        findings = [
            _classifier(contents, differing),
            *(_variable(row, first, second) for row in differing),
            _centring(rows.loc[first.centring.column].to_dict(), first, second),
            *([_no_difference(alike, first, second)] if alike else []),
        ]
    return [dataclasses.replace(finding, boxes=contents.boxes, compares_boxes=True) for finding in findings]


def _none_possible(contents: FramingContents) -> list[Finding]:
    """The reason why the sets cannot be compared; empty if they can."""
    first, second = contents.first, contents.second
    if not second:
        claim = f"The framing of {second.the} cannot be compared with that of {first.the}: it has no object boxes."
        return [_finding(Kind.UNKNOWN, claim)]
    if contents.comparison is None or min(each.whole["n_images"] for each in (first, second)) < TOO_FEW_IMAGES:
        claim = f"Too few images have boxes to compare the framing of {second.the} with that of {first.the}."
        numbers = " and ".join(f"{count(each.whole['n_images'], 'image')} of {each.the}" for each in (first, second))
        return [_finding(Kind.CAUTION, claim, f"{numbers}.")]
    return []


def _differs(row: Mapping) -> bool:
    return known(row["q_value"]) and row["q_value"] <= SIGNIFICANT


def _classifier(contents: FramingContents, differing: list[Mapping]) -> Finding:
    first, second, test = contents.first, contents.second, contents.comparison.test
    auc = value_of({"auc": test.auc, "auc_low": test.auc_low, "auc_high": test.auc_high}, "auc")
    numbers = (
        "A classifier that sees an object's position, scale, aspect, truncation and how many objects its image has "
        f"puts one of {second.the} above one of {first.the} with probability {auc}; 0.5 is guessing; "
        f"{p_value(test.p_value)}, {count(test.n_images_first)} and {count(test.n_images_second, 'image')}."
    )
    if test.p_value < SIGNIFICANT or differing:
        claim = f"{second.the[0].upper()}{second.the[1:]} is framed otherwise than {first.the}."
        return _finding(Kind.EFFECT, claim, numbers)
    claim = f"No difference in framing between {second.the} and {first.the} was found."
    missed = f" What was missed lets such a classifier reach {number(max(test.auc_high, 0.5))} at most."
    return _finding(Kind.NONE, claim, numbers + missed)


def _variable(row: Mapping, first: FramedSet, second: FramedSet) -> Finding:
    """One variable's difference, in words that a person can act on."""
    name, difference = row["variable"], row["difference"]
    apart, than = _apart(row), f"than those of {first.the}"
    if not sign(row["difference_low"], row["difference_high"]):
        claim = f"Objects of {second.the} differ from those of {first.the} in how their {_noun(name)} is spread."
        centre = "median" if name in COMPARED_BY_MEDIANS else "mean"
        return _finding(Kind.EFFECT, claim, f"The {centre} is not found to differ ({_bounds(row)}). {apart}")
    if name in LOGARITHMS:
        subject, words = {
            "log_scale": ("Objects", ("larger", "smaller")),
            "log_aspect": ("Boxes", ("wider for their height", "narrower for their height")),
        }[name]
        times, low, high = (number(value, 1 if value >= 1.5 else 2) for value in sorted_factors(row))
        claim = f"{subject} of {second.the} are {times} times {words[difference < 0]} ({low} to {high}) {than}."
        return _finding(Kind.EFFECT, claim, f"By medians. {apart}")
    ends = sorted(abs(row[f"difference_{end}"]) for end in ("low", "high"))
    if name in PLACES:
        way = PLACES[name][difference < 0]
        size = f"{three_digits(abs(difference))} {UNITS[name]} farther {way} ({interval(*ends, three_digits)})"
        return _finding(Kind.EFFECT, f"Objects of {second.the} lie {size} {than}.", f"By means. {apart}")
    if name == "truncated":
        more = "less" if difference < 0 else "more"
        points = f"{in_points(abs(difference))} ({interval(*ends, in_points)})"
        claim = f"The border cuts objects of {second.the} {more} often {than}."
        numbers = f"{percent(row['second'])} of them against {percent(row['first'])}: {points} percentage points."
        return _finding(Kind.EFFECT, claim, numbers)
    size = f"{number(abs(difference))} objects {'fewer' if difference < 0 else 'more'} ({interval(*ends)})"
    claim = f"An image of {second.the} has {size} than one of {first.the}."
    return _finding(Kind.EFFECT, claim, f"By means of the images that have one. {apart}")


def sorted_factors(row: Mapping) -> tuple[float, float, float]:
    """A difference of logarithms with its interval as factors, turned so that the first is at least 1."""
    turn = -1 if row["difference"] < 0 else 1
    ends = sorted(turn * row[f"difference_{end}"] for end in ("low", "high"))
    return math.exp(turn * row["difference"]), *map(math.exp, ends)


def _noun(name: str) -> str:
    return label_of(name).lower()


def distance_text(row: Mapping, value: float) -> str:
    """A Wasserstein distance in its variable's unit, in words."""
    return _with_unit(row["variable"], _bare_distance(row["variable"], value))


def _with_unit(name: str, text: str) -> str:
    return f"a factor of {text}" if name in LOGARITHMS else f"{text} {UNITS[name]}"


def _bare_distance(name: str, value: float) -> str:
    if name in LOGARITHMS:
        return number(math.exp(value), 2 if value > 0.02 else 3)
    return FORMS[name](value) if name in FORMS else significant(value, 2)


def _apart(row: Mapping) -> str:
    """The distance between the distributions, and the distance expected by chance."""
    low, high = (_bare_distance(row["variable"], row[f"wasserstein_{end}"]) for end in ("low", "high"))
    return (
        f"One distribution becomes the other when its objects are moved by {distance_text(row, row['wasserstein'])} on "
        f"average (95% interval {low} to {high}); two random parts of all images together are "
        f"{distance_text(row, row['wasserstein_by_chance'])} apart."
    )


def _bounds(row: Mapping) -> str:
    """The interval of a difference in its unit, as its largest possible value."""
    name = row["variable"]
    form = (lambda value: number(math.exp(value))) if name in LOGARITHMS else FORMS.get(name, number)
    return f"by {_with_unit(name, limits_of_row(row, 'difference', form))}"


def _no_difference(rows: list[Mapping], first: FramedSet, second: FramedSet) -> Finding:
    names = [_noun(row["variable"]) for row in rows]
    listed = " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    missed = "; ".join(f"{name} {_bounds(row)}" for name, row in zip(names, rows, strict=True))
    return _finding(
        Kind.NONE,
        f"No difference between {second.the} and {first.the} was found in {listed}.",
        f"What was not found can still be there, within these 95% intervals of {second.the} against {first.the}: "
        f"{missed}.",
    )


def _centring(row: Mapping, first: FramedSet, second: FramedSet) -> Finding:
    if not known(row["difference"]):
        claim = f"The centring of {second.the} and {first.the} cannot be compared: centre bias is not defined for both."
        return _finding(Kind.UNKNOWN, claim)
    column = row["variable"]
    numbers = (
        f"{label_of(column)} {value_of(second.whole, column, short=True)} against "
        f"{value_of(first.whole, column, short=True)}; difference {value_of(row, 'difference')}, "
        f"{p_value(row['p_value'])}."
    )
    direction = sign(row["difference_low"], row["difference_high"])
    if not direction or not _differs(row):
        claim = f"No difference in centring was found between {second.the} and {first.the}."
        return _finding(Kind.NONE, claim, numbers)
    subjects = "Objects" if column == OF_ALL_OBJECTS.column else "Objects that the border does not cut"
    more = "more" if direction > 0 else "less"
    claim = f"{subjects} of {second.the} are {more} centred than those of {first.the}."
    return _finding(Kind.EFFECT, claim, numbers)
