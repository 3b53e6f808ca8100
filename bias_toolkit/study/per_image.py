"""The per-image table: one row of data per test image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

if TYPE_CHECKING:
    from bias_toolkit.invariance import Sweep


def join_per_image(
    images: pd.DataFrame,
    measures: pd.DataFrame,
    sweep: Sweep | None,
    distances: pd.DataFrame,
    subjects: pd.DataFrame,
) -> pd.DataFrame:
    """One row per test image that the sweep could measure.

    `images` is table IMAGES of the test set, `measures` table MEASURES of every sweep, `distances` table DISTANCES, and
    `subjects` table SUBJECTS. Images without an object have nulls in the columns of SUBJECTS. The measures are those of
    `sweep`; it is None if there is only one sweep, which has no steps.
    """
    if sweep is not None:
        measures = measures[
            (measures["protocol"] == sweep.protocol)
            & (measures["transform"] == sweep.transform)
            & (measures["size"] == sweep.size)
        ]
    table = images
    for other, how in ((measures, "inner"), (distances, "left"), (subjects.drop(columns="object_id"), "left")):
        table = table.merge(other, on="image_id", how=how, validate="one_to_one")
    return table


def with_classes(
    per_image: pd.DataFrame,
    responses: pd.DataFrame | None,
    classes: Sequence[str] | None,
    class_names: Mapping[str, str],
) -> pd.DataFrame:
    """The per-image table by image_id, with the readable name of the label and with the predicted class.

    `label_name` is missing where the dataset has no such name. `predicted` is the model's class at the centre view, its
    number from 0, and `predicted_name` its name, if the model's classes have names. `responses` is table RESPONSES of
    the reference sweep; without one, there is no centre view, and these columns are not added.
    """
    from bias_toolkit.invariance.transforms import CENTRE

    table = per_image.set_index("image_id")
    after = table.columns.get_loc("label") + 1
    table.insert(after, "label_name", table["label"].map(class_names))
    if responses is None:
        return table
    top1 = pd.Series([views[CENTRE] for views in responses["top1"]], responses["image_id"]).reindex(table.index)
    table.insert(after + 1, "predicted", top1)
    table.insert(after + 2, "predicted_name", [classes[index] if classes else None for index in top1])
    return table


def per_image_schema() -> pa.Schema:
    """The columns of the per-image table: those of images, measures, distances and subjects, each name once."""
    from bias_toolkit.datasets import IMAGES
    from bias_toolkit.features.index import DISTANCES
    from bias_toolkit.invariance import MEASURES
    from bias_toolkit.objects import SUBJECTS

    fields = {field.name: field for schema in (IMAGES, MEASURES, DISTANCES, SUBJECTS) for field in schema}
    return pa.schema([field for name, field in fields.items() if name != "object_id"])
