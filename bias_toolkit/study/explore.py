"""A study's test images in Renumics Spotlight: the table, its column types, and a layout that opens on distance."""

from __future__ import annotations

import json
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pandas as pd

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import write_text
from bias_toolkit.study.image_table import Exported, exported_tables

if TYPE_CHECKING:
    from bias_toolkit.study.inputs import Inputs
    from bias_toolkit.study.results import Results

TABLE, LAYOUT_FILE = "images.parquet", "layout.json"
NEAREST = ("nearest_1", "nearest_2", "nearest_3")
TYPES = {
    **dict.fromkeys(("image", *NEAREST), "Image"),
    **dict.fromkeys(("class_name", "predicted", "right"), "Category"),
    "box": "BoundingBox",
    "features": "Embedding",
}
"""Spotlight's types of the columns that it cannot know."""

MISSING = (
    "Renumics Spotlight is not installed here; install bias-toolkit with the extra explore, or write the images with "
    "`bias-toolkit export STUDY --to spotlight OUT` and open them where Spotlight is installed."
)


def _widget(type: str, name: str, **config: Any) -> dict[str, Any]:
    return {"kind": "widget", "type": type, "name": name, "config": config}


def _lens(type: str, *columns: str) -> dict[str, Any]:
    return {"type": type, "columns": columns, "name": None, "settings": None, "id": "-".join((type, *columns))}


def _tab(*widgets: dict[str, Any], weight: int) -> dict[str, Any]:
    return {"kind": "tab", "weight": weight, "children": widgets}


LENSES = (
    _lens("BoundingBoxView", "image", "box"),
    *(_lens("ScalarView", name) for name in ("class_name", "predicted", "right", "p_top1_change", "margin")),
    *(_lens("ImageView", name) for name in NEAREST),
    _lens("TextLens", "explanation"),
)
LAYOUT: dict[str, Any] = {
    "orientation": "horizontal",
    "children": (
        {
            "kind": "split",
            "orientation": "vertical",
            "weight": 65,
            "children": (
                _tab(
                    _widget(
                        "scatterplot",
                        "Distance and P(top-1 change)",
                        x_column="nn_distance",
                        y_column="p_top1_change",
                        color_by_column="right",
                    ),
                    _widget("similaritymap", "Features", columns=["features"], color_by_column="p_top1_change"),
                    _widget("histogram", "P(top-1 change)", column="p_top1_change", stack_by_column="right"),
                    weight=55,
                ),
                _tab(_widget("table", "Test images", sort_by_columns=[["p_top1_change", "descending"]]), weight=45),
            ),
        },
        _tab(_widget("inspector", "Image, and its nearest training images", lenses=LENSES, num_columns=2), weight=35),
    ),
}


def spotlight_table(tables: Exported, inputs: Inputs, results: Results) -> pd.DataFrame:
    """The images table as Spotlight shows it: with the nearest training images, a relative box, and the features."""
    images, columns = tables.images, {}
    nearest = tables.neighbours.pivot(index="image_id", columns="rank", values="neighbour_id")
    for rank, name in enumerate(NEAREST, start=1):
        ids = images["image_id"].map(nearest.get(rank, {}))
        columns[name] = [_file(inputs.train.source(each)) if isinstance(each, str) else None for each in ids]
    half_width, half_height = images["width_fraction"] / 2, images["height_fraction"] / 2
    edges = zip(
        images["cx"] - half_width,
        images["cy"] - half_height,
        images["cx"] + half_width,
        images["cy"] + half_height,
        strict=True,
    )
    columns["box"] = [None if any(map(pd.isna, box)) else list(box) for box in edges]
    ids, features = results.features("test").load()
    columns["features"] = images["image_id"].map(dict(zip(ids, features.tolist(), strict=True)))
    right = images["right"].map({True: "right", False: "wrong"}).fillna("not known")
    return images.rename(columns={"path": "image"}).assign(**columns, right=right)


def _file(source: str) -> str | None:
    return source if Path(source).is_file() else None


def write_spotlight(table: pd.DataFrame, out: Path) -> None:
    """Write the table as Parquet, the layout, and a line that opens them, into an existing folder."""
    table.to_parquet(out / TABLE, index=False)
    write_text(json.dumps(LAYOUT, indent=1), out / LAYOUT_FILE)
    types = " ".join(f"--dtype {name}={type}" for name, type in TYPES.items())
    write_text(f"spotlight {TABLE} --layout {LAYOUT_FILE} {types}\n", out / "open.txt")


def explore(inputs: Inputs, results: Results) -> None:
    """Open the test images of an analysed study in Spotlight, in the browser, on this machine alone.

    A script waits until the tabs are closed. InputError if Spotlight is not installed, or the study lacks results.
    """
    try:
        from renumics import spotlight
        from renumics.spotlight.layout import Layout
    except ImportError as error:
        raise InputError(MISSING) from error
    table = spotlight_table(exported_tables(inputs, results), inputs, results)
    layout = Layout.model_validate_json(json.dumps(LAYOUT))
    # Spotlight starts a server that would import modules from the current folder, which may be somebody else's study.
    with TemporaryDirectory() as empty, chdir(empty):
        spotlight.show(table, host="127.0.0.1", layout=layout, dtype=TYPES, allow_filebrowsing=False)
