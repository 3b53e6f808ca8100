"""The page's last sections: what was left out, how everything was made, and the files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pandas as pd

from bias_toolkit.foundation.words import count, seconds
from bias_toolkit.report.blocks import Block, Cell, ListBlock, Omitted, Paragraph, Section, TableBlock
from bias_toolkit.report.contents import DatasetDescription, ReportContents
from bias_toolkit.report.findings import dropped_boxes

MOST_SKIPPED = 100


def left_out_section(contents: ReportContents, omitted: Sequence[Omitted]) -> Section:
    """Images, boxes and whole analyses that are not in the report, with the reasons."""
    sentences = [
        *contents.missing,
        *(f"The section “{section.title}” is left out: {section.reason}" for section in omitted),
        *dropped_boxes(contents),
    ]
    blocks: list[Block] = []
    if sentences:
        blocks.append(ListBlock([Cell(sentence) for sentence in dict.fromkeys(sentences)]))
    skipped = contents.skipped
    if len(skipped):
        images = _by_image(skipped)
        shown = images[:MOST_SKIPPED]
        note = f"The first {len(shown)} of {len(images):,}." if len(shown) < len(images) else ""
        blocks.append(
            TableBlock(
                f"{count(len(images), 'image')} left out",
                ["Image", "Set", "Step", "Reason"],
                shown,
                note=note,
                csv="tables/skipped.csv",
                numeric=False,
            )
        )
    else:
        blocks.append(Paragraph("Every image could be read."))
    return Section("left-out", "What was left out", blocks)


def _by_image(skipped: pd.DataFrame) -> list[list[str]]:
    """Image, set, steps and reasons of every image that was left out, one row an image."""
    rows = []
    for (split, image_id), steps in skipped.groupby(["split", "image_id"], sort=False, dropna=False):
        told = ("; ".join(dict.fromkeys(steps[column].astype(str))) for column in ("step", "reason"))
        rows.append([str(image_id), str(split), *told])
    return rows


def method_section(contents: ReportContents) -> Section:
    """Datasets, model, index, settings, seeds, versions and times."""
    model = contents.model
    rows = [
        ["Model", model.name],
        ["Input", f"{model.input_size} × {model.input_size} pixels"],
        ["Preprocessing", model.preprocessing],
        ["Classes", count(model.n_classes)],
        ["Feature", f"{model.feature_layer}, {count(model.feature_dimension, 'dimension')}"],
        ["SHA-256 of the weights", model.weights_sha256],
    ]
    for name, sentence in (
        ("Labels", contents.label_match),
        ("Runtime", contents.runtime_reason),
        ("Index", contents.index_reason),
    ):
        if sentence:
            rows.append([name, sentence])
    blocks: list[Block] = [
        TableBlock("Datasets", ["", "Training set", "Test set"], _datasets(contents), numeric=False),
        TableBlock("Model and index", ["", "Value"], rows, numeric=False),
    ]
    for caption, values in (
        ("Settings", contents.settings),
        ("Seeds", contents.seeds),
        ("Versions", contents.versions),
    ):
        if values:
            blocks.append(TableBlock(caption, ["Name", "Value"], _pairs(values), numeric=False))
    if contents.wall_times:
        blocks.append(
            TableBlock(
                "Wall time of each step",
                ["Step", "Time"],
                [[name, seconds(value)] for name, value in contents.wall_times.items()],
                numeric=False,
            )
        )
    return Section("method", "How this was made", blocks)


def _pairs(values: Mapping) -> list[list[str]]:
    return [[str(name), _text(value)] for name, value in values.items()]


def _text(value) -> str:
    if value is None:
        return "default"
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return ", ".join(_text(item) for item in value) or "default"
    return json.dumps(value, ensure_ascii=False, default=str)


def _datasets(contents: ReportContents) -> list[list[str]]:
    def row(name: str, form) -> list[str]:
        return [name, form(contents.train), form(contents.test)]

    def layout(dataset: DatasetDescription) -> str:
        return f"{dataset.layout} ({dataset.layout_reason})" if dataset.layout_reason else dataset.layout

    return [
        row("Path", lambda dataset: dataset.path),
        row("Layout", layout),
        row("Images", lambda dataset: count(dataset.n_images)),
        row("Labels", lambda dataset: count(dataset.n_labels)),
        row("Objects", lambda dataset: count(dataset.n_objects)),
        row("Images left out", lambda dataset: count(dataset.n_skipped)),
        row("Boxes dropped", lambda dataset: count(dataset.dropped_boxes)),
    ]


def files_section(tables: Sequence[tuple[str, str, str]]) -> Section:
    """Links to every table and to the numbers.

    Parameters
    ----------
    tables : sequence of (address, name, what it holds)
    """
    items = [Cell("results.json", "every number, finding and setting of this page", "results.json")]
    items.extend(Cell(name, holds, address) for address, name, holds in tables)
    return Section(
        "files",
        "Files",
        [
            Paragraph("Everything on this page as data. Every figure is also there as SVG, PNG and PDF in figures/."),
            ListBlock(items),
        ],
    )
