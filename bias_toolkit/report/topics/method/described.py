"""A study's datasets and its model, in numbers and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bias_toolkit.report.source import Source
from bias_toolkit.report.words.sentences import SET_NAMES


@dataclass(frozen=True)
class DatasetDescription:
    """One of a study's two datasets, in numbers.

    `n_images` and `n_labels` are of the images that were read. `n_skipped` counts an image once, however many steps
    left it out, so that both together are the images that were found.
    """

    path: str
    layout: str
    layout_reason: str
    n_images: int
    n_labels: int
    n_objects: int = 0
    n_skipped: int = 0
    dropped_boxes: int = 0


@dataclass(frozen=True)
class ModelDescription:
    """The model of a study."""

    name: str
    input_size: int
    preprocessing: str
    n_classes: int
    feature_layer: str
    feature_dimension: int
    weights_sha256: str


def describe_datasets(source: Source) -> dict[str, DatasetDescription]:
    """The description of each set: "train" and "test"."""
    return {split: _describe(source, split) for split in SET_NAMES}


def _describe(source: Source, split: str) -> DatasetDescription:
    record, images, left_out = source.dataset_record(split), source.images(split), source.left_out(split)
    images = images[~images["image_id"].isin(left_out)]
    return DatasetDescription(
        path=record["root"],
        layout=record["layout"],
        layout_reason=record["layout_reason"],
        n_images=len(images),
        n_labels=int(images["label"].nunique()),
        n_objects=len(source.objects(split)),
        n_skipped=len(left_out),
        dropped_boxes=record["dropped_boxes"],
    )


def describe_model(source: Source) -> ModelDescription:
    """The model of a study."""
    model = source.model_record
    return ModelDescription(
        name=model["name"],
        input_size=model["input_size"],
        preprocessing=_preprocessing_sentence(model["preprocessing"]),
        n_classes=model["n_classes"],
        feature_layer=model["feature_layer"],
        feature_dimension=model["feature_dimension"],
        weights_sha256=model["weights_sha256"],
    )


def _preprocessing_sentence(preprocessing: dict[str, Any]) -> str:
    means, deviations = (", ".join(f"{value:g}" for value in preprocessing[name]) for name in ("mean", "std"))
    return (
        f"(intensity − mean) / standard deviation, with mean {means} and standard deviation {deviations}; its own "
        f"evaluation resizes with {preprocessing['interpolation']} and crops {preprocessing['crop_fraction']:g} of the "
        "side"
    )
