"""How everything in a report was made: datasets, model, settings, versions and times."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bias_toolkit.foundation.words import count, seconds
from bias_toolkit.report.page.blocks import Block, Section, TableBlock
from bias_toolkit.report.source import Source
from bias_toolkit.report.topic import Topic
from bias_toolkit.report.topics.method.described import (
    DatasetDescription,
    ModelDescription,
    describe_datasets,
    describe_model,
)


@dataclass(frozen=True)
class Method:
    """How a study was made.

    `datasets`: "train" and "test" to DatasetDescription. `settings`, `seeds`, `versions`: by name. `label_match`,
    `runtime_reason`, `index_reason`: a sentence each. `wall_times`: step name to seconds.
    """

    datasets: Mapping[str, DatasetDescription]
    model: ModelDescription
    settings: Mapping[str, Any]
    seeds: Mapping[str, int]
    versions: Mapping[str, str]
    label_match: str
    runtime_reason: str
    index_reason: str
    wall_times: Mapping[str, float]


def gather(source: Source) -> Method:
    """How a study was made."""
    return Method(
        datasets=describe_datasets(source),
        model=describe_model(source),
        settings=source.settings.to_dict(),
        seeds={"every random draw": source.settings.seed},
        versions=source.versions,
        label_match=source.label_record["sentence"],
        runtime_reason=source.runtime_reason,
        index_reason=source.index_reason,
        wall_times=source.seconds,
    )


def method_section(contents: Method) -> Section:
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
        TableBlock("Datasets", ["", "Training set", "Test set"], _datasets(contents.datasets), numeric=False),
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


def _datasets(datasets: Mapping[str, DatasetDescription]) -> list[list[str]]:
    def row(name: str, form) -> list[str]:
        return [name, *(form(dataset) for dataset in datasets.values())]

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


TOPIC = Topic(
    "method",
    gather,
    section=lambda contents, draft: method_section(contents),
    results=lambda contents: {
        **contents.datasets,
        "model": contents.model,
        "label_match": contents.label_match,
        "index": contents.index_reason,
        "settings": contents.settings,
        "seeds": contents.seeds,
        "versions": contents.versions,
        "wall_times": contents.wall_times,
    },
)
