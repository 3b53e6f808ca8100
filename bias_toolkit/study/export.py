"""Exporting a study's test images: as tables with a dictionary of their columns, or as datasets of other tools."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import write_text
from bias_toolkit.foundation.spreadsheet import csv_text
from bias_toolkit.foundation.words import known, visible_name
from bias_toolkit.study.explore import spotlight_table, write_spotlight
from bias_toolkit.study.image_table import Exported, exported_tables

if TYPE_CHECKING:
    from bias_toolkit.study.inputs import Inputs
    from bias_toolkit.study.results import Results

FIFTYONE, SAMPLES, METADATA = "fiftyone", "samples.json", "metadata.json"
IN_METADATA = ("path", "width", "height")
"""Columns whose values FiftyOne has in places of its own."""


def export(inputs: Inputs, results: Results, to: str, out: str | os.PathLike) -> Path:
    """Write the test images of an analysed study in the format `to` into a new folder; returns its path.

    InputError if there is no such format, the folder has files, or the study lacks results.
    """
    if to not in FORMATS:
        raise InputError(f"--to is {to!r}, but must be one of {', '.join(FORMATS)}.")
    out = Path(out)
    with _writing_to(out):
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InputError(f"{out} exists and is not empty; name a new folder.")
    tables = exported_tables(inputs, results)
    if to == FIFTYONE and tables.images["path"].isna().all():
        raise InputError("The test images are in no files of their own, and FiftyOne shows only files; export as csv.")
    with _writing_to(out):
        out.mkdir(parents=True, exist_ok=True)
        FORMATS[to](tables, out, inputs, results)
    return out


@contextmanager
def _writing_to(out: Path) -> Iterator[None]:
    """Turn an error of the system about the folder into a sentence."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{out} cannot be written to ({error.strerror or error}); name another folder.") from error


def _write_csv(tables: Exported, out: Path, *_: Inputs | Results) -> None:
    for name, table in _named(tables).items():
        write_text(csv_text(table), out / f"{name}.csv")


def _write_parquet(tables: Exported, out: Path, *_: Inputs | Results) -> None:
    for name, table in _named(tables).items():
        table.to_parquet(out / f"{name}.parquet", index=False)


def _named(tables: Exported) -> dict[str, pd.DataFrame]:
    return tables._asdict() | {"dictionary": tables.dictionary}


def _write_fiftyone(tables: Exported, out: Path, _: Inputs, results: Results) -> None:
    """A folder that FiftyOne loads as FiftyOneDataset: samples with absolute paths, so that no image is copied."""
    from bias_toolkit.report.source import class_names

    images, names = tables.images, class_names(results)
    detections = {image_id: _detections(rows, names.shown) for image_id, rows in tables.objects.groupby("image_id")}
    nearest = tables.neighbours.sort_values("rank").groupby("image_id")["neighbour_id"].agg(list).to_dict()
    columns = [name for name in images if name not in (*IN_METADATA, "class_name", "predicted")]
    samples = [
        {
            "filepath": row["path"],
            "tags": ["test"],
            "metadata": {"_cls": "ImageMetadata", "width": row["width"], "height": row["height"]},
            **{name: row[name] for name in columns if _has_value(row[name])},
            **_labels(row, detections.get(row["image_id"])),
            "nearest": nearest.get(row["image_id"], []),
        }
        for row in images.to_dict("records")
        if row["path"] is not None
    ]
    about = dict(zip(tables.dictionary["column"], tables.dictionary["definition"], strict=True))
    info = {"study": results.folder.resolve().name, "model": results.model_record["name"], "columns": about}
    # Without a version, FiftyOne reads the format that needs no ids of its database.
    metadata = {"name": visible_name(info["study"]), "media_type": "image", "info": info}
    write_text(json.dumps({"samples": samples}, indent=1, allow_nan=False), out / SAMPLES)
    write_text(json.dumps(metadata, indent=1), out / METADATA)


def _has_value(value: object) -> bool:
    return known(value) if isinstance(value, float | int) else value is not None


def _labels(row: Mapping[str, Any], detections: list[dict[str, Any]] | None) -> dict[str, Any]:
    labels = {"prediction": {"_cls": "Classification", "label": row["predicted"], "confidence": row["confidence"]}}
    if row["class_name"] is not None:
        labels["ground_truth"] = {"_cls": "Classification", "label": row["class_name"]}
    if detections is not None:
        labels["objects"] = {"_cls": "Detections", "detections": detections}
    return labels


def _detections(rows: pd.DataFrame, shown: Callable[[str], str]) -> list[dict[str, Any]]:
    """Boxes as FiftyOne has them: left, top, width, height, as shares of the image's width and height.

    Their labels are readable names, as those of the images are; the dataset's own is the attribute `category`.
    """
    return [
        {
            "_cls": "Detection",
            "label": shown(row["category"]),
            "category": row["category"] or "",
            "bounding_box": [
                row["cx"] - row["width_fraction"] / 2,
                row["cy"] - row["height_fraction"] / 2,
                row["width_fraction"],
                row["height_fraction"],
            ],
            "estimated": bool(row["estimated"]),
        }
        for row in rows.to_dict("records")
    ]


def _write_spotlight(tables: Exported, out: Path, inputs: Inputs, results: Results) -> None:
    write_spotlight(spotlight_table(tables, inputs, results), out)


FORMATS: dict[str, Callable[[Exported, Path, Inputs, Results], None]] = {
    FIFTYONE: _write_fiftyone,
    "csv": _write_csv,
    "parquet": _write_parquet,
    "spotlight": _write_spotlight,
}
"""The formats by their names, as `--to` has them."""
