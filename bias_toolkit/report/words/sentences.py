"""Parts of sentences that several topics share."""

from __future__ import annotations

from bias_toolkit.foundation.words import GAP, number, p_value

TRAINING, TEST = "train", "test"
SET_NAMES = {TRAINING: "training", TEST: "test"}
"""What each of a study's two sets is called in a sentence: the training set, the test set."""
TRAINING_ONLY, TEST_ONLY, BOTH_SETS = frozenset({TRAINING}), frozenset({TEST}), frozenset(SET_NAMES)
"""The sets whose object boxes something is about."""


def was(n: int) -> str:
    """The verb for `n` of something."""
    return "was" if n == 1 else "were"


def has(n: int) -> str:
    """The verb for `n` of something."""
    return "has" if n == 1 else "have"


def lowered(text: str) -> str:
    """A label or a sentence as it reads inside a sentence; a symbol such as P keeps its capital."""
    is_symbol = not (text[1:2].islower() or text[1:2] == " ")
    return text if is_symbol else text[0].lower() + text[1:]


def in_points(share: float) -> str:
    """A share, or a difference of two, as a number of percentage points."""
    return number(100 * share, 1)


def bare_p(value: float | None) -> str:
    """A p-value without its name: `0.034`, `< 0.001`."""
    return p_value(value).removeprefix("p").removeprefix(f"{GAP}={GAP}").strip(GAP)
