"""Relate distance and framing to invariance, with the same computation for every pair of variables."""

from collections.abc import Callable
from dataclasses import astuple, dataclass

import pandas as pd

from bias_toolkit.analysis.correlation import Correlation, rank_correlations
from bias_toolkit.analysis.curve import quantile_curve
from bias_toolkit.analysis.factors import factor_effects
from bias_toolkit.analysis.regression import regress
from bias_toolkit.analysis.schema import CORRELATIONS, CURVES, FACTORS, NOTES, RELATED_MEASURES
from bias_toolkit.analysis.summary import class_summary, measure_summary
from bias_toolkit.features import TRAINING_DISTANCES
from bias_toolkit.foundation.false_discovery import with_family_intervals
from bias_toolkit.foundation.files import empty_table
from bias_toolkit.foundation.intervals import DIFFERENCE
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.foundation.threads import ordered_map
from bias_toolkit.invariance import measure_of

PREDICTORS = (
    *(distance.name for distance in TRAINING_DISTANCES),
    "centre_distance",
    "scale",
    "log_scale_deviation",
    "framing_log_density",
)
# The third variable of each kind of correlation.
KINDS = {"plain": {}, "partial": {"given": "margin"}, "within class": {"labels": "label"}}


@dataclass(frozen=True)
class Analysis:
    """How distance and framing relate to invariance: tables whose columns `schema` defines."""

    # Rank correlations of each distance with each measure: "plain", "partial" (given the margin), and "within class".
    correlations: pd.DataFrame
    curves: pd.DataFrame  # the mean of each measure in quantile bins of each distance
    summary: pd.DataFrame  # the mean of each measure in each sweep
    classes: pd.DataFrame  # every class's numbers
    odds_ratios: pd.DataFrame  # this and the next two: each term's effect, given the others; see `regress`
    losses: pd.DataFrame
    ceiling: pd.DataFrame
    factors: pd.DataFrame  # each measure on the images with and without an annotated factor
    notes: pd.DataFrame  # what the regression and the factors left out, one sentence per row


def analyse(
    per_image: pd.DataFrame,
    measures: pd.DataFrame,
    *,
    factors: pd.DataFrame | None = None,
    bins: int = 10,
    resamples: int = 2000,
    permutations: int = 2000,
    seed: int = 0,
    progress: Progress = silent,
) -> Analysis:
    """Relate distance and framing to invariance.

    Images on which the model is unsure are both farther from the training data and less stable, so each plain
    correlation is followed by the one given the margin. Raises KeyError if `per_image` lacks label, margin,
    p_top1_change or mac.

    Parameters
    ----------
    per_image : one row per test image: label, the measures of the reference sweep with `margin`, and the available
        `PREDICTORS`. A predictor without any value is left out.
    measures : one row per image and sweep.
    factors : image_id of annotated test images, and one bool column per factor; None without annotations.
    bins : largest number of bins of a curve.
    progress : counts relations: one curve, and one correlation of each kind, for each pair.
    """
    predictors = [name for name in PREDICTORS if name in per_image and per_image[name].notna().any()]
    pairs = [(predictor, response) for predictor in predictors for response in RELATED_MEASURES]

    def curve(pair: tuple[str, str]) -> pd.DataFrame:
        distance, measure = (per_image[name] for name in pair)
        limits = measure_of(pair[1]).limits
        bins_of_pair = quantile_curve(distance, measure, bins, resamples=resamples, seed=seed, limits=limits)
        return bins_of_pair.assign(distance=pair[0], measure=pair[1])[CURVES.names]

    with progress("Relations", total=len(pairs) * (len(KINDS) + 1)) as advance:
        correlations = _correlations(
            per_image, predictors, advance, resamples=resamples, permutations=permutations, seed=seed
        )
        tables = []
        for of_pair in ordered_map(curve, pairs):
            tables.append(of_pair)
            advance(1)
    curves = pd.concat(tables, ignore_index=True) if tables else empty_table(CURVES)
    regression = regress(per_image, resamples=resamples, seed=seed, progress=progress)
    notes = [("regression", sentence) for sentence in regression.notes]
    effects = empty_table(FACTORS)
    if factors is not None:
        effects, sentences = factor_effects(
            per_image, factors, resamples=resamples, permutations=permutations, seed=seed
        )
        notes += [("factors", sentence) for sentence in sentences]
    return Analysis(
        correlations=pd.DataFrame(
            [(*pair, kind, *astuple(correlations[pair, kind])) for pair in pairs for kind in KINDS],
            columns=CORRELATIONS.names,
        ),
        curves=curves,
        summary=measure_summary(measures, resamples=resamples, seed=seed),
        classes=class_summary(per_image, resamples=resamples, seed=seed),
        odds_ratios=regression.odds_ratios,
        losses=regression.losses,
        ceiling=regression.ceiling,
        factors=effects,
        notes=pd.DataFrame(notes, columns=NOTES.names, dtype=object),
    )


def adjusted_correlations(correlations: pd.DataFrame) -> pd.DataFrame:
    """Table CORRELATIONS with adjusted intervals (`family_intervals`).

    A family is what one table of a report compares: the correlations of one kind, of all distances from the training
    set, or of all variables of framing, with all measures.
    """
    if correlations.empty:
        return correlations
    is_distance = correlations["distance"].isin([distance.name for distance in TRAINING_DISTANCES])
    families = correlations.groupby([is_distance, correlations["kind"]], sort=False)
    ends = {"low": "low", "high": "high", "images": "n", "limits": DIFFERENCE}
    return pd.concat([with_family_intervals(rows, "rho", **ends) for _, rows in families]).sort_index()


def _correlations(
    per_image: pd.DataFrame, predictors: list[str], advance: Callable[[int], None], **settings: int
) -> dict[tuple[tuple[str, str], str], Correlation]:
    """The correlation of each kind, for each pair of a predictor and a response."""
    # Predictors known for the same images are computed together, which shares most of the work.
    known_together: dict[bytes, list[str]] = {}
    for name in predictors:
        known_together.setdefault(per_image[name].isna().to_numpy().tobytes(), []).append(name)
    tasks = [(names, kind) for names in known_together.values() for kind in KINDS]

    def correlate(task: tuple[list[str], str]) -> dict[tuple[str, str], Correlation]:
        names, kind = task
        third = {name: per_image[column] for name, column in KINDS[kind].items()}
        return rank_correlations(per_image[names], per_image[list(RELATED_MEASURES)], **third, **settings)

    correlations = {}
    for (_, kind), results in zip(tasks, ordered_map(correlate, tasks), strict=True):
        correlations |= {(pair, kind): correlation for pair, correlation in results.items()}
        advance(len(results))
    return correlations
