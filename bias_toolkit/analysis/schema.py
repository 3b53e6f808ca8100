"""Columns of the tables that relate distance and framing to invariance."""

import pyarrow as pa

from bias_toolkit.foundation.files import INTERVAL, columns

RELATED_MEASURES = ("p_top1_change", "mac")
"""What distance, framing and the density of a framing map are related to."""

COMPARED_MEASURES = (*RELATED_MEASURES, "accuracy")
"""What is compared between the cells of a framing map, and between images with and without a factor."""

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
"""One row for each cell of a framing map: the measures over its images with 95% intervals, and the log density of the
training objects' position and log scale there. `kappa` is the agreement of the centre views' top-1 classes with the
labels beyond chance, `recognised` whether its interval is above 0 (null without labels), `among_lowest` whether P(top-1
change) there cannot be distinguished from that of the lowest cell among the recognised."""

MAP_CORRELATIONS = pa.schema(
    [
        *columns(TEXT, "surroundings", "measure", "kind"),
        *columns(REAL, "rho", "low", "high", "rho_observed", "signal"),
        *columns(WHOLE, "n_cells", "n_images"),
    ]
)
"""Spearman's ρ over the cells of a framing map, of the training density with a measure: corrected for the noise of so
few images, and as observed. `signal` is the share of the variance between cells that is not noise."""

MAP_CONTRASTS = pa.schema(
    [
        *columns(TEXT, "surroundings", "measure", "kind"),
        *columns(REAL, "dense", "sparse", "difference", "low", "high"),
        *columns(WHOLE, "n_cells", "n_images"),
    ]
)
"""A measure's mean in the n_cells cells of a framing map with the highest training density, in as many with the lowest,
and how much higher it is in these, with a 95% interval."""

ODDS_RATIOS = pa.schema(
    [
        *columns(TEXT, "term", "kind"),
        *columns(REAL, "odds_ratio", "low", "high", "p_value"),
        *columns(WHOLE, "n", "clusters"),
        *columns(REAL, "unit", "inflation"),
    ]
)
"""One row for each term and kind ("alone", "together", "within class" or "margin as a curve"): the odds ratio of a
step's changing the top-1 class for one standard deviation, `unit`, of the term; `n` images in `clusters` classes; the
variance inflation factor, for "together" only."""

LOSSES = pa.schema(
    [("model", TEXT), *columns(REAL, "loss", "low", "high"), *columns(REAL, "difference", ends=INTERVAL), ("n", WHOLE)]
)
"""One row for each model ("none", "all", "all but <term>", "boosted"): its cross-validated log loss per step, in nats,
and by how much it is above that of all terms."""

CEILING = pa.schema([*columns(REAL, "linear_gain", "boosted_gain", "share", ends=INTERVAL), ("n", WHOLE)])
"""One row at most: how far the loss falls below that of no term, by the linear terms and by boosted trees, and the
share of the second that the first is; null where there is nothing to share."""

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
"""One row for each factor and measure: its mean over the images with the factor and over those without, the difference,
and the difference among images of like margin; p-values also adjusted over the factors of a measure."""

NOTES = pa.schema(columns(TEXT, "topic", "sentence"))
"""What the regression ("regression") or the factors ("factors") left out, or has to be read with caution."""
