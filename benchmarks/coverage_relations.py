"""Checks the statistics on data of a known law: `python benchmarks/coverage_relations.py [draws]`, minutes on one core.

Of every kind of interval that relates a variable to invariance, how often it holds the truth over many draws (95% would
be right); whether p-values are uniform where there is no effect; and how often an effect of distance is told where all
of it is the margin's, and where it is not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import expit

from bias_toolkit.analysis import mean_interval
from bias_toolkit.analysis.binomial_fit import BinomialFit, fit_binomial, fit_within_classes
from bias_toolkit.analysis.correlation import rank_correlations
from bias_toolkit.analysis.factors import differences, margin_strata
from bias_toolkit.analysis.regression import margin_powers

DRAWS = 1000
STEPS = 8
SETTINGS = {"resamples": 500, "permutations": 199}
BASE, OF_DISTANCE, OF_MARGIN, CURVE = -1.8, 0.35, -0.9, 0.4
EVEN, FEW, MANY, UNEVEN = [50] * 20, [100] * 10, [10] * 100, [5, 10, 15, 20, 30, 40, 60, 100, 150, 220] * 2

Images = dict[str, np.ndarray]
# Estimate, ends of the interval and p-value, of distance and of a variable without effect.
Method = Callable[[Images], np.ndarray]


def draw(
    rng: np.random.Generator,
    sizes: list[int],
    distance: float = OF_DISTANCE,
    square: float = 0.0,
    intercepts: bool = False,
    same_classes: bool = False,
) -> Images:
    """Images with distance, margin and a variable without effect, and their changed steps.

    Half of each variable's variance lies between classes, and distance falls with the margin, along a curve where the
    odds of a change do (`square`). Steps of an image are more alike than by chance: its probability is a beta variate
    with the mean that the variables give. Images of a class are as well: their variates are drawn together (a Gaussian
    copula), or each class has an intercept of its own, with which the odds ratios are true among the images of a class.
    The classes are new in every draw, or the same.
    """
    of_classes = np.random.default_rng(1) if same_classes else rng
    classes = np.repeat(np.arange(len(sizes)), sizes)
    n = len(classes)

    def shared_by_class(share: float) -> np.ndarray:
        of_class = of_classes.normal(size=len(sizes))[classes]
        return np.sqrt(share) * of_class + np.sqrt(1 - share) * rng.normal(size=n)

    margin, own, nothing = (shared_by_class(0.5) for _ in range(3))
    far = -0.6 * margin + square * (margin**2 - 1) + 0.8 * own
    log_odds = BASE + distance * far + OF_MARGIN * margin + square * (margin**2 - 1)
    if intercepts:
        log_odds = log_odds + 0.7 * of_classes.normal(size=len(sizes))[classes]
    mean = expit(log_odds)
    p = stats.beta.ppf(stats.norm.cdf(shared_by_class(0.0 if intercepts else 0.5)), 3 * mean, 3 * (1 - mean))
    changed = rng.binomial(STEPS, np.clip(np.nan_to_num(p), 0, 1)).astype(float)
    return {
        "terms": np.column_stack([far, nothing, margin]),
        "changed": changed,
        "share": changed / STEPS,
        "classes": classes,
    }


def odds_ratios(data: Images, fit: Callable[..., BinomialFit], curve: bool = False, by_image: bool = False):
    """Logarithms of the odds ratios."""
    terms, changed, classes = data["terms"], data["changed"], data["classes"]
    if fit is fit_within_classes:
        of_class, steps = np.bincount(classes, weights=changed), STEPS * np.bincount(classes)
        rows = ((of_class > 0) & (of_class < steps))[classes]
        terms, changed, classes = terms[rows], changed[rows], np.unique(classes[rows], return_inverse=True)[1]
    if curve:
        terms = np.hstack([terms, margin_powers(terms[:, 2])])
    clusters = np.arange(len(terms)) if by_image else classes
    fitted = fit(terms, changed, np.full(len(terms), float(STEPS)), clusters)
    found = np.array([fitted.odds_ratio(at) for at in range(2)])
    return np.column_stack([np.log(found[:, :3]), found[:, 3]])


def correlations(data: Images, third: str | None = None) -> np.ndarray:
    """Spearman's ρ with the share of changed steps."""
    xs = pd.DataFrame(data["terms"][:, :2], columns=["distance", "nothing"])
    others = {"given": data["terms"][:, 2], "labels": data["classes"].astype(str)}
    options = {} if third is None else {third: others[third]}
    found = rank_correlations(xs, pd.DataFrame({"y": data["share"]}), **options, **SETTINGS)
    return np.array([[getattr(found[x, "y"], name) for name in ("rho", "low", "high", "p_value")] for x in xs])


def means(data: Images) -> np.ndarray:
    """The mean share of changed steps, twice; it has no p-value."""
    found = mean_interval(data["share"], SETTINGS["resamples"])
    return np.array([[found.value, found.low, found.high, np.nan]] * 2)


def factors(data: Images, given_margin: bool) -> np.ndarray:
    """The difference that the farthest tenth of the images make, and those of which the other variable is largest."""
    flags = data["terms"][:, :2] > stats.norm.ppf(0.9)
    strata = margin_strata(data["terms"][:, 2]) if given_margin else np.zeros(len(flags), dtype=int)
    return differences(data["share"], flags, strata, **SETTINGS, rng=np.random.default_rng(int(data["changed"].sum())))


def row(name: str, method: Method, sizes: list[int], draws: int, truth: float | None = None, **law: float) -> str:
    """One line of the table. Without `truth` that is the mean of the estimates."""
    rng = np.random.default_rng([len(sizes), sum(sizes)])
    found = np.array([method(draw(rng, sizes, **law)) for _ in range(draws)])
    true = found[:, :, 0].mean(axis=0) if truth is None else np.array([truth, 0.0])
    holds = ((found[:, :, 1] <= true) & (true <= found[:, :, 2])).mean(axis=0)
    p_values = found[:, 1, 3]
    rejected = "" if np.isnan(p_values).any() else f"{(p_values <= 0.05).mean():.3f}"
    uniform = "" if not rejected else f"{stats.kstest(p_values, 'uniform').pvalue:.2f}"
    told = ((found[:, 0, 1] > 0) | (found[:, 0, 2] < 0)).mean()
    images = f"{len(sizes)} classes, {sum(sizes):,} images"
    return f"| {name} | {images} | {holds[0]:.3f} | {holds[1]:.3f} | {rejected} | {uniform} | {told:.3f} |"


def main(draws: int = DRAWS) -> None:
    """Print the tables as Markdown."""
    header = "| | images | holds the truth: distance | no effect | its p below 0.05 | uniform (KS) | distance told |"
    print(f"{draws} draws each; the standard error of a coverage is {np.sqrt(0.95 * 0.05 / draws):.3f}.\n")
    print(f"{header}\n{'| --- ' * 7}|", flush=True)
    together = partial(odds_ratios, fit=fit_binomial)
    within = partial(odds_ratios, fit=fit_within_classes)
    curved = partial(odds_ratios, fit=fit_within_classes, curve=True)
    alone = [1] * 1000
    for name, sizes in (("", EVEN), ("", FEW), ("", MANY), (", classes of 5 to 220", UNEVEN)):
        print(row(f"odds ratio, together{name}", together, sizes, draws, OF_DISTANCE), flush=True)
    by_image = partial(together, by_image=True)
    print(row("odds ratio, together, without classes", by_image, alone, draws, OF_DISTANCE), flush=True)
    for name, sizes in (("", EVEN), ("", FEW), (", classes of 5 to 220", UNEVEN)):
        print(row(f"odds ratio, within class{name}", within, sizes, draws, OF_DISTANCE, intercepts=True), flush=True)
    print(row("odds ratio, margin as a curve", curved, EVEN, draws, OF_DISTANCE, intercepts=True), flush=True)
    for third, name in ((None, "plain"), ("given", "partial"), ("labels", "within class")):
        sizes = EVEN if third == "labels" else [1] * 300
        print(row(f"Spearman, {name}", partial(correlations, third=third), sizes, draws), flush=True)
    for third, name in ((None, "plain"), ("given", "partial")):
        method = partial(correlations, third=third)
        print(row(f"Spearman, {name}, the same 20 classes always", method, EVEN, draws, same_classes=True), flush=True)
        print(row(f"Spearman, {name}, 20 new classes in every draw", method, EVEN, draws), flush=True)
    for n in (50, 300):
        print(row("mean", means, [1] * n, draws), flush=True)
    for given, name in ((False, "factor difference"), (True, "factor difference, given the margin")):
        print(row(name, partial(factors, given_margin=given), [1] * 500, draws), flush=True)
    print("\nDistance has no effect of its own; the margin, with which it goes, has one:\n")
    print(f"{header}\n{'| --- ' * 7}|", flush=True)
    for name, square in (("straight", 0.0), ("curved", CURVE)):
        law = {"distance": 0.0, "square": square}
        print(row(f"Spearman, plain; {name}", correlations, [1] * 300, draws, **law), flush=True)
        method = partial(correlations, third="given")
        print(row(f"Spearman, partial; {name}", method, [1] * 300, draws, **law), flush=True)
        law |= {"intercepts": True, "truth": 0.0}
        for kind, method in (("together", together), ("within class", within), ("margin as a curve", curved)):
            print(row(f"odds ratio, {kind}; {name}", method, EVEN, draws, **law), flush=True)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
