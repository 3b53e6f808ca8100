"""The tables of a study's test images for other tools: what each column is, and the values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
import pyarrow as pa

from bias_toolkit.study.per_image import per_image_schema

if TYPE_CHECKING:
    from bias_toolkit.study.inputs import Inputs
    from bias_toolkit.study.results import Results

IMAGES, OBJECTS, NEIGHBOURS = "images", "objects", "neighbours"
ADDED = (
    pa.schema([("path", pa.string())]),
    pa.schema([("class_name", pa.string()), ("predicted", pa.string()), ("right", pa.bool_())]),
    pa.schema([("explanation", pa.string())]),
)
"""The columns of the images table before, among and behind those of the per-image table."""

SHARE, PIXELS, OF_SIDE = "share, 0 to 1", "pixels", "share of the image's side"
OTHERS = {
    "path": ("", "The image's file. Empty if its pixels are in no file of their own."),
    "image_id": ("", "The image's path in its dataset, which is its name in the study."),
    "label": ("", "The dataset's label; empty if there is none."),
    "class_name": ("", "The readable name of the label."),
    "predicted": ("", "The model's top-1 class on the centre view of the reference sweep."),
    "right": ("", "Whether the predicted class is the label's; empty without a label that the model has."),
    "explanation": ("", "The page that explains the image; empty if it was not explained."),
    "width": (PIXELS, "Width of the image, upright."),
    "height": (PIXELS, "Height of the image, upright."),
    "protocol": ("", "How views are made: crop, embed, offsets or frames."),
    "transform": ("", "The path of the views: diagonal, horizontal, vertical, scale or random."),
    "size": ("", "Of crop, the share of the image's area; of embed, the canvas side over the image side."),
    "fill": ("", "How the canvas of embed is filled; empty for crop."),
    "sampling": ("", "Where the crop lies; empty for embed."),
    "n_steps": ("steps", "Number of one-pixel steps over which the measures are means."),
    "leak": ("", "Whether the image is nearly the same as a training image."),
    "object_id": ("", "The object's number in its image, from 0."),
    "category": ("", "The object's category."),
    "any_change": ("", "1 if at least one view has another top-1 class than the centre view, otherwise 0."),
    "worst_accuracy": ("", "1 if the top-1 class of all views is the label's, otherwise 0."),
    "cx": (
        OF_SIDE,
        "Centre of the object's box, from the left. An image's object is the largest of its label's category.",
    ),
    "cy": (OF_SIDE, "Centre of the object's box, from the top."),
    "width_fraction": (OF_SIDE, "Width of the object's box."),
    "height_fraction": (OF_SIDE, "Height of the object's box."),
    "aspect": ("", "Width of the object's box over its height, in pixels."),
    "truncated": ("", "Whether the object's box comes within 1 pixel of the image's border."),
    "estimated": ("", "Whether the box was located by the model and does not come with the dataset."),
    "rank": ("", "1 for the nearest training image, 2 for the next."),
    "neighbour_id": ("", "The training image's path in its dataset."),
    "distance": ("feature distance", "Distance of the training image in the model's features, in the study's metric."),
}
UNITS = {
    "confidence": "probability, 0 to 1",
    **dict.fromkeys(("mac", "p_range", "margin"), "difference of probabilities, 0 to 1"),
    "scale": "square root of the share of the image's area",
    "centre_distance": "share of the distance from the centre to a corner",
}
"""Units of the measures and variables that are no share."""
"""Unit and definition of the columns that are no measure, distance or framing variable."""


class Exported(NamedTuple):
    """The tables of a study's test images, and the dictionary of their columns."""

    images: pd.DataFrame
    objects: pd.DataFrame
    neighbours: pd.DataFrame

    @property
    def dictionary(self) -> pd.DataFrame:
        """One row per column of each table: table, column, type, unit, definition."""
        rows = [
            (table, field.name, str(field.type), *_unit_and_definition(field.name))
            for table, schema in schemas().items()
            for field in schema
        ]
        return pd.DataFrame(rows, columns=["table", "column", "type", "unit", "definition"])


def schemas() -> dict[str, pa.Schema]:
    """The schema of each exported table by its name."""
    from bias_toolkit.features.index import NEIGHBOURS as NEAREST
    from bias_toolkit.objects import FRAMING

    before, among, behind = ADDED
    image_id, label, *rest = per_image_schema()
    return {
        IMAGES: pa.schema([*before, image_id, label, *among, *rest, *behind]),
        OBJECTS: pa.schema([*FRAMING, ("estimated", pa.bool_())]),
        NEIGHBOURS: NEAREST,
    }


def _unit_and_definition(column: str) -> tuple[str, str]:
    from bias_toolkit.report.words.definitions import COLUMNS, DISTANCES

    if column in OTHERS:
        return OTHERS[column]
    definition = COLUMNS[column]
    unit = SHARE if definition.share else "feature distance" if column in DISTANCES else UNITS.get(column, "")
    return unit, f"{definition.label}. {definition.line}"


def exported_tables(inputs: Inputs, results: Results) -> Exported:
    """The tables of the test images that the reference sweep has measured; the study must have been analysed.

    InputError names the command that is missing.
    """
    from bias_toolkit.explain.explanation import PAGE
    from bias_toolkit.report.source import class_names

    table, names = results.per_image.drop(columns="estimated"), class_names(results)
    files = map(Path, map(inputs.test.source, table["image_id"]))
    pages = {image_id: str((each.folder / PAGE).resolve()) for image_id, each in results.explanations.items()}
    images = table.assign(
        path=[str(file) if file.is_file() else None for file in files],
        class_name=[None if pd.isna(label) else names.shown(label) for label in table["label"]],
        explanation=table["image_id"].map(pages),
    ).merge(_predictions(results), on="image_id", how="left")
    objects = results.framing("test")
    of_images = table["image_id"]
    exported = {
        IMAGES: images,
        OBJECTS: objects[objects["image_id"].isin(of_images)] if len(objects) else objects,
        NEIGHBOURS: results.neighbours[results.neighbours["image_id"].isin(of_images)],
    }
    return Exported(
        *(
            pa.Table.from_pandas(exported[name].reindex(columns=schema.names), schema, preserve_index=False).to_pandas()
            for name, schema in schemas().items()
        )
    )


def _predictions(results: Results) -> pd.DataFrame:
    """The top-1 class of each image's centre view, and whether it is right: image_id, predicted, right.

    It is empty if no sweep of the study has steps.
    """
    from bias_toolkit.invariance import CENTRE
    from bias_toolkit.report.source import names_of_classes

    if results.reference_sweep is None:
        return pd.DataFrame({"image_id": [], "predicted": [], "right": []}, dtype=object)
    responses, classes = results.reference_responses, names_of_classes(results)
    top1 = responses["top1"].str[CENTRE].astype(int)
    right = top1.eq(responses["label_index"]).astype(object).where(responses["label_index"].notna(), None)
    names = [classes.get(index, str(index)) for index in top1]
    return pd.DataFrame({"image_id": responses["image_id"], "predicted": names, "right": right})
