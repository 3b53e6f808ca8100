"""How often a flag takes the combination of scores: `python benchmarks/coverage_flag.py [draws]`, minutes.

Images are drawn from laws by which a change depends on the margin alone, or on the distance too. The distance goes with
the margin in all. Printed as Markdown: of each law, how often the combination is taken, how often its gain is found to
be below 0, how often the interval of the margin's AUROC holds its true value (from 200,000 images), and the mean gain.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from bias_toolkit.analysis.flag import COMBINATION, CONFIDENT, MARGIN, UNSTABLE, fit_flag

DRAWS = 200
RESAMPLES = 300
MANY = 200_000
LAWS = {"the margin alone": 0.0, "distance adds a little": 0.3, "distance adds much": 1.0}
SIZES = (200, 1000)


def draw_images(n: int, of_distance: float, rng: np.random.Generator) -> pd.DataFrame:
    """Scores of n images in 20 classes, and whether they change: its log odds are linear in margin and distance."""
    unsure, free = rng.normal(size=(2, n)) * [[2.0], [1.0]]
    distance = 10 + 0.5 * unsure + free
    return pd.DataFrame(
        {
            "label": rng.integers(0, 20, n).astype(str),
            MARGIN: expit(unsure),
            CONFIDENT: 0.7 * expit(unsure + 0.3 * rng.normal(size=n)),
            "nn_distance": distance,
            "knn_distance": distance + rng.exponential(0.5, n),
            "disagreement": np.round(expit(distance - 10 + rng.normal(size=n)), 1),
            "distrust": expit(0.5 * (distance - 10) + rng.normal(size=n)),
            UNSTABLE: (rng.random(n) < expit(unsure + of_distance * free)).astype(float),
        }
    )


def row(law: str, n: int, draws: int) -> dict[str, str]:
    """One line of the table."""
    many = draw_images(MANY, LAWS[law], np.random.default_rng(1))
    true = roc_auc_score(many[UNSTABLE], many[MARGIN])
    better, worse, held, gains = [], [], [], []
    for seed in range(draws):
        fitted = fit_flag(draw_images(n, LAWS[law], np.random.default_rng([n, seed])), 0.2, resamples=RESAMPLES)
        rows = fitted.evaluation.set_index("score")
        better.append(fitted.shipped == COMBINATION)
        worse.append(rows.loc[COMBINATION, "auroc_gain_high"] < 0)
        held.append(rows.loc[MARGIN, "auroc_low"] <= true <= rows.loc[MARGIN, "auroc_high"])
        gains.append(rows.loc[COMBINATION, "auroc_gain"])
    return {
        "a change depends on": law,
        "images": f"{n:,}",
        "combination taken": f"{np.mean(better):.3f}",
        "gain found below 0": f"{np.mean(worse):.3f}",
        "AUROC of 1 − margin held": f"{np.mean(held):.3f}",
        "mean gain in AUROC": f"{np.mean(gains):.4f}",
    }


def main(draws: int = DRAWS) -> None:
    """Print the table as Markdown."""
    for number, (law, n) in enumerate((law, n) for law in LAWS for n in SIZES):
        cells = row(law, n, draws)
        if number == 0:
            print(f"| {' | '.join(cells)} |\n|{' --- |' * len(cells)}")
        print(f"| {' | '.join(cells.values())} |", flush=True)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
