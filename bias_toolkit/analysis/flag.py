"""Which images will be unstable: scores from one forward pass and one search, fitted and evaluated on other images.

Sources: J. Traub et al., "Overcoming common flaws in the evaluation of selective classification systems", NeurIPS 2024
(AUGRC); G. Forman & M. Scholz, "Apples-to-apples in cross-validation studies", SIGKDD Explorations 12(1), 2010 (models
of different folds have scores that cannot be compared, so places are).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bias_toolkit.analysis.curve import quantile_curve
from bias_toolkit.analysis.schema import FLAG_CALIBRATION, FLAG_EVALUATION
from bias_toolkit.foundation.false_discovery import with_family_intervals
from bias_toolkit.foundation.files import empty_table
from bias_toolkit.foundation.intervals import (
    DIFFERENCE,
    FEW_IMAGES,
    SHARE,
    Interval,
    expanded_confidence,
    mean_interval,
    wide,
)
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.foundation.resampling import CONFIDENCE, percentile_interval, resample_counts

MARGIN, CONFIDENT = "one_minus_margin", "one_minus_confidence"
TERMS = (MARGIN, CONFIDENT, "nn_distance", "knn_distance", "disagreement", "distrust")
OUTPUTS, COMBINATION = "outputs", "combination"
FITTED: Mapping[str, tuple[str, ...]] = {MARGIN: (MARGIN,), OUTPUTS: (MARGIN, CONFIDENT), COMBINATION: TERMS}
"""The terms of each logistic regression. That of the margin alone orders images as the margin does."""
FLAG_SCORES = (*TERMS, OUTPUTS, COMBINATION)
UNSTABLE = "any_change"
FEWEST_OF_EACH = 10
"""Unstable images, and stable ones: fewer give no regression."""
FOLDS = 5
FEWEST_CLASSES = 10
BINS = 10
SMALLEST = 1e-4


@dataclass(frozen=True)
class Logistic:
    """A logistic regression of `any_change` on standardised terms."""

    terms: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float

    def probability(self, scores: pd.DataFrame) -> np.ndarray:
        """The probability of a change (images,) float64."""
        from scipy.special import expit

        return expit((_design(scores, self.terms) - self.mean) / self.scale @ np.array(self.weights) + self.intercept)


def fit_logistic(scores: pd.DataFrame, terms: Sequence[str]) -> Logistic:
    """Fit scikit-learn's logistic regression (L2 penalty, C = 1) of column `any_change` on standardised terms.

    The terms 1 − margin and 1 − confidence enter as log odds.
    """
    from sklearn.linear_model import LogisticRegression

    values = _design(scores, terms)
    mean, scale = values.mean(axis=0), values.std(axis=0)
    scale[scale == 0] = 1.0
    fitted = LogisticRegression(max_iter=1000).fit((values - mean) / scale, scores[UNSTABLE])
    weights, (intercept,) = fitted.coef_[0], fitted.intercept_
    return Logistic(tuple(terms), *(tuple(map(float, each)) for each in (mean, scale, weights)), float(intercept))


def _design(scores: pd.DataFrame, terms: Sequence[str]) -> np.ndarray:
    values = scores[list(terms)].to_numpy(np.float64, copy=True)
    for column, term in enumerate(terms):
        if term in (MARGIN, CONFIDENT):
            share = values[:, column].clip(SMALLEST, 1 - SMALLEST)
            values[:, column] = np.log(share / (1 - share))
    return values


def risk_areas(score: np.ndarray, unstable: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUROC and AUGRC of a score that is higher for unstable images, in each resample; both (resamples,).

    AUROC is the share of pairs of an unstable and a stable image in which the unstable one has the higher score, equal
    scores counting half. AUGRC is the area under the generalized risk, P(unstable and accepted), over the coverage,
    P(accepted), where images of a score up to a threshold are accepted; images of equal score are accepted together.
    Lower is better; it is from 0 to 0.5. NaN where all drawn images are unstable, or all are stable.

    `score` and `unstable` are (n,); `counts` (resamples, n) says how often each image is drawn.
    """
    order = np.argsort(score, kind="stable")
    last = np.append(score[order][1:] != score[order][:-1], True)
    accepted = counts[:, order]
    n, failed = (
        np.pad(np.cumsum(each, axis=1)[:, last], ((0, 0), (1, 0))) for each in (accepted, accepted * unstable[order])
    )
    total, of_failed = n[:, -1], failed[:, -1]
    area = np.trapezoid(failed, n, axis=1)
    # The area over the stable images alone is smaller by the triangle of the unstable ones.
    with np.errstate(invalid="ignore", divide="ignore"):
        auroc = 1 - (area - of_failed**2 / 2) / (of_failed * (total - of_failed))
    return auroc, np.where(np.isnan(auroc), np.nan, area / total**2)


def fold_of(labels: ArrayLike, unstable: np.ndarray, seed: int = 0) -> tuple[np.ndarray, bool]:
    """The fold, 0 to 4, of each image, and whether each class is in one fold.

    It is if there are ten classes or more, and unstable and stable images outside each fold. An image without a label
    is a class of its own. Otherwise each fold gets a fifth of the unstable images and of the stable ones.
    """
    rng = np.random.default_rng(seed)
    codes, classes = pd.factorize(pd.Series(labels, dtype=object), sort=True)
    if len(classes) >= FEWEST_CLASSES:
        none = codes < 0
        codes[none] = len(classes) + np.arange(none.sum())
        fold = rng.permutation(codes.max() + 1)[codes] % FOLDS
        if all(len(np.unique(unstable[fold != each])) == 2 for each in range(FOLDS)):
            return fold, True
    order = rng.permutation(len(unstable))
    fold = np.empty(len(unstable), dtype=np.int64)
    fold[order[np.argsort(unstable[order], kind="stable")]] = np.arange(len(unstable)) % FOLDS
    return fold, False


@dataclass(frozen=True)
class FlagFit:
    """A fitted flag and its evaluation on images that it was not fitted to.

    `per_image` has each image's fold, the scores of FLAG_SCORES (those of fitted regressions from the other folds, as
    places among all images, 0 to 1), and the `probability` of a change by the shipped regression of the other folds.
    """

    shipped: str  # MARGIN or COMBINATION
    by_class: bool  # whether whole classes were held out
    models: Mapping[str, Logistic]  # of FITTED, on all images
    thresholds: Mapping[str, float]  # of each of FLAG_SCORES, on all images
    evaluation: pd.DataFrame  # FLAG_EVALUATION
    calibration: pd.DataFrame  # FLAG_CALIBRATION
    brier: Interval  # of `probability`
    per_image: pd.DataFrame


def fit_flag(
    scores: pd.DataFrame, share: float, *, resamples: int = 2000, seed: int = 0, progress: Progress = silent
) -> FlagFit | None:
    """Fit the regressions, evaluate all scores, and decide what is shipped: the combination if it beats the margin.

    It does if the interval of its gain in AUROC over 1 − margin, adjusted for the number of scores, is above 0. None
    with fewer than ten unstable or ten stable images.

    `scores` has label, `any_change` (0 or 1) and `TERMS`, without nulls. `share` of the images are to be flagged:
    thresholds are quantiles of the scores of the other folds.
    """
    unstable = scores[UNSTABLE].to_numpy(np.float64)
    if min(unstable.sum(), (1 - unstable).sum()) < FEWEST_OF_EACH:
        return None
    fold, by_class = fold_of(scores["label"], unstable, seed)
    per_image = scores.assign(fold=fold).reset_index(drop=True)
    held_out = {name: np.empty(len(scores)) for name in FITTED}
    flagged = {name: np.zeros(len(scores), dtype=bool) for name in FLAG_SCORES}
    places = {name: np.empty(len(scores)) for name in (OUTPUTS, COMBINATION)}
    for number in range(FOLDS):
        inside = fold == number
        models = {name: fit_logistic(per_image[~inside], terms) for name, terms in FITTED.items()}
        values = _values(per_image, models)
        for name, model in models.items():
            held_out[name][inside] = model.probability(per_image[inside])
        for name, each in values.items():
            flagged[name][inside] = (each > np.quantile(each[~inside], 1 - share))[inside]
            if name in places:
                places[name][inside] = pd.Series(each).rank(pct=True)[inside]
    per_image = per_image.assign(**places)
    evaluation = evaluate_scores(per_image, flagged, resamples=resamples, seed=seed, progress=progress)
    gain = evaluation.set_index("score").loc[COMBINATION, "auroc_gain_low"]
    shipped = COMBINATION if gain > 0 else MARGIN
    models = {name: fit_logistic(per_image, terms) for name, terms in FITTED.items()}
    thresholds = {name: float(np.quantile(each, 1 - share)) for name, each in _values(scores, models).items()}
    probability = held_out[shipped]
    calibration = quantile_curve(probability, unstable, BINS, resamples=resamples, seed=seed, limits=SHARE)
    return FlagFit(
        shipped,
        by_class,
        models,
        thresholds,
        evaluation,
        calibration[FLAG_CALIBRATION.names],
        mean_interval((probability - unstable) ** 2, resamples, seed, limits=SHARE),
        per_image.assign(probability=probability),
    )


def evaluate_elsewhere(
    scores: pd.DataFrame,
    models: Mapping[str, Logistic],
    thresholds: Mapping[str, float],
    *,
    resamples: int = 2000,
    seed: int = 0,
    progress: Progress = silent,
) -> pd.DataFrame:
    """FLAG_EVALUATION on the images of another set, with the models and thresholds of a `FlagFit`."""
    values = _values(scores, models)
    flagged = {name: each > thresholds[name] for name, each in values.items()}
    return evaluate_scores(scores.assign(**values), flagged, resamples=resamples, seed=seed, progress=progress)


def _values(scores: pd.DataFrame, models: Mapping[str, Logistic]) -> dict[str, np.ndarray]:
    """The values (images,) of each of FLAG_SCORES."""
    fitted = {name: models[name].probability(scores) for name in (OUTPUTS, COMBINATION)}
    return {name: scores[name].to_numpy(np.float64) for name in TERMS} | fitted


def evaluate_scores(
    scores: pd.DataFrame,
    flagged: Mapping[str, np.ndarray],
    *,
    resamples: int = 2000,
    seed: int = 0,
    progress: Progress = silent,
) -> pd.DataFrame:
    """FLAG_EVALUATION: each score's AUROC and AUGRC, its gains over 1 − margin, and what it flags and catches.

    Intervals are of a bootstrap over images. A gain is paired, as each resample has the same images for both scores.
    Its interval is adjusted over the scores. The areas have no intervals if fewer than ten images are unstable, or
    stable. The table is empty if none are.

    `scores` has `any_change` and FLAG_SCORES, higher for unstable images; `flagged` says (images,) what each flags.
    """
    unstable = scores[UNSTABLE].to_numpy(np.float64)
    n, n_unstable = len(unstable), int(unstable.sum())
    fewest = min(n_unstable, n - n_unstable)
    if not fewest:
        return empty_table(FLAG_EVALUATION)
    columns = [scores[name].to_numpy(np.float64) for name in FLAG_SCORES]

    def areas(counts: np.ndarray) -> np.ndarray:
        return np.array([risk_areas(column, unstable, counts) for column in columns])

    value, drawn = areas(np.ones((1, n)))[..., 0], []
    with progress("Resampling images for the flag", total=resamples) as advance:
        for counts in resample_counts([n], resamples, np.random.default_rng(seed)):
            drawn.append(areas(counts))
            advance(len(counts))
    drawn = np.concatenate(drawn, axis=2)
    level = expanded_confidence(max(fewest, 2)) if fewest < FEW_IMAGES else CONFIDENCE

    def ends(estimates: np.ndarray) -> tuple[float, float]:
        return wide(*percentile_interval(estimates, level)) if fewest >= FEWEST_OF_EACH else (np.nan, np.nan)

    rows = []
    for place, name in enumerate(FLAG_SCORES):
        row = {"score": name, "n": n, "n_unstable": n_unstable}
        # A higher AUROC and a lower AUGRC are better.
        for kind, (area, sign) in enumerate((("auroc", 1), ("augrc", -1))):
            gain = sign * (value[place, kind] - value[0, kind])
            gains = sign * (drawn[place, kind] - drawn[0, kind])
            low, high = ends(gains) if place else (np.nan, np.nan)
            row |= dict(zip(_ended(area), (value[place, kind], *ends(drawn[place, kind])), strict=True))
            row |= dict(zip(_ended(f"{area}_gain"), (gain if place else np.nan, low, high), strict=True))
        own = flagged[name].astype(np.float64)
        for share, some in (("flagged", own), ("caught", own[unstable > 0])):
            row |= dict(zip(_ended(share), mean_interval(some, resamples, seed, limits=SHARE)[:3], strict=True))
        rows.append(row)
    table = pd.DataFrame(rows, columns=FLAG_EVALUATION.names)
    for gain in ("auroc_gain", "augrc_gain"):
        table = with_family_intervals(table, gain, images="n", limits=DIFFERENCE)
    return table


def _ended(name: str) -> tuple[str, str, str]:
    return name, f"{name}_low", f"{name}_high"
