"""The content of the JSON files of a study's steps, which is checked when it is read."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0, lt=2**63)]
Limits = Annotated[list[float], Field(min_length=2, max_length=2)]


class _Values(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class NoteValues(_Values):
    """A note of `dataset.json`, as `datasets.Note`."""

    text: str
    warns: bool


class DatasetValues(_Values):
    """`dataset.json`: the record of reading a set."""

    root: str
    layout: str
    layout_reason: str
    class_names: dict[str, str]
    dropped_boxes: Count
    notes: list[NoteValues]
    sample_of: Count | None = None  # how many images are listed of which it is a sample


class SharedValues(_Values):
    """`shared.json`: the number of test images that are also training images."""

    n_shared: Count


class NoiseValues(_Values):
    """`noise.json`: the numerical noise floor."""

    value: float
    n_images: Count
    n_changed: Count
    interval: Limits
    max_difference: float


class ReachValues(_Values):
    """`needed.json`: how near training images are to each other, and how many copies of them would be needed to bring
    test images as near; None if it is not said."""

    target: float
    target_low: float | None
    target_high: float | None
    n_training: Count
    fit: float | None
    copies: Annotated[list[float], Field(min_length=3, max_length=3)] | None


Terms = Annotated[list[float], Field(min_length=1, max_length=20)]


class LogisticValues(_Values):
    """A logistic regression of `flag.json`."""

    terms: Annotated[list[str], Field(min_length=1, max_length=20)]
    mean: Terms
    scale: Terms
    weights: Terms
    intercept: float


class FlagValues(_Values):
    """`flag.json`: what flags new images; `shipped` is None if too few images are unstable, or stable, to fit it."""

    shipped: Literal["one_minus_margin", "combination"] | None
    by_class: bool
    share: Annotated[float, Field(gt=0, lt=1)]
    n: Count
    n_unstable: Count
    models: dict[str, LogisticValues]
    thresholds: dict[str, float]
    probability: float | None  # of a change, above which an image is flagged
    brier: Annotated[list[float], Field(min_length=3, max_length=3)] | None
    far: float | None  # nn_distance, 1 − margin and log density beyond which the share lies
    unsure: float | None
    unusual: float | None


class LabelValues(_Values):
    """`labels.json`: the matching of labels with the model's classes."""

    indices: dict[str, Count]
    how: str
    n_labels: Count
    n_matched: Count
    sentence: str
    classes: list[str] | None = None  # the names of the model's classes, if it has names


class StoppedValues(_Values):
    """`sequential.json`: the state of a sweep that could stop, as in the table SEQUENTIAL."""

    protocol: str
    transform: str
    size: float
    measure: str
    value: float | None
    low: float | None
    high: float | None
    precision: float | None
    n: Count
    n_skipped: Count
    n_images: Count


class BoxesOfSet(_Values):
    """The origin of a set's boxes: estimated, with the method, or given; or the reason why there are none."""

    estimated: bool
    layer: str | None = None
    is_exact: bool | None = None
    threshold: float | None = None
    reason: str | None = None


class BoxesValues(_Values):
    """`boxes.json`: the origin of both sets' boxes."""

    train: BoxesOfSet
    test: BoxesOfSet


class TwoSampleValues(_Values):
    """`two-sample.json`: how well a classifier distinguishes the two sets."""

    auc: float
    auc_low: float
    auc_high: float
    p_value: float
    n_images_first: Count
    n_images_second: Count
    n_objects_first: Count
    n_objects_second: Count
    folds: Count


class LocalisationValues(_Values):
    """`localisation.json`: the set on which estimated boxes were measured."""

    split: Literal["train", "test"]


class EstimateValues(_Values):
    """The number of a finding, with its 95% interval."""

    name: str
    label: str
    value: float | None
    low: float | None
    high: float | None
    n: Count
    of: str
    unit: str
    nothing: float | None


class FindingValues(_Values):
    """One of the report's findings."""

    topic: str
    kind: str
    claim: str
    evidence: str
    estimate: EstimateValues | None
    figure: str | None


class ReportValues(BaseModel):
    """The part of `results.json` that is read again: the answers and the findings."""

    answers: list[FindingValues]
    findings: list[FindingValues]
