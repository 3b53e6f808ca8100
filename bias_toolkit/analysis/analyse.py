"""Distance and framing against invariance: every relation, computed the same way."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from bias_toolkit.analysis.correlation import partial_spearman, spearman, within_class_spearman
from bias_toolkit.analysis.curve import quantile_curve
from bias_toolkit.analysis.schema import CORRELATIONS, CURVES
from bias_toolkit.analysis.summary import class_summary, measure_summary
from bias_toolkit.parallel import ordered_map

PREDICTORS = (
    "nn_distance",
    "knn_distance",
    "class_nn_distance",
    "distance_percentile",
    "centre_distance",
    "scale",
    "log_scale_deviation",
    "framing_log_density",
)
RESPONSES = ("p_top1_change", "mac")
COVARIATE = "margin"


@dataclass(frozen=True)
class Analysis:
    """What distance and framing have to do with invariance.

    Parameters
    ----------
    correlations : DataFrame
        `CORRELATIONS`: rank correlations of each distance with each measure, of three kinds: "plain",
        "partial" (given the margin) and "within class".
    curves : DataFrame
        `CURVES`: the mean of each measure in quantile bins of each distance.
    summary : DataFrame
        `SUMMARY`: the mean of each measure in each sweep.
    classes : DataFrame
        `CLASSES`: every class's numbers.
    """

    correlations: pd.DataFrame
    curves: pd.DataFrame
    summary: pd.DataFrame
    classes: pd.DataFrame


def analyse(
    per_image: pd.DataFrame,
    measures: pd.DataFrame,
    *,
    bins: int = 10,
    resamples: int = 2000,
    permutations: int = 2000,
    seed: int = 0,
) -> Analysis:
    """Relate distance and framing to invariance.

    Images on which the model is unsure are both farther from the training data and less stable, so each plain
    correlation is followed by the one given the margin.

    Parameters
    ----------
    per_image : DataFrame
        One row a test image: label, the measures of the reference sweep with `margin`, and those of the
        distances and framing numbers in `PREDICTORS` that there are. A predictor without any value is left
        out.
    measures : DataFrame
        One row an image and sweep.
    bins : int
        Largest number of bins of a curve.
    resamples, permutations : int
        Number of bootstrap resamples and of permutations.
    seed : int

    Returns
    -------
    Analysis

    Raises
    ------
    KeyError
        If `per_image` lacks label, margin, p_top1_change or mac.
    """
    settings = {"resamples": resamples, "permutations": permutations, "seed": seed}

    def relate(pair: tuple[str, str]) -> tuple[list[tuple], pd.DataFrame]:
        predictor, response = pair
        x, y = per_image[predictor], per_image[response]
        kinds = {
            "plain": spearman(x, y, **settings),
            "partial": partial_spearman(x, y, per_image[COVARIATE], **settings),
            "within class": within_class_spearman(x, y, per_image["label"], **settings),
        }
        rows = [(*pair, kind, c.rho, c.low, c.high, c.p_value, c.n) for kind, c in kinds.items()]
        curve = quantile_curve(x, y, bins, resamples=resamples, seed=seed)
        return rows, curve.assign(distance=predictor, measure=response)

    predictors = [name for name in PREDICTORS if name in per_image and per_image[name].notna().any()]
    pairs = [(predictor, response) for predictor in predictors for response in RESPONSES]
    related = list(ordered_map(relate, pairs))
    return Analysis(
        correlations=pd.DataFrame([row for rows, _ in related for row in rows], columns=CORRELATIONS.names),
        curves=pd.concat(
            [pd.DataFrame(columns=CURVES.names), *(curve[CURVES.names] for _, curve in related)], ignore_index=True
        ),
        summary=measure_summary(measures, resamples=resamples, seed=seed),
        classes=class_summary(per_image, resamples=resamples, seed=seed),
    )
