"""The per-image table: one row of data per test image."""

from __future__ import annotations

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


def per_image_schema() -> pa.Schema:
    """The columns of the per-image table: those of images, measures, distances and subjects, each name once."""
    from bias_toolkit.datasets import IMAGES
    from bias_toolkit.features.index import DISTANCES
    from bias_toolkit.invariance import MEASURES
    from bias_toolkit.objects import SUBJECTS

    fields = {field.name: field for schema in (IMAGES, MEASURES, DISTANCES, SUBJECTS) for field in schema}
    return pa.schema([field for name, field in fields.items() if name != "object_id"])
