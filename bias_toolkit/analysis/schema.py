"""Columns of the tables that relate distance and framing to invariance."""

from __future__ import annotations

import pyarrow as pa

RELATED_MEASURES = ("p_top1_change", "mac")
"""What distance, framing and the density of a framing map are related to."""

COMPARED_MEASURES = (*RELATED_MEASURES, "accuracy")
"""What is compared between the cells of a framing map, and between images with and without a factor."""

CLASS_ESTIMATES = ("accuracy", *RELATED_MEASURES, "nn_distance", "centre_distance", "scale")

CORRELATIONS = pa.schema(
    [
        ("distance", pa.string()),
        ("measure", pa.string()),
        ("kind", pa.string()),
        ("rho", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("p_value", pa.float64()),
        ("n", pa.int64()),
    ]
)

CURVES = pa.schema(
    [
        ("distance", pa.string()),
        ("measure", pa.string()),
        ("bin", pa.int32()),
        ("left", pa.float64()),
        ("right", pa.float64()),
        ("x", pa.float64()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("n", pa.int64()),
    ]
)

SUMMARY = pa.schema(
    [
        ("protocol", pa.string()),
        ("transform", pa.string()),
        ("size", pa.float64()),
        ("measure", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("n", pa.int64()),
    ]
)

CLASSES = pa.schema(
    [
        ("label", pa.string()),
        ("n", pa.int64()),
        *((f"{name}{end}", pa.float64()) for name in CLASS_ESTIMATES for end in ("", "_low", "_high")),
    ]
)

MAP_CELLS = pa.schema(
    [
        ("surroundings", pa.string()),
        ("cx", pa.float64()),
        ("cy", pa.float64()),
        ("scale", pa.float64()),
        ("n_images", pa.int64()),
        ("magnification", pa.float64()),
        ("made_up", pa.float64()),
        ("log_density", pa.float64()),
        *((f"{name}{end}", pa.float64()) for name in COMPARED_MEASURES for end in ("", "_low", "_high")),
        ("kappa", pa.float64()),
        ("kappa_low", pa.float64()),
        ("kappa_high", pa.float64()),
        ("recognised", pa.bool_()),
        ("among_lowest", pa.bool_()),
    ]
)
"""One row a cell of a framing map: the measures over its images with 95% intervals, and the log density of the training
objects' position and log scale there. `kappa` is the agreement of the centre views' top-1 classes with the labels
beyond chance, `recognised` whether its interval is above 0 (null without labels), `among_lowest` whether P(top-1
change) there cannot be told from that of the lowest cell among the recognised."""

MAP_CORRELATIONS = pa.schema(
    [
        ("surroundings", pa.string()),
        ("measure", pa.string()),
        ("kind", pa.string()),
        ("rho", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("rho_observed", pa.float64()),
        ("signal", pa.float64()),
        ("n_cells", pa.int64()),
        ("n_images", pa.int64()),
    ]
)
"""Spearman's ρ over the cells of a framing map, of the training density with a measure: corrected for the noise of so
few images, and as observed. `signal` is the share of the variance between cells that is not noise."""

MAP_CONTRASTS = pa.schema(
    [
        ("surroundings", pa.string()),
        ("measure", pa.string()),
        ("kind", pa.string()),
        ("dense", pa.float64()),
        ("sparse", pa.float64()),
        ("difference", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("n_cells", pa.int64()),
        ("n_images", pa.int64()),
    ]
)
"""A measure's mean in the n_cells cells of a framing map with the highest training density, in as many with the lowest,
and how much higher it is in these, with a 95% interval."""

ODDS_RATIOS = pa.schema(
    [
        ("term", pa.string()),
        ("kind", pa.string()),
        ("odds_ratio", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("p_value", pa.float64()),
        ("n", pa.int64()),
        ("clusters", pa.int64()),
        ("unit", pa.float64()),
        ("inflation", pa.float64()),
    ]
)
"""One row a term and kind ("alone", "together", "within class" or "margin as a curve"): the odds ratio of a step's
changing the top-1 class for one standard deviation, `unit`, of the term; `n` images in `clusters` classes; the variance
inflation factor, for "together" only."""

LOSSES = pa.schema(
    [
        ("model", pa.string()),
        ("loss", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("difference", pa.float64()),
        ("difference_low", pa.float64()),
        ("difference_high", pa.float64()),
        ("n", pa.int64()),
    ]
)
"""One row a model ("none", "all", "all but <term>", "boosted"): its cross-validated log loss per step, in nats, and by
how much it is above that of all terms."""

CEILING = pa.schema(
    [
        ("linear_gain", pa.float64()),
        ("linear_gain_low", pa.float64()),
        ("linear_gain_high", pa.float64()),
        ("boosted_gain", pa.float64()),
        ("boosted_gain_low", pa.float64()),
        ("boosted_gain_high", pa.float64()),
        ("share", pa.float64()),
        ("share_low", pa.float64()),
        ("share_high", pa.float64()),
        ("n", pa.int64()),
    ]
)
"""One row at most: how far the loss falls below that of no term, by the linear terms and by boosted trees, and the
share of the second that the first is; null where there is nothing to share."""

FACTORS = pa.schema(
    [
        ("factor", pa.string()),
        ("measure", pa.string()),
        ("n_with", pa.int64()),
        ("n_without", pa.int64()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("without", pa.float64()),
        ("without_low", pa.float64()),
        ("without_high", pa.float64()),
        ("difference", pa.float64()),
        ("difference_low", pa.float64()),
        ("difference_high", pa.float64()),
        ("p_value", pa.float64()),
        ("p_adjusted", pa.float64()),
        ("given_margin", pa.float64()),
        ("given_margin_low", pa.float64()),
        ("given_margin_high", pa.float64()),
        ("given_margin_p_value", pa.float64()),
        ("given_margin_p_adjusted", pa.float64()),
    ]
)
"""One row a factor and measure: its mean over the images with the factor and over those without, the difference, and
the difference among images of like margin; p-values also adjusted over the factors of a measure."""

NOTES = pa.schema([("topic", pa.string()), ("sentence", pa.string())])
"""What the regression ("regression") or the factors ("factors") left out, or has to be read with caution."""
