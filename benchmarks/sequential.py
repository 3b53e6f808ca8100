"""Whether sweeps that stop at a precision keep their promise, and what that costs: `python -m benchmarks.sequential`.

A finite dataset's values are put in random order and measured shard by shard until a rule says that their mean is known
to ±h. Printed are, as Markdown, for every law of the values and every rule, how often the mean of what was measured lay
within h of the dataset's (95% was promised) with the dataset's mean in the interval told, and how many images it took.
`fixed` is the number that would do if the variance were known from the start (normal approximation), which nobody can
know. The rules:

- betting: the toolkit's own, `bias_toolkit.invariance.sequential`, valid wherever one stops
- empirical Bernstein: the other sequence of the same authors, valid wherever one stops, in closed form
- Chow–Robbins: a normal interval at every look; right in the limit of small h only
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bias_toolkit.invariance.sequential import SequentialMean

DRAWS = 1000
SHARD = 64
CONFIDENCE = 0.95
Z = 1.959964


@dataclass(frozen=True)
class Law:
    """A dataset's values, the half-width asked for, and the share of images that cannot be decoded."""

    name: str
    values: np.ndarray
    half_width: float
    unreadable: float = 0.0

    @property
    def fixed(self) -> int:
        """Images that would do, were the variance known."""
        n, wanted = len(self.values), (Z / self.half_width) ** 2 * self.values.var()
        return math.ceil(wanted / (1 + wanted / n))


def laws() -> list[Law]:
    """Values like those of P(top-1 change), and the hardest ones that there may be."""
    rng = np.random.default_rng(20)

    def steps(n: int, mean: float, alike: float = 3.0) -> np.ndarray:
        p = rng.beta(mean * alike, (1 - mean) * alike, n)
        return rng.binomial(8, p) / 8

    def rare(n: int, share: float) -> np.ndarray:
        return np.where(rng.random(n) < share, rng.integers(1, 9, n) / 8, 0.0)

    def two_points(n: int, share: float) -> np.ndarray:
        return (np.arange(n) < round(share * n)).astype(float)

    return [
        Law("all 0", np.zeros(50_000), 0.005),
        Law("zero-inflated, mean 0.003", rare(50_000, 0.0053), 0.005),
        Law("0 or 1, mean 0.003", two_points(50_000, 0.003), 0.002),
        Law("0 or 1, mean 0.01", two_points(50_000, 0.01), 0.005),
        Law("0 or 1, mean 0.5", two_points(5000, 0.5), 0.02),
        Law("0 or 1, mean 0.99", two_points(10_000, 0.99), 0.005),
        Law("eighths, mean 0.06", steps(50_000, 0.06), 0.005),
        Law("eighths, mean 0.06", steps(10_000, 0.06), 0.01),
        Law("eighths, mean 0.06, 5% unreadable", steps(10_000, 0.06), 0.01, 0.05),
        Law("eighths, mean 0.2", steps(50_000, 0.2), 0.01),
        Law("eighths, mean 0.15", steps(1000, 0.15), 0.02),
        Law("eighths, mean 0.15", steps(50, 0.15), 0.05),
    ]


class Betting:
    """The toolkit's rule."""

    def __init__(self, population: int, half_width: float):
        self._known = SequentialMean(population, half_width)

    def __call__(self, values: np.ndarray, population: int) -> tuple[float, float] | None:
        """Take the values so far; the interval where that is enough."""
        self._known.forget(self._known.population - population)
        self._known.add(values[self._known.n :])
        return self._known.interval if self._known.is_known else None


class EmpiricalBernstein:
    """Waudby-Smith & Ramdas 2024, the predictable plug-in empirical Bernstein sequence, without replacement."""

    def __init__(self, population: int, half_width: float):
        self._half_width = half_width

    def __call__(self, values: np.ndarray, population: int) -> tuple[float, float] | None:
        """As `Betting` does."""
        n = len(values)
        if n in (0, population):
            return (values.mean(), values.mean()) if n else None
        at = np.arange(1, n + 1)
        total = np.cumsum(values)
        guess = (0.5 + total) / (at + 1)
        variance = (0.25 + np.cumsum((values - guess) ** 2)) / (at + 1)
        guess, variance = np.r_[0.5, guess[:-1]], np.r_[0.25, variance[:-1]]
        limit = math.log(2 / (1 - CONFIDENCE))
        bets = np.minimum(np.sqrt(2 * limit / (variance * at * np.log(1 + at))), 0.5)
        left = population - at + 1
        weight = (bets * (1 + (at - 1) / left)).sum()
        centre = (bets * (values + (total - values) / left)).sum() / weight
        margin = (limit + ((values - guess) ** 2 * (-np.log1p(-bets) - bets)).sum()) / weight
        low, high = centre - margin, centre + margin
        mean = values.mean()
        return (low, high) if max(high - mean, mean - low) <= self._half_width else None


class ChowRobbins:
    """Chow & Robbins, Annals of Mathematical Statistics 36(2), 1965, with the finite population's correction."""

    def __init__(self, population: int, half_width: float):
        self._half_width = half_width

    def __call__(self, values: np.ndarray, population: int) -> tuple[float, float] | None:
        """As `Betting` does."""
        n = len(values)
        if n < 2:
            return None
        # Chow and Robbins add 1 / n to the variance, so that equal values do not stop it at once.
        error = Z * math.sqrt((values.var(ddof=1) + 1 / n) / n * (1 - n / population))
        return (values.mean() - error, values.mean() + error) if error <= self._half_width else None


RULES: dict[str, type] = {
    "betting": Betting,
    "empirical Bernstein": EmpiricalBernstein,
    "Chow–Robbins": ChowRobbins,
}


def stop(law: Law, rule: Callable, rng: np.random.Generator) -> tuple[bool, int]:
    """Whether the promise was kept in one random order of a law's dataset, and how many images it took."""
    order = rng.permutation(len(law.values))
    readable = rng.random(len(order)) >= law.unreadable
    truth = law.values[order[readable]].mean()
    stopping = rule(len(order), law.half_width)
    for end in range(SHARD, len(order) + SHARD, SHARD):
        values = law.values[order[:end][readable[:end]]]
        n_skipped = int((~readable[:end]).sum())
        interval = stopping(values, len(order) - n_skipped)
        if interval is not None:
            break
    else:
        return True, len(order)
    slack = 1e-9
    held = interval[0] - slack <= truth <= interval[1] + slack
    return bool(held and abs(values.mean() - truth) <= law.half_width + slack), min(end, len(order))


def coverage(law: Law, rule: Callable, draws: int, seed: int) -> tuple[float, float]:
    """How often the promise was kept, and the mean number of images, over random orders of one dataset."""
    found = [stop(law, rule, np.random.default_rng([seed, draw])) for draw in range(draws)]
    kept, images = zip(*found, strict=True)
    return float(np.mean(kept)), float(np.mean(images))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--draws", type=int, default=DRAWS, help=f"random orders of each dataset (default {DRAWS})")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    error = math.sqrt(CONFIDENCE * (1 - CONFIDENCE) / options.draws)
    print(f"{options.draws} random orders each; the standard error of a kept share of 95% is {error:.3f}.\n")
    print(f"| values | images | ±h | fixed | {' | '.join(f'{name}: kept | images | / fixed' for name in RULES)} |")
    print(f"|{' --- |' * (4 + 3 * len(RULES))}", flush=True)
    for law in laws():
        cells = [law.name, f"{len(law.values):,}", f"{law.half_width:g}", f"{law.fixed:,}" if law.fixed else "–"]
        for rule in RULES.values():
            kept, images = coverage(law, rule, options.draws, options.seed)
            price = f"{images / law.fixed:.2f}" if law.fixed else "–"
            cells += [f"{kept:.3f}", f"{images:,.0f}", price]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
