"""Findings on how two datasets' framing differs, and on differences that were not found."""

import dataclasses
import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd

from bias_toolkit.foundation.false_discovery import with_family_intervals
from bias_toolkit.foundation.words import count, known
from bias_toolkit.objects import OF_ALL_OBJECTS, OF_UNCUT_OBJECTS, FramingComparison, TwoSampleTest
from bias_toolkit.report.topics.framing.contents import FramingContents
from bias_toolkit.report.words.definitions import FRAMING_VARIABLES, label_of
from bias_toolkit.report.words.finding import (
    NOT_FOUND_RANK,
    Estimate,
    Finding,
    Heading,
    Kind,
    Unit,
    value_of,
)

_finding = partial(Finding, Heading.FRAMING)
CLASSIFIER_RANK, VARIABLE_RANK = 50, 55
GUESSING = 0.5
LOGARITHMS = ("log_scale", "log_aspect")
CLAIMS = {
    "cx": ("Objects of {second} lie farther right than those of {first}.", "right", "left"),
    "cy": ("Objects of {second} lie farther down than those of {first}.", "down", "up"),
    "log_scale": ("Objects of {second} are larger than those of {first}.", "larger", "smaller"),
    "log_aspect": ("Boxes of {second} are wider for their height than those of {first}.", "wider", "narrower"),
    "truncated": ("Objects of {second} touch the border more often than those of {first}.", "more", "less"),
    "objects_per_image": ("An image of {second} has more objects than one of {first}.", "more", "fewer"),
    "centre_bias": ("Objects of {second} are more centred than those of {first}.", "more", "less"),
    "untruncated_centre_bias": (
        "Objects of {second} that do not touch the border are more centred than those of {first}.",
        "more",
        "less",
    ),
}
"""For each variable the claim that it is larger in the second set, and the word to exchange if it is smaller."""
NOUNS = {
    "truncated": "how often objects touch the border",
    "centre_bias": "centring",
    "untruncated_centre_bias": "the centring of the objects that do not touch the border",
}
MEASURED = {
    "cx": ("Difference in mean position across, in the frame’s width,", Unit.POINTS),
    "cy": ("Difference in mean position down, in the frame’s height,", Unit.POINTS),
    "log_scale": ("Ratio of the median scales", Unit.FACTOR),
    "log_aspect": ("Ratio of the median aspects", Unit.FACTOR),
    "truncated": ("Difference in the share that touches the border", Unit.POINTS),
    "objects_per_image": ("Difference in objects an image", Unit.SIGNIFICANT),
    "centre_bias": ("Difference in centre bias", Unit.NUMBER),
    "untruncated_centre_bias": ("Difference in centre bias", Unit.NUMBER),
}


def compared_variables(comparison: FramingComparison) -> pd.DataFrame:
    """Table FRAMING_COMPARISON with the intervals of the differences adjusted for the number of variables."""
    images = min(comparison.test.n_images_first, comparison.test.n_images_second)
    rows = comparison.variables.assign(images=images)
    return with_family_intervals(rows, "difference", images="images").drop(columns="images")


def comparison_findings(contents: FramingContents) -> list[Finding]:
    """Whether a classifier distinguishes the sets, and in which variables they differ."""
    first, second = contents.first, contents.second
    if second is None or not first:
        return []
    findings = _none_possible(contents)
    if not findings:
        rows = compared_variables(contents.comparison).set_index("variable", drop=False)
        named = [*FRAMING_VARIABLES, first.centring.column]
        variables = [_variable(rows.loc[name].to_dict(), contents) for name in named if name in rows.index]
        variables = [finding for finding in variables if finding is not None]
        variables.sort(key=lambda finding: finding.kind in (Kind.NONE, Kind.UNKNOWN))
        findings = [_classifier(contents), *variables]
    return [dataclasses.replace(finding, boxes=contents.boxes, compares_boxes=True) for finding in findings]


def _none_possible(contents: FramingContents) -> list[Finding]:
    """The reason why the sets cannot be compared; empty if they can."""
    first, second = contents.first, contents.second
    if not second:
        claim = f"The framing of {second.the} cannot be compared with that of {first.the}: it has no object boxes."
        return [_finding(Kind.UNKNOWN, claim, rank=CLASSIFIER_RANK + NOT_FOUND_RANK)]
    if contents.comparison is None:
        claim = f"Too few images have boxes to compare the framing of {second.the} with that of {first.the}."
        numbers = " and ".join(f"{count(each.whole['n_images'], 'image')} of {each.the}" for each in (first, second))
        return [_finding(Kind.CAUTION, claim, f"{numbers}.", rank=CLASSIFIER_RANK + NOT_FOUND_RANK)]
    return []


def area_of(test: TwoSampleTest) -> Estimate:
    """The area under the ROC curve of the classifier that tells the sets apart, with its interval."""
    # No set of classifiers is worse than guessing: an interval below it is an effect of cross-validation.
    low, high = test.auc_low, max(test.auc_high, GUESSING)
    n = test.n_images_first + test.n_images_second
    return Estimate("auc", "Area under the classifier’s ROC curve", test.auc, low, high, n, nothing=GUESSING)


def _classifier(contents: FramingContents) -> Finding:
    """Whether a classifier tells by the framing which set an object is from: the area under its ROC curve."""
    first, second, estimate = contents.first, contents.second, area_of(contents.comparison.test)
    evidence = (
        "The classifier sees an object’s position, scale and aspect, whether it touches the border, and how many "
        "objects its image has. The area is the chance that it scores an object of the second set above one of the "
        f"first; guessing gives {GUESSING}."
    )
    if estimate.direction:
        subject = f"{second.the[0].upper()}{second.the[1:]}"
        claim = f"{subject} is framed otherwise than {first.the}: a classifier tells them apart."
        return _finding(Kind.FACT, claim, evidence, estimate=estimate, rank=CLASSIFIER_RANK)
    claim = f"A classifier was not found to tell {second.the} from {first.the} by the framing."
    return _finding(Kind.NONE, claim, evidence, estimate=estimate, rank=CLASSIFIER_RANK + NOT_FOUND_RANK)


def _variable(row: Mapping[str, Any], contents: FramingContents) -> Finding | None:
    """One variable's difference; None if it cannot differ, as where each image has one object."""
    name, first, second = row["variable"], contents.first, contents.second
    if not known(row["difference"]):
        claim = f"The centring of {second.the} and {first.the} cannot be compared: centre bias is not defined for both."
        return _finding(Kind.UNKNOWN, claim)
    if not known(row["difference_low"]):
        return None
    estimate = difference_of(row, contents.comparison.test)
    if name == OF_UNCUT_OBJECTS.column:
        n_objects = sum(each.whole[OF_UNCUT_OBJECTS.n_objects] for each in contents.sets)
        estimate = dataclasses.replace(estimate, n=int(n_objects), of="object")
    if not estimate.direction:
        noun = NOUNS.get(name, label_of(name).lower())
        claim = f"No difference in {noun} was found between {second.the} and {first.the}."
        return _finding(Kind.NONE, claim, estimate=estimate, figure=_figure(name))
    claim, more, less = CLAIMS[name]
    if estimate.direction < 0:
        claim = claim.replace(more, less)
    claim = claim.format(first=first.the, second=second.the)
    evidence = _centring(row, contents) if "bias" in name else ""
    return _finding(Kind.FACT, claim, evidence, estimate=estimate, figure=_figure(name), rank=VARIABLE_RANK)


def difference_of(row: Mapping[str, Any], test: TwoSampleTest) -> Estimate:
    """The difference of a row of `compared_variables`; of a logarithm, the ratio."""
    label, unit = MEASURED[row["variable"]]
    value, low, high = (row[f"difference{end}"] for end in ("", "_low", "_high"))
    nothing = 0.0
    if unit == Unit.FACTOR:
        value, low, high, nothing = math.exp(value), math.exp(low), math.exp(high), 1.0
    n = test.n_images_first + test.n_images_second
    return Estimate(row["variable"], label, value, low, high, n, unit=unit, nothing=nothing)


def _figure(name: str) -> str | None:
    return "framing-differences" if name in ("cx", "cy", *LOGARITHMS) else None


def _centring(row: Mapping[str, Any], contents: FramingContents) -> str:
    of_those = "" if row["variable"] == OF_ALL_OBJECTS.column else " of the objects that do not touch the border"
    values = [f"{value_of(of.whole, row['variable'])} in {of.the}" for of in (contents.second, contents.first)]
    return f"Centre bias{of_those} is {' and '.join(values)}."
