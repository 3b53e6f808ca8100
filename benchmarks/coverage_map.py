"""How often the intervals of a framing map's correlations cover the truth, on maps drawn from a known law.

    python benchmarks/coverage_map.py [DRAWS]

An image's and a scale's random effects, shared by P(top-1 change) and accuracy, make the cells of one image alike;
the truth is Spearman's ρ of the density with the cells' expected values, over 200,000 images.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy.special import expit
from scipy.stats import spearmanr

from bias_toolkit.analysis.cell_means import centred_ranks
from bias_toolkit.analysis.framing_map import cell_correlation

SCALES = np.repeat([0.15, 0.2, 0.27, 0.36, 0.48, 0.64, 0.8], [25, 25, 25, 25, 9, 3, 1])
# How strongly P(top-1 change) falls with the density, and how much it varies beside it.
LAWS = ((0.0, 0.5), (0.3, 0.3), (1.0, 0.3))
IMAGES = (25, 50, 200)
TRUTH_BATCHES, TRUTH_IMAGES = 20, 10_000


class Law:
    """P(top-1 change) and accuracy of images in the cells of a map."""

    def __init__(self, strength: float, beside: float):
        rng = np.random.default_rng(5)
        n = len(SCALES)
        self.density = rng.normal(size=n) + np.log(SCALES)
        self.level = np.unique(SCALES, return_inverse=True)[1]
        self.unstable = -2 - strength * self.density + beside * rng.normal(size=n)
        self.right = 0.5 + 0.5 * self.density + 0.4 * rng.normal(size=n)
        batches = [self.probabilities(TRUTH_IMAGES, rng) for _ in range(TRUTH_BATCHES)]
        self.mean_change, self.mean_accuracy = (
            np.mean([batch[part].mean(axis=0) for batch in batches], axis=0) for part in (0, 1)
        )

    def probabilities(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        image = rng.normal(size=(n, 1))
        scale = 0.6 * rng.normal(size=(n, self.level.max() + 1))[:, self.level]
        cell = 0.5 * rng.normal(size=(n, len(SCALES)))
        accuracy = expit(self.right + image + scale)
        return expit(self.unstable - image + 0.5 * scale + cell - (accuracy - 0.5)), accuracy

    def truth(self, kind: str) -> float:
        x, y, z = self.density, self.mean_change, self.mean_accuracy
        if kind == "position":
            x, y = (centred_ranks(values[None], SCALES)[0] for values in (x, y))
            return float(x @ y / np.sqrt((x @ x) * (y @ y)))
        xy, xz, yz = (spearmanr(*pair).statistic for pair in ((x, y), (x, z), (y, z)))
        return xy if kind == "all" else (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))


def coverage(law: Law, kind: str, n_images: int, draws: int) -> tuple[float, float, float, float]:
    """Mean of ρ as observed and as corrected, mean width, and coverage."""
    truth, found = law.truth(kind), []
    for draw in range(draws):
        rng = np.random.default_rng([draw, n_images])
        change, accuracy = law.probabilities(n_images, rng)
        options = {"given accuracy": {"given": rng.binomial(9, accuracy) / 9}, "position": {"levels": SCALES}}
        row = cell_correlation(law.density, rng.binomial(8, change) / 8, rng=rng, **options.get(kind, {}))
        covers = row["low"] <= truth <= row["high"]
        found.append((row["rho_observed"], row["rho"], row["high"] - row["low"], covers))
    return tuple(np.mean(found, axis=0))


def main(draws: int = 400) -> None:
    print("| kind | images | truth | observed | corrected | width | coverage |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for strength, beside in LAWS:
        law = Law(strength, beside)
        for kind in ("all", "given accuracy", "position"):
            for n_images in IMAGES:
                observed, corrected, width, covered = coverage(law, kind, n_images, draws)
                numbers = f"{law.truth(kind):.2f} | {observed:.2f} | {corrected:.2f} | {width:.2f} | {covered:.1%}"
                print(f"| {kind} | {n_images} | {numbers} |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
