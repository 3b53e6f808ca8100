"""What can be said about distance and framing against invariance."""

from __future__ import annotations

from dataclasses import dataclass

from bias_toolkit.analysis import median_interval
from bias_toolkit.foundation.words import count, number, percent, significant
from bias_toolkit.report.contents import (
    ReportContents,
    centring_column,
    correlation,
    has_values,
    whole_dataset,
)
from bias_toolkit.report.definitions import label_of
from bias_toolkit.report.finding import (
    CAUTION,
    DISTANCE,
    EFFECT,
    EXPLAINED,
    FACT,
    FRAMING_EFFECT,
    NONE,
    TOO_FEW_IMAGES,
    UNKNOWN,
    Finding,
    estimate_over,
    interval_over,
    rho,
    sign,
    value_of,
)
from bias_toolkit.report.search_quality import quality_findings


@dataclass(frozen=True)
class Variable:
    """How a variable reads in a sentence: "The farther ...", "relation between ... and", "the nearest tenth"."""

    name: str
    topic: str
    more: str
    noun: str
    low: str
    high: str


NEAREST = Variable(
    "nn_distance",
    DISTANCE,
    "The farther an image is from its nearest training image",
    "an image's distance from its nearest training image",
    "nearest",
    "farthest",
)
FRAMING_VARIABLES = (
    Variable(
        "centre_distance",
        FRAMING_EFFECT,
        "The farther an image's object is from the centre",
        "the distance of an image's object from the centre",
        "most central",
        "least central",
    ),
    Variable(
        "log_scale_deviation",
        FRAMING_EFFECT,
        "The more the scale of an image's object differs from the training objects' median",
        "the deviation of the object's scale from the training objects' median",
        "most usual",
        "least usual",
    ),
    Variable(
        "framing_log_density",
        FRAMING_EFFECT,
        "The more usual the framing of an image's object is among the training objects",
        "how usual the object's framing is among the training objects",
        "least usual",
        "most usual",
    ),
)
FRACTIONS = {2: "half", 3: "third", 4: "quarter", 5: "fifth", 8: "eighth", 10: "tenth", 20: "twentieth"}


def distance_findings(contents: ReportContents) -> list[Finding]:
    """Distance from the training set against both main measures, leaks, and how far the test set is on the whole."""
    if not has_values(contents.distances, "nn_distance"):
        return [Finding(DISTANCE, UNKNOWN, "How far the test images are from the training set was not measured.")]
    measured = [name for name in ("p_top1_change", "mac") if has_values(contents.per_image, name)]
    found = [relation(contents, NEAREST, measure) for measure in measured]
    found.extend(finding for finding in (_shared(contents), _leaks(contents)) if finding is not None)
    found.extend(quality_findings(contents.search_quality))
    percentile = _percentile(contents)
    if percentile is not None:
        found.append(percentile)
    return found


def framing_effect_findings(contents: ReportContents) -> list[Finding]:
    """Position, scale and density of the test objects against P(top-1 change)."""
    if not has_values(contents.per_image, "p_top1_change"):
        return []
    if not has_values(contents.per_image, "centre_distance"):
        return [
            Finding(
                FRAMING_EFFECT,
                UNKNOWN,
                "Whether the framing of a test image decides its stability cannot be said: its objects have no boxes.",
            )
        ]
    variables = [variable for variable in FRAMING_VARIABLES if has_values(contents.per_image, variable.name)]
    found = [relation(contents, variable, "p_top1_change") for variable in variables]
    test = whole_dataset(contents.test_summary)
    column = "centre_bias" if test is None else centring_column(test)
    if (
        test is not None
        and all(finding.kind in (NONE, EXPLAINED) for finding in found)
        and sign(test[f"{column}_low"], test[f"{column}_high"]) == 1
    ):
        found.append(
            Finding(
                FRAMING_EFFECT,
                CAUTION,
                "The test photographs are centred themselves, so an effect of framing may not show in them.",
                f"Their {label_of(column).lower()} is {value_of(test, column, n=test['n_images'])}. "
                "To show, it may need framing varied on purpose.",
            )
        )
    return found


def relation(contents: ReportContents, variable: Variable, measure: str) -> Finding:
    """One variable against one measure, the plain correlation always beside the one that controls for the margin."""
    table = contents.table("correlations")
    plain = correlation(table, variable.name, measure, "plain")
    partial = correlation(table, variable.name, measure, "partial")
    label = _in_a_sentence(measure)
    if plain is None:
        return Finding(
            variable.topic,
            UNKNOWN,
            f"The relation between {variable.noun} and {label} could not be computed.",
            _why(contents, variable.name, measure),
        )
    if partial is None:
        return Finding(
            variable.topic,
            UNKNOWN,
            f"The relation between {variable.noun} and {label} is not given.",
            "It could not be controlled for the margin, and without that it could be the model's confidence alone.",
        )
    numbers = f"Spearman's ρ {rho(plain, images=True)}; with the margin held constant {rho(partial)}."
    directions = sign(plain["low"], plain["high"]), sign(partial["low"], partial["high"])
    if plain["n"] < TOO_FEW_IMAGES or None in directions:
        return Finding(
            variable.topic,
            CAUTION,
            f"{count(plain['n'], 'image')} are too few to say how {variable.noun} and {label} are related.",
            numbers,
        )
    kind, claim, meaning = _verdict(variable, measure, *directions)
    ends = _ends(contents, variable, measure) if directions[0] else ""
    return Finding(variable.topic, kind, claim, f"{numbers} {meaning}{ends}{_within_class(table, variable, measure)}")


def _verdict(variable: Variable, measure: str, plain: int, partial: int) -> tuple[str, str, str]:
    """Kind, claim, and what the two correlations mean together."""
    label = _in_a_sentence(measure)
    more_is_stable = measure == "consistency"

    def effect(direction: int) -> str:
        stability = "more" if (direction > 0) == more_is_stable else "less"
        return f"the {stability} stable the model is on it by {label}"

    unrelated = f"No relation between {variable.noun} and {label} was found"
    if plain == 0 and partial == 0:
        return NONE, f"{unrelated}.", "Both intervals include 0."
    if plain == 0:
        claim = f"{unrelated}, unless the margin is held constant."
        meaning = f"Among images of like confidence: {variable.more[0].lower()}{variable.more[1:]}, {effect(partial)}."
        return EFFECT, claim, meaning
    claim = f"{variable.more}, {effect(plain)}"
    if partial == 0:
        return EXPLAINED, f"{claim}; the model's confidence explains it.", "The second interval includes 0."
    if partial == plain:
        return EFFECT, f"{claim}.", "The model's confidence alone does not explain it."
    return CAUTION, f"{claim}, but the other way round among images of like confidence.", ""


def _in_a_sentence(name: str) -> str:
    label = label_of(name)
    return label if label.startswith("P(") else label[0].lower() + label[1:]


def _why(contents: ReportContents, *columns: str) -> str:
    for column in columns:
        if not has_values(contents.per_image, column):
            return f"{label_of(column)} is not defined for any image."
        if contents.per_image[column].nunique() == 1:
            return f"{label_of(column)} is the same for all images."
    return ""


def _within_class(table, variable: Variable, measure: str) -> str:
    row = correlation(table, variable.name, measure, "within class")
    if row is None:
        return ""
    told = interval_over(row["n"], row["low"], row["high"]).removeprefix("95% interval ")
    return f" Within classes ρ is {number(row['rho'])} ({told})."


def _ends(contents: ReportContents, variable: Variable, measure: str) -> str:
    curves = contents.table("curves")
    if not len(curves):
        return ""
    curve = curves[curves["distance"].eq(variable.name) & curves["measure"].eq(measure)].sort_values("bin")
    if len(curve) < 2 or curve["value"].isna().any():
        return ""
    form = percent if measure.startswith("p_") else significant
    first, last = curve.iloc[0], curve.iloc[-1]
    part = FRACTIONS.get(len(curve), f"{len(curve)}th part")

    def told(row) -> str:
        told = interval_over(row["n"], row["low"], row["high"], form).removeprefix("95% interval ")
        return f"{form(row['value'])} ({told})"

    return (
        f" {label_of(measure)} is {told(first)} in the {variable.low} {part} of the images and {told(last)} in the "
        f"{variable.high}."
    )


def _shared(contents: ReportContents) -> Finding | None:
    n_shared = contents.n_shared
    if not n_shared:
        return None
    are = "is a training image itself" if n_shared == 1 else "are training images themselves"
    return Finding(
        DISTANCE,
        CAUTION,
        f"{n_shared:,} of the {count(len(contents.distances), 'test image')} {are}.",
        "Each is compared with the other training images only.",
    )


def _leaks(contents: ReportContents) -> Finding | None:
    if "leak" not in contents.distances:
        return None
    leaks = int(contents.distances["leak"].fillna(False).sum())
    n_images = count(len(contents.distances), "test image")
    if leaks == 0:
        besides = ", besides themselves" if contents.n_shared else ""
        return Finding(
            DISTANCE, FACT, f"None of the {n_images} is at (near) zero distance from a training image{besides}."
        )
    return Finding(
        DISTANCE,
        CAUTION,
        f"{leaks:,} of {n_images} {'is' if leaks == 1 else 'are'} at (near) zero distance from "
        f"{'another training image' if contents.n_shared else 'a training image'}.",
        f"This may be a leak between the splits ({percent(leaks / len(contents.distances))} of the test images).",
    )


def _percentile(contents: ReportContents) -> Finding | None:
    if not has_values(contents.distances, "distance_percentile"):
        return None
    percentiles = contents.distances["distance_percentile"]
    median = median_interval(percentiles)
    lower, upper = percentiles.quantile([0.25, 0.75])
    return Finding(
        DISTANCE,
        FACT,
        f"The median test image is farther from its nearest training image than {percent(median.value, 0)} of the "
        "training images are from theirs.",
        f"Median {estimate_over(median.n, *median[:3], percent)}; {count(median.n, 'test image')}. "
        f"Half of the test images lie between {percent(lower, 0)} and {percent(upper, 0)}.",
    )
