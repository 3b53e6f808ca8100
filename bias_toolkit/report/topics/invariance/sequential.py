"""Sentences on sweeps that stopped at the study's precision."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from bias_toolkit.foundation.words import count, estimate, percent
from bias_toolkit.invariance import measure_of
from bias_toolkit.report.words.sentences import sweep_name, was

HOW = (
    "The interval holds wherever a sweep stops and whatever the values’ distribution is: it is a confidence sequence, "
    "by betting, for the mean of a finite dataset sampled without replacement (Waudby-Smith and Ramdas, JRSS B 86(1), "
    "2024). The other intervals on this page say how the images measured may differ from others of their kind, and do "
    "not count that their number was decided by what they showed."
)


def stopping_sentences(sequential: pd.DataFrame) -> list[str]:
    """One sentence per sweep of table SEQUENTIAL, which names the sweep if there are several."""
    rows = sequential.to_dict("records")
    return [_sentence(row, named=len(rows) > 1) for row in rows]


def unmeasured_sentences(sequential: pd.DataFrame, reference: tuple[str, str, float]) -> list[str]:
    """The test images without measures because the reference sweep stopped before them."""
    for row in sequential.to_dict("records"):
        unmeasured = row["n_images"] - row["n"] - row["n_skipped"]
        if (row["protocol"], row["transform"], row["size"]) == reference and unmeasured:
            return [
                f"{count(unmeasured, 'test image')} {was(unmeasured)} not measured, as the sweep "
                f"had reached its precision: what is said of measures is of {count(row['n'], 'image')} drawn at random."
            ]
    return []


def _sentence(row: Mapping[str, Any], named: bool) -> str:
    sweep = f"{sweep_name(row['protocol'], row['transform'], row['size'])}: " if named else ""
    measure, points = measure_of(row["measure"]), f"±{100 * row['precision']:g} points"
    name = measure.noun or measure.label
    skipped = f", of which {row['n_skipped']:,} could not be decoded" if row["n_skipped"] else ""
    if row["n"] + row["n_skipped"] < row["n_images"]:
        text = (
            f"Stopped after {row['n'] + row['n_skipped']:,} of {count(row['n_images'], 'image')}, drawn in random "
            f"order{skipped}: {name} of all of them is then known to {points} at 95%; it is "
            f"{estimate(row['value'], row['low'], row['high'], percent)}."
        )
    else:
        text = (
            f"All {count(row['n_images'], 'image')} were measured{skipped}, as {name} was not known to {points} at 95% "
            f"before the last; it is {percent(row['value'])} of this dataset, without a sampling error."
        )
    return sweep + text[0].lower() + text[1:] if named else text
