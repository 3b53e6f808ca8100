"""The effect of an annotated factor of an image, such as an unusual pose, on invariance and accuracy.

Sources: B. Y. Idrissi et al., "ImageNet-X", ICLR 2023 (the question and the factors); Y. Benjamini & Y. Hochberg, J. R.
Stat. Soc. B 57(1), 1995 (correction for many factors).
"""

import numpy as np
import pandas as pd

from bias_toolkit.analysis.schema import COMPARED_MEASURES, FACTORS
from bias_toolkit.foundation.false_discovery import q_values
from bias_toolkit.foundation.files import empty_table
from bias_toolkit.foundation.intervals import SHARE, difference_limits, few_differ, mean_interval, wide
from bias_toolkit.foundation.resampling import (
    named_generator,
    percentile_interval,
    permutations_within,
    resample_counts,
)

# With fewer images with a factor, or without it, the factor is left out.
MINIMUM_IMAGES = 20
MARGIN_STRATA = 20
IMAGES_PER_STRATUM = 25


def factor_effects(
    per_image: pd.DataFrame, factors: pd.DataFrame, *, resamples: int = 2000, permutations: int = 2000, seed: int = 0
) -> tuple[pd.DataFrame, list[str]]:
    """Compare each measure on the images with a factor and without it.

    Differences are also computed among images of similar margin: within strata of nearly equal margin, as the
    least-squares difference with one intercept per stratum. Returns the columns of `FACTORS`; p-values are adjusted
    over the factors of one measure. Where the values of too few images with or without the factor differ for a
    bootstrap (`few_differ`), the interval of the difference is from those of the two means, and the difference among
    images of similar margin has no interval. Factors that fewer than 20 images have, or lack, are left out. The list
    has one sentence on images without annotation, and one on factors left out.

    `per_image` has one row per test image: image_id, margin, and the available ones of p_top1_change, mac and accuracy.
    `factors` has the image_id of annotated images, and one bool column per factor.
    """
    table = per_image.merge(factors, on="image_id", how="inner", validate="one_to_one")
    names = [name for name in factors if name != "image_id"]
    if table.empty:
        return empty_table(FACTORS), ["No test image has the name of an image that ImageNet-X annotates."]
    notes = []
    if len(table) < len(per_image):
        notes.append(
            f"ImageNet-X annotates {len(table):,} of the {len(per_image):,} test images; only those count here."
        )
    counts = table[names].sum()
    rare = [name for name in names if min(counts[name], len(table) - counts[name]) < MINIMUM_IMAGES]
    if rare:
        notes.append(
            f"Fewer than {MINIMUM_IMAGES} images have, or fewer lack, {', '.join(rare)}: nothing is said of "
            f"{'it' if len(rare) == 1 else 'them'}."
        )
    tables = []
    for measure in COMPARED_MEASURES:
        if measure not in table or "margin" not in table:
            continue
        rows = table[table[measure].notna() & table["margin"].notna()]
        flags = rows[names].to_numpy(bool)
        with_factor = flags.sum(axis=0)
        enough = (with_factor >= MINIMUM_IMAGES) & (len(rows) - with_factor >= MINIMUM_IMAGES)
        if enough.any():
            shown = [name for name, is_enough in zip(names, enough, strict=True) if is_enough]
            tables.append(_effects(rows, measure, shown, resamples, permutations, seed))
    return (pd.concat(tables, ignore_index=True) if tables else empty_table(FACTORS)), notes


def _effects(
    rows: pd.DataFrame, measure: str, names: list[str], resamples: int, permutations: int, seed: int
) -> pd.DataFrame:
    values, flags = rows[measure].to_numpy(float), rows[names].to_numpy(bool)
    together = pd.DataFrame({"factor": names, "measure": measure})
    of_groups = {}
    for column, those in (("", flags), ("without", ~flags)):
        means = [mean_interval(values[chosen], resamples, seed, limits=SHARE) for chosen in those.T]
        of_groups[column] = means
        together[f"n_{column or 'with'}"] = [mean.n for mean in means]
        for at, name in enumerate((column or "value", f"{column}_low".strip("_"), f"{column}_high".strip("_"))):
            together[name] = [mean[at] for mean in means]
    strata = {
        "difference": np.zeros(len(rows), dtype=int),
        "given_margin": margin_strata(rows["margin"].to_numpy(float)),
    }
    for name, groups in strata.items():
        rng = named_generator(seed, f"{measure} {name}")
        estimates = differences(values, flags, groups, resamples, permutations, rng)
        for part, column in zip(("", "_low", "_high", "_p_value"), estimates.T, strict=True):
            together[f"{name}{part}"] = column
        together[f"{name}_p_adjusted"] = q_values(estimates[:, 3])
    rare = [few_differ(values[those]) or few_differ(values[~those]) for those in flags.T]
    # A bootstrap of few images that differ is too narrow, and strata have no other interval.
    for at in np.flatnonzero(rare):
        ends = difference_limits(of_groups[""][at], of_groups["without"][at])
        together.loc[at, ["difference_low", "difference_high"]] = ends
        together.loc[at, ["given_margin_low", "given_margin_high"]] = np.nan
    together = together.rename(columns={f"difference_{name}": name for name in ("p_value", "p_adjusted")})
    return together[FACTORS.names]


def margin_strata(margin: np.ndarray) -> np.ndarray:
    """Each image's stratum, from the lowest margin to the highest: 20 of equal size, or fewer for few images."""
    number = int(np.clip(len(margin) // IMAGES_PER_STRATUM, 1, MARGIN_STRATA))
    place = np.empty(len(margin), dtype=int)
    place[np.argsort(margin, kind="stable")] = np.arange(len(margin))
    return place * number // max(len(margin), 1)


def differences(
    values: np.ndarray,
    flags: np.ndarray,
    strata: np.ndarray,
    resamples: int,
    permutations: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """The difference that each flag makes within strata, with its bootstrap interval and permutation p-value.

    Returns (flags, 4): difference, ends of its 95% interval, and p; NaN where no stratum has images with and without
    the flag. Permutations stay within strata. Resamples do not, because the strata's sizes vary by chance too.

    `values` are (images,), `flags` bool (images, flags), and `strata` int (images,), from 0.
    """
    order = np.argsort(strata, kind="stable")
    values, flags = (values - values.mean())[order], flags[order].astype(float)
    starts = np.searchsorted(strata[order], np.arange(strata.max() + 1))
    ends = np.append(starts[1:], len(values))
    columns = np.column_stack([np.ones(len(values)), values, flags, flags * values[:, None]])
    observed = _from_sums(_stratum_sums(np.ones((1, len(values))), columns, starts, ends))[0]
    drawn = np.concatenate(
        [
            _from_sums(_stratum_sums(counts, columns, starts, ends))
            for counts in resample_counts([len(values)], resamples, rng)
        ]
    )
    centred = np.empty_like(flags)
    for start, end in zip(starts, ends, strict=True):
        centred[start:end] = flags[start:end] - flags[start:end].mean(axis=0)
    norms = (centred**2).sum(axis=0)
    as_far = np.zeros(flags.shape[1])
    for permuted in permutations_within(values, ends - starts, permutations, rng):
        by_chance = np.divide(permuted @ centred, norms, out=np.zeros((len(permuted), len(norms))), where=norms > 0)
        as_far += np.count_nonzero(np.abs(by_chance) >= np.abs(observed) * (1 - 1e-9), axis=0)
    p_values = np.where(np.isnan(observed), np.nan, (1 + as_far) / (1 + permutations))
    intervals = np.array([wide(*percentile_interval(column)) for column in drawn.T])
    return np.column_stack([observed, intervals, p_values])


def _stratum_sums(counts: np.ndarray, columns: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Sums of the columns in each resample and stratum; shape (resamples, strata, columns)."""
    return np.stack([counts[:, s:e] @ columns[s:e] for s, e in zip(starts, ends, strict=True)], axis=1)


def _from_sums(sums: np.ndarray) -> np.ndarray:
    """The least-squares differences with one intercept per stratum; shape (resamples, flags)."""
    number = (sums.shape[2] - 2) // 2
    size, total = sums[:, :, :1], sums[:, :, 1:2]
    flagged, products = sums[:, :, 2 : 2 + number], sums[:, :, 2 + number :]
    share = np.divide(flagged, size, out=np.zeros_like(flagged), where=size > 0)
    above = (products - share * total).sum(axis=1)
    below = (flagged * (1 - share)).sum(axis=1)
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 1e-9)
