"""Whether the model was trained on the training set: beside the distance, and in the data."""

import dataclasses

import pytest

from bias_toolkit.models.specs import published_training_set
from bias_toolkit.report.topics.distance.findings import distance_answer
from bias_toolkit.report.topics.distance.findings import gather as gather_distance
from bias_toolkit.report.topics.method import TOPIC, gather, method_section
from bias_toolkit.report.write import _subjects


@pytest.mark.parametrize(
    ("model", "n_classes", "trained"),
    [
        ("efficientnet-lite0", 1000, "ImageNet"),
        ("torchvision:resnet18", 1000, "ImageNet"),
        ("timm:resnet18", 1000, "ImageNet"),
        # Weights of another number of classes were last trained on something else.
        ("timm:resnet18", 21843, None),
        ("demo:global-pooling-uniform", 4, "demo:train-uniform"),
        ("package.module:factory", 1000, None),
    ],
)
def test_the_published_weights_training_set(model, n_classes, trained):
    assert published_training_set(model, n_classes) == trained


@pytest.mark.parametrize("weights", [None, "own.pt"])
def test_the_header_says_what_published_weights_were_trained_on(source, weights):
    source.settings["weights"] = weights
    source.model = "demo"
    contents = gather(source)
    assert contents.published_on == (None if weights else "demo:train")
    *_, (_, _, details) = _subjects(contents)
    assert details.endswith("input 64 pixels" if weights else "input 64 pixels, trained on demo:train")
    assert ["Trained on", "not known" if weights else "demo:train"] in method_section(contents).blocks[1].rows


def test_how_the_model_was_read(source):
    assert not any(row[0] == "How it was read" for row in method_section(gather(source)).blocks[1].rows)
    read = dataclasses.replace(source, reading={"notes": ["Left out: 3 tensors."], "in_memory": True})
    contents = gather(read)
    said = "It was given in Python, from memory, so the command line alone cannot open it again."
    assert ["How it was read", f"Left out: 3 tensors. {said}"] in method_section(contents).blocks[1].rows
    assert TOPIC.results(contents)["model_notes"] == ["Left out: 3 tensors.", said]


SAID = {
    "train": ("yes", ""),
    "other": ("no", "The model was not trained on the training set, so"),
    "probably other": ("probably not", "The model was probably not trained on the training set, as most of its labels"),
    None: ("not known", "Whether the model was trained on the training set is not known (say it with --trained-on);"),
}


@pytest.mark.parametrize("trained_on", SAID)
def test_what_the_model_was_trained_on(source, trained_on):
    trained = dataclasses.replace(source, trained_on=trained_on)
    cell, said = SAID[trained_on]
    evidence = distance_answer(gather_distance(trained)).evidence
    assert ("the distance is not to the images that it learnt from" in evidence) == (trained_on != "train")
    assert said in evidence
    contents = gather(trained)
    rows = method_section(contents).blocks[1].rows
    assert ["Trained on the training set", cell] in rows
    assert TOPIC.results(contents)["trained_on"] == trained_on


@pytest.mark.parametrize(("changed", "fewest"), [({}, None), ({"n_images": 40_000}, 500), ({"n_labels": 160}, 1250)])
def test_that_fewer_resamples_were_drawn_is_said(source, changed, fewest):
    contents = gather(source)
    train = dataclasses.replace(contents.datasets["train"], **changed)
    contents = dataclasses.replace(contents, datasets=dict(contents.datasets) | {"train": train})
    (note,) = (block.note for block in method_section(contents).blocks if block.caption == "Settings")
    assert note.endswith(f"than these 2,000, from {fewest:,} or more.") if fewest else not note
