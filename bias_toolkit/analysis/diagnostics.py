"""Problems in a regression's data, detected before the fit and reported as sentences.

Source of the test for separation: K. Konis, "Linear programming algorithms for detecting separated data in binary
logistic regression models", DPhil thesis, University of Oxford, 2007.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

TERM_NAMES = {
    "nn_distance": "the distance to the nearest training image",
    "margin": "the margin",
    "centre_distance": "the distance of the object from the centre",
    "log_scale_deviation": "the deviation from the training scale",
    "framing_log_density": "the log density of the framing",
}
FRAMING_TERMS = ("centre_distance", "log_scale_deviation", "framing_log_density")
# Terms that fewer images have are left out, so that the other terms can stay.
SHARE_WITH_TERM = 0.5
# Required per term: images that changed at least once, and images that did not always change.
IMAGES_PER_TERM = 5
MINIMUM_IMAGES = 30
CONSTANT = 1e-9
# Variance inflation from which a term counts as a linear combination of the others, and from which a note reports it.
DETERMINED_INFLATION = 1e6
LARGE_INFLATION = 10.0
FAR_OUT = 10.0
SEPARATED = 1e-6


def in_words(names: Sequence[str]) -> str:
    """Terms as part of a sentence: `the margin and the deviation from the training scale`."""
    words = [TERM_NAMES[name] for name in names]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def terms_that_are_there(table: pd.DataFrame) -> tuple[list[str], list[str]]:
    """The terms that at least half of the images have, in order, and a sentence on the others."""
    shares = {name: table[name].notna().mean() if name in table and len(table) else 0.0 for name in TERM_NAMES}
    kept = [name for name, share in shares.items() if share >= SHARE_WITH_TERM]
    notes = []
    for names, why in (
        ([name for name in TERM_NAMES if shares[name] == 0], "no test image has"),
        ([name for name in TERM_NAMES if 0 < shares[name] < SHARE_WITH_TERM], "fewer than half of the images have"),
    ):
        if names:
            boxes = " a box" if set(names) <= set(FRAMING_TERMS) else (" its value" if len(names) == 1 else " values")
            verb = "is" if len(names) == 1 else "are"
            notes.append(f"{_capital(in_words(names))} {verb} left out of the regression: {why}{boxes}.")
    return kept, notes


def terms_that_vary(table: pd.DataFrame, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The terms that differ between images, and a sentence on each of the others."""
    constant = [
        name for name in names if np.ptp(table[name].to_numpy(float)) <= CONSTANT * (1 + table[name].abs().max())
    ]
    notes = [f"{_capital(TERM_NAMES[name])} is left out of the regression: all images share it." for name in constant]
    return [name for name in names if name not in constant], notes


def too_few(changed: np.ndarray, steps: np.ndarray, n_terms: int) -> str | None:
    """A sentence if too few images, or too few that change or that stay, are available for the number of terms."""
    n, ever, not_always = len(changed), int((changed > 0).sum()), int((changed < steps).sum())
    needed = IMAGES_PER_TERM * n_terms
    if n < MINIMUM_IMAGES:
        return f"No regression was made: {n} images have all its terms, and it needs {MINIMUM_IMAGES}."
    for count, what in ((ever, "change class at any step"), (not_always, "keep their class at any step")):
        if count < needed:
            return (
                f"No regression was made: only {count:,} of {n:,} images {what}, and {n_terms} "
                f"{'term needs' if n_terms == 1 else 'terms need'} {needed}."
            )
    return None


def independent_terms(standardised: np.ndarray, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The terms, in order, that the preceding terms do not determine, and a sentence on each of the others."""
    kept: list[int] = []
    notes = []
    for column, name in enumerate(names):
        if kept and inflation(standardised[:, [*kept, column]])[-1] > DETERMINED_INFLATION:
            others = in_words([names[each] for each in kept])
            notes.append(f"{_capital(TERM_NAMES[name])} is left out of the regression: it follows from {others}.")
        else:
            kept.append(column)
    return [names[column] for column in kept], notes


def inflation(standardised: np.ndarray) -> np.ndarray:
    """Variance inflation factor of each term: 1 / (1 − R²) of its regression on the others; infinite if R² is 1."""
    factors = []
    for column in range(standardised.shape[1]):
        of_others = np.delete(standardised, column, axis=1)
        own = standardised[:, column]
        left = own - of_others @ np.linalg.lstsq(of_others, own)[0] if of_others.size else own
        factors.append(1 / max((left @ left) / (own @ own), np.finfo(float).tiny))
    return np.array(factors)


def inflation_notes(factors: np.ndarray, names: Sequence[str]) -> list[str]:
    """A sentence on terms that are nearly linear combinations of the others."""
    large = [name for name, factor in zip(names, factors, strict=True) if factor > LARGE_INFLATION]
    if not large:
        return []
    them = "it is" if len(large) == 1 else "they are"
    return [
        f"{_capital(in_words(large))} can hardly be told from the other terms (the variance inflation factor is "
        f"{factors.max():.0f}, above {LARGE_INFLATION:.0f}): the intervals are wide where {them} concerned."
    ]


def outlier_notes(standardised: np.ndarray, names: Sequence[str]) -> list[str]:
    """A sentence on each term with an outlier so extreme that its standard deviation says little."""
    farthest = np.abs(standardised).max(axis=0)
    return [
        f"One image's value of {TERM_NAMES[name]} lies {far:.0f} standard deviations from the mean: an odds ratio per "
        "standard deviation is decided by such images."
        for name, far in zip(names, farthest, strict=True)
        if far > FAR_OUT
    ]


def unseparated_terms(
    standardised: np.ndarray, changed: np.ndarray, steps: np.ndarray, names: Sequence[str]
) -> tuple[list[str], list[str]]:
    """The terms that do not predict perfectly, alone or together, and a sentence on each of the others."""
    columns = range(len(names))
    left_out = {at: "" for at in columns if separating_direction(standardised[:, [at]], changed, steps) is not None}
    kept = [at for at in columns if at not in left_out]
    while kept:
        direction = separating_direction(standardised[:, kept], changed, steps)
        if direction is None:
            break
        column = kept.pop(int(np.argmax(np.abs(direction))))
        left_out[column] = ", with others,"
    notes = [
        f"{_capital(TERM_NAMES[names[at]])}{with_others} tells perfectly which images change class, so it has no "
        "finite odds ratio and is left out of the regression."
        for at, with_others in left_out.items()
    ]
    return [names[at] for at in kept], notes


def separating_direction(standardised: np.ndarray, changed: np.ndarray, steps: np.ndarray) -> np.ndarray | None:
    """Weights (terms,) that put all changed steps on one side of a threshold and all others on the other side.

    Steps on the threshold may be of both kinds (quasi-separation). Returns None if there are no such weights; the
    regression then has finite coefficients.
    """
    from scipy.optimize import linprog

    mixed = (changed > 0) & (changed < steps)
    sides = np.where(changed > 0, 1.0, -1.0)[~mixed]
    design = np.column_stack([np.ones(len(standardised)), standardised])
    # A separating direction is constant on mixed images. If mixed images span all directions, there is none.
    if not len(sides) or (mixed.any() and np.linalg.matrix_rank(design[mixed]) == design.shape[1]):
        return None
    rows = design[~mixed] * sides[:, None]
    solution = linprog(
        -rows.sum(axis=0) / len(rows),
        A_ub=-rows,
        b_ub=np.zeros(len(rows)),
        A_eq=design[mixed] if mixed.any() else None,
        b_eq=np.zeros(int(mixed.sum())) if mixed.any() else None,
        bounds=[(-1, 1)] * design.shape[1],
    )
    if not solution.success or -solution.fun < SEPARATED or np.abs(solution.x[1:]).max() < SEPARATED:
        return None
    return solution.x[1:]


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
