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


def in_points(share: float, digits: int = 1) -> str:
    """A share, or a difference of two, as a number of percentage points."""
    return number(100 * share, digits)


def three_digits(value: float, digits: int = 3) -> str:
    """A small share or logarithm, with three digits after the point."""
    return number(value, digits)


def image_size(protocol: str, size: float) -> float:
    """Side of the image as the view shows it, in view sides: above 1 a tighter crop, below 1 an image on a canvas."""
    return protocol_of(protocol).image_side(size)


def sweep_name(protocol: str, transform: str, size: float) -> str:
    """`crop, diagonal, size 1`."""
    parts = (protocol, transform, f"size {size:g}" if known(size) else None)
    return ", ".join(part for part in parts if isinstance(part, str) and part)


TRAINED_ELSEWHERE = {
    "other": "The model was not trained on the training set, so the distance is not to the images that it learnt from.",
    "probably other": "The model was probably not trained on the training set, as most of its labels are no classes of "
    "the model; then the distance is not to the images that it learnt from.",
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
