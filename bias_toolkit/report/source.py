"""The interface through which the topics of a report read a study."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from bias_toolkit.report.words.sentences import SET_NAMES, TEST, TRAINING, ClassNames

if TYPE_CHECKING:
    from bias_toolkit.analysis import Analysis, FramingMap, LayerAnalysis
    from bias_toolkit.explain import Explanation
    from bias_toolkit.invariance import Sweep
    from bias_toolkit.objects import FramingComparison, MeanImages

SweepKey = tuple[str, str, float]
"""protocol, transform and size of a sweep."""


class Source(Protocol):
    """The results of a study, each read on access.

    `split` is `train` or `test`. A result that has not been computed raises InputError with the command to run.
    """

    # The datasets and the model.
    folder: Path
    settings: Any  # seed, bins and metric, and with to_dict every setting by name, as JSON values
    skipped_images: pd.DataFrame  # split, step, image_id, reason: one row per step that left an image out
    model_record: Mapping[str, Any]  # name, input_size, preprocessing, n_classes, feature_layer, feature_dimension, ...
    trained_on: str | None  # the model: `train`, the training set; `other` or `probably other`; None if not known
    label_record: Mapping[str, Any]  # how the test set's labels were matched with the model's classes
    versions: Mapping[str, str]
    seconds: Mapping[str, float]  # name of a step to its wall time
    # Invariance.
    reference_sweep: Sweep | None  # the sweep of `per_image` and `analysis`; None if no sweep has steps
    reference_responses: pd.DataFrame  # table RESPONSES of the reference sweep
    frames_responses: pd.DataFrame | None  # table RESPONSES of the frames of clips; None without such a sweep
    measures: pd.DataFrame
    sequential: pd.DataFrame  # empty if the sweeps have no precision to stop at
    noise_floor: Mapping[str, Any] | None  # value, n_images, n_changed, interval
    runtime_reason: str
    # Distances.
    neighbours: pd.DataFrame
    distances: pd.DataFrame
    training_spacing: np.ndarray  # (n,): distance of training images to their nearest other training image
    n_shared: int  # test images that are training images themselves, by file
    search_quality: pd.DataFrame | None  # of an approximate index
    index_reason: str
    # Framing.
    framing_comparison: FramingComparison | None
    localisation: tuple[str, pd.DataFrame] | None  # on which set estimated boxes were measured, and table LOCALISATION
    # The relations between them.
    per_image: pd.DataFrame
    analysis: Analysis
    # Optional results.
    framing_map: FramingMap
    size_curve: pd.DataFrame
    size_measures: pd.DataFrame
    layers: pd.DataFrame
    layer_operations: pd.DataFrame
    layer_analysis: LayerAnalysis
    layer_maps: pd.DataFrame
    remedy_effects: pd.DataFrame
    remedy_tenths: pd.DataFrame
    flag_images: pd.DataFrame
    flag_evaluation: pd.DataFrame
    flag_calibration: pd.DataFrame
    flag_values: Mapping[str, Any]  # what is shipped, and how it was fitted
    reach: pd.DataFrame
    reach_needed: Mapping[str, Any]  # target with its interval, n_training, fit and copies
    explanations: Mapping[str, Explanation]  # by image_id
    # Of a set.
    images: Callable[[str], pd.DataFrame]  # table IMAGES of a set
    objects: Callable[[str], pd.DataFrame]  # table OBJECTS of a set: the boxes of its own
    left_out: Callable[[str], set[str]]  # image_id of each image of a set that a step left out
    # Root, layout, layout_reason, class_names, dropped_boxes, notes and, of a sample, sample_of of a set.
    dataset_record: Callable[[str], Mapping[str, Any]]
    # The pixels of an image, uint8 (H, W, 3); UnreadableImageError if it cannot be decoded.
    read_image: Callable[[str, str], np.ndarray]
    # The views of a test image along the reference sweep, uint8 (V, W, W, 3); raises as read_image.
    sweep_views: Callable[[str], np.ndarray]
    # The frames around a test image as the model sees them, uint8 (V, W, W, 3); raises as read_image.
    frame_views: Callable[[str], np.ndarray]
    framing: Callable[[str], pd.DataFrame]  # table FRAMING of a set, with `estimated`
    # Table FRAMING_SUMMARY of a set, with `estimated`; the row with category "" is about the whole set.
    framing_summary: Callable[[str], pd.DataFrame]
    mean_images: Callable[[str], MeanImages | None]  # the mean image of a set and of each of its classes
    # Whether a set's boxes are `estimated`; if so layer, is_exact and threshold, and if not maybe a reason.
    boxes_record: Callable[[str], Mapping[str, Any]]
    is_estimated: Callable[[str], bool]  # whether a set's boxes are estimated by the model
    located: Callable[[str], pd.DataFrame]  # table LOCATED of a set whose boxes are estimated
    # Whether an optional step, such as `map/relation`, was done with the present inputs and settings.
    has: Callable[[str], bool]
    outdated: Collection[str]  # the commands whose optional results are of an earlier run, and so not in the report
    # Views of one image of the map: surroundings to (scale, uint8 pixels) pairs.
    map_views: Callable[[], Mapping[str, Sequence[tuple[float, np.ndarray]]]]


class ReadOnce:
    """A source that reads each result once, and returns the same object to every topic. Pixels are not kept."""

    _NOT_KEPT = ("read_image", "sweep_views", "frame_views", "map_views")

    def __init__(self, source: Source) -> None:
        self._source = source

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._source, name)
        if callable(value) and name not in self._NOT_KEPT:
            value = functools.cache(value)
        # The next access uses the attribute and does not call this method.
        self.__dict__[name] = value
        return value


def study_name(source: Source) -> str:
    """The name of a study, which is the name of its folder."""
    return source.folder.resolve().name


def sample_words(source: Source) -> str | None:
    """`a first answer from 200 of 1,000 test images and all 500 training images`; None if no set is a sample."""
    records = {split: source.dataset_record(split) for split in (TEST, TRAINING)}
    if not any(record.get("sample_of") for record in records.values()):
        return None
    parts = []
    for split, record in records.items():
        drawn, of = getattr(source.settings, f"{split}_sample"), record.get("sample_of")
        parts.append(f"{drawn:,} of {of:,}" if of else f"all {len(source.images(split)):,}")
    return "a first answer from " + " and ".join(
        f"{part} {SET_NAMES[split]} images" for part, split in zip(parts, records, strict=True)
    )


def class_names(source: Source) -> ClassNames:
    """The names of the labels of both sets."""
    return ClassNames(
        {label: name for split in SET_NAMES for label, name in source.dataset_record(split)["class_names"].items()}
    )


def names_of_classes(source: Source) -> dict[int, str]:
    """The name of each of the model's classes that has one; of several names the first."""
    classes = source.label_record.get("classes")
    if classes is None:
        names = class_names(source)
        return {index: names.shown(label) for label, index in source.label_record["indices"].items()}
    return {index: name.split(",")[0].strip() or name for index, name in enumerate(classes)}


def sweep_key(source: Source) -> SweepKey | None:
    """The reference sweep; None if no sweep has steps."""
    sweep = source.reference_sweep
    return None if sweep is None else (sweep.protocol, sweep.transform, sweep.size)


def per_image(source: Source) -> pd.DataFrame:
    """One row per test image, as `Source.per_image`; empty if no sweep has steps."""
    return pd.DataFrame() if source.reference_sweep is None else source.per_image


def notes(source: Source, topic: str) -> list[str]:
    """The sentences of table NOTES on a topic."""
    table = source.analysis.notes
    return table.loc[table["topic"].eq(topic), "sentence"].tolist() if len(table) else []
