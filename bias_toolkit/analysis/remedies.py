"""The effects of remedies: the same images and steps with and without each, compared image by image."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bias_toolkit.analysis.curve import quantile_curve
from bias_toolkit.analysis.schema import REMEDY_EFFECTS, REMEDY_TENTHS
from bias_toolkit.analysis.summary import measure_mean
from bias_toolkit.foundation.false_discovery import with_family_intervals
from bias_toolkit.foundation.intervals import DIFFERENCE, SHARE, Interval, paired_difference
from bias_toolkit.invariance import HEADLINE, measure_of
from bias_toolkit.invariance.remedies import TRAINED, UNTOUCHED

IF_RIGHT = f"{HEADLINE}_if_right"
"""P(top-1 change) on the images whose centre view is right with and without the remedy."""
EFFECT_MEASURES = (HEADLINE, "mac", "any_change", "accuracy", IF_RIGHT)
TENTHS = 10
CONTROL = TRAINED[0].name
"""The arm that was trained without a remedy: training alone changes stability."""


@dataclass(frozen=True)
class RemedyComparison:
    """Tables REMEDY_EFFECTS and REMEDY_TENTHS."""

    effects: pd.DataFrame
    tenths: pd.DataFrame


def compare_remedies(
    remedied: pd.DataFrame, distances: pd.DataFrame, *, resamples: int = 2000, seed: int = 0
) -> RemedyComparison:
    """Compare each remedy with the untouched model, and each trained arm with `CONTROL`, on the images that both have.

    A difference is the remedy's value minus the other's. Its interval (`paired_difference`) is adjusted over the
    remedies of a measure (`family_intervals`).

    `remedied` has table REMEDIED of all remedies. `distances` has image_id and nn_distance.
    """
    of = {name: rows.set_index("image_id") for name, rows in remedied.groupby("remedy", sort=False)}
    distance = distances.set_index("image_id")["nn_distance"]
    effects, tenths = [], []
    for against in (UNTOUCHED.name, CONTROL):
        others = list(of) if against == UNTOUCHED.name else [arm.name for arm in TRAINED if arm.name != CONTROL]
        for remedy in others:
            if remedy not in of or against not in of:
                continue
            own = of[remedy].loc[of[remedy].index.intersection(of[against].index)]
            base = of[against].loc[own.index]
            for measure in EFFECT_MEASURES:
                with_it, without = _pair(own, base, measure)
                if with_it.notna().any():
                    kind = measure_of(HEADLINE if measure == IF_RIGHT else measure)
                    value = measure_mean(with_it, kind, resamples, seed)
                    paired = paired_difference((with_it - without).dropna().to_numpy(), resamples, seed)
                    effects.append((remedy, against, measure, *value[:3], *_of_remedy(remedy, paired), value.n))
            if against == UNTOUCHED.name:
                place = distance.reindex(own.index)
                tenths += _tenths(remedy, own[HEADLINE], base[HEADLINE], place, resamples, seed)
    table = pd.DataFrame(effects, columns=REMEDY_EFFECTS.names)
    families = [
        with_family_intervals(family, "difference", images="n", limits=DIFFERENCE)
        for _, family in table.groupby(["against", "measure"])
    ]
    table = pd.concat([table.head(0), *families]).sort_index()
    return RemedyComparison(table, pd.DataFrame(tenths, columns=REMEDY_TENTHS.names))


def _pair(own: pd.DataFrame, base: pd.DataFrame, measure: str) -> tuple[pd.Series, pd.Series]:
    """A measure of the same images with a remedy and without; NaN where it is not defined."""
    if measure != IF_RIGHT:
        return own[measure].astype(float), base[measure].astype(float)
    right = (own["top1"] == own["label_index"]) & (base["top1"] == base["label_index"])
    return own[HEADLINE].astype(float).where(right), base[HEADLINE].astype(float).where(right)


def _of_remedy(remedy: str, paired: Interval) -> tuple[float, float, float]:
    return (np.nan,) * 3 if remedy == UNTOUCHED.name else paired[:3]


def _tenths(
    remedy: str, own: pd.Series, base: pd.Series, distance: pd.Series, resamples: int, seed: int
) -> list[tuple[object, ...]]:
    """The rows of REMEDY_TENTHS of one remedy."""
    values, differences = (
        quantile_curve(distance, measure, TENTHS, resamples=resamples, seed=seed, limits=limits)
        for measure, limits in ((own, SHARE), (own - base, DIFFERENCE))
    )
    rows = []
    for row, paired in zip(values.itertuples(), differences.itertuples(), strict=True):
        difference = _of_remedy(remedy, Interval(paired.value, paired.low, paired.high, paired.n))
        place = row.bin, row.left, row.right, row.x
        rows.append((remedy, *place, row.value, row.low, row.high, *difference, row.n))
    return rows
