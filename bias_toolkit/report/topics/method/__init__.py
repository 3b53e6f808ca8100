"""The method of a report: datasets, model, settings, versions and times."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bias_toolkit.foundation.resampling import enough_resamples
from bias_toolkit.foundation.words import count, seconds
from bias_toolkit.models.specs import published_training_set
from bias_toolkit.objects.summary import IMAGES_OF_CATEGORY
from bias_toolkit.report.page.blocks import Block, Section, TableBlock
from bias_toolkit.report.source import Source
from bias_toolkit.report.topic import Topic
from bias_toolkit.report.words.sentences import SET_NAMES

SHOWN = ("name", "input_size", "preprocessing", "n_classes", "feature_layer", "feature_dimension", "weights_sha256")
"""What is shown of the model's record."""
IN_MEMORY = "It was given in Python, from memory, so the command line alone cannot open it again."
TRAINED = {"train": "yes", "other": "no", "probably other": "probably not", None: "not known"}


@dataclass(frozen=True)
class DatasetDescription:
    """One of a study's two datasets, in numbers.

    `n_images` and `n_labels` are of the images that were read. `n_skipped` counts an image once, even if several steps
    left it out, so the sum with `n_images` is the number of images found.
    """

    path: str
    layout: str
    layout_reason: str
    n_images: int
    n_labels: int
    n_objects: int = 0
    n_skipped: int = 0
    dropped_boxes: int = 0
    notes: Sequence[Mapping[str, Any]] = ()  # text and warns of each, as `datasets.Note`
    sample_of: int | None = None  # the number of images of which it is a sample


@dataclass(frozen=True)
class Method:
    """The data of the section on the method."""

    datasets: Mapping[str, DatasetDescription]  # train and test
    model: Mapping[str, Any]  # the entries `SHOWN`; the preprocessing is a sentence
    settings: Mapping[str, Any]
    resamples: int  # of the settings
    seeds: Mapping[str, int]
    versions: Mapping[str, str]
    label_match: str  # one sentence each for this and the next two
    runtime_reason: str
    index_reason: str
    wall_times: Mapping[str, float]  # seconds of each step
    trained_on: str | None  # as `Source.trained_on`
    model_notes: Sequence[str] = ()  # on how the model was read
    published_on: str | None = None  # the dataset on which the model's published weights were trained, if it is known


def gather(source: Source) -> Method:
    """The method of a study."""
    model = {name: source.model_record[name] for name in SHOWN}
    return Method(
        datasets=describe_datasets(source),
        model=model | {"preprocessing": _preprocessing_sentence(model["preprocessing"])},
        settings=source.settings.to_dict(),
        resamples=source.settings.resamples,
        seeds={"every random draw": source.settings.seed},
        versions=source.versions,
        label_match=source.label_record["sentence"],
        runtime_reason=source.runtime_reason,
        index_reason=source.index_reason,
        wall_times=source.seconds,
        trained_on=source.trained_on,
        model_notes=[*source.model_record["notes"], *([IN_MEMORY] if source.model_record["in_memory"] else [])],
        published_on=None if source.settings.weights else published_training_set(model["name"], model["n_classes"]),
    )


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
        notes=record["notes"],
        sample_of=record.get("sample_of"),
    )


def _preprocessing_sentence(preprocessing: Mapping[str, Any]) -> str:
    means, deviations = (", ".join(f"{value:g}" for value in preprocessing[name]) for name in ("mean", "std"))
    return (
        f"(intensity − mean) / standard deviation, with mean {means} and standard deviation {deviations}; its own "
        f"evaluation resizes with {preprocessing['interpolation']} and crops {preprocessing['crop_fraction']:g} of the "
        "side"
    )


def method_section(contents: Method) -> Section:
    """Datasets, model, index, settings, seeds, versions and times."""
    model = contents.model
    rows = [
        ["Model", model["name"]],
        ["Input", f"{model['input_size']} × {model['input_size']} pixels"],
        ["Preprocessing", model["preprocessing"]],
        ["Classes", count(model["n_classes"])],
        ["Feature", f"{model['feature_layer']}, {count(model['feature_dimension'], 'dimension')}"],
        ["SHA-256 of the weights", model["weights_sha256"]],
        ["Trained on", contents.published_on or "not known"],
        ["Trained on the training set", TRAINED[contents.trained_on]],
    ]
    rows += [["How it was read", " ".join(contents.model_notes)]] if contents.model_notes else []
    reasons = {"Labels": contents.label_match, "Runtime": contents.runtime_reason, "Index": contents.index_reason}
    rows += [[name, sentence] for name, sentence in reasons.items() if sentence]
    times = {name: seconds(value) for name, value in contents.wall_times.items()}
    blocks: list[Block] = [
        TableBlock("Datasets", ["", "Training set", "Test set"], _datasets(contents.datasets), numeric=False),
        TableBlock("Model and index", ["", "Value"], rows, numeric=False),
    ]
    for caption, header, values, note in (
        ("Settings", ["Name", "Value"], contents.settings, _fewer_resamples(contents)),
        ("Seeds", ["Name", "Value"], contents.seeds, ""),
        ("Versions", ["Name", "Value"], contents.versions, ""),
        ("Wall time of each step", ["Step", "Time"], times, ""),
    ):
        if values:
            cells = [[str(name), _text(value)] for name, value in values.items()]
            blocks.append(TableBlock(caption, header, cells, numeric=False, note=note))
    return Section("method", "How this was made", blocks)


def _fewer_resamples(contents: Method) -> str:
    """That intervals of many images or categories are from fewer resamples, if some are."""
    most = max(max(of.n_images, IMAGES_OF_CATEGORY * of.n_labels) for of in contents.datasets.values())
    fewest = enough_resamples(contents.resamples, most)
    if fewest == contents.resamples:
        return ""
    return (
        "Intervals of more than 10,000 images, and those of the framing of more than 100 categories, are from fewer "
        f"resamples than these {contents.resamples:,}, from {fewest:,} or more."
    )


def _text(value: Any) -> str:
    if value is None:
        return "default"
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return ", ".join(_text(item) for item in value) or "default"
    return json.dumps(value, ensure_ascii=False, default=str)


def _datasets(datasets: Mapping[str, DatasetDescription]) -> list[list[str]]:
    def row(name: str, form: Callable[[DatasetDescription], str]) -> list[str]:
        return [name, *map(form, datasets.values())]

    return [
        row("Path", lambda of: of.path),
        row("Layout", lambda of: f"{of.layout} ({of.layout_reason})" if of.layout_reason else of.layout),
        row("Images", lambda of: count(of.n_images)),
        row("Sample of", lambda of: "no sample" if of.sample_of is None else count(of.sample_of, "image")),
        row("Labels", lambda of: count(of.n_labels)),
        row("Objects", lambda of: count(of.n_objects)),
        row("Images left out", lambda of: count(of.n_skipped)),
        row("Boxes dropped", lambda of: count(of.dropped_boxes)),
    ]


TOPIC = Topic(
    "method",
    gather,
    section=lambda contents, draft: method_section(contents),
    results=lambda contents: {
        **contents.datasets,
        "model": contents.model,
        "trained_on": contents.trained_on,
        "model_notes": list(contents.model_notes),
        "label_match": contents.label_match,
        "index": contents.index_reason,
        "settings": contents.settings,
        "seeds": contents.seeds,
        "versions": contents.versions,
        "wall_times": contents.wall_times,
    },
)
