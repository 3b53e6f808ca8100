"""The content of an explanation: plain values with bounds, as in explanation.json.

Every class checks its values when it is made, from a measurement or from a file. A faulty value raises pydantic's
`ValidationError`, which is a `ValueError`; `first_fault` describes it in words.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from bias_toolkit.foundation.words import estimate, interval, known, percent, visible

PICTURES = "pictures"
FRAMING_QUANTITIES = ("cx", "cy", "centre_distance", "scale", "aspect")
DRAWN_QUANTITIES = ("cx", "cy", "scale", "aspect")
LONGEST_FAULT = 300
# A softmax in float32, or a mean of several, can exceed 1 by its rounding.
ROUNDING = 1e-6


class Cause(StrEnum):
    """A candidate cause of instability: its value is its name in JSON and in tables, `text` is the cause in words."""

    OFF_CENTRE = "off_centre", "framed off centre"
    SCALE = "scale", "framed too small or too large"
    FRAMING = "framing", "framed off centre and too small or too large"
    CONTENT = "content", "unlike the training images in content"
    UNDERSAMPLING = "undersampling", "undersampling in the network"
    FINE_DETAIL = "fine_detail", "fine detail in the image"
    COIN_TOSS = "coin_toss", "a coin toss between two classes"

    text: str

    def __new__(cls, value: str, text: str) -> Self:
        member = str.__new__(cls, value)
        member._value_, member.text = value, text
        return member


INTERVENTIONS = tuple(cause for cause in Cause if cause != Cause.COIN_TOSS)
"""The candidate causes that an intervention removes. The coin toss is compared with other images instead."""


class Verdict(StrEnum):
    """The conclusion on a candidate cause, in the order in which lines are listed; JSON and the page have its value.

    All but LIKE_MARGIN and MORE are about the effect of an intervention. These two are about an association: whether
    the image changes more often than other images with its margin.
    """

    CAUSE = "cause"
    NOT_CALM = "response not calmed"
    WRONG = "makes the model wrong"
    ELSEWHERE = "settles on another class"
    MIXED = "not told apart"
    PARTLY = "less than half in these trials"
    NOT_FOUND = "no fall found"
    COVERED = "one of the two is enough"
    LIKE_MARGIN = "like others of its margin"
    MORE = "more than others of its margin"
    ENLARGED = "no fine detail in the view"
    USUAL = "usual framing"
    NOT_TRIED = "not tried"


Number = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1 + ROUNDING, allow_inf_nan=False)]
Pixels = Annotated[int, Field(ge=1, le=200_000_000)]
Radius = Annotated[int, Field(ge=1, le=1000)]
Count = Annotated[int, Field(ge=1, le=2**53)]
ClassIndex = Annotated[int, Field(ge=0, le=10_000_000)]
PictureName = Annotated[str, Field(max_length=200, pattern=rf"^{PICTURES}/[A-Za-z0-9_-][A-Za-z0-9._-]*\.png$")]


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% interval; None for what is not known."""

    value: Number | None
    low: Number | None = None
    high: Number | None = None

    def text(self, form: Callable[[float], str] = percent) -> str:
        """The value with its interval, in words."""
        return estimate(self.value, self.low, self.high, form)

    def limits(self, form: Callable[[float], str] = percent, before: str = "") -> str:
        """The interval, with the words `before` it; empty if it is not known."""
        return before + interval(self.low, self.high, form) if known(self.low) and known(self.high) else ""


def _of_shares(estimate: Estimate) -> Estimate:
    if any(abs(each) > 1 + ROUNDING for each in (estimate.value, estimate.low, estimate.high) if each is not None):
        raise ValueError("a share, or a difference of two, must be between -1 and 1")
    return estimate


def _of_known_shares(estimate: Estimate) -> Estimate:
    if estimate.value is None:
        raise ValueError("the value must be known")
    return _of_shares(estimate)


Shares = Annotated[Estimate, AfterValidator(_of_shares)]
KnownShares = Annotated[Estimate, AfterValidator(_of_known_shares)]


@dataclass(frozen=True)
class Prediction:
    """The most probable class with its probability, and whether it is right; None if the right class is not known."""

    class_index: ClassIndex
    name: str
    probability: Share
    is_right: bool | None = None


@dataclass(frozen=True)
class Stability:
    """P(top-1 change) and MAC over one-pixel steps in all directions around a view, and the predictions there.

    Over random trials they have an interval. Over all steps of a neighbourhood they have none: nothing was drawn.

    `centre_view` is the prediction on the centre view alone, which the page shows as a picture. `over_shifts` is that
    of the mean output over all shifts; the two can have different classes. `accuracy` is the share of the shifted
    views on which the model is right; None if the right class is not known, or if the object was replaced.
    """

    p_top1_change: KnownShares
    mac: KnownShares
    centre_view: Prediction
    over_shifts: Prediction
    accuracy: Share | None = None


@dataclass(frozen=True)
class Standing:
    """A measure of the image, and the share of the study's test images (0 to 1) whose value is smaller."""

    name: str
    value: Number
    percentile: Share | None


@dataclass(frozen=True)
class ClassCurve:
    """The probability of one class along the sweep, one value per view."""

    class_index: ClassIndex
    name: str
    probabilities: list[Share]


@dataclass(frozen=True)
class Change:
    """A step of the sweep at which the top-1 class changes: from view `step` to the next, with their pictures."""

    step: Annotated[int, Field(ge=0)]
    before: str
    after: str
    p_before: Share
    p_after: Share
    picture_before: PictureName
    picture_after: PictureName


@dataclass(frozen=True)
class Response:
    """The model's output along the study's own sweep.

    `top1`, `names` and `p_top1` have the top-1 class and its probability, one value per view. There is a curve for each
    class that is top-1 on a view, that of the centre view's class first, and for the right class if it is known.
    """

    sweep: str
    top1: Annotated[list[ClassIndex], Field(min_length=1)]
    names: list[str]
    p_top1: list[Share]
    curves: list[ClassCurve]
    changes: list[Change]

    @model_validator(mode="after")
    def _has_one_value_per_view(self) -> Self:
        views = len(self.top1)
        columns = [self.names, self.p_top1, *(curve.probabilities for curve in self.curves)]
        if any(len(column) != views for column in columns):
            raise ValueError("top1, names, p_top1 and every curve must have one value per view")
        if any(change.step >= views - 1 for change in self.changes):
            raise ValueError("a change is at a step that the sweep does not have")
        return self


@dataclass(frozen=True)
class ShiftMap:
    """The most probable classes, and the probability of the centre view's class, over all shifts of −radius to radius.

    Rows go from top to bottom, columns from left to right: `top1[radius + dy][radius + dx]` belongs to the view that
    was moved right by dx and down by dy pixels. `likely` and `probabilities` have its five most probable classes, the
    most probable first; fewer if the model has fewer. `reference` is the centre view's class, and `right` the right
    class; None if it is not known. `names` has the name of every class but `right`. `made_up` is the share of the
    views' pixels that lie outside the image. `picture` shows all views: each is a square in it. `sweep` has the shift
    (dx, dy) of each view of the study's sweep; none if the sweep does not move the window.
    """

    radius: Radius
    reference: ClassIndex
    right: ClassIndex | None
    top1: list[list[ClassIndex]]
    p_reference: list[list[Share]]
    likely: list[list[Annotated[list[ClassIndex], Field(min_length=1, max_length=5)]]]
    probabilities: list[list[list[Share]]]
    names: dict[ClassIndex, str]
    made_up: Share
    picture: PictureName
    sweep: list[tuple[int, int]]

    @model_validator(mode="after")
    def _is_square(self) -> Self:
        side = 2 * self.radius + 1
        for grid in (self.top1, self.p_reference, self.likely, self.probabilities):
            if len(grid) != side or any(len(row) != side for row in grid):
                raise ValueError(f"top1, p_reference, likely and probabilities must have {side} rows and columns")
        likely = [place for row in self.likely for place in row]
        if len({len(place) for row in (*self.likely, *self.probabilities) for place in row}) != 1:
            raise ValueError("likely and probabilities must have as many classes at every place")
        if [place[0] for place in likely] != [index for row in self.top1 for index in row]:
            raise ValueError("the first of the likely classes must be top1")
        if not {self.reference}.union(*likely) <= self.names.keys():
            raise ValueError("a class has no name")
        if any(abs(each) > self.radius for shift in self.sweep for each in shift):
            raise ValueError("the sweep leaves the map")
        return self


@dataclass(frozen=True)
class Neighbour:
    """One of the nearest training images; `picture` is None if the image could not be read."""

    image_id: str
    label: str | None
    name: str
    distance: Number
    picture: PictureName | None


@dataclass(frozen=True)
class Distances:
    """How far the image is from the training set; names as in the study's tables.

    `distance_percentile` is the share of training images that are nearer to their own nearest other training image.
    """

    nn_distance: Number
    knn_distance: Number
    class_nn_distance: Number | None
    distance_percentile: Share | None
    metric: str


@dataclass(frozen=True)
class FramingStanding:
    """One quantity of the object's framing, the training objects' median, and the share of them with less."""

    name: str
    value: Number
    training_median: Number
    percentile: Share


@dataclass(frozen=True)
class Framing:
    """Where the object is in what the model sees, and how large, compared with the `n` objects of `population`.

    `box` is x0, y0, x1, y1 in pixels of the image. There is a standing for each of `FRAMING_QUANTITIES`, as fractions
    of the centre view. `training` has the `DRAWN_QUANTITIES` of the training objects, or of a sample of them. Position
    and scale are usual within the middle 90% of the training objects.
    """

    box: Annotated[list[Number], Field(min_length=4, max_length=4)]
    population: str
    n: Count
    standings: list[FramingStanding]
    training: dict[str, list[Number]]
    usual_position: bool
    usual_scale: bool

    @model_validator(mode="after")
    def _can_be_drawn(self) -> Self:
        own = {standing.name: standing for standing in self.standings}
        if own.keys() != set(FRAMING_QUANTITIES):
            raise ValueError(f"standings must be of {', '.join(FRAMING_QUANTITIES)}")
        if self.training.keys() != set(DRAWN_QUANTITIES) or len(set(map(len, self.training.values()))) != 1:
            raise ValueError(f"training must have as many values of each of {', '.join(DRAWN_QUANTITIES)}")
        positive = [value for name in ("scale", "aspect") for value in (own[name].value, *self.training[name])]
        if min(positive) <= 0 or not self.training["scale"]:
            raise ValueError("scale and aspect must be above 0")
        return self


@dataclass(frozen=True)
class CauseLine:
    """One candidate cause: the intervention that removes it, and what the intervention changed.

    `after` is the measurement under the intervention, over the same random trials as the controls. `fall` and
    `mac_fall` are by how much P(top-1 change) and MAC are lower than under the controls alone; their intervals follow
    from those of both, and hold together over all interventions. All are None if the intervention was not tried.

    The coin toss has no intervention, but `expected`: P(top-1 change) of the test images with the same margin.
    `made_up` is the share of the views' pixels that lie outside the image, which were filled by `fill`. `rank` is 1
    plus the number of other causes whose removal leaves a lower P(top-1 change) by the interval of the difference; None
    for no cause. `picture` is the centre view under the intervention.
    """

    cause: Cause
    intervention: str
    verdict: Verdict
    reason: str
    after: Stability | None = None
    fall: Shares | None = None
    mac_fall: Shares | None = None
    expected: Shares | None = None
    made_up: Share = 0.0
    fill: str | None = None
    rank: Count | None = None
    picture: PictureName | None = None

    @model_validator(mode="after")
    def _has_what_its_verdict_is_of(self) -> Self:
        if self.verdict == Verdict.CAUSE and self.after is None:
            raise ValueError("a cause must have a measurement")
        if (self.verdict in (Verdict.LIKE_MARGIN, Verdict.MORE)) != (self.expected is not None):
            raise ValueError("images of the same margin must be expected to change if they are compared, and only then")
        return self

    @property
    def name(self) -> str:
        """The cause in words."""
        return self.cause.text


@dataclass(frozen=True)
class Remedy:
    """The prediction averaged over all shifts of up to `radius` pixels, which takes (2 radius + 1)² views.

    `fall` is that of P(top-1 change) over all steps: nothing was drawn, so it has no interval. `after.centre_view` is
    the average around the centre view, and `after.over_shifts` that around all views.
    """

    radius: Radius
    views: Count
    after: Stability
    fall: Annotated[float, Field(ge=-1, le=1)]


@dataclass(frozen=True)
class ExplanationRecord:
    """Why an image is unstable, or that it is not."""

    image_id: Annotated[str, Field(min_length=1)]  # its id in the test set, or the path of another image
    in_test_set: bool
    label: str | None
    label_name: str  # the readable name of the dataset's label; empty if there is no label
    width: Pixels
    height: Pixels
    study: str
    model: str
    input_size: Pixels  # the side of the model's input; shifts are in these pixels
    radius: Radius  # stability is measured on the steps between all views that are shifted by at most so many pixels
    unstable_from: Share  # the image is unstable if its P(top-1 change) is at least this
    before: Stability
    trials: Count  # how many random trials the controls and each intervention were measured in
    controls: Stability | None  # under random brightness and contrast alone, which remove no cause; None if stable
    standings: list[Standing]
    response: Response
    shift_map: ShiftMap
    neighbours: list[Neighbour]  # nearest first
    distances: Distances | None
    framing: Framing | None  # None if `framing_reason` says why it is not known
    framing_reason: str
    lines: list[CauseLine]  # causes first, then the others; empty for a stable image
    remedies: list[Remedy]
    picture: PictureName  # the centre view
    notes: list[str]  # how the values were measured, for the reader

    @property
    def is_stable(self) -> bool:
        """Whether P(top-1 change) is below `unstable_from`."""
        return self.before.p_top1_change.value < self.unstable_from

    @property
    def counts_as(self) -> str:
        """The name of the right class if a file gave the label another class than its own name; else empty."""
        names = (curve.name for curve in self.response.curves if curve.class_index == self.shift_map.right)
        return next((name for name in names if self.label_name not in ("", name)), "")

    def standing(self, name: str) -> Standing | None:
        """The image's standing in a measure; None if it has none."""
        return next((each for each in self.standings if each.name == name), None)

    @property
    def steps(self) -> int:
        """The number of one-pixel steps of `before`: those of all rows, columns and both diagonals of shifts."""
        return (4 * self.radius + 4) * 2 * self.radius

    @property
    def causes(self) -> list[CauseLine]:
        """The lines whose intervention showed a cause of the instability, the lowest P(top-1 change) first."""
        return [line for line in self.lines if line.verdict == Verdict.CAUSE]

    @property
    def first_cause(self) -> Cause | None:
        """The one cause, or that of several whose removal clearly leaves the lowest P(top-1 change).

        None for a stable image, if no intervention shows a cause, and if intervals do not tell the first one apart.
        """
        leading = {line.cause for line in self.causes if line.rank == 1}
        return leading.pop() if len(leading) == 1 else None


def first_fault(error: ValidationError) -> str:
    """The first fault of a record: the faulty value, and the correct form."""
    fault = error.errors(include_url=False, include_input=False)[0]
    message = fault["msg"].removeprefix("Value error, ")
    place = ".".join(map(str, fault["loc"]))
    fault_text = f"{place}: {message}" if place else message
    return visible(" ".join(fault_text.split()))[:LONGEST_FAULT]
