"""How often the interval of a mean over images holds the truth: `python benchmarks/coverage_rare.py [draws]`, minutes.

Values are drawn as P(top-1 change) looks: most images have no changed step of eight, some have several. Printed as
Markdown: of each case, the share of intervals that hold the true mean, by the toolkit's rule and by plain percentiles,
their mean width, and the number of images whose value is not the most frequent one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from bias_toolkit.foundation.intervals import FEW_DIFFER, SHARE, mean_limits
from bias_toolkit.foundation.resampling import percentile_interval

DRAWS = 1000
RESAMPLES = 600
STEPS = 8
SIZES = (20, 50, 200)
RARE = (0.002, 0.01)
COMMON = (0.05, 0.15, 0.3)
# How many of its eight steps change on an image on which some do.
CHANGES = {
    "one or two of the steps": (0.7, 0.3),
    "a falling number of steps": tuple(0.6**k for k in range(8)),
    "any number of steps": (1.0,) * 8,
}


@dataclass(frozen=True)
class Law:
    """A law of per-image values: its name, its mean, and how to draw values of a shape."""

    name: str
    mean: float
    draw: Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


def changed_steps(mean: float, changes: str) -> Law | None:
    """A share of changed steps with this mean; None if even an image with changed steps has less of them."""
    weights = np.array(CHANGES[changes]) / sum(CHANGES[changes])
    values = np.arange(1, len(weights) + 1) / STEPS
    some = mean / float(weights @ values)
    if some > 0.9:
        return None

    def draw(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        return np.where(rng.random(shape) < some, rng.choice(values, size=shape, p=weights), 0.0)

    return Law(changes, mean, draw)


def laws() -> list[Law]:
    """Rare and common changes, shares of images, and measures without ties."""
    steps = [changed_steps(mean, changes) for mean in (*RARE, *COMMON) for changes in CHANGES]
    shares = [Law("0 or 1", share, partial(_zero_or_one, share)) for share in (*RARE, 0.2, 0.6)]
    smooth = [
        Law("beta(½, 3)", 1 / 7, lambda rng, shape: rng.beta(0.5, 3, shape)),
        Law("uniform", 0.5, lambda rng, shape: rng.random(shape)),
        Law("always 0", 0.0, lambda rng, shape: np.zeros(shape)),
        Law("always 1", 1.0, lambda rng, shape: np.ones(shape)),
    ]
    return [law for law in (*steps, *shares, *smooth) if law is not None]


def _zero_or_one(share: float, rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return (rng.random(shape) < share).astype(float)


def row(law: Law, n: int, draws: int) -> dict[str, float | str]:
    """One line of the table."""
    rng = np.random.default_rng([n, int(1e6 * law.mean), len(law.name)])
    held, plain, widths, differ = [], [], [], []
    for values in law.draw(rng, (draws, n)):
        means = rng.multinomial(n, np.full(n, 1 / n), RESAMPLES) @ values / n
        low, high = mean_limits(values, means, SHARE)
        held.append(low <= law.mean <= high)
        widths.append(high - low)
        low, high = percentile_interval(means)
        plain.append(low <= law.mean <= high)
        differ.append(n - np.unique(values, return_counts=True)[1].max())
    return {
        "values": law.name,
        "true mean": f"{law.mean:.1%}",
        "images": str(n),
        "holds the mean": f"{np.mean(held):.3f}",
        "plain percentiles": f"{np.mean(plain):.3f}",
        "mean width": f"{np.mean(widths):.3f}",
        "images that differ": f"{np.mean(differ):.1f}",
        f"fewer than {FEW_DIFFER} differ": f"{np.mean(np.array(differ) < FEW_DIFFER):.0%}",
    }


def main(draws: int = DRAWS) -> None:
    """Print the table as Markdown."""
    print(f"{draws} draws each; the standard error of a coverage of 0.95 is {np.sqrt(0.95 * 0.05 / draws):.3f}.\n")
    for number, (law, n) in enumerate((law, n) for law in laws() for n in SIZES):
        cells = row(law, n, draws)
        if number == 0:
            print(f"| {' | '.join(cells)} |\n|{' --- |' * len(cells)}")
        print(f"| {' | '.join(map(str, cells.values()))} |", flush=True)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
