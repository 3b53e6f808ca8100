"""Shards that another worker does: it gets all in a job, and the result is that of one process."""

import multiprocessing
import os
import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import pytest
from toy_study import (
    WORDS,
    Elsewhere,
    Inputs,
    Settings,
    ToyStudy,
    digests,
    lengths,
    open_workshop,
    source,
    spelling,
    work_elsewhere,
)

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.pipeline.executor import ShardJob


def job(study, numbers=(0, 1, 2), **changed):
    task = study.plan.task(lengths, "left")
    fields = {"open": open_workshop, "study": str(study.folder), "task": task.name, "key": task.key}
    return ShardJob(**fields | changed, numbers=tuple(numbers))


class Pickling(Elsewhere):
    """An executor whose workers know the study from a pickled job alone."""

    def __init__(self):
        self.jobs = []

    def shards(self, job, advance):
        self.jobs.append(job)
        one = pickle.loads(pickle.dumps(job))
        yield from one.open(one.study).shards(one, advance)


class Spawned(Elsewhere):
    """An executor that has another process do every second shard, and then the others."""

    def __init__(self):
        self.pids = set()

    def shards(self, job, advance):
        parts = [replace(job, numbers=job.numbers[start::2]) for start in range(2)]
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            for pid, _, count in pool.map(work_elsewhere, map(pickle.dumps, parts)):
                self.pids.add(pid)
                advance(count)
        yield from job.numbers


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    other = ToyStudy(tmp_path_factory.mktemp("whole"))
    other.do(lengths, "left")
    return digests(other.folder)


def test_a_job_can_be_pickled(study):
    assert pickle.loads(pickle.dumps(job(study))) == job(study)


def test_the_executor_is_asked_for_the_missing_shards_only(study, whole):
    executor = Pickling()
    study = ToyStudy(study.folder, executor=executor)
    study.do(lengths, "left")
    assert executor.jobs == [job(study)]
    assert digests(study.folder) == whole
    assert study.inputs.read == ["source left"]
    (study.folder / "lengths" / "left" / "lengths-00001.parquet").unlink()
    study.do(lengths, "left")
    assert executor.jobs[1:] == [job(study, [1])]
    study.do(lengths, "left")
    assert len(executor.jobs) == 2
    assert digests(study.folder) == whole


def test_workers_in_other_processes_give_the_same_bits(study, whole):
    executor = Spawned()
    study = ToyStudy(study.folder, executor=executor)
    study.do(lengths, "left")
    assert executor.pids
    assert os.getpid() not in executor.pids
    assert digests(study.folder) == whole
    assert study.step_folder(lengths, "left").is_done


def test_shards_may_be_done_apart(study, whole):
    study.do(source, "left")
    counts = []
    (study.folder / "lengths" / "left").mkdir(parents=True)
    for number in (2, 0, 1):
        assert list(study.workshop.shards(job(study, [number]), counts.append)) == [number]
    assert sum(counts) == len(WORDS)
    found = digests(study.folder)
    assert found == {name: digest for name, digest in whole.items() if not name.endswith("total.txt")}
    # Nobody has recorded them as done; the run that does finds them there.
    assert not study.step_folder(lengths, "left").is_done


def test_each_shard_is_told_when_it_and_all_before_it_are_sealed(study):
    folder = study.folder / "lengths" / "left"
    folder.mkdir(parents=True)
    for count, number in enumerate(study.workshop.shards(job(study), lambda items: None), 1):
        assert number == count - 1
        assert len(list(folder.glob("*.sha256"))) == count


def test_no_shard_is_begun_before_it_is_asked_for(study):
    (study.folder / "lengths" / "left").mkdir(parents=True)
    shards = study.workshop.shards(job(study), lambda items: None)
    assert study.inputs.read == []
    next(shards)
    assert study.inputs.read == WORDS[:3]
    shards.close()
    assert study.inputs.read == WORDS[:3]


@pytest.mark.parametrize(
    "changed", [{"key": "0" * 64}, {"task": "lengths/middle"}, {"task": "source/left"}, {"task": "../lengths/left"}]
)
def test_a_job_of_another_key_or_task_is_refused(study, changed):
    with pytest.raises(InputError, match="the worker needs the same inputs, settings and version"):
        next(study.workshop.shards(job(study, **changed), lambda items: None))
    assert not study.folder.exists()


def test_a_worker_whose_inputs_or_settings_are_others_refuses(study):
    inputs = Inputs()
    inputs.identities["machine"] = "another"
    for other in (ToyStudy(study.folder, Settings(factor=3)), ToyStudy(study.folder, inputs=inputs)):
        with pytest.raises(InputError, match="does not give lengths/left the key"):
            next(other.workshop.shards(job(study), lambda items: None))


def test_the_refusal_of_a_worker_ends_the_run(study):
    study = ToyStudy(study.folder, Settings(factor=3), executor=Pickling())
    with pytest.raises(InputError, match="the worker needs the same"):
        study.do(lengths, "left")
    assert not study.step_folder(lengths, "left").is_done


def spell(study, words):
    """Spell words in one run; returns how many were counted."""
    counts = []
    study.runner.do_each(spelling, words, counts.append)
    return sum(counts)


def test_tasks_without_shards_are_done_by_workers_and_recorded_by_the_run(study, tmp_path):
    executor = Pickling()
    study, alone = ToyStudy(study.folder, executor=executor), ToyStudy(tmp_path / "alone")
    assert spell(study, WORDS[:3]) == spell(alone, WORDS[:3]) == 3
    assert [each.members for each in executor.jobs] == [tuple(WORDS[:3])]
    # The words were read in the worker.
    assert study.inputs.read == ["source left"]
    assert digests(study.folder) == digests(alone.folder)
    assert all(study.step_folder(spelling, word).is_done for word in WORDS[:3])
    (study.folder / "spelling" / WORDS[1] / "word.txt").unlink()
    for each in (study, alone):
        assert spell(each, WORDS[:4]) == (2 if each is study else 1)
    assert executor.jobs[1].members == (WORDS[1], WORDS[3])
    assert digests(study.folder) == digests(alone.folder)


def test_of_tasks_without_shards_those_that_are_done_stay_done_if_a_later_one_fails(study):
    class Failing(Pickling):
        def shards(self, job, advance):
            yield next(super().shards(job, advance))
            raise OSError("the network is down")

    study = ToyStudy(study.folder, executor=Failing())
    with pytest.raises(OSError, match="the network is down"):
        spell(study, WORDS[:3])
    assert [study.step_folder(spelling, word).is_done for word in WORDS[:3]] == [True, False, False]


def test_a_worker_that_gives_a_task_without_shards_another_key_is_refused(study):
    task = study.plan.task(spelling, WORDS[0])
    changed = ShardJob(open_workshop, str(study.folder), task.name, "0" * 64, (0,), members=(WORDS[0],))
    with pytest.raises(InputError, match=f"spelling/{WORDS[0]} the key"):
        list(study.workshop.shards(changed, lambda count: None))
