"""Regression of the changed steps on distance, framing and the margin together.

It answers a question that pairs of variables cannot: whether the distance to the training set still predicts
instability when an image's margin, framing and class are known.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from bias_toolkit.analysis import diagnostics
from bias_toolkit.analysis.binomial_fit import BinomialFit, fit_binomial, fit_within_classes
from bias_toolkit.analysis.ceiling import ceiling_row, cross_validated_losses, loss_rows
from bias_toolkit.analysis.schema import CEILING, LOSSES, ODDS_RATIOS
from bias_toolkit.foundation.files import empty_table
from bias_toolkit.foundation.progress import Progress, silent

ALONE, TOGETHER, WITHIN, CURVED = "alone", "together", "within class", "margin as a curve"
CURVE_DEGREE = 3
MINIMUM_CLASSES = 3
# Intercepts estimated from fewer images would bias the odds ratios.
IMAGES_PER_CLASS = 10


@dataclass(frozen=True)
class Regression:
    """The results of the regression."""

    odds_ratios: pd.DataFrame  # `ODDS_RATIOS`; empty if no regression was made
    losses: pd.DataFrame  # `LOSSES`
    ceiling: pd.DataFrame  # `CEILING`; one row at most
    notes: list[str]  # what was left out, or has to be read with caution, one sentence each


def regress(
    per_image: pd.DataFrame, *, resamples: int = 2000, seed: int = 0, progress: Progress = silent
) -> Regression:
    """A binomial regression of each image's changed steps on the standardised terms.

    Terms are nn_distance, margin, centre_distance, log_scale_deviation and framing_log_density, as far as they are
    available and vary. The odds ratios are for one standard deviation of a term over the images used. There are four
    kinds: the term "alone"; all terms "together"; all terms "within class", with one intercept per class, which needs
    three classes of ten images; and "margin as a curve", with the margin's square and cube added. The last is within
    classes where possible. It shows whether a term adds information when the others and the class are known: a curved
    effect of the margin that is modelled as a straight line could be attributed to correlated terms.

    Intervals and p-values allow for similar images within a class (the cluster jackknife CV3 with Student's t, see
    `binomial_fit`); with fewer than three classes, images are treated as independent.

    `per_image` has one row per test image: p_top1_change, n_steps, label, and the terms. Images that lack one of them
    are left out and counted. `resamples` and `seed` are of the bootstrap of the losses, which belong to the model of
    all terms together.
    """
    nothing = Regression(empty_table(ODDS_RATIOS), empty_table(LOSSES), empty_table(CEILING), [])
    if not {"p_top1_change", "n_steps"} <= set(per_image) or not per_image["n_steps"].gt(0).any():
        return nothing
    measured = per_image[per_image["p_top1_change"].notna() & per_image["n_steps"].gt(0)]
    names, notes = diagnostics.terms_that_are_there(measured)
    complete = measured[measured[names].notna().all(axis=1)]
    if len(complete) < len(measured):
        lacking = len(measured) - len(complete)
        notes.append(
            f"{lacking:,} of {len(measured):,} images lack a term and {'is' if lacking == 1 else 'are'} left out of "
            "the regression."
        )
    names, constant = diagnostics.terms_that_vary(complete, names) if len(complete) else (names, [])
    notes += constant
    steps = complete["n_steps"].to_numpy(float)
    changed = np.round(complete["p_top1_change"].to_numpy(float) * steps)
    why_not = diagnostics.too_few(changed, steps, len(names)) if names else "No regression was made: it has no term."
    if why_not is None:
        values = complete[names].to_numpy(float)
        deviations = pd.Series(values.std(axis=0, ddof=1), index=names)
        table = pd.DataFrame((values - values.mean(axis=0)) / deviations.to_numpy(), columns=names)
        names, dependent = diagnostics.independent_terms(table.to_numpy(), names)
        names, separated = diagnostics.unseparated_terms(table[names].to_numpy(), changed, steps, names)
        notes += dependent + separated
        why_not = None if names else "No regression was made: no term is left."
    if why_not is not None:
        return replace(nothing, notes=[*notes, why_not])

    terms = table[names].to_numpy()
    factors = diagnostics.inflation(terms)
    notes += diagnostics.inflation_notes(factors, names) + diagnostics.outlier_notes(terms, names)
    clusters, by_class = clusters_of(complete.get("label"), len(complete))
    if not by_class:
        notes.append(
            f"There are fewer than {MINIMUM_CLASSES} classes, so the intervals of the regression take every image for "
            "itself, and nothing is compared within classes."
        )
    together = fit_binomial(terms, changed, steps, clusters)
    if together is None:
        return replace(nothing, notes=[*notes, "No regression was made: its odds ratios are not finite."])
    alone = [fit_binomial(terms[:, [column]], changed, steps, clusters) for column in range(len(names))]
    units = deviations[names].to_numpy()
    rows = [
        _row(ALONE, name, fit, 0, len(terms), unit, np.nan)
        for name, fit, unit in zip(names, alone, units, strict=True)
        if fit is not None
    ]
    rows += [_row(TOGETHER, name, together, at, len(terms), units[at], factors[at]) for at, name in enumerate(names)]
    data = _Data(terms, changed, steps, clusters)
    if by_class:
        data, columns, sentences = _within(data, names)
        notes += sentences
        fit = None if data is None else fit_within_classes(data.terms, data.changed, data.steps, data.clusters)
        if data is not None and fit is None:
            notes.append("Nothing is compared within classes: the odds ratios are not finite there.")
        if fit is not None:
            size = len(data.steps)
            rows += [_row(WITHIN, names[at], fit, column, size, units[at], np.nan) for column, at in enumerate(columns)]
        by_class = fit is not None
    if not by_class:
        data, columns = _Data(terms, changed, steps, clusters), list(range(len(names)))
    rows += _with_curved_margin(data, [names[at] for at in columns], units[columns], by_class)
    losses = cross_validated_losses(terms, changed, steps, clusters, names, seed=seed, progress=progress)
    mean_losses = loss_rows(losses, names, resamples=resamples, seed=seed)
    return Regression(
        odds_ratios=pd.DataFrame(rows, columns=ODDS_RATIOS.names),
        losses=pd.DataFrame(mean_losses, columns=LOSSES.names),
        ceiling=pd.DataFrame([ceiling_row(losses, resamples=resamples, seed=seed)], columns=CEILING.names),
        notes=notes,
    )


def clusters_of(labels: pd.Series | None, n: int) -> tuple[np.ndarray, bool]:
    """The cluster of each image, numbered from 0, and whether clusters are classes.

    An image without a label is its own cluster. With fewer than three classes, every image is.
    """
    if labels is None or labels.nunique() < MINIMUM_CLASSES:
        return np.arange(n), False
    codes, classes = pd.factorize(labels, sort=True)
    unlabelled = codes < 0
    codes[unlabelled] = len(classes) + np.arange(unlabelled.sum())
    return codes, True


@dataclass(frozen=True)
class _Data:
    """The data of a regression; see `fit_binomial`."""

    terms: np.ndarray
    changed: np.ndarray
    steps: np.ndarray
    clusters: np.ndarray


def _within(data: _Data, names: list[str]) -> tuple[_Data | None, list[int], list[str]]:
    """The images of classes with enough images, the terms that vary within classes, and sentences on the others."""
    sizes, changed, steps = (
        np.bincount(data.clusters, weights=each) for each in (np.ones(len(data.steps)), data.changed, data.steps)
    )
    tells = (sizes >= IMAGES_PER_CLASS) & (changed > 0) & (changed < steps)
    if tells.sum() < MINIMUM_CLASSES:
        needed = (
            f"that needs {MINIMUM_CLASSES} classes of {IMAGES_PER_CLASS} images of which some change and some do not"
        )
        return None, [], [f"Nothing is compared within classes: that needs {needed}."]
    notes = []
    if not tells.all():
        notes.append(
            f"{int((~tells).sum()):,} of {len(sizes):,} classes cannot count within classes: they have fewer than "
            f"{IMAGES_PER_CLASS} images, or all their steps keep or all change the class."
        )
    rows = tells[data.clusters]
    classes = np.unique(data.clusters[rows], return_inverse=True)[1]
    terms = data.terms[rows]
    spread = ((terms - pd.DataFrame(terms).groupby(classes).transform("mean").to_numpy()) ** 2).mean(axis=0)
    columns = [int(at) for at in np.flatnonzero(spread > diagnostics.CONSTANT)]
    if len(columns) < len(names):
        same = diagnostics.in_words([name for at, name in enumerate(names) if at not in columns])
        notes.append(f"Within classes, {same} cannot count: all images of a class share it.")
    if not columns:
        return None, [], notes
    return _Data(terms[:, columns], data.changed[rows], data.steps[rows], classes), columns, notes


def _with_curved_margin(data: _Data, names: list[str], units: np.ndarray, by_class: bool) -> list[tuple]:
    """Rows of the kind "margin as a curve", for all terms except the margin."""
    if "margin" not in names or len(names) < 2:
        return []
    powers = margin_powers(data.terms[:, names.index("margin")])
    fit = (fit_within_classes if by_class else fit_binomial)(
        np.hstack([data.terms, powers]), data.changed, data.steps, data.clusters
    )
    if fit is None:
        return []
    return [
        _row(CURVED, name, fit, at, len(powers), units[at], np.nan) for at, name in enumerate(names) if name != "margin"
    ]


def margin_powers(margin: np.ndarray) -> np.ndarray:
    """Square and cube of the margin, orthogonal to its lower powers; shape (images, 2)."""
    powers = margin[:, None] ** np.arange(CURVE_DEGREE + 1)
    return np.linalg.qr(powers)[0][:, 2:] * np.sqrt(len(margin))


def _row(kind: str, name: str, fit: BinomialFit, column: int, n: int, unit: float, factor: float) -> tuple:
    return (name, kind, *fit.odds_ratio(column), n, fit.clusters, float(unit), float(factor))
