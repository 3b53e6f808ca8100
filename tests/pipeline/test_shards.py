"""The loop over shards: only what is missing is done, and the result does not depend on how often it was stopped."""

from contextlib import contextmanager

import pytest
from toy_study import SHARDS, WORDS, Elsewhere, Settings, ToyStudy, digests, flip, killed, lengths, some

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import read_table
from bias_toolkit.pipeline.executor import ShardJob, Workshop
from bias_toolkit.pipeline.step import sharded


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The files of the result of a run that nothing disturbed, on the left side."""
    other = ToyStudy(tmp_path_factory.mktemp("whole"))
    other.do(lengths, "left")
    return digests(other.folder / "lengths" / "left")


def folder(study):
    return study.folder / "lengths" / "left"


def words(read):
    """What was read but for the step before."""
    return [each for each in read if each in WORDS]


def test_shards_are_written_with_their_seals_under_numbered_names(study):
    study.do(lengths, "left")
    kinds = ("lengths-{}.npy", "lengths-{}.parquet", "lengths-{}.sha256", "skipped-{}.parquet")
    shards = {kind.format(number) for kind in kinds for number in ("00000", "00001", "00002")}
    assert set(digests(folder(study))) == shards | {"total.txt"}
    assert (folder(study) / "total.txt").read_text() == str(6 * 2 * 8)
    seal = (folder(study) / "lengths-00002.sha256").read_text().splitlines()
    assert [line.split()[1] for line in seal] == ["lengths-00002.npy", "lengths-00002.parquet", "skipped-00002.parquet"]
    assert read_table(folder(study) / "lengths-00002.parquet")["word"].tolist() == WORDS[6:]


@pytest.mark.parametrize("word", WORDS)
def test_a_stopped_run_goes_on_with_the_missing_shards_to_the_same_bits(study, whole, word):
    study.inputs.killer = word
    with killed():
        study.do(lengths, "left")
    whole_shards = WORDS.index(word) // 3
    assert set(digests(folder(study))) <= set(whole)
    assert len(list(folder(study).glob("*.sha256"))) == whole_shards
    assert not study.step_folder(lengths, "left").is_done
    again = study.again()
    assert words(again.do(lengths, "left")) == WORDS[3 * whole_shards :]
    assert digests(folder(study)) == whole
    assert again.do(lengths, "left") == []


def test_a_run_may_be_stopped_again_and_again(study, whole):
    for word in (WORDS[1], WORDS[4], WORDS[5], WORDS[7]):
        study.inputs.killer = word
        with killed():
            study.do(lengths, "left")
    study.inputs.killer = None
    assert words(study.do(lengths, "left")) == WORDS[6:]
    assert digests(folder(study)) == whole


@pytest.mark.parametrize("is_finished", [True, False])
@pytest.mark.parametrize(
    "name", ["lengths-00001.npy", "lengths-00001.parquet", "skipped-00001.parquet", "lengths-00001.sha256"]
)
@pytest.mark.parametrize("damage", ["flip", "flip that kept the time", "delete", "cut off"])
def test_a_damaged_shard_is_done_anew_and_only_it(study, whole, name, damage, is_finished):
    if not is_finished:
        study.inputs.killer = WORDS[7]
        with killed():
            study.do(lengths, "left")
    else:
        study.do(lengths, "left")
    path = folder(study) / name
    if damage == "delete":
        path.unlink()
    elif damage == "cut off":
        # Without its last line, a seal would be that of a shard with fewer files.
        text = path.read_bytes()
        path.write_bytes(text[: text.rindex(b"\n", 0, -1) + 1] if name.endswith("sha256") else text[:-1])
    else:
        flip(path, keep_time="kept" in damage)
    if damage == "flip that kept the time" and is_finished:
        # Found when it is read.
        task = study.plan.task(lengths, "left")
        assert study.step_folder(lengths, "left").damaged_file(study.results.check(task, "total.txt")) == name
    again = study.again()
    assert words(again.do(lengths, "left")) == WORDS[3:6] + ([] if is_finished else WORDS[6:])
    assert digests(folder(study)) == whole


def test_a_lost_result_of_all_shards_is_made_anew_from_them(study, whole):
    study.do(lengths, "left")
    (folder(study) / "total.txt").unlink()
    assert study.do(lengths, "left") == []
    assert digests(folder(study)) == whole


def test_an_error_in_the_work_keeps_the_shards_before_it(study, whole, monkeypatch):
    length = study.inputs.length

    def failing(word):
        if word == WORDS[4]:
            raise RuntimeError("a bug")
        return length(word)

    monkeypatch.setattr(study.inputs, "length", failing)
    with pytest.raises(RuntimeError, match="a bug"):
        study.do(lengths, "left")
    monkeypatch.undo()
    assert words(study.do(lengths, "left")) == WORDS[3:]
    assert digests(folder(study)) == whole


def test_a_shard_counts_as_done_only_once_all_its_files_are_written(study, whole):
    blocking = folder(study) / "skipped-00001.parquet"
    blocking.mkdir(parents=True)
    with pytest.raises(InputError, match=r"skipped-00001\.parquet has to be a file, and is a folder"):
        study.do(lengths, "left")
    assert [path.name for path in folder(study).glob("*.sha256")] == ["lengths-00000.sha256"]
    blocking.rmdir()
    assert words(study.do(lengths, "left")) == WORDS[3:]
    assert digests(folder(study)) == whole


def test_what_cannot_be_read_is_left_out_and_a_shard_may_be_empty(study):
    study.inputs.broken = set(WORDS[3:6])
    study.do(lengths, "left")
    assert len(read_table(folder(study) / "lengths-00001.parquet")) == 0
    assert study.step_folder(lengths, "left").left_out()["word"].tolist() == WORDS[3:6]
    assert study.step_folder(lengths, "left").record.left_out == 3


def test_progress_counts_every_item_once_and_says_what_was_done_before(study):
    tasks = []

    @contextmanager
    def progress(description, total, done=0):
        counts = []
        tasks.append((description, total, done, counts))
        yield counts.append

    study.inputs.broken = {WORDS[0]}
    study.inputs.killer = WORDS[4]
    with killed():
        study.do(lengths, "left", progress)
    study.inputs.killer = None
    study.do(lengths, "left", progress)
    assert [(*task[:3], sum(task[3])) for task in tasks] == [("Measuring left", 8, 0, 4), ("Measuring left", 8, 3, 5)]


# Stopping early


def numbers(study):
    return sorted(int(path.stem[-5:]) for path in (study.folder / "some").glob("*.sha256"))


@pytest.mark.parametrize(("enough", "shards"), [(1, 1), (3, 1), (4, 2), (6, 2), (7, 3), (100, 3)])
def test_it_stops_as_soon_as_the_shards_so_far_are_enough(study, enough, shards):
    study = type(study)(study.folder, Settings(enough=enough))
    assert words(study.do(some)) == WORDS[: 3 * shards]
    assert numbers(study) == list(range(shards))
    assert study.do(some) == []


@pytest.mark.parametrize("word", WORDS[:6])
def test_a_stopped_run_stops_at_the_same_shard_when_it_goes_on(study, tmp_path, word):
    undisturbed = type(study)(tmp_path / "whole", Settings(enough=5))
    undisturbed.do(some)
    study = type(study)(study.folder, Settings(enough=5))
    study.inputs.killer = word
    with killed():
        study.do(some)
    again = study.again(settings=Settings(enough=5))
    again.do(some)
    assert numbers(again) == [0, 1]
    assert digests(study.folder / "some") == digests(tmp_path / "whole" / "some")


def test_a_damaged_shard_of_a_step_that_stopped_is_done_anew_and_no_more(study):
    study = type(study)(study.folder, Settings(enough=5))
    study.do(some)
    before = digests(study.folder)
    (study.folder / "some" / "lengths-00000.npy").unlink()
    assert words(study.do(some)) == WORDS[:3]
    assert digests(study.folder) == before


# Work and executors that do not do what they say


def declared(work):
    return sharded("odd", label="Odd", command="work", **SHARDS)(work)


def test_work_that_gives_fewer_shards_is_an_error(study):
    def odd(job, shards, advance):
        yield from list(lengths.work(job, "left", shards, advance))[:2]

    step = declared(odd)
    study = type(study)(study.folder, steps=[step])
    with pytest.raises(RuntimeError, match="shard 2 of odd was not made"):
        study.do(step)
    assert not study.step_folder(step).is_done


class Odd(Elsewhere):
    """An executor that does the shards in the wrong order, or not all."""

    def __init__(self, numbers):
        self.numbers = numbers

    def shards(self, job, advance):
        yield from self.numbers


@pytest.mark.parametrize("given", [[], [1, 0, 2], [0, 2], [0, 1]])
def test_an_executor_that_leaves_a_shard_out_is_an_error(study, given):
    study = type(study)(study.folder, executor=Odd(given))
    with pytest.raises(RuntimeError, match="was not sealed in its turn"):
        study.do(lengths, "left")
    assert not study.step_folder(lengths, "left").is_done


class Ahead(Elsewhere):
    """An executor that does all shards before it tells of the first, as several processes may."""

    workshop: Workshop

    def shards(self, job, advance):
        yield from list(self.workshop.shards(job, advance))


def test_shards_that_were_done_ahead_of_the_stop_are_no_part_of_the_result(study, tmp_path):
    settings = Settings(enough=5)
    undisturbed = type(study)(tmp_path / "whole", settings)
    undisturbed.do(some)
    ahead = Ahead()
    study = type(study)(study.folder, settings, executor=ahead)
    ahead.workshop = study.workshop
    study.do(some)
    assert digests(study.folder / "some") == digests(tmp_path / "whole" / "some")
    assert study.again(settings=settings).do(some) == []


def _sum(job):
    n_words = sum(len(read_table(path)) for path in job.folder.glob("lengths-*.parquet"))
    (job.folder / "sum.txt").write_text(str(n_words))


def passing(job, shards, advance):
    yield from lengths.work(job, "left", shards, advance)


PASSING = sharded("passing", label="Passing", command="work", finish=_sum, is_kept=False, writes=["sum.txt"], **SHARDS)(
    passing
)


def test_shards_that_are_not_kept_are_there_until_the_result_is_written(study):
    study = type(study)(study.folder, steps=[PASSING])
    study.inputs.killer = WORDS[7]
    with killed():
        study.do(PASSING)
    again = study.again(steps=[PASSING])
    assert words(again.do(PASSING)) == WORDS[6:]
    assert {path.name for path in (study.folder / "passing").iterdir()} == {"sum.txt", "step.json"}
    assert (study.folder / "passing" / "sum.txt").read_text() == "8"
    assert again.do(PASSING) == []


def _note(job):
    job.inputs.read.append("begun")
    note = job.folder / "note.txt"
    note.write_text(note.read_text() if note.exists() else "of the worker")


NOTED = sharded("noted", label="Noted", command="work", begin=_note, writes=["note.txt"], **SHARDS)(passing)


def test_what_is_written_before_the_first_shard_is_there_and_repaired(study):
    study = type(study)(study.folder, steps=[NOTED])
    assert study.do(NOTED) == ["begun", *WORDS]
    before, note = digests(study.folder), study.folder / "noted" / "note.txt"
    (study.folder / "noted" / "lengths-00001.npy").unlink()
    assert study.again(steps=[NOTED]).do(NOTED) == ["begun", *WORDS[3:6]]
    # All shards are whole, so that nobody is asked for one.
    note.write_text("of another")
    assert study.again(steps=[NOTED]).do(NOTED) == ["begun"]
    assert digests(study.folder) == before


def test_a_worker_that_gets_no_shard_writes_nothing(study):
    study = type(study)(study.folder, steps=[NOTED])
    task = study.plan.task(NOTED)
    job = ShardJob(None, None, task.name, task.key, ())
    assert list(study.workshop.shards(job, print)) == []
    assert study.inputs.read == []
