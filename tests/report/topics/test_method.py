"""Whether the model was trained on the training set: beside the distance, and in the data."""

import dataclasses

import pytest

from bias_toolkit.report.topics.distance.findings import distance_answer
from bias_toolkit.report.topics.distance.findings import gather as gather_distance
from bias_toolkit.report.topics.method import TOPIC, gather, method_section

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
