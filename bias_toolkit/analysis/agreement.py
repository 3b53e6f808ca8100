"""Whether a model's answers have anything to do with the labels: agreement beyond chance."""

from __future__ import annotations

import numpy as np

CERTAIN = 1 - 1e-12


def kappa(answers: np.ndarray, labels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Cohen's κ of answers with labels: (agreement − chance) / (1 − chance).

    Chance is the agreement of the same answers given to the same labels in any order, so a model that always answers
    alike has κ = 0, however often that is right.

    Source: J. Cohen, "A coefficient of agreement for nominal scales", Educ. Psychol. Meas. 20 (1960), equation 1.

    Parameters
    ----------
    answers, labels : (images,) int
    counts : (resamples, images) float; how often each image counts.

    Returns
    -------
    (resamples,) float64; 0 where chance alone would always agree, NaN where no image counts.
    """
    total = counts.sum(axis=1)
    weights = counts / np.where(total > 0, total, np.nan)[:, None]
    agreement = weights @ (answers == labels)
    classes = np.intersect1d(answers, labels)
    shares = [weights @ (part[:, None] == classes) for part in (answers, labels)]
    chance = (shares[0] * shares[1]).sum(axis=1)
    return np.where(chance < CERTAIN, (agreement - chance) / np.where(chance < CERTAIN, 1 - chance, 1), 0 * chance)
