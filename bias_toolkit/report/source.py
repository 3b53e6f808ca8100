"""What the topics of a report read from a study."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from bias_toolkit.report.words.class_names import ClassNames
from bias_toolkit.report.words.sentences import SET_NAMES

if TYPE_CHECKING:
    from bias_toolkit.analysis import Analysis, FramingMap
    from bias_toolkit.explain import Explanation
    from bias_toolkit.objects import FramingComparison, MeanImages

SweepKey = tuple[str, str, float]
"""protocol, transform and size of a sweep."""


class SweepLike(Protocol):
    """What identifies a sweep."""

    protocol: str
    transform: str
    size: float


class SettingsLike(Protocol):
    """The settings that decide how something is shown."""

    seed: int
    bins: int
    metric: str

    def to_dict(self) -> dict[str, Any]:
        """Every setting, by name, as JSON values."""


class Source(Protocol):
    """The results of a study, each read when it is asked for.

    `split` is `train` or `test`. What a study has not computed raises InputError with the command to run.
    """

    folder: Path
    settings: SettingsLike

    # The datasets and the model
    def images(self, split: str) -> pd.DataFrame:
        """Table IMAGES of a set."""

    def objects(self, split: str) -> pd.DataFrame:
        """Table OBJECTS of a set."""

    def left_out(self, split: str) -> set[str]:
        """image_id of each image of a set that a step left out."""

    def dataset_record(self, split: str) -> Mapping[str, Any]:
        """root, layout, layout_reason, class_names and dropped_boxes of a set."""

    def read_image(self, split: str, image_id: str) -> np.ndarray:
        """The pixels of an image, uint8 (H, W, 3); UnreadableImageError if it cannot be decoded."""

    @property
    def skipped_images(self) -> pd.DataFrame:
        """split, step, image_id, reason: a row for each step that left an image out."""

    @property
    def model_record(self) -> Mapping[str, Any]:
        """name, input_size, preprocessing, n_classes, feature_layer, feature_dimension and weights_sha256."""

    @property
    def label_record(self) -> Mapping[str, Any]:
        """How the test set's labels were matched with the model's classes: indices, sentence."""

    @property
    def versions(self) -> Mapping[str, str]:
        """Name of a package to its version."""

    @property
    def seconds(self) -> Mapping[str, float]:
        """Name of a step to its wall time in seconds."""

    # Invariance
    @property
    def reference_sweep(self) -> SweepLike | None:
        """The sweep that `per_image` and `analysis` are about; None where none has steps."""

    @property
    def measures(self) -> pd.DataFrame:
        """Table MEASURES."""

    @property
    def sequential(self) -> pd.DataFrame:
        """Table SEQUENTIAL; empty where the sweeps were not to stop at a precision."""

    @property
    def noise_floor(self) -> Mapping[str, Any] | None:
        """value, n_views, n_changed, interval and interval_over_images of the numerical noise floor."""

    @property
    def runtime_reason(self) -> str:
        """One sentence on what executed the model, and why; empty where that was not recorded."""

    # Distances
    @property
    def neighbours(self) -> pd.DataFrame:
        """Table NEIGHBOURS."""

    @property
    def distances(self) -> pd.DataFrame:
        """Table DISTANCES."""

    @property
    def training_spacing(self) -> np.ndarray:
        """Distance of each training image to its nearest other training image, (n,)."""

    @property
    def n_shared(self) -> int:
        """Number of test images that are training images themselves, by file."""

    @property
    def search_quality(self) -> pd.DataFrame | None:
        """Table SEARCH_QUALITY, of one row; None where the index is exact."""

    @property
    def index_reason(self) -> str:
        """One sentence on which index was built, and why."""

    # Framing
    def framing(self, split: str) -> pd.DataFrame:
        """Table FRAMING of a set."""

    def framing_summary(self, split: str) -> pd.DataFrame:
        """Table FRAMING_SUMMARY of a set; the row with category "" is about the whole set."""

    def mean_images(self, split: str) -> MeanImages | None:
        """The mean image of a set and of each of its classes."""

    @property
    def framing_comparison(self) -> FramingComparison | None:
        """How the test set's framing differs from the training set's; None where too few images have boxes."""

    def boxes_record(self, split: str) -> Mapping[str, Any]:
        """Whether a set's boxes are `estimated`; if so layer, is_exact and threshold, and if not maybe a reason."""

    def is_estimated(self, split: str) -> bool:
        """Whether a set's boxes are estimated by the model."""

    def located(self, split: str) -> pd.DataFrame:
        """Table LOCATED of a set whose boxes are estimated."""

    @property
    def localisation(self) -> tuple[str, pd.DataFrame] | None:
        """The set on which estimated boxes were compared with the dataset's own, and table LOCALISATION."""

    # What relates them
    @property
    def per_image(self) -> pd.DataFrame:
        """One row a test image: image_id, label, measures of the reference sweep, distances and framing."""

    @property
    def analysis(self) -> Analysis:
        """The tables CORRELATIONS, CURVES, SUMMARY, CLASSES, ODDS_RATIOS, LOSSES, CEILING, FACTORS and NOTES."""

    # What is shown where it was computed
    def has(self, step_name: str) -> bool:
        """Whether an optional step, such as `map/relation`, was done with the present inputs and settings."""

    @property
    def framing_map(self) -> FramingMap:
        """The tables MAP_CELLS, MAP_CORRELATIONS and MAP_CONTRASTS."""

    def map_views(self) -> Mapping[str, Sequence[tuple[float, np.ndarray]]]:
        """What the model is shown of one image of the map: surroundings to (scale, uint8 pixels) pairs."""

    @property
    def size_curve(self) -> pd.DataFrame:
        """Table SUMMARY of the size curve."""

    @property
    def size_measures(self) -> pd.DataFrame:
        """Table MEASURES of the size curve."""

    @property
    def explanations(self) -> Mapping[str, Explanation]:
        """image_id to its explanation."""


class ReadOnce:
    """A source that reads each result once, and hands the same object to every topic. Pixels are not kept."""

    _NOT_KEPT = ("read_image", "map_views")

    def __init__(self, source: Source) -> None:
        self._source = source

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._source, name)
        if callable(value) and name not in self._NOT_KEPT:
            value = functools.cache(value)
        # The next access finds the attribute itself, and does not come here.
        self.__dict__[name] = value
        return value


def study_name(source: Source) -> str:
    """The name of a study: that of its folder."""
    return source.folder.resolve().name


def class_names(source: Source) -> ClassNames:
    """The names of the labels of both sets."""
    return ClassNames({label: name for split in SET_NAMES for label, name in _names(source, split).items()})


def _names(source: Source, split: str) -> Mapping[str, str]:
    return source.dataset_record(split)["class_names"]


def sweep_key(source: Source) -> SweepKey | None:
    """The reference sweep; None where none has steps."""
    sweep = source.reference_sweep
    return None if sweep is None else (sweep.protocol, sweep.transform, sweep.size)


def per_image(source: Source) -> pd.DataFrame:
    """One row a test image, as `Source.per_image`; empty where no sweep has steps."""
    return pd.DataFrame() if source.reference_sweep is None else source.per_image


def notes(source: Source, topic: str) -> list[str]:
    """The sentences of table NOTES on a topic."""
    table = source.analysis.notes
    return table.loc[table["topic"].eq(topic), "sentence"].tolist() if len(table) else []
