"""How often the intervals of a framing map's correlations cover the truth, on maps drawn from a known law.

    python benchmarks/coverage_map.py [DRAWS] [same]

An image's and a scale's random effects, shared by P(top-1 change) and accuracy, make the cells of one image alike;
the truth is Spearman's ρ of the density with the cells' expected values. Each draw has new cells: in how far noise
weakens a rank correlation depends on how many of the cells at hand have nearly equal values, which the images do not
tell. With `same`, all draws of a law have the same cells.
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
NODES = 12


class Law:
    """P(top-1 change) and accuracy of images in the cells of one map."""

    def __init__(self, strength: float, beside: float, rng: np.random.Generator):
        n = len(SCALES)
        self.density = rng.normal(size=n) + np.log(SCALES)
        self.level = np.unique(SCALES, return_inverse=True)[1]
        self.unstable = -2 - strength * self.density + beside * rng.normal(size=n)
        self.right = 0.5 + 0.5 * self.density + 0.4 * rng.normal(size=n)
        # Gauss–Hermite quadrature over the effects of image, scale and cell.
        nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
        effects = np.stack(np.meshgrid(nodes, nodes, nodes)).reshape(3, -1, 1)
        weights = np.multiply.outer(np.multiply.outer(weights, weights), weights).ravel()
        self.mean_change, self.mean_accuracy = (
            np.average(each, axis=0, weights=weights) for each in self._probabilities(*effects)
        )

    def probabilities(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        scale = rng.normal(size=(n, self.level.max() + 1))[:, self.level]
        return self._probabilities(rng.normal(size=(n, 1)), scale, rng.normal(size=(n, len(SCALES))))

    def _probabilities(self, image: np.ndarray, scale: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        accuracy = expit(self.right + image + 0.6 * scale)
        return expit(self.unstable - image + 0.3 * scale + 0.5 * cell - (accuracy - 0.5)), accuracy

    def truth(self, kind: str) -> float:
        x, y, z = self.density, self.mean_change, self.mean_accuracy
        if kind == "position":
            x, y = (centred_ranks(values[None], SCALES)[0] for values in (x, y))
            return float(x @ y / np.sqrt((x @ x) * (y @ y)))
        xy, xz, yz = (spearmanr(*pair).statistic for pair in ((x, y), (x, z), (y, z)))
        return xy if kind == "all" else (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))


def coverage(law: tuple[float, float], kind: str, n_images: int, draws: int, same: bool = False) -> np.ndarray:
    """Means of the truth, of ρ as observed and as corrected, of the width, and of whether the interval covers."""
    found = []
    for draw in range(draws):
        rng = np.random.default_rng([draw, n_images])
        drawn = Law(*law, np.random.default_rng(5) if same else rng)
        change, accuracy = drawn.probabilities(n_images, rng)
        options = {"given accuracy": {"given": rng.binomial(9, accuracy) / 9}, "position": {"levels": SCALES}}
        row = cell_correlation(drawn.density, rng.binomial(8, change) / 8, rng=rng, **options.get(kind, {}))
        # Without an interval where the cells differ too little.
        if not np.isnan(row["low"]):
            truth = drawn.truth(kind)
            covers = row["low"] <= truth <= row["high"]
            found.append((truth, row["rho_observed"], row["rho"], row["high"] - row["low"], covers))
    return np.mean(found, axis=0)


def main(draws: int = 400, same: bool = False) -> None:
    print("| strength | kind | images | truth | observed | corrected | width | coverage |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for law in LAWS:
        for kind in ("all", "given accuracy", "position"):
            for n_images in IMAGES:
                *means, width, covered = coverage(law, kind, n_images, draws, same)
                numbers = " | ".join(f"{mean:.2f}" for mean in (*means, width))
                print(f"| {law[0]:g} | {kind} | {n_images} | {numbers} | {covered:.3f} |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), same="same" in sys.argv)
