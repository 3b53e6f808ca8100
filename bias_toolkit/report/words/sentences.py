"""Parts of sentences that several topics share, and the names of labels and sweeps."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bias_toolkit.foundation.words import known, number
from bias_toolkit.invariance import protocol_of

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
    """A label or a sentence in the form for the middle of a sentence; a symbol such as P keeps its capital."""
    is_symbol = not (text[1:2].islower() or text[1:2] == " ")
    return text if is_symbol else text[0].lower() + text[1:]


def capitalised(text: str) -> str:
    """A text in the form for the beginning of a sentence."""
    return text[0].upper() + text[1:]


def in_points(share: float, digits: int = 1) -> str:
    """A share, or a difference of two, as a number of percentage points."""
    return number(100 * share, digits)


def three_digits(value: float, digits: int = 3) -> str:
    """A small share or logarithm, with three digits after the point."""
    return number(value, digits)


FRACTIONS = {
    0.001: "a thousandth",
    0.01: "a hundredth",
    0.02: "a fiftieth",
    1 / 30: "a thirtieth",
    0.05: "a twentieth",
    1 / 15: "a fifteenth",
    0.1: "a tenth",
    0.125: "an eighth",
    1 / 6: "a sixth",
    0.2: "a fifth",
    0.25: "a quarter",
    1 / 3: "a third",
    0.4: "two fifths",
    0.5: "half",
    0.6: "three fifths",
    2 / 3: "two thirds",
    0.75: "three quarters",
    0.8: "four fifths",
    0.9: "nine tenths",
}


def share_in_words(value: float, low: float | None, high: float | None) -> str:
    """`about a third`, `more than a third`: what the interval of a share says, without a numeral.

    It is the fraction in the interval that is nearest to the value, or the largest one below the interval. `none` and
    `all` are said of the value itself, and `some` without an interval.
    """
    if value in (0, 1):
        return "all" if value else "none"
    if not (known(low) and known(high)):
        return "some"
    inside = [each for each in FRACTIONS if low <= each <= high]
    if inside:
        return f"about {FRACTIONS[min(inside, key=lambda each: abs(each - value))]}"
    below = [each for each in FRACTIONS if each < low]
    return f"more than {FRACTIONS[max(below)]}" if below else f"less than {FRACTIONS[min(FRACTIONS)]}"


def image_size(protocol: str, size: float) -> float:
    """Side of the image as the view shows it, in view sides: above 1 a tighter crop, below 1 an image on a canvas."""
    return protocol_of(protocol).image_side(size)


def sweep_name(protocol: str, transform: str, size: float) -> str:
    """`crop, diagonal, size 1`."""
    parts = (protocol, transform, f"size {size:g}" if known(size) else None)
    return ", ".join(part for part in parts if isinstance(part, str) and part)


TRAINED_ELSEWHERE = {
    "other": "The model was not trained on the training set, so the distance is not to the images that it learnt from.",
    "probably other": "The model was probably not trained on the training set, as most of its labels are not names of "
    "its classes; then the distance is not to the images that it learnt from.",
    None: "Whether the model was trained on the training set is not known (say it with --trained-on); if not, the "
    "distance is not to the images that it learnt from.",
}
"""What follows for the distance, by `Source.trained_on`; nothing if the model was trained on the training set."""


@dataclass(frozen=True)
class ClassNames:
    """The names of labels."""

    names: Mapping[str, str] = field(default_factory=dict)  # label to its name: synonyms, with commas between them

    def shown(self, label: str | None) -> str:
        """The first synonym of a label's name, or the label itself if it has no name; empty for no label."""
        if not isinstance(label, str):
            return ""
        return self.names.get(label, "").split(",")[0].strip() or label

    def given(self, label: str | None) -> str:
        """The label itself if `shown` gives another name for it, empty otherwise."""
        return label if isinstance(label, str) and self.shown(label) != label else ""
