"""Whether the model was trained on the training set: in the findings, beside the distance, and in the data."""

import dataclasses

import pytest

from bias_toolkit.report import topic_findings
from bias_toolkit.report.topics.distance.findings import distance_answer
from bias_toolkit.report.topics.distance.findings import gather as gather_distance
from bias_toolkit.report.topics.method import TOPIC, gather, method_section

SAID = {
    "train": ("yes", ""),
    "other": ("no", "The model was not trained on the training set."),
    None: ("not known", "It is not known whether the model was trained on the training set."),
}


@pytest.mark.parametrize("trained_on", SAID)
def test_what_the_model_was_trained_on(source, trained_on):
    trained = dataclasses.replace(source, trained_on=trained_on)
    cell, claim = SAID[trained_on]
    findings = topic_findings(trained, "method")
    assert [(finding.claim, finding.kind, finding.rank) for finding in findings] == (
        [(claim, "caution", 12)] if claim else []
    )
    evidence = distance_answer(gather_distance(trained)).evidence
    assert "Among all images: " in evidence
    assert ("the distance is to other images than those that it learnt from" in evidence) == (trained_on != "train")
    assert claim in evidence
    contents = gather(trained)
    rows = method_section(contents).blocks[1].rows
    assert ["Trained on the training set", cell] in rows
    assert TOPIC.results(contents)["trained_on"] == trained_on
