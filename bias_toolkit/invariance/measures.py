"""The invariance measures, each with its formula and description. A new one is a function and an entry of the list.

Every function takes columns of responses (see `bias_toolkit.invariance.response.make_response`) as arrays. The last
axis, over an image's views or steps, is reduced; axes before it run over images.
p_k is the softmax output on view k = 0, …, n, y_k its top-1 class, r the centre view's top-1 class, φ_k the feature.
The shapes are (…, n + 1) of `top1` (y_k, int), `p_top1` (p_k[y_k]), `p_second` and `p_reference` (p_k[r]), (…, n) of
`p_top1_next` (p_{k+1}[y_k]), `top5_exit` (bool) and `feature_step` (1 − cos(φ_k, φ_{k+1})), and (…) of `label_index`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bias_toolkit.foundation.words import Form, number, significant
from bias_toolkit.invariance.protocols.protocol import Compared
from bias_toolkit.invariance.transforms import CENTRE, check_name

FLOAT32 = pa.float32()


@dataclass(frozen=True)
class Measure:
    """A number computed from one image's response to a sweep.

    It is a share, a probability, a difference of probabilities, or 1 − cosine, so it has no unit. Its minimum is 0.
    """

    formula: Callable[..., np.ndarray]  # from the response's `columns`, in order, to values; its name is the measure's
    columns: tuple[str, ...]  # of `bias_toolkit.invariance.schema.RESPONSES`
    label: str  # for an axis or a table's heading
    definition: str  # one line
    share_of: str = ""  # "steps", "pairs" or "views" if it is a share of them, which is shown as a percentage
    more_is_stable: bool = False  # whether a larger value is a more stable model's
    form: Form = significant  # formats its values if it is no share
    noun: str = ""  # in a sentence, if it is not the label
    of: tuple[Compared, ...] = (Compared.STEPS,)  # the kinds of sweeps for which it is defined
    yes_or_no: bool = False  # whether it is 0 or 1 for each image, so that its mean is a share of images
    highest: float = 1.0  # its maximum
    type: pa.DataType = FLOAT32  # of its column

    @property
    def name(self) -> str:
        """Its name in tables, settings and columns."""
        return self.formula.__name__

    @property
    def limits(self) -> tuple[float, float]:
        """Its minimum and its maximum."""
        return 0.0, self.highest

    @property
    def share(self) -> bool:
        """Whether it is a share."""
        return bool(self.share_of)

    @property
    def needs_label(self) -> bool:
        """Whether it is null without a label."""
        return "label_index" in self.columns


def p_top1_change(top1: np.ndarray) -> np.ndarray:
    """``(1/n) Σ_k 1[y_k ≠ y_{k+1}]``: how often one step changes the top-1 class (A, Table 1).

    Examples
    --------
    >>> float(p_top1_change(np.array([7, 7, 7, 3, 3, 7, 7, 7, 7])))
    0.25
    """
    return (top1[..., :-1] != top1[..., 1:]).mean(axis=-1)


HEADLINE = p_top1_change.__name__
"""The measure that headlines and findings are about: that of A, Table 1."""


def mac(p_top1: np.ndarray, p_top1_next: np.ndarray) -> np.ndarray:
    """``(1/n) Σ_k |p_k[y_k] − p_{k+1}[y_k]|``: mean absolute change of the top class's probability (A, Table 1).

    Examples
    --------
    >>> float(mac(np.array([0.5, 0.75, 0.75]), np.array([0.75, 0.5])))
    0.25
    """
    return np.abs(p_top1[..., :-1] - p_top1_next).mean(axis=-1, dtype=float)


def p_top5_exit(top5_exit: np.ndarray) -> np.ndarray:
    """(1/n) Σ_k 1[y_k not in the top five of p_{k+1}]: how often a step removes it from the top five (after A)."""
    return top5_exit.mean(axis=-1)


def p_range(p_reference: np.ndarray) -> np.ndarray:
    """max_k p_k[r] − min_k p_k[r]: the range of the reference class's probability (after A, Fig. 1)."""
    return p_reference.max(axis=-1) - p_reference.min(axis=-1)


def feature_drift(feature_step: np.ndarray) -> np.ndarray:
    """(1/n) Σ_k (1 − cos(φ_k, φ_{k+1})): how much one step changes the direction of the feature φ."""
    return feature_step.mean(axis=-1, dtype=float)


def consistency(top1: np.ndarray) -> np.ndarray:
    """The share of pairs of offset views, 2d and 2d + 1, with the same top-1 class (Z, classification consistency)."""
    return (top1[..., 0::2] == top1[..., 1::2]).mean(axis=-1)


def accuracy(top1: np.ndarray, label_index: np.ndarray) -> np.ndarray:
    """(1/(n+1)) Σ_k 1[y_k = label]: the share of views on which the model is right (A); NaN without a label."""
    label_index = np.asarray(label_index)
    right = (top1 == label_index[..., None]).mean(axis=-1)
    return np.where(np.isnan(label_index), np.nan, right)


def any_change(top1: np.ndarray) -> np.ndarray:
    """1[some y_k ≠ r]: whether at least one view has another top-1 class than the centre view."""
    return (top1 != top1[..., CENTRE : CENTRE + 1]).any(axis=-1).astype(float)


def worst_accuracy(top1: np.ndarray, label_index: np.ndarray) -> np.ndarray:
    """1[y_k = label for every k]: whether the model is right on all views; NaN without a label."""
    return np.where(np.isnan(label_index), np.nan, accuracy(top1, label_index) == 1)


def confidence(p_top1: np.ndarray) -> np.ndarray:
    """p[r] at the centre view."""
    return p_top1[..., CENTRE]


def margin(p_top1: np.ndarray, p_second: np.ndarray) -> np.ndarray:
    """p[r] minus the second largest probability, at the centre view."""
    return p_top1[..., CENTRE] - p_second[..., CENTRE]


_OF_PATHS = (Compared.STEPS, Compared.FRAMES)

INVARIANCE_MEASURES = (
    Measure(
        p_top1_change,
        ("top1",),
        "P(top-1 change)",
        "Share of one-pixel steps at which the most probable class changes (A).",
        share_of="steps",
        of=_OF_PATHS,
    ),
    Measure(
        mac,
        ("p_top1", "p_top1_next"),
        "Mean absolute change",
        "Mean over steps of the absolute change of the probability of the class that was on top before the step (A).",
        of=_OF_PATHS,
    ),
    Measure(
        p_top5_exit,
        ("top5_exit",),
        "P(top-5 exit)",
        "Share of steps after which the class that was on top is not among the five most probable (after A).",
        share_of="steps",
        of=_OF_PATHS,
    ),
    Measure(
        p_range,
        ("p_reference",),
        "Probability range",
        "Largest minus smallest probability, along the sweep, of the centre view's top class (after A).",
    ),
    Measure(
        feature_drift,
        ("feature_step",),
        "Feature drift",
        "Mean over steps of 1 − cosine similarity of the features before and after the step.",
        of=_OF_PATHS,
        highest=2.0,
    ),
    Measure(
        consistency,
        ("top1",),
        "Consistency",
        "Share of pairs of random offsets at which the top class is the same (Z).",
        share_of="pairs",
        more_is_stable=True,
        noun="the consistency",
        of=(Compared.PAIRS,),
    ),
    Measure(
        accuracy,
        ("top1", "label_index"),
        "Accuracy",
        "Share of the views whose top class is the image's label.",
        share_of="views",
        of=tuple(Compared),
    ),
    Measure(
        any_change,
        ("top1",),
        "Any change",
        "Share of images with at least one view whose top class is not the centre view's.",
        share_of="images",
        yes_or_no=True,
    ),
    Measure(
        worst_accuracy,
        ("top1", "label_index"),
        "Worst-case accuracy",
        "Share of images whose label is the top class of every view.",
        share_of="images",
        more_is_stable=True,
        of=_OF_PATHS,
        yes_or_no=True,
    ),
    Measure(confidence, ("p_top1",), "Confidence", "Probability of the top class at the centre view.", form=number),
    Measure(
        margin,
        ("p_top1", "p_second"),
        "Margin",
        "Probability of the top class minus that of the second, at the centre view.",
        form=number,
    ),
)
"""All measures, in the order of tables and pages."""


def measures_of(response: Mapping[str, object], measures: Iterable[Measure]) -> dict[str, float]:
    """Measures of one image's response (`make_response`), by name; those that need a label only if it has one."""
    return {
        each.name: float(each.formula(*(response[column] for column in each.columns)))
        for each in measures
        if not (each.needs_label and response["label_index"] is None)
    }


def measure_of(name: str) -> Measure:
    """The measure with this name; raises InputError if there is none."""
    by_name = {measure.name: measure for measure in INVARIANCE_MEASURES}
    check_name("--measure", name, by_name)
    return by_name[name]
