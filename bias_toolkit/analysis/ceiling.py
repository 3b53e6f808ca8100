"""How well the regression predicts unseen images, with and without each term, and how well boosted trees do.

A loss is the mean binomial log loss per step in nats, −[y ln p + (n − y) ln(1 − p)] / n, for an image with y changed of
n steps. An image is predicted by a model fitted without its fold. Folds are whole classes where there are enough, so
that no model can gain by recognising a class.

Boosted trees on the same terms and folds show what the terms could predict with any curves and interactions.
"""

from dataclasses import dataclass

import numpy as np

from bias_toolkit.analysis.binomial_fit import glm_coefficients
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.foundation.resampling import CONFIDENCE, named_generator, percentile_interval, resample_counts

FOLDS = 10
BOOSTING_ROUNDS = 100
BINS = 64
NULL, ALL, BOOSTED = "none", "all", "boosted"
WITHOUT = "all but "


@dataclass(frozen=True)
class Losses:
    """Each image's loss under each model.

    `models` has the losses (images,) of "none" (intercept only), "all" terms, "all but <term>", and "boosted".
    `clusters`, int (images,), are the units of resampling: classes or images.
    """

    models: dict[str, np.ndarray]
    clusters: np.ndarray


def cross_validated_losses(
    terms: np.ndarray,
    changed: np.ndarray,
    steps: np.ndarray,
    clusters: np.ndarray,
    names: list[str],
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> Losses:
    """The losses of held-out images.

    Parameters
    ----------
    terms : (images, terms)
    changed, steps : (images,)
    clusters : (images,) int; folds keep clusters whole if there are at least as many as folds, and else split images.
    """
    rng = named_generator(seed, "folds")
    units = clusters if clusters.max() + 1 >= FOLDS else np.arange(len(clusters))
    fold = (rng.permutation(units.max() + 1) % FOLDS)[units]
    columns = {NULL: []} | {ALL: list(range(len(names)))}
    if len(names) > 1:
        columns |= {f"{WITHOUT}{name}": [at for at in columns[ALL] if names[at] != name] for name in names}
    models = {name: np.empty(len(terms)) for name in columns}
    boosted = np.empty((BOOSTING_ROUNDS + 1, len(terms)))
    with progress("Regression", total=FOLDS) as advance:
        for number in range(FOLDS):
            held_out, rest = fold == number, fold != number
            for name, chosen in columns.items():
                design = np.column_stack([np.ones(len(terms)), terms[:, chosen]])
                coefficients = glm_coefficients(design[rest], changed[rest], steps[rest])
                if coefficients is None:
                    # Where a term separates the remaining images, the fold is predicted by the mean.
                    coefficients = np.append(_log_odds(changed[rest], steps[rest]), np.zeros(len(chosen)))
                models[name][held_out] = _loss(design[held_out] @ coefficients, changed[held_out], steps[held_out])
            boosted[:, held_out] = _boosted_losses(terms, changed, steps, rest, held_out)
            advance(1)
    # The number of rounds, from 0, that predicts best. A ceiling may be slightly too high, but never too low.
    models[BOOSTED] = boosted[np.argmin(boosted.mean(axis=1))]
    return Losses(models, clusters)


def _boosted_losses(
    terms: np.ndarray, changed: np.ndarray, steps: np.ndarray, rest: np.ndarray, held_out: np.ndarray
) -> np.ndarray:
    """Losses of the held-out images after each round of boosting; the first row is before any round."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    # Trees use quantile bins. The bins are computed once here, without weights, and not for every tree.
    edges = np.quantile(terms[rest], np.linspace(0, 1, BINS + 1)[1:-1], axis=0)
    binned = np.column_stack([np.searchsorted(edge, column) for edge, column in zip(edges.T, terms.T, strict=True)])
    # An image is two rows, its changed and its unchanged steps, weighted by their numbers.
    rows = np.concatenate([binned[rest], binned[rest]])
    weights = np.concatenate([changed[rest], (steps - changed)[rest]])
    kinds = np.repeat([1, 0], int(rest.sum()))
    counts = weights > 0
    start = _log_odds(changed[rest], steps[rest])
    of_none = _loss(np.full(int(held_out.sum()), start), changed[held_out], steps[held_out])
    if len(np.unique(kinds[counts])) < 2:
        return np.tile(of_none, (BOOSTING_ROUNDS + 1, 1))
    # Trees this small are done sooner than several threads are told of them: on a busy machine, 100 times sooner.
    with threadpool_limits(1):
        model = HistGradientBoostingClassifier(
            learning_rate=0.08,
            max_iter=BOOSTING_ROUNDS,
            max_leaf_nodes=8,
            min_samples_leaf=30,
            l2_regularization=1.0,
            early_stopping=False,
            random_state=0,
        ).fit(rows[counts], kinds[counts], sample_weight=weights[counts])
        stages = [np.clip(stage[:, 1], 1e-9, 1 - 1e-9) for stage in model.staged_predict_proba(binned[held_out])]
    return np.array([of_none] + [_loss(np.log(p / (1 - p)), changed[held_out], steps[held_out]) for p in stages])


def _log_odds(changed: np.ndarray, steps: np.ndarray) -> float:
    # Adding half a step of each kind keeps it finite.
    return float(np.log((changed.sum() + 0.5) / ((steps - changed).sum() + 0.5)))


def _loss(log_odds: np.ndarray, changed: np.ndarray, steps: np.ndarray) -> np.ndarray:
    return (changed * np.logaddexp(0, -log_odds) + (steps - changed) * np.logaddexp(0, log_odds)) / steps


def loss_rows(losses: Losses, names: list[str], *, resamples: int = 2000, seed: int = 0) -> list[tuple]:
    """Rows of LOSSES: each model's mean loss, and its difference from the loss of all terms."""
    order = [NULL, ALL, *(f"{WITHOUT}{name}" for name in names), BOOSTED]
    shown = [name for name in order if name in losses.models]
    values = np.column_stack([losses.models[name] for name in shown])
    differences = values - losses.models[ALL][:, None]
    means = resampled_means(np.hstack([values, differences]), losses.clusters, resamples, seed)
    rows = []
    for at, name in enumerate(shown):
        excess = (float(differences[:, at].mean()), *percentile_interval(means[:, len(shown) + at]))
        rows.append(
            (
                name,
                float(values[:, at].mean()),
                *percentile_interval(means[:, at]),
                *((0.0, 0.0, 0.0) if name == ALL else excess),
                len(values),
            )
        )
    return rows


def ceiling_row(losses: Losses, *, resamples: int = 2000, seed: int = 0) -> tuple:
    """The row of CEILING: the share of the boosted trees' gain, over no terms, that the linear terms reach.

    The share is (loss of none − loss of all) / (loss of none − loss of boosted), and 1 where the trees are no better.
    It is NaN where neither gains: where the interval of the larger gain includes 0.
    """
    linear, boosted = (losses.models[NULL] - losses.models[name] for name in (ALL, BOOSTED))
    gains = np.column_stack([linear, boosted])
    linear_gain, boosted_gain = (float(gain) for gain in gains.mean(axis=0))
    means = resampled_means(gains, losses.clusters, resamples, seed)
    intervals = [percentile_interval(means[:, at]) for at in (0, 1)]
    share = (np.nan, np.nan, np.nan)
    if intervals[int(boosted_gain > linear_gain)][0] > 0:
        share = (_share(linear_gain, boosted_gain), *percentile_interval(np.array([_share(*each) for each in means])))
    return (linear_gain, *intervals[0], boosted_gain, *intervals[1], *share, len(gains))


def _share(linear: float, boosted: float) -> float:
    best = max(linear, boosted)
    return np.nan if best <= 0 else linear / best


def resampled_means(values: np.ndarray, clusters: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Means over images in bootstrap resamples of whole clusters; shape (resamples, columns).

    With G clusters, resampled means vary too little, by √((G − 1) / G), and their percentiles are those of a normal
    distribution instead of Student's. So their deviations from the overall mean are enlarged to correct both.

    `values` are (images, columns), `clusters` int (images,).
    """
    from scipy.stats import norm, t

    number = int(clusters.max()) + 1
    sizes = np.bincount(clusters, minlength=number).astype(float)
    middle = values.mean(axis=0)
    sums = np.column_stack([np.bincount(clusters, weights=column) for column in (values - middle).T])
    rng = named_generator(seed, "losses")
    draws = np.concatenate(
        [counts @ sums / (counts @ sizes)[:, None] for counts in resample_counts([number], resamples, rng)]
    )
    tail = (1 + CONFIDENCE) / 2
    spread = np.sqrt(number / (number - 1)) * t.ppf(tail, number - 1) / norm.ppf(tail)
    return middle + spread * draws
