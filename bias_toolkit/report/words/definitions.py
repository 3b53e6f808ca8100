"""The meaning of each name in a table or on an axis, in one line.

A is Azulay & Weiss, JMLR 20(184), 2019; Z is Zhang, "Making convolutional networks shift-invariant again", ICML 2019.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bias_toolkit import features, invariance
from bias_toolkit.foundation.intervals import UNLIMITED
from bias_toolkit.foundation.words import Form, number, percent, significant

UNIT, POSITIVE = (0.0, 1.0), (0.0, math.inf)


@dataclass(frozen=True)
class Definition:
    """The definition of one name."""

    label: str  # for an axis or a table's heading
    line: str  # the definition
    share: bool = False  # whether it is a share of steps, images or probability that reads well as a percentage
    limits: tuple[float, float] = UNLIMITED  # the lowest and highest value of a column
    form: Form = significant  # formats the values of a column that is no share


MEASURES: dict[str, Definition] = {
    each.name: Definition(each.label, each.definition, each.share, each.limits, each.form)
    for each in invariance.INVARIANCE_MEASURES
}

DISTANCES: dict[str, Definition] = {
    each.name: Definition(each.label, each.definition, each.share, (0.0, each.highest))
    for each in features.TRAINING_DISTANCES
}

FRAMING: dict[str, Definition] = {
    "centre_distance": Definition(
        "Distance of the object from the centre",
        "Distance of the box's centre from the image's centre: 0 centre, 1 corner.",
        limits=UNIT,
        form=number,
    ),
    "scale": Definition(
        "Scale of the object", "Square root of the share of the image that the box covers.", limits=UNIT, form=number
    ),
    "area_fraction": Definition("Area of the object", "Share of the image that the box covers.", True, UNIT),
    "log_scale_deviation": Definition(
        "Deviation from the training scale",
        "Absolute difference between the object's log scale and the training objects' median log scale.",
        limits=POSITIVE,
    ),
    "framing_log_density": Definition(
        "Log density of the framing",
        "Log density, among the training objects, of the object's position, scale and aspect: low is unusual.",
    ),
}

FRAMING_SUMMARY: dict[str, Definition] = {
    "centre_bias": Definition(
        "Centre bias",
        "How much nearer to the centre all objects are than boxes of the same sizes placed anywhere they fit: "
        "0 no bias, 1 always exactly centred.",
    ),
    "observed_centre_distance": Definition(
        "Centre distance", "Mean over objects of the distance of the box's centre from the image's: 1 is a corner."
    ),
    "null_centre_distance": Definition(
        "Centre distance by chance", "The same for boxes of the same sizes placed anywhere they fit."
    ),
    "p_value": Definition(
        "p", "Share of random placements whose mean centre distance is as far from what is expected, on either side."
    ),
    "divergence_bits": Definition(
        "Divergence",
        "Kullback–Leibler divergence of the observed centres from those by chance, in bits, "
        "corrected for what sampling alone gives.",
    ),
    "untruncated_centre_bias": Definition(
        "Centre bias, border not touched",
        "The same of the objects that do not touch the border, among places at which they do not: "
        "where the middle of an object that touches it is, is not known.",
    ),
    "untruncated_p_value": Definition("p, border not touched", "The same as p, for those objects."),
    "median_scale": Definition(
        "Median scale", "Median over objects of the square root of the share of the image that the box covers."
    ),
    "log_scale_sd": Definition("Spread of scale", "Standard deviation of the natural logarithm of scale."),
    "truncated_share": Definition(
        "Touch the border", "Share of the boxes that come within 1 pixel of the image's border.", True
    ),
    "mean_cx": Definition("Mean position across", "Mean over objects of the box's centre: 0 left, 1 right."),
    "mean_cy": Definition("Mean position down", "Mean over objects of the box's centre: 0 top, 1 bottom."),
    "median_aspect": Definition("Median aspect", "Median over objects of the box's width over its height, in pixels."),
    "objects_per_image": Definition("Objects an image", "Mean number of boxes of the images that have one."),
    "class_box_overlap": Definition(
        "Box overlap in a class",
        "Share of pairs of objects of one class, in different images, whose boxes overlap by IoU > 0.5; mean over "
        "classes. ILSVRC's authors give 20.8% for ILSVRC 2012, and 8.8% for Pascal VOC 2012.",
        True,
    ),
}

FRAMING_VARIABLES: dict[str, Definition] = {
    "cx": Definition("Position across", "The box's centre, in the frame's width from its left; compared by means."),
    "cy": Definition("Position down", "The box's centre, in the frame's height from its top; compared by means."),
    "log_scale": Definition(
        "Scale", "Square root of the share of the image that the box covers, as natural logarithm; compared by medians."
    ),
    "log_aspect": Definition(
        "Aspect", "The box's width over its height, in pixels, as natural logarithm; compared by medians."
    ),
    "truncated": Definition(
        "Touches the border",
        "Whether the box comes within 1 pixel of the image's border; compared by shares.",
        True,
    ),
    "objects_per_image": Definition("Objects an image", "Boxes of an image that has one; compared by means."),
}

CORRELATION_KINDS: dict[str, Definition] = {
    "plain": Definition("Plain", "Spearman's rank correlation over the test images."),
    "partial": Definition(
        "Given the margin",
        "The same on what is left of the ranks once the rank of the margin is accounted for: "
        "images on which the model is unsure are both farther from the training set and less stable.",
    ),
    "within class": Definition("Within class", "Ranks taken inside each class and then pooled."),
}

REGRESSION_KINDS: dict[str, Definition] = {
    "alone": Definition("Alone", "The term is the only one."),
    "together": Definition(
        "All together", "All terms at once: what a term says among images that are alike in the others."
    ),
    "within class": Definition(
        "Within class", "All terms at once with an intercept for each class: what they say among the images of a class."
    ),
    "margin as a curve": Definition(
        "Margin as a curve",
        "The same, with the margin’s square and cube beside it: a curved effect of the margin, taken for a straight "
        "one, would leave a rest to whatever goes with it.",
    ),
}

FACTORS: dict[str, Definition] = {
    "pose": Definition("Pose", "The object stands otherwise or elsewhere than in typical images of its class."),
    "background": Definition("Background", "What is behind the object is untypical."),
    "pattern": Definition("Pattern", "The object has an untypical pattern, such as stripes."),
    "color": Definition("Colour", "The object has an untypical colour."),
    "smaller": Definition("Smaller", "The object fills only a small part of the image."),
    "shape": Definition("Shape", "The object has an untypical shape."),
    "partial_view": Definition("Partial view", "Only a part of the object is in the image."),
    "subcategory": Definition("Subcategory", "The object is of an untypical kind of its class."),
    "texture": Definition("Texture", "The object has an untypical texture."),
    "larger": Definition("Larger", "The object dominates the image."),
    "darker": Definition("Darker", "The image is darker."),
    "object_blocking": Definition("Object in front", "Another object hides a part of it."),
    "person_blocking": Definition("Person in front", "A person hides a part of it."),
    "style": Definition("Style", "The image is a drawing, a painting or of another style."),
    "brighter": Definition("Brighter", "The image is brighter."),
    "multiple_objects": Definition("Several objects", "At least one other object is as prominent."),
}

MAP_KINDS: dict[str, Definition] = {
    "all": Definition("All cells", "Over all cells of the map."),
    "recognised": Definition(
        "Recognised", "Over the cells in which the answers agree with the labels beyond chance (Cohen’s κ above 0)."
    ),
    "given accuracy": Definition(
        "Given accuracy", "Partial, over the recognised cells, holding the accuracy in the cell constant."
    ),
    "when right": Definition("When right", "Over the recognised cells, of views whose top class is the label."),
    "position": Definition(
        "Position alone", "Ranks within each scale, pooled over the recognised cells: nothing but the position differs."
    ),
}

LAYERS: dict[str, Definition] = {
    each.name: Definition(each.label, each.definition, limits=each.limits, form=each.form)
    for each in invariance.LAYER_MEASURES
}

LAYER_CONDITIONS: dict[str, Definition] = {
    each.name: Definition(each.label, each.definition) for each in invariance.CONDITIONS
}

PROTOCOLS: dict[str, Definition] = {each.name: Definition(each.label, each.definition) for each in invariance.PROTOCOLS}

METRIC_NAMES = {"euclidean": "Euclidean", "cosine": "cosine"}

COLUMNS: dict[str, Definition] = MEASURES | DISTANCES | FRAMING
LABELLED: dict[str, Definition] = FRAMING_VARIABLES | COLUMNS | FRAMING_SUMMARY


def limits_of(name: str) -> tuple[float, float]:
    """Lowest and highest value of a column; infinite if it has no limit or is not defined here."""
    return COLUMNS[name].limits if name in COLUMNS else UNLIMITED


def label_of(name: str) -> str:
    """The heading of a column; if it is not defined here, its name with spaces."""
    return LABELLED[name].label if name in LABELLED else name.replace("_", " ")


def value_form(name: str) -> Form:
    """The function that formats a column's values."""
    if name not in COLUMNS:
        return significant
    return percent if COLUMNS[name].share else COLUMNS[name].form


def distance_label(name: str, settings: Mapping[str, Any]) -> str:
    """The heading of a distance, with the `metric` if the settings have it."""
    label = label_of(name)
    if name in DISTANCES and not DISTANCES[name].share and settings.get("metric"):
        label = f"{label} ({METRIC_NAMES.get(settings['metric'], settings['metric'])})"
    return label
