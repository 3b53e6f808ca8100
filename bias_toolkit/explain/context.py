"""The data of a study that explaining one of its images needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bias_toolkit.datasets import BOX_EDGES
from bias_toolkit.explain.request import Subject
from bias_toolkit.invariance import Sweep, Views
from bias_toolkit.invariance.packing import evaluate_packed

if TYPE_CHECKING:
    from bias_toolkit.models import Model

UNSTABLE_FROM = 0.05
"""P(top-1 change). One straight decision boundary through the middle of the neighbourhood gives more: 11 of 160 steps
if it is a row or a column, 17 if it is a diagonal.
"""

FILTER_SIZE = 3


def readable(label: str | None, class_names: Mapping[str, str]) -> str:
    """The readable name of a label, by the names that a dataset has of its labels; empty for none."""
    if label is None:
        return ""
    return class_names.get(label, "").split(",")[0].strip() or label


def names_of(model: Model, label_indices: Mapping[str, int], class_names: Mapping[str, str]) -> list[str]:
    """The name of each of a model's classes: the model's own, or that of the label, by its class, of a dataset."""
    if model.class_names is not None:
        return [name.split(",")[0].strip() or name for name in model.class_names]
    known = {index: readable(label, class_names) for label, index in label_indices.items()}
    return [known.get(index, f"class {index}") for index in range(model.n_classes)]


@dataclass
class Context:
    """The data of a study that explaining one of its images needs, as plain tables and functions."""

    study: str
    model: Model
    sweep: Sweep  # the study's reference sweep, crop or embed
    per_image: pd.DataFrame  # the study's test images with their measures and distances
    # One object per training image: image_id, category, x0, y0, x1, y1, width, height in pixels. May be empty.
    training_subjects: pd.DataFrame
    training_labels: Mapping[str, str]  # image_id of a training image to its label
    read_train: Callable[[str], np.ndarray]  # image_id of a training image to its pixels, uint8 (height, width, 3)
    label_indices: Mapping[str, int]  # label to the model's class
    class_names: Mapping[str, str]  # label to the name that is shown
    feature_size: float = 1.0  # the size of the crop whose centre view shows a training image
    batch_size: int = 32  # in views
    seed: int = 0  # of the bootstrap
    unstable_from: float = UNSTABLE_FROM

    @cached_property
    def _boxes(self) -> pd.DataFrame:
        return self.training_subjects.set_index("image_id")[BOX_EDGES].astype(float)

    @cached_property
    def names(self) -> list[str]:
        """The name of each of the model's classes."""
        return names_of(self.model, self.label_indices, self.class_names)

    def label_name(self, label: str | None) -> str:
        """The readable name of a label; empty for none."""
        return readable(label, self.class_names)

    @cached_property
    def low_passed(self) -> tuple[Model, str]:
        """The model with low-pass filters, and its change in words; InputError if it has no subsampling layer."""
        from bias_toolkit.models import low_pass, subsampling_layers

        size = self.model.input_size
        n = len(subsampling_layers(self.model.module, size))
        module = low_pass(self.model.module, FILTER_SIZE, input_size=size)
        layers = "the network's subsampling layer" if n == 1 else f"each of the network's {n} subsampling layers"
        words = f"a {FILTER_SIZE} × {FILTER_SIZE} low-pass filter at {layers}"
        return self.model.with_module(module, f"{self.model.name}, low-passed"), words

    def evaluate(self, views: Views, model: Model | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (V, C) and features (V, D) of views."""
        _, probabilities, features = next(evaluate_packed(model or self.model, [(0, views)], self.batch_size))
        return probabilities, features

    def training_box(self, image_id: str) -> list[float] | None:
        """x0, y0, x1, y1 of a training image's object, in pixels; None if it has no object."""
        return self._boxes.loc[image_id].tolist() if image_id in self._boxes.index else None

    def training_class(self, image_id: str) -> int | None:
        """The model's class of a training image; None if it is not known."""
        return self.label_indices.get(self.training_labels.get(image_id))

    def other_images(self, subject: Subject) -> pd.DataFrame:
        """The test images except the one to explain."""
        if not subject.in_test_set:
            return self.per_image
        return self.per_image[self.per_image["image_id"] != subject.image_id]
