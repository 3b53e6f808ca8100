"""Columns of the tables that relate distance and framing to invariance."""

import pyarrow as pa

from bias_toolkit.foundation.files import INTERVAL, columns

RELATED_MEASURES = ("p_top1_change", "mac")
"""The measures to which distance, framing and the density of a framing map are related."""

COMPARED_MEASURES = (*RELATED_MEASURES, "accuracy")
"""The measures compared between the cells of a framing map, and between images with and without a factor."""

CLASS_ESTIMATES = ("accuracy", *RELATED_MEASURES, "nn_distance", "centre_distance", "scale")

TEXT, WHOLE, REAL = pa.string(), pa.int64(), pa.float64()

CORRELATIONS = pa.schema(
    [*columns(TEXT, "distance", "measure", "kind"), *columns(REAL, "rho", "low", "high", "p_value"), ("n", WHOLE)]
)

CURVES = pa.schema(
    [
        *columns(TEXT, "distance", "measure"),
        ("bin", pa.int32()),
        *columns(REAL, "left", "right", "x", "value", "low", "high"),
        ("n", WHOLE),
    ]
)

SUMMARY = pa.schema(
    [
        *columns(TEXT, "protocol", "transform"),
        ("size", REAL),
        ("measure", TEXT),
        *columns(REAL, "value", "low", "high"),
        ("n", WHOLE),
    ]
)

CLASSES = pa.schema([("label", TEXT), ("n", WHOLE), *columns(REAL, *CLASS_ESTIMATES, ends=INTERVAL)])

MAP_CELLS = pa.schema(
    [
        ("surroundings", TEXT),
        *columns(REAL, "cx", "cy", "scale"),
        ("n_images", WHOLE),
        *columns(REAL, "magnification", "made_up", "log_density"),
        *columns(REAL, *COMPARED_MEASURES, "kappa", ends=INTERVAL),
        *columns(pa.bool_(), "recognised", "among_lowest"),
    ]
)
"""One row per cell of a framing map: the measures over its images with 95% intervals, and the log density of the
training objects' position and log scale there. `kappa` is the agreement of the centre views' top-1 classes with the
labels beyond chance; `recognised` says whether its interval is above 0. Both are null without labels, or if all are
the same. `among_lowest` says whether P(top-1 change) there cannot be distinguished from the lowest one among the
recognised cells."""

MAP_CORRELATIONS = pa.schema(
    [
        *columns(TEXT, "surroundings", "measure", "kind"),
        *columns(REAL, "rho", "low", "high", "rho_observed", "signal"),
        *columns(WHOLE, "n_cells", "n_images"),
    ]
)
"""Spearman's ρ of the training density with a measure, over the cells of a framing map: corrected for sampling noise,
and as observed. `signal` is the share of the variance between cells that is not noise."""

MAP_CONTRASTS = pa.schema(
    [
        *columns(TEXT, "surroundings", "measure", "kind"),
        *columns(REAL, "dense", "sparse", "difference", ends=INTERVAL),
        *columns(WHOLE, "n_cells", "n_images"),
    ]
)
"""A measure's mean in the n_cells cells of a framing map with the highest training density and in as many with the
lowest, and sparse − dense, each with its 95% interval."""

ODDS_RATIOS = pa.schema(
    [
        *columns(TEXT, "term", "kind"),
        *columns(REAL, "odds_ratio", "low", "high", "p_value"),
        *columns(WHOLE, "n", "clusters"),
        *columns(REAL, "unit", "inflation"),
    ]
)
"""One row per term and kind ("alone", "together", "within class" or "margin as a curve"): the odds ratio of a changed
top-1 class per step, for one standard deviation (`unit`) of the term; `n` images in `clusters` classes; the variance
inflation factor, for "together" only."""

LOSSES = pa.schema(
    [("model", TEXT), *columns(REAL, "loss", "low", "high"), *columns(REAL, "difference", ends=INTERVAL), ("n", WHOLE)]
)
"""One row per model ("none", "all", "all but <term>", "boosted"): its cross-validated log loss per step, in nats, and
the difference from the loss of all terms."""

CEILING = pa.schema([*columns(REAL, "linear_gain", "boosted_gain", "share", ends=INTERVAL), ("n", WHOLE)])
"""At most one row: the reductions of the loss, from no terms, by the linear terms and by boosted trees, and the ratio
of the first to the second; null where neither reduces it."""

FACTORS = pa.schema(
    [
        *columns(TEXT, "factor", "measure"),
        *columns(WHOLE, "n_with", "n_without"),
        *columns(REAL, "value", "low", "high"),
        *columns(REAL, "without", "difference", ends=INTERVAL),
        *columns(REAL, "p_value", "p_adjusted"),
        *columns(REAL, "given_margin", ends=(*INTERVAL, "_p_value", "_p_adjusted")),
    ]
)
"""One row per factor and measure: the means over images with and without the factor, their difference, and the
difference among images of similar margin; p-values also adjusted over the factors of a measure."""

REMEDY_EFFECTS = pa.schema(
    [*columns(TEXT, "remedy", "against", "measure"), *columns(REAL, "value", "difference", ends=INTERVAL), ("n", WHOLE)]
)
"""One row per remedy and measure: the mean over images, and the mean of the remedy's value minus that of `against` on
the same image; n images. `against` is the untouched model, and for arms of a training also the arm that was trained
without a remedy. The untouched model's difference from itself is null. The intervals of the differences are adjusted
over the remedies of a measure. `p_top1_change_if_right` is P(top-1 change) on the images whose centre view both get
right."""

REMEDY_TENTHS = pa.schema(
    [
        ("remedy", TEXT),
        ("bin", pa.int32()),
        *columns(REAL, "left", "right", "x"),
        *columns(REAL, "value", "difference", ends=INTERVAL),
        ("n", WHOLE),
    ]
)
"""One row per remedy and quantile bin of nn_distance, at most ten: P(top-1 change) and its paired difference from the
untouched model's."""

FLAG_EVALUATION = pa.schema(
    [
        ("score", TEXT),
        *columns(REAL, "auroc", "auroc_gain", "augrc", "augrc_gain", "flagged", "caught", ends=INTERVAL),
        *columns(WHOLE, "n", "n_unstable"),
    ]
)
"""One row per score: its AUROC and AUGRC for images that change, and how much better they are than those of 1 − margin
(the intervals are adjusted over the scores; null for the margin itself); the share of the images that it flags, and the
share of the unstable images that it flags."""

FLAG_CALIBRATION = pa.schema(
    [("bin", pa.int32()), *columns(REAL, "left", "right", "x", "value", "low", "high"), ("n", WHOLE)]
)
"""One row per quantile bin of the predicted probability of a change: its mean `x`, and the share that changed."""

FLAG_IMAGES = pa.schema(
    [
        *columns(TEXT, "image_id", "label"),
        ("fold", pa.int32()),
        *columns(REAL, "one_minus_margin", "one_minus_confidence", "nn_distance", "knn_distance", "disagreement"),
        *columns(REAL, "distrust", "outputs", "combination", "probability", "any_change"),
    ]
)
"""One row per test image: the scores of `analysis.flag`; fold, fitted scores and probability are null if nothing was
fitted."""

NOTES = pa.schema(columns(TEXT, "topic", "sentence"))
"""What the regression ("regression") or the factors ("factors") left out, or readers should treat with caution."""

_OPERATION = [
    ("depth", pa.int32()),
    *columns(TEXT, "operation", "kind"),
    *columns(pa.int32(), "stride", "total_stride"),
    ("measure", TEXT),
]

LAYER_SUMMARY = pa.schema([("condition", TEXT), *_OPERATION, *columns(REAL, "value", "low", "high"), ("n", WHOLE)])
"""One row per condition, operation that subsamples, and measure: its mean over images with its 95% interval. P(top-1
change), along the same views, is that of the whole model: its operation is null."""

LAYER_CONTRASTS = LAYER_SUMMARY
"""The same for the difference from the network as it is, image by image; the intervals are those of a family."""

LAYER_CORRELATIONS = pa.schema([*_OPERATION, *columns(REAL, "rho", "low", "high", "p_value"), ("n", WHOLE)])
"""Spearman's ρ of a measure of an operation with P(top-1 change) along the same views, over images, for the network as
it is; the intervals are those of a family."""
