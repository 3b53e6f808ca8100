"""Relate a framing map's cells to the training objects: how closely the map follows the training density.

Every image is shown in every possible cell. So the bootstrap over images resamples an image with all its cells, and
differences between cells are differences for the same images.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bias_toolkit.analysis.cell_means import cell_covariances, centred_ranks, complete_values, without_noise
from bias_toolkit.analysis.schema import COMPARED_MEASURES, MAP_CELLS, MAP_CONTRASTS, MAP_CORRELATIONS, RELATED_MEASURES
from bias_toolkit.foundation.files import empty_table
from bias_toolkit.foundation.intervals import (
    DIFFERENCE,
    NONE,
    SHARE,
    UNLIMITED,
    bounded_limits,
    few_differ,
    mean_bound,
    mean_limits,
)
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.foundation.resampling import (
    CONFIDENCE,
    means_of_resamples,
    named_generator,
    percentile_interval,
    resample_counts,
    simultaneous_margin,
)

CELL = ["scale", "cy", "cx"]
KINDS = ("all", "recognised", "given accuracy", "when right", "position")
UNLABELLED_KINDS = ("all", "position")
FEWEST_IMAGES = 10
FEWEST_CELLS = 8
LEAST_SIGNAL = 0.5
# Smallest share of a variance that must remain when another variable is held constant.
LEAST_LEFT = 0.1
MOST_UNDEFINED = 0.25
TENTH = 0.1
RESAMPLES = 1000
DETERMINED = 1e-9
CLIP = 0.999
CERTAIN = 1 - 1e-12


@dataclass(frozen=True)
class FramingMap:
    """The results of a framing map."""

    cells: pd.DataFrame  # table MAP_CELLS: the measures in each cell with intervals, and the training density there
    correlations: pd.DataFrame  # table MAP_CORRELATIONS: Spearman's ρ over cells of the training density with a measure
    contrasts: pd.DataFrame  # table MAP_CONTRASTS: a measure in the cells with the highest and lowest training density


def analyse_map(
    framed: pd.DataFrame,
    density: pd.DataFrame | None,
    *,
    resamples: int = 2000,
    seed: int = 0,
    progress: Progress = silent,
) -> FramingMap:
    """The measures in each cell, and their relation to the training density.

    Parameters
    ----------
    framed : table FRAMED, of one or several surroundings.
    density : columns cx, cy, scale, log_density: the log density of the training objects at each cell. Without it,
        there are no correlations and no contrasts.

    Returns
    -------
    `cells` has the cells in which at least 10 images could be shown. A measure's value there is the mean over all
    images, as if every image were shown in every cell (`complete_values`).

    A model that does not detect the object, because it is too small or in an unfamiliar position, often gives the same
    answer to all images. Such a model is stable without being invariant. So a cell is `recognised` only where the
    answers agree with the labels beyond chance (Cohen's κ, with its 95% interval above 0).

    `correlations` has these kinds for P(top-1 change) and MAC. `all` is over all cells. Over the recognised cells there
    are `recognised`, `given accuracy` (partial, given the cell's accuracy), `when right` (only views whose centre
    view's top-1 class is the label) and `position` (ranks within each scale, pooled, so that only the position
    differs). Without labels, or with one label, there are `all` and `position`, over all cells. See `cell_correlation`
    for rho and its interval; rho is null for fewer than 8 cells.

    `contrasts` has the mean over the tenth of the recognised cells with the highest density (at least one cell), over
    the tenth with the lowest, and their difference: of P(top-1 change), MAC and accuracy for `recognised` (without
    labels, or with one: `all`), and of the first two for `when right`.
    """
    parts = {name: [] for name in ("cells", "correlations", "contrasts")}
    groups = list(framed.groupby("surroundings", sort=False))
    with progress("Relating the map to the training density", total=len(groups)) as advance:
        for surroundings, rows in groups:
            rng = named_generator(seed, surroundings)
            cells, values = _cells(surroundings, rows, resamples, rng)
            if density is not None and len(cells):
                cells = cells.drop(columns="log_density").merge(density, on=CELL, how="left", validate="one_to_one")
                where = {"surroundings": surroundings, "n_images": len(values["mac"])}
                parts["correlations"] += [where | row for row in _correlations(cells, values, rng)]
                parts["contrasts"] += [where | row for row in _contrasts(cells, values, resamples, rng)]
            parts["cells"].append(cells)
            advance(1)
    cells = [table for table in parts["cells"] if len(table)]
    return FramingMap(
        pd.concat(cells, ignore_index=True)[MAP_CELLS.names] if cells else empty_table(MAP_CELLS),
        pd.DataFrame(parts["correlations"], columns=MAP_CORRELATIONS.names),
        pd.DataFrame(parts["contrasts"], columns=MAP_CONTRASTS.names),
    )


def _cells(
    surroundings: str, rows: pd.DataFrame, resamples: int, rng: np.random.Generator
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """The rows of MAP_CELLS, and each measure's complete values (images, cells); NaN in cells without any."""
    rows = rows[rows.groupby(CELL)["image_id"].transform("nunique") >= FEWEST_IMAGES]
    if rows.empty:
        return pd.DataFrame(columns=MAP_CELLS.names), {}
    table = (
        rows.groupby(CELL)
        .agg(n_images=("image_id", "nunique"), magnification=("magnification", "mean"), made_up=("made_up", "mean"))
        .reset_index()
        .assign(surroundings=surroundings, log_density=np.nan)
    )
    columns = pd.MultiIndex.from_frame(table[CELL])
    # With one label, a model that follows the objects and one that always gives the same answer agree with it alike.
    labelled = rows["label_index"].nunique() > 1
    right = rows["top1"].eq(rows["label_index"]).fillna(False).astype(bool)
    measured = {name: rows[name] for name in COMPARED_MEASURES}
    measured |= {_when_right(name): rows[name].where(right) for name in RELATED_MEASURES}
    values, measured_in = {}, {}
    for name, column in measured.items():
        wide = rows.assign(measured=column.astype(float)).pivot(index="image_id", columns=CELL, values="measured")
        measured_in[name] = wide.reindex(columns=columns).to_numpy(float)
        values[name] = _complete(measured_in[name])
    for name in COMPARED_MEASURES:
        if not len(values[name]):
            table[[name, f"{name}_low", f"{name}_high"]] = np.nan
            continue
        means = means_of_resamples(values[name], resamples, rng)
        limits = np.array([_limits(*each) for each in zip(measured_in[name].T, values[name].T, means.T, strict=True)])
        for end, numbers in zip(("", "_low", "_high"), (values[name].mean(axis=0), *limits.T), strict=True):
            # The sum of an image and a cell effect can lie outside [0, 1].
            table[f"{name}{end}"] = np.clip(numbers, 0.0, 1.0)
    agreement = _agreement(rows if labelled else rows[:0], resamples, rng)
    table = table.merge(agreement, on=CELL, how="left", validate="one_to_one")
    recognised = table["kappa_low"].gt(DETERMINED) if labelled else [None] * len(table)
    table["recognised"] = pd.array(recognised, dtype="boolean")
    table["among_lowest"] = _among_lowest(values["p_top1_change"], _usable(table), resamples, rng)
    return table, values


def _limits(measured: np.ndarray, complete: np.ndarray, means: np.ndarray) -> tuple[float, float]:
    """The interval of a cell's mean: `measured` (images,) may be NaN, `complete` (images,) is what the mean is of."""
    measured = measured[~np.isnan(measured)]
    if len(measured) == len(complete):
        return mean_limits(complete, means, SHARE)
    # Effects of images and cells are no shares. Only their mean is in [0, 1], but for what is clipped.
    mean = float(np.clip(complete.mean(), 0.0, 1.0))
    return mean_bound(mean, len(measured)) if few_differ(measured) else percentile_interval(means)


def _agreement(rows: pd.DataFrame, resamples: int, rng: np.random.Generator) -> pd.DataFrame:
    """κ of the centre views' answers with the labels in each cell, with its interval; no cell without labels."""
    agreements = []
    for cell, group in rows.dropna(subset=["label_index"]).groupby(CELL):
        answers, labels = (group[name].to_numpy(np.int64) for name in ("top1", "label_index"))
        drawn = np.concatenate(
            [kappa(answers, labels, counts) for counts in resample_counts([len(group)], resamples, rng)]
        )
        value = float(kappa(answers, labels, np.ones((1, len(group))))[0])
        agreements.append((*cell, value, *_kappa_limits(answers, labels, drawn)))
    return pd.DataFrame(agreements, columns=[*CELL, "kappa", "kappa_low", "kappa_high"])


def _kappa_limits(answers: np.ndarray, labels: np.ndarray, drawn: np.ndarray) -> tuple[float, float]:
    """The interval of κ: percentiles of the resamples `drawn`, or that of the agreement for the observed chance.

    The second is used where too few images agree, or too few do not, for a bootstrap. There is none if chance alone
    would always agree.
    """
    agrees = (answers == labels).astype(float)
    if not few_differ(agrees):
        return percentile_interval(drawn)
    chance = sum(float((answers == label).mean() * (labels == label).mean()) for label in np.unique(labels))
    if chance >= CERTAIN:
        return NONE
    return tuple(max((end - chance) / (1 - chance), -1.0) for end in bounded_limits(agrees, SHARE))


def kappa(answers: np.ndarray, labels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Cohen's κ of answers with labels: (agreement − chance) / (1 − chance).

    Chance is the agreement of the same answers with the same labels in random order. A model that always gives the same
    answer therefore has κ = 0, however often it is right. Returns (resamples,) float64: 0 where chance alone would
    always agree, NaN where no image counts.
    Source: J. Cohen, "A coefficient of agreement for nominal scales", Educ. Psychol. Meas. 20 (1960), equation 1.

    `answers` and `labels` are int (images,); `counts` (resamples, images) says how often each image counts.
    """
    total = counts.sum(axis=1)
    weights = counts / np.where(total > 0, total, np.nan)[:, None]
    agreement = weights @ (answers == labels)
    classes = np.intersect1d(answers, labels)
    shares = [weights @ (part[:, None] == classes) for part in (answers, labels)]
    chance = (shares[0] * shares[1]).sum(axis=1)
    return np.where(chance < CERTAIN, (agreement - chance) / np.where(chance < CERTAIN, 1 - chance, 1), 0 * chance)


def _usable(cells: pd.DataFrame) -> np.ndarray:
    """The recognised cells; all cells where there are no labels."""
    return cells["recognised"].fillna(True).to_numpy(bool)


def _among_lowest(values: np.ndarray, usable: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """The usable cells whose mean does not exceed the lowest mean by more than chance, compared image by image.

    The lowest cell is chosen after looking, so a difference counts only above the `simultaneous_margin`.
    """
    among = np.zeros(len(usable), dtype=bool)
    if usable.any():
        means = values[:, usable].mean(axis=0)
        margin = simultaneous_margin(values[:, usable], resamples, rng)
        among[usable] = means - means.min() <= margin + DETERMINED
    return among


def _when_right(measure: str) -> str:
    return f"{measure} when right"


def _complete(values: np.ndarray) -> np.ndarray:
    """`complete_values` for the images with a value, in the cells in which enough images have one."""
    enough = (~np.isnan(values)).sum(axis=0) >= FEWEST_IMAGES
    values = np.where(enough, values, np.nan)
    values = values[~np.isnan(values).all(axis=1)]
    result = np.full(values.shape, np.nan)
    if len(values) > 1:
        # Rounding errors of the fit would pass for images that differ.
        result[:, enough] = np.round(complete_values(values[:, enough]), 12)
    return result


def _correlations(
    cells: pd.DataFrame, values: dict[str, np.ndarray], rng: np.random.Generator
) -> Iterator[dict[str, str | float]]:
    density, levels = cells["log_density"].to_numpy(float), cells["scale"].to_numpy(float)
    labelled = not cells["recognised"].isna().all()
    for measure in RELATED_MEASURES:
        for kind in KINDS if labelled else UNLABELLED_KINDS:
            own = values[_when_right(measure) if kind == "when right" else measure]
            given = values["accuracy"] if kind == "given accuracy" else None
            there = ~np.isnan(density) & ~np.isnan(own).any(axis=0)
            there &= True if kind == "all" else _usable(cells)
            if given is not None:
                there &= ~np.isnan(given).any(axis=0) if given.shape == own.shape else False
            row = {"measure": measure, "kind": kind, "n_cells": int(there.sum())}
            if there.sum() < FEWEST_CELLS or len(own) < FEWEST_IMAGES:
                yield row
                continue
            yield row | cell_correlation(
                density[there],
                own[:, there],
                given=None if given is None else given[:, there],
                levels=levels[there] if kind == "position" else None,
                rng=rng,
            )


def cell_correlation(
    density: np.ndarray,
    values: np.ndarray,
    *,
    given: np.ndarray | None = None,
    levels: np.ndarray | None = None,
    rng: np.random.Generator,
) -> dict[str, float]:
    """Spearman's ρ over cells, corrected for the sampling noise in the cells' means, with its 95% interval.

    Noise in the means weakens a relation: ρ is divided by the square root of the share of their variance that is not
    noise (Spearman's correction for attenuation). A resample of the images contains the noise twice, so percentiles of
    resampled ρ may exclude the true value. Resampled deviations are therefore added to means without noise
    (`without_noise`). The interval is the middle 95% of their corrected ρ. It is widened around ρ in Fisher's z by the
    ratio of Student's t, with images − 1 degrees of freedom, to the normal distribution. The correction is right on
    average over maps. For one map of many nearly equal cells the interval can hold ρ less often
    (benchmarks/COVERAGE.md).

    Returns `rho` (corrected), `low`, `high`, `rho_observed`, and `signal`: the share of the variance between cells that
    is not noise. rho and its interval are NaN where `signal` is below 0.5, because the cells then differ too little.
    They are also NaN where `given` leaves less than a tenth of the variance of the measure or the density.
    Source: C. Spearman, "The proof and measurement of association between two things", Am. J. Psychol. 15 (1904).

    Parameters
    ----------
    density : (cells,) float; assumed to be known exactly.
    values : (images, cells) float; a measure, complete.
    given : (images, cells) float; the variable to hold constant: partial ρ given its means. Its noise, and the noise
        that it shares with the measure, are removed in the same way.
    levels : (cells,) float; ranks are taken within each of these, centred, and pooled.
    """
    from scipy.stats import norm, t

    parts = values[None] if given is None else np.stack([values, given])
    levels = np.zeros(len(density)) if levels is None else levels
    n = parts.shape[1]
    estimate = _estimate(density, parts, levels, np.ones((1, n)))
    result = {name: float(numbers[0]) for name, numbers in estimate.items()}
    undefined = {"rho": np.nan, "low": np.nan, "high": np.nan}
    if not result["signal"] >= LEAST_SIGNAL or np.isnan(result["rho"]):
        return result | undefined
    centre = without_noise(parts, levels, centred_ranks(density[None], levels)[0])
    world = centre[:, None] + (parts - parts.mean(axis=1, keepdims=True)) * np.sqrt(n / (n - 1))
    counts = rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(float)
    drawn = _fisher(_estimate(density, world, levels, counts)["rho"])
    if np.isnan(drawn).mean() > MOST_UNDEFINED:
        return result | undefined
    tail = (1 + CONFIDENCE) / 2
    wider = float(t.ppf(tail, n - 1) / norm.ppf(tail))
    middle = float(_fisher(np.array(result["rho"])))
    low, high = (float(np.tanh(middle + wider * (end - middle))) for end in percentile_interval(drawn))
    return result | {"low": min(low, result["rho"]), "high": max(high, result["rho"])}


def _fisher(rho: np.ndarray) -> np.ndarray:
    return np.arctanh(np.clip(rho, -CLIP, CLIP))


def _estimate(density: np.ndarray, parts: np.ndarray, levels: np.ndarray, counts: np.ndarray) -> dict[str, np.ndarray]:
    """rho, rho_observed and signal, arrays (resamples,), for resamples given by counts (resamples, images)."""
    total, noise = cell_covariances(parts, levels, counts)
    spread = np.einsum("rpp->rp", total)
    there = spread > DETERMINED**2
    signal = np.where(there, np.clip(1 - np.einsum("rpp->rp", noise) / np.where(there, spread, 1), 0, 1), 0).T
    root = np.sqrt(np.clip(signal, LEAST_SIGNAL, 1))
    x = centred_ranks(density[None], levels)
    y, *z = (centred_ranks(counts @ part / len(part), levels) for part in parts)
    plain = _cosine(x, y)
    corrected = np.clip(plain / root[0], -1, 1)
    if not z:
        return {"rho": corrected, "rho_observed": plain, "signal": signal[0]}
    xz, yz = _cosine(x, z[0]), _cosine(y, z[0])
    shared = noise[:, 0, 1] / np.sqrt(np.where(there.all(axis=1), spread.prod(axis=1), 1))
    free = _partial(corrected, np.clip(xz / root[1], -1, 1), np.clip((yz - shared) / (root[0] * root[1]), -1, 1))
    return {"rho": free, "rho_observed": _partial(plain, xz, yz), "signal": signal[0]}


def _partial(xy: np.ndarray, xz: np.ndarray, yz: np.ndarray) -> np.ndarray:
    """Partial correlation; NaN where z leaves almost no variance of x or y."""
    left = np.minimum(1 - xz**2, 1 - yz**2)
    product = np.clip((1 - xz**2) * (1 - yz**2), DETERMINED, None)
    partial = np.where(left < LEAST_LEFT, np.nan, np.clip((xy - xz * yz) / np.sqrt(product), -1, 1))
    # A constant z leaves nothing to hold constant.
    return np.where(np.isnan(xz), xy, partial)


def _cosine(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    length = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    length = np.where(length > DETERMINED, length, np.nan)
    return (x * y).sum(axis=1) / length


def _contrasts(
    cells: pd.DataFrame, values: dict[str, np.ndarray], resamples: int, rng: np.random.Generator
) -> Iterator[dict[str, str | float]]:
    density = cells["log_density"].to_numpy(float)
    labelled = not cells["recognised"].isna().all()
    main = "recognised" if labelled else "all"
    compared = []
    for measure in COMPARED_MEASURES:
        compared.append((measure, main, measure))
        if measure in RELATED_MEASURES:
            compared.append((measure, "when right", _when_right(measure)))
    for measure, kind, name in compared:
        own = values[name]
        usable = np.flatnonzero(~np.isnan(density) & ~np.isnan(own).any(axis=0) & _usable(cells))
        if len(usable) < FEWEST_CELLS or len(own) < FEWEST_IMAGES:
            continue
        order = usable[np.argsort(density[usable], kind="stable")]
        n_cells = max(1, round(TENTH * len(usable)))
        dense, sparse = own[:, order[-n_cells:]].mean(axis=1), own[:, order[:n_cells]].mean(axis=1)
        per_image = np.column_stack([dense, sparse, sparse - dense])
        drawn = means_of_resamples(per_image, resamples, rng)
        row = {"measure": measure, "kind": kind, "n_cells": n_cells}
        for at, name in enumerate(("dense", "sparse", "difference")):
            limits = DIFFERENCE if name == "difference" else UNLIMITED
            ends = np.array([per_image[:, at].mean(), *mean_limits(per_image[:, at], drawn[:, at], limits)])
            # The sum of an image and a cell effect can lie outside [0, 1].
            ends = ends if name == "difference" else np.clip(ends, 0.0, 1.0)
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), ends.tolist(), strict=True))
        yield row
