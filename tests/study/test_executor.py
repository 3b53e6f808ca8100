"""What a study asks of an executor whose workers are other processes."""

import pytest

from bias_toolkit import Study
from bias_toolkit.foundation.errors import InputError


@pytest.fixture
def opened(photographs, fast, tmp_path, apart):
    """A function that opens a study whose workers are apart, and gives it and what they were told."""

    def make():
        executor = apart()
        study = Study(tmp_path / "study", photographs["train"], photographs["test"], "demo", executor=executor, **fast)
        return study, executor.told

    return make


def test_workers_open_the_model_before_the_study_does_and_only_for_work(opened, monkeypatch):
    study, told = opened()
    opening = type(study.inputs)._open_model
    monkeypatch.setattr(type(study.inputs), "_open_model", lambda inputs: (told.append("opening"), opening(inputs))[1])
    study.sweep()
    # The worker opens it as it prepares; then the study does.
    assert told[:3] == ["opening", "prepared", "opening"]
    assert told.count("prepared") == 1
    assert told[-1] == "closed"
    study, told = opened()
    study.sweep()
    assert told == ["closed"]
    assert study.model.name
    assert told == ["closed", "opening"]


def test_workers_end_with_a_run_that_is_refused_before_it_begins(opened, monkeypatch):
    study, told = opened()

    def refuse(inputs):
        raise InputError("no weights are here")

    monkeypatch.setattr(type(study.inputs), "_open_model", refuse)
    with pytest.raises(InputError, match="no weights are here"):
        study.sweep()
    assert told == ["prepared", "closed"]


def test_work_that_has_no_jobs_for_workers_starts_none(opened):
    study, told = opened()
    assert study.begin_shards("features/train") > 0
    assert study.run_shards("features/train", 1, 1) > 0
    assert set(told) == {"closed"}
