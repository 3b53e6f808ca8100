"""How often two studies of one model differ in nothing: `python benchmarks/coverage_compare.py [draws]`, half an hour.

Two studies of one model change their class on each image with the same probability at a step, drawn anew; a known
difference halves it in the second. Printed as Markdown: in how many draws no difference of the table of measures is
found, in how many P(top-1 change) is found lower if it is halved, and how often its interval holds the truth.
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from bias_toolkit.comparison.differences import measure_differences
from bias_toolkit.comparison.studies import Compared, Pair
from bias_toolkit.invariance import HEADLINE, Sweep
from bias_toolkit.report.words.sentences import ClassNames

DRAWS = 200
RESAMPLES = 600
STEPS = 8
SIZES = (60, 200, 1000)
LAWS = {"17% of the steps": (0.6, 3.0), "3% of the steps": (0.15, 5.0)}
HALF = 0.5


def images(rates: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """The measures of one study's images, of which the class of image i changes at a step with rates[i]."""
    n = len(rates)
    changed, right = rng.binomial(STEPS, rates), rng.random(n) < 0.9 - 0.8 * rates
    table = {
        HEADLINE: changed / STEPS,
        "mac": np.clip(rates / 3 + 0.02 * rng.standard_normal(n), 0, 1),
        "any_change": np.where(changed > 0, 1.0, 0.0),
        "accuracy": np.where(right, 1 - changed / (2 * STEPS), changed / (4 * STEPS)),
        "worst_accuracy": np.where(right & (changed == 0), 1.0, 0.0),
        "margin": np.clip(0.9 - 1.5 * rates + 0.2 * rng.standard_normal(n), 0, 1),
        "right": right.astype(float),
    }
    return pd.DataFrame(table, index=pd.RangeIndex(n))


def pair(second: pd.DataFrame, first: pd.DataFrame, is_paired: bool) -> Pair:
    """Two studies of these images, paired or not."""
    study, sweep = SimpleNamespace(folder=Path(".")), Sweep("crop", "diagonal", 1.0)
    both = (
        Compared(name, study, sweep, table, {}, {}, pd.Series(dtype=float), ClassNames(), None)
        for name, table in (("first", first), ("second", second))
    )
    return Pair(*both, first.index if is_paired else None)


def row(law: tuple[float, float], n: int, is_paired: bool, draws: int) -> tuple[float, float, float]:
    """The shares of draws in which nothing is found, the known difference is found, and its interval holds it."""
    rng = np.random.default_rng([n, int(100 * law[0]), is_paired])
    nothing, found, held = [], [], []
    for seed in range(draws):
        rates = rng.beta(*law, n)
        others = rates if is_paired else rng.beta(*law, n)
        first = images(rates, rng)
        same = measure_differences([pair(images(others, rng), first, is_paired)], RESAMPLES, seed)
        nothing.append(not ((same["difference_low"] > 0) | (same["difference_high"] < 0)).any())
        halved = measure_differences([pair(images(HALF * others, rng), first, is_paired)], RESAMPLES, seed)
        low, high = halved.set_index("measure").loc[HEADLINE, ["difference_low", "difference_high"]]
        truth = -HALF * law[0] / sum(law)
        found.append(high < 0)
        held.append(low <= truth <= high)
    return float(np.mean(nothing)), float(np.mean(found)), float(np.mean(held))


def main(draws: int = DRAWS) -> None:
    """Print the table as Markdown."""
    print(f"{draws} draws each; the standard error of a share of 0.95 is {np.sqrt(0.95 * 0.05 / draws):.3f}.\n")
    print("| P(top-1 change) | images | compared | nothing found | half of it found | its interval holds it |")
    print("|" + " --- |" * 6)
    for (name, law), n, is_paired in product(LAWS.items(), SIZES, (True, False)):
        shares = " | ".join(f"{share:.3f}" for share in row(law, n, is_paired, draws))
        print(f"| {name} | {n} | {'image by image' if is_paired else 'by means'} | {shares} |", flush=True)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
