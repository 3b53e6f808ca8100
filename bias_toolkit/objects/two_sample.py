"""Whether a classifier can predict from an object's framing which of two datasets the object is from.

Source: D. Lopez-Paz & M. Oquab, "Revisiting classifier two-sample tests", ICLR 2017. They use the accuracy on one
held-out half. Here the area under the ROC curve is used, which does not depend on the datasets' sizes, with
cross-validation, which tests on every object.

The classifier is a ridge regression of the dataset's indicator on the variables, their squares and products. It can
detect differences in position, in spread, and in how two variables vary together. Logistic regression on the same
terms ranks the objects almost identically, but has to be fitted again for each permutation of the datasets. Least
squares fits all permutations at once, so the p-value can be exact at any size. Gradient-boosted trees detect
differences of any shape, but need more images to detect simple ones. In simulations of 60 and 300 images per dataset
with shifted or more widely spread centres, trees detected a difference in 28 to 68 of 100 pairs, and either regression
in 48 to 78.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bias_toolkit.foundation.files import shard_slices
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.foundation.resampling import CHUNK_ELEMENTS, CONFIDENCE
from bias_toolkit.objects.framing_variables import VARIABLES, FramedObjects

FOLDS, GROUPS = 5, 20
PENALTY = 0.3
"""Penalty on the squared weights per training object: it shrinks the covariances by about a quarter."""


@dataclass(frozen=True)
class TwoSampleTest:
    """How well a classifier distinguishes two datasets.

    `auc` is the probability that the classifier scores an object of the second dataset higher than one of the first,
    each scored by a classifier that has not seen its image: 0.5 if it finds no difference, 1 if it always distinguishes
    them. `auc_low` and `auc_high` are the 95% interval, over images, of the area that these classifiers reach on new
    images.
    """

    auc: float
    auc_low: float
    auc_high: float
    p_value: float  # one-sided, from permutations of the images between the datasets; classifiers are fitted again
    n_images_first: int
    n_images_second: int
    n_objects_first: int
    n_objects_second: int
    folds: int


def classifier_test(
    first: FramedObjects,
    second: FramedObjects,
    *,
    permutations: int = 2000,
    rng: np.random.Generator,
    progress: Progress = silent,
) -> TwoSampleTest | None:
    """The cross-validated classifier two-sample test on the framing variables; None for fewer than 5 images in a set.

    Images are split into five folds, stratified by dataset; all objects of an image are in its fold. The area under the
    curve is computed in each fold and averaged. Permutations exchange images between the datasets within each fold, so
    the folds stay the same. Where both datasets are drawn from one distribution, the p-value is at most p with
    probability p, for any number of images (B. Phipson & G. Smyth, Stat. Appl. Genet. Mol. Biol. 9(1), 2010).

    The interval is about the area that such classifiers, fitted to datasets of these sizes, reach on new images. Two
    estimates of its variance are known. The first holds the classifiers fixed and is too small: E. LeDell, M. Petersen
    & M. van der Laan, "Computationally efficient confidence intervals for cross-validated area under the ROC curve
    estimates", Electron. J. Stat. 9, 2015, with the objects of one image grouped (N. Obuchowski, "Nonparametric
    analysis of clustered ROC curve data", Biometrics 53, 1997). The second is the jackknife that leaves out a twentieth
    of the images and fits again. It is too large, as for every nonlinear statistic (B. Efron & C. Stein, "The jackknife
    estimate of variance", Ann. Stat. 9(3), 1981). Their geometric mean is used, on the logit scale, with Student's
    quantile; benchmarks/coverage_framing.py measures its coverage. Where every object is classified correctly, the
    lower end is 1 − 3 / n, with n images in the smaller dataset; where all objects are alike, both ends are 3 / n away:
    at 95%, at most so large a share of the images can be of another kind that was not seen.
    """
    if min(first.n_images, second.n_images) < FOLDS:
        return None
    image = np.concatenate([first.image, second.image + first.n_images])
    of_second = np.repeat([False, True], [first.n_images, second.n_images])
    terms = _terms(pd.concat([first.values, second.values])[list(VARIABLES)].to_numpy())
    fold = _dealt(of_second, FOLDS, rng)
    chosen = _permuted_in_folds(of_second, fold, permutations, rng)
    fold_areas, variance, by_chance = [], [], np.zeros(permutations)
    with progress("Telling the datasets apart", total=FOLDS) as advance:
        for number in range(FOLDS):
            held_out = fold[image] == number
            # One column more than permutations: column 0 has the datasets as they are.
            scores, labels = _scores(terms, image, held_out, np.vstack([of_second, chosen]))
            areas = _areas(scores, labels)
            fold_areas.append(areas[0])
            by_chance += areas[1:] / FOLDS
            variance.append(_variance(scores[:, 0], labels[:, 0], image[held_out]))
            advance(1)
    auc = float(np.mean(fold_areas))
    fixed = np.sqrt(np.sum(variance)) / FOLDS
    anew = _jackknife_error(terms, image, of_second, fold, rng)
    # Of a few images, the objects of a fold can all be of one order, so that the first estimate is 0.
    error = np.sqrt(fixed * anew) or max(fixed, anew)
    low, high = _logit_interval(auc, error, min(first.n_images, second.n_images))
    # Sums in a different order differ in their last digits, which must not break a tie.
    p_value = (1 + int(np.count_nonzero(by_chance >= auc - 1e-12))) / (1 + permutations)
    return TwoSampleTest(
        auc, low, high, p_value, first.n_images, second.n_images, len(first.image), len(second.image), FOLDS
    )


def _terms(values: np.ndarray) -> np.ndarray:
    """Variables, squares and products, each standardised; constant ones are left out."""
    from sklearn.feature_selection import VarianceThreshold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    varying = values[:, np.ptp(values, axis=0) > 0]
    if not varying.shape[1]:
        return np.zeros((len(values), 1))
    expand = make_pipeline(
        StandardScaler(), PolynomialFeatures(2, include_bias=False), VarianceThreshold(1e-9), StandardScaler()
    )
    return expand.fit_transform(varying)


def _dealt(of_second: np.ndarray, hands: int, rng: np.random.Generator) -> np.ndarray:
    """The part that each image is dealt to, in turn within each dataset."""
    part = np.empty(len(of_second), dtype=np.int64)
    for which in (False, True):
        members = rng.permutation(np.flatnonzero(of_second == which))
        part[members] = np.arange(len(members)) % hands
    return part


def _permuted_in_folds(
    of_second: np.ndarray, fold: np.ndarray, permutations: int, rng: np.random.Generator
) -> np.ndarray:
    """Which images are assigned to the second dataset, shape (permutations, images)."""
    chosen = np.empty((permutations, len(of_second)), dtype=bool)
    for number in range(FOLDS):
        members = np.flatnonzero(fold == number)
        chosen[:, members] = rng.permuted(np.tile(of_second[members], (permutations, 1)), axis=1)
    return chosen


def _scores(
    terms: np.ndarray, image: np.ndarray, held_out: np.ndarray, of_second: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels of the held-out objects, shape (objects, labellings), by classifiers fitted to the others."""
    from sklearn.linear_model import Ridge

    scores = np.empty((held_out.sum(), len(of_second)))
    training, training_image = terms[~held_out], image[~held_out]
    for part in shard_slices(len(of_second), max(1, 8 * CHUNK_ELEMENTS // len(training))):
        labels = of_second[part].T[training_image].astype(np.float64)
        model = Ridge(alpha=PENALTY * len(training), solver="cholesky").fit(training, labels)
        scores[:, part] = model.predict(terms[held_out]).reshape(-1, labels.shape[1])
    return scores, of_second.T[image[held_out]]


def _areas(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Area under the ROC curve of each column, ties counted half; 0.5 where all are of one dataset."""
    from scipy.stats import rankdata

    areas = np.empty(scores.shape[1])
    for part in shard_slices(scores.shape[1], max(1, CHUNK_ELEMENTS // len(scores))):
        ranks = rankdata(scores[:, part], axis=0)
        n_second = labels[:, part].sum(axis=0)
        pairs = n_second * (len(scores) - n_second)
        wins = (ranks * labels[:, part]).sum(axis=0) - n_second * (n_second + 1) / 2
        areas[part] = np.divide(wins, pairs, out=np.full(len(pairs), 0.5), where=pairs > 0)
    return areas


def _variance(scores: np.ndarray, labels: np.ndarray, image: np.ndarray) -> float:
    """Variance of one fold's area under the curve, over images."""
    from scipy.stats import rankdata

    total = 0.0
    ranks = rankdata(scores)
    for which in (False, True):
        members = labels == which
        # The number of the other dataset's objects that each object ranks above, with ties counted half.
        above = ranks[members] - rankdata(scores[members])
        share = above / max(np.count_nonzero(~members), 1)
        _, number = np.unique(image[members], return_inverse=True)
        sums = np.bincount(number, share - share.mean())
        n = len(sums)
        total += n / (n - 1) * (sums**2).sum() / len(share) ** 2 if n > 1 else 0.0
    return total


def _jackknife_error(
    terms: np.ndarray, image: np.ndarray, of_second: np.ndarray, fold: np.ndarray, rng: np.random.Generator
) -> float:
    """Standard error of the cross-validated area, leaving out a twentieth of each dataset's images at a time."""
    group = _dealt(of_second, GROUPS, rng)
    areas = []
    for left_out in range(GROUPS):
        kept = group[image] != left_out
        held_out = fold[image[kept]][:, None] == np.arange(FOLDS)
        # Of few images, those that are left out can be a whole fold.
        folds = [rows for rows in held_out.T if rows.any()]
        fold_areas = [_areas(*_scores(terms[kept], image[kept], rows, of_second[None]))[0] for rows in folds]
        areas.append(np.mean(fold_areas))
    return float(np.sqrt((GROUPS - 1) * np.var(areas)))


def _logit_interval(auc: float, error: float, n_images: int) -> tuple[float, float]:
    from scipy.stats import t as student

    if auc in (0.0, 1.0) or error == 0:
        room = 3 / n_images
        return max(auc - room, 0.0), min(auc + room, 1.0)
    half = student.ppf((1 + CONFIDENCE) / 2, GROUPS - 1) * error / (auc * (1 - auc))
    logit = np.log(auc / (1 - auc))
    return tuple(float(1 / (1 + np.exp(-end))) for end in (logit - half, logit + half))
