"""What an explanation holds: why one image is unstable, as plain values that can be written as JSON and read again."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import TypeAdapter

from bias_toolkit.explain.notebook import notebook_html
from bias_toolkit.explain.sentences import answer, text
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import write_text

FILE, PAGE = "explanation.json", "index.html"
PICTURES = "pictures"

CAUSES = {
    "off_centre": "framed off centre",
    "scale": "framed too small or too large",
    "framing": "framed off centre and too small or too large",
    "content": "unlike the training images in content",
    "undersampling": "undersampling in the network",
    "fine_detail": "fine detail in the image",
    "coin_toss": "a coin toss between two classes",
}
"""Every candidate cause, by the name it has in JSON and in tables."""

CAUSE, SMALL, NO_MORE, USUAL, WRONG, ELSEWHERE, MIXED, COVERED, MORE, NOT_TRIED = (
    "cause",
    "changes little",
    "no more than controls",
    "usual framing",
    "makes the model wrong",
    "settles on another class",
    "not told apart",
    "one of the two is enough",
    "more than the margin explains",
    "not tried",
)
VERDICTS = (CAUSE, SMALL, NO_MORE, USUAL, WRONG, ELSEWHERE, MIXED, COVERED, MORE, NOT_TRIED)
"""What was concluded of a candidate cause."""


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% interval; None where it is not known."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Prediction:
    """The most probable class of the mean prediction over the shifts, with that mean probability.

    `accuracy` is the share of the shifted views on which the model is right, `is_right` whether the class itself
    is; both None where the right class is not known.
    """

    class_index: int
    name: str
    probability: float
    is_right: bool | None = None
    accuracy: float | None = None


@dataclass(frozen=True)
class Stability:
    """P(top-1 change) and MAC over one-pixel steps in all directions around a view, and what is predicted there."""

    p_top1_change: Estimate
    mac: Estimate
    prediction: Prediction


@dataclass(frozen=True)
class Standing:
    """A measure of the image, and the share of the study's test images (0 to 1) whose value is smaller."""

    name: str
    value: float
    percentile: float | None


@dataclass(frozen=True)
class ClassCurve:
    """The probability of one class along the sweep, one value a view."""

    class_index: int
    name: str
    probabilities: list[float]


@dataclass(frozen=True)
class Change:
    """A step of the sweep at which the top-1 class changes: from view `step` to the next, with their pictures."""

    step: int
    before: str
    after: str
    p_before: float
    p_after: float
    picture_before: str
    picture_after: str


@dataclass(frozen=True)
class Response:
    """The model's output along the study's own sweep: class names one a view, curves of the classes that matter.

    The curves are of each class that is top-1 on a view, and of the right class where it is known; the curve of the
    centre view's class comes first.
    """

    sweep: str
    top1: list[int]
    names: list[str]
    p_top1: list[float]
    curves: list[ClassCurve]
    changes: list[Change]


@dataclass(frozen=True)
class ShiftMap:
    """The top-1 class, and the probability of the centre view's class, over all shifts of −radius to radius pixels.

    Rows go from top to bottom, columns from left to right: `top1[radius + dy][radius + dx]` is of the view that was
    moved right by dx and down by dy. `names` gives the name of every class in `top1`.
    """

    radius: int
    reference: int
    top1: list[list[int]]
    p_reference: list[list[float]]
    names: dict[int, str]
    made_up: float


@dataclass(frozen=True)
class Neighbour:
    """One of the nearest training images."""

    image_id: str
    label: str | None
    name: str
    distance: float
    picture: str | None


@dataclass(frozen=True)
class Distances:
    """How far the image is from the training set; names as in the study's tables.

    `distance_percentile` is the share of training images that are nearer to their own nearest other one.
    """

    nn_distance: float
    knn_distance: float
    class_nn_distance: float | None
    distance_percentile: float | None
    metric: str


@dataclass(frozen=True)
class FramingStanding:
    """One quantity of the object's framing, the training objects' median, and the share of them that has less."""

    name: str
    value: float
    training_median: float
    percentile: float


@dataclass(frozen=True)
class Framing:
    """Where the object is in what the model sees, and how large, against the training objects.

    Quantities are those of position and scale, as fractions of the centre view instead of the image: `cx`, `cy`,
    `centre_distance`, `scale`, `aspect`. `training` holds each of `cx`, `cy`, `scale`, `aspect` of the training objects
    (a sample of them where there are many), `population` says which objects those are, and `box` is the image's own
    object in pixels. Position and scale are usual if they are within the middle 90% of the training objects.
    """

    box: list[float]
    population: str
    n: int
    standings: list[FramingStanding]
    training: dict[str, list[float]]
    usual_position: bool
    usual_scale: bool


@dataclass(frozen=True)
class CauseLine:
    """One candidate cause: what was done to remove it, and what that changed.

    Parameters
    ----------
    cause : str
        A key of `CAUSES`.
    intervention : str
        What was done, e.g. "the view moved by 31 pixels to the left and 4 up".
    after : Stability, optional
        What was measured then; None if the intervention was not tried. For the coin toss, which no intervention
        removes, only `expected` is given.
    fall : Estimate, optional
        By how much P(top-1 change) falls, the two measured on the same steps.
    fall_beyond_controls : Estimate, optional
        By how much it falls below what it is after changes of the image that remove nothing.
    expected : Estimate, optional
        P(top-1 change) of the study's test images with the same margin.
    made_up : float
        Share of the pixels of the views that the image did not have.
    fill : str, optional
        How those were made up.
    verdict : str
        One of `VERDICTS`.
    reason : str
        The verdict in a sentence.
    rank : int, optional
        1 for the first cause; None for what is no cause.
    picture : str, optional
        The centre view under the intervention.
    """

    cause: str
    intervention: str
    verdict: str
    reason: str
    after: Stability | None = None
    fall: Estimate | None = None
    fall_beyond_controls: Estimate | None = None
    expected: Estimate | None = None
    made_up: float = 0.0
    fill: str | None = None
    rank: int | None = None
    picture: str | None = None

    @property
    def name(self) -> str:
        """The cause in words."""
        return CAUSES[self.cause]


@dataclass(frozen=True)
class Remedy:
    """The prediction averaged over all shifts of up to `radius` pixels, which takes (2 radius + 1)² views."""

    radius: int
    views: int
    after: Stability
    fall: Estimate


@dataclass(frozen=True)
class Explanation:
    """Why an image is unstable, or that it is not.

    Parameters
    ----------
    image_id : str
        The image's id in the test set, or the path of another image.
    in_test_set : bool
    label, label_name : str, optional
        The dataset's label and its readable name.
    width, height : int
    study, model : str
    input_size : int
        W, the side of the model's input in pixels: shifts are in its pixels.
    radius : int
        Stability is measured on the steps between all views shifted by at most this many pixels.
    unstable_from : float
        The image is unstable if its P(top-1 change) is at least this.
    before : Stability
        Of the image as it is.
    controls : Estimate, optional
        P(top-1 change) after changes that remove no cause: brightness and contrast.
    standings : list of Standing
        The study's measures of this image and where they stand.
    response : Response
    shift_map : ShiftMap
    neighbours : list of Neighbour
    distances : Distances, optional
    framing : Framing, optional
        None with a `framing_reason`.
    lines : list of CauseLine
        Causes first, in their order, then all that was no cause. Empty for a stable image.
    remedies : list of Remedy
    picture : str
        The centre view.
    notes : list of str
        What the reader should know of how this was measured.
    folder : Path, optional
        Where its page, its pictures and its JSON are.
    """

    image_id: str
    in_test_set: bool
    label: str | None
    label_name: str
    width: int
    height: int
    study: str
    model: str
    input_size: int
    radius: int
    unstable_from: float
    before: Stability
    controls: Estimate | None
    standings: list[Standing]
    response: Response
    shift_map: ShiftMap
    neighbours: list[Neighbour]
    distances: Distances | None
    framing: Framing | None
    framing_reason: str
    lines: list[CauseLine]
    remedies: list[Remedy]
    picture: str
    notes: list[str]
    folder: Path | None = field(default=None, compare=False)

    @property
    def is_stable(self) -> bool:
        """Whether P(top-1 change) is below what counts as unstable."""
        return self.before.p_top1_change.value < self.unstable_from

    @property
    def causes(self) -> list[CauseLine]:
        """What was shown to cause the instability, the first cause first."""
        return [line for line in self.lines if line.verdict == CAUSE]

    @property
    def first_cause(self) -> str | None:
        """Key of the first cause in `CAUSES`; None for a stable image, or where nothing that was tried helps."""
        return self.causes[0].cause if self.causes else None

    @property
    def answer(self) -> str:
        """The answer in a few sentences: whether it is unstable, the first cause, and what a coin toss would say."""
        return answer(self)

    @property
    def text(self) -> str:
        """The whole answer as short readable text, of several lines."""
        return text(self)

    def _repr_html_(self) -> str:
        return notebook_html(self)

    @property
    def page(self) -> Path | None:
        """Its page; None where it was not written."""
        page = None if self.folder is None else self.folder / PAGE
        return page if page is not None and page.exists() else None

    def to_dict(self) -> dict[str, object]:
        """The explanation as JSON values, with what follows from them: is_stable, first_cause and answer."""
        return _ADAPTER.dump_python(self, mode="json", exclude={"folder"}) | {
            "is_stable": self.is_stable,
            "first_cause": self.first_cause,
            "answer": self.answer,
        }

    def save(self, folder: Path) -> None:
        """Write the explanation as JSON into a folder, which is made where it is not there."""
        folder.mkdir(parents=True, exist_ok=True)
        write_text(json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n", folder / FILE)


def load_explanation(folder: Path) -> Explanation:
    """Read what `Explanation.save` wrote; InputError if it is damaged."""
    path = folder / FILE
    try:
        return replace(_ADAPTER.validate_json(path.read_bytes()), folder=folder)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} holds no whole explanation ({error}); run `bias-toolkit explain` again.") from error


_ADAPTER = TypeAdapter(Explanation)
