"""Which tasks a run does, in which order, and what it leaves when it is refused or ends with an error."""

import json
import os
from contextlib import contextmanager
from pathlib import Path

import pytest
from toy_study import STEPS, WORDS, Settings, ToyStudy, digests, flip, killed, lengths, page, some, source, summary

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.progress import silent
from bias_toolkit.pipeline.lock import LOCK, StudyLock
from bias_toolkit.pipeline.record import CLEARED, RECORD, read_record, write_record
from bias_toolkit.pipeline.step import step

EVERYTHING = ["source left", *WORDS, "source right", *WORDS, "summary"]


def test_needs_are_done_first_and_nothing_is_done_twice(study):
    assert study.do(summary) == EVERYTHING
    assert study.do(summary) == []
    assert study.again().do(page) == ["page"]
    assert study.inputs.opened == ["left", "machine", "right", "machine"]


def test_a_run_of_several_tasks_does_what_they_share_once(study):
    with study.runner.one_run(silent):
        for wanted, member in ((some, None), (lengths, "left"), (summary, None), (summary, None)):
            study.runner.do(wanted, member)
    assert study.inputs.read == ["source left", *WORDS, *WORDS, "source right", *WORDS, "summary"]
    assert study.events.count("started") == 1


def test_the_end_of_a_run_is_told_once_whatever_it_was_made_of(study):
    study.do(lengths, "left")
    again = study.again()
    again.runner.do(source, "left")
    assert again.events.count("ended") == 1
    with again.runner.one_run(silent):
        again.runner.do(source, "left")
        again.runner.do(lengths, "left")
    assert again.events.count("ended") == 2


def test_inputs_are_opened_for_what_is_computed_only(study):
    study.do(source, "left")
    again = study.again()
    assert again.do(source, "left") == []
    assert again.inputs.opened == []


def test_an_identity_that_proves_to_be_another_when_it_is_opened_decides(study):
    def opening(name):
        study.inputs.identities[name] = "another"
        study.inputs.changes += 1

    study.inputs.open = opening
    study.do(source, "left")
    assert study.step_folder(source, "left").record.settings["left"] == "another"
    assert study.do(source, "left") == []


def test_another_setting_does_what_depends_on_it_anew_and_no_more(study):
    study.do(page)
    again = study.again(settings=Settings(factor=3))
    assert again.do(page) == [*WORDS, *WORDS, "summary", "page"]
    assert again.again(settings=Settings(factor=3, speed=9)).do(page) == []


def test_what_another_study_has_done_of_the_same_is_copied_and_its_page_is_made_anew(study, tmp_path):
    study.do(page)
    other = ToyStudy(tmp_path / "other", reuse=[study.folder])
    assert other.do(page) == ["page"]
    assert digests(other.folder) == digests(study.folder)
    assert other.again().do(page) == []
    assert ToyStudy(tmp_path / "third", settings=Settings(factor=3), reuse=[study.folder]).do(lengths, "left") == WORDS


def test_what_is_damaged_or_unfinished_in_another_study_is_not_copied(study, tmp_path):
    study.do(lengths, "left")
    damaged = study.step_folder(source, "left").path / "words.txt"
    flip(damaged, keep_time=True)
    changed_at = damaged.stat().st_mtime_ns
    with study.runner.one_run(silent), pytest.raises(KeyError), study.step_folder(summary).working({}):
        raise KeyError
    other = ToyStudy(tmp_path / "other", reuse=[study.folder])
    assert other.do(summary) == ["source left", "source right", *WORDS, "summary"]
    assert damaged.stat().st_mtime_ns == changed_at


def test_members_of_a_later_need_may_depend_on_results_of_an_earlier(study):
    def found(inputs, _):
        """The sides that the first need has found."""
        return study.results.read(chosen, "chosen.json", lambda path: json.loads(path.read_text()))

    @step("chosen", writes=["chosen.json"], command="choose")
    def chosen(job):
        (job.folder / "chosen.json").write_text('["right"]')

    @step("both", needs=[chosen, lengths.where(found)], writes=["both.txt"], command="both")
    def both(job):
        pass

    study = type(study)(study.folder, steps=[*STEPS, chosen, both])
    assert study.do(both) == ["source right", *WORDS]
    assert study.again(steps=[*STEPS, chosen, both]).do(both) == []


def test_callbacks_are_called_in_turn(study):
    study.do(lengths, "left")
    study.do(lengths, "left")
    first = ["started", "computes True", "ended", "computes True", "ended", "ended"]
    assert study.events == [*first, "started", "computes False", "computes False", "ended"]


# The lock


def is_free(study):
    lock = StudyLock(study.folder)
    lock.acquire()
    lock.release()
    return True


def test_a_refusal_before_the_first_task_leaves_no_folder_behind(study):
    with pytest.raises(InputError, match="no"), study.runner.one_run(silent):
        raise InputError("no")
    assert not study.folder.exists()
    assert study.events == []
    with study.runner.one_run(silent):
        pass
    assert not study.folder.exists()


def test_another_run_is_refused_from_the_first_task_to_the_end_of_the_block(study):
    with study.runner.one_run(silent):
        study.again().do(source, "right")
        study.runner.do(source, "left")
        with pytest.raises(InputError, match="Another run"):
            study.again().do(source, "right")
        with study.runner.one_run(silent):
            study.runner.do(source, "right")
        with pytest.raises(InputError, match="Another run"):
            is_free(study)
    assert is_free(study)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, InputError])
def test_the_lock_is_released_after_an_error(study, error):
    def fail(word):
        raise error("wrong")

    study.inputs.length = fail
    with pytest.raises(error):
        study.do(lengths, "left")
    assert is_free(study)
    assert study.again().do(lengths, "left") == WORDS
    assert study.events == ["started", "computes True", "ended", "computes True"]


def test_the_lock_is_released_when_the_start_is_refused(study):
    def refuse():
        raise InputError("another version")

    study.runner._started = refuse
    with pytest.raises(InputError, match="another version"):
        study.do(source, "left")
    assert is_free(study)
    assert [path.name for path in study.folder.iterdir()] == [LOCK]


def test_progress_is_that_of_the_innermost_block(study):
    tasks = []

    def named(name):
        @contextmanager
        def progress(description, total, done=0):
            tasks.append(name)
            yield lambda count: None

        return progress

    with study.runner.one_run(named("outer")):
        study.runner.do(lengths, "left")
        with study.runner.one_run(named("inner")):
            study.runner.do(lengths, "right")
        study.runner.do(some)
    assert tasks == ["outer", "inner", "outer"]


def test_what_a_killed_run_left_is_removed_by_the_next(study):
    study.do(source, "left")
    whole = digests(study.folder, records=True)
    for name in (".study.json.77.tmp.json", "source/left/.step.json.77.tmp.json", "source/.left.77.tmp/words.txt"):
        (study.folder / name).parent.mkdir(exist_ok=True)
        (study.folder / name).write_text("half")
    own = study.folder / "source" / ".note.tmp"
    own.write_text("the user's")
    study.do(source, "left")
    own.unlink()
    assert digests(study.folder, records=True) == whole


@pytest.mark.parametrize("part", ["", "lengths/left"])
def test_a_folder_that_vanishes_is_named_and_not_made_anew(study, tmp_path, part):
    gone, length = study.folder / part, study.inputs.length

    def removing(word):
        if gone.exists():
            gone.rename(tmp_path / "away")
        return length(word)

    study.inputs.length = removing
    with pytest.raises(OSError, match=str(study.folder)):
        study.do(lengths, "left")
    assert not gone.exists() or list(gone.iterdir()) == []
    if not part:
        (tmp_path / "away").rename(study.folder)
    again = study.again()
    assert again.do(lengths, "left") == WORDS


# Damage


DAMAGES = {"flip": flip, "delete": Path.unlink, "empty": lambda path: path.write_bytes(b"")}


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("source/left/words.txt", "flip"),
        ("summary/parts/first.txt", "flip"),
        *(("lengths/right/total.txt", damage) for damage in DAMAGES),
    ],
)
def test_damage_is_put_right_with_the_same_bits(study, caplog, name, damage):
    study.do(page)
    before = digests(study.folder)
    DAMAGES[damage](study.folder / name)
    again = study.again()
    again.do(page)
    assert digests(study.folder) == before
    task = name.partition("/words")[0].partition("/total")[0].partition("/parts")[0]
    relative = name.removeprefix(f"{task}/")
    assert caplog.messages == [f"{task}: {relative} was damaged or removed, and is computed again."]
    assert study.again().do(page) == []


@pytest.mark.parametrize(
    ("name", "damage"),
    [("source/left", "flip"), ("summary", "flip"), *(("lengths/right", damage) for damage in DAMAGES)],
)
def test_a_task_whose_record_was_lost_is_done_anew(study, caplog, name, damage):
    study.do(page)
    before = digests(study.folder)
    DAMAGES[damage](study.folder / name / RECORD)
    study.again().do(page)
    assert digests(study.folder) == before
    assert caplog.messages == [
        f"{name}: {RECORD} is missing, damaged, or of another version. The step is computed again."
    ]


def test_damage_that_shows_only_when_a_step_reads_its_needs_is_put_right_at_once(study, caplog):
    study.do(page)
    before = digests(study.folder)
    flip(study.folder / "lengths" / "right" / "total.txt", keep_time=True)
    (study.folder / "summary" / "summary.txt").unlink()
    again = study.again()
    assert again.do(page) == ["summary"]
    assert digests(study.folder) == before
    assert [message.partition(":")[0] for message in caplog.messages] == ["summary", "lengths/right"]


def test_a_task_is_restored_only_where_it_came_up_in_this_process(study):
    study.do(source, "left")
    task = study.plan.task(source, "left")
    (study.folder / "source" / "left" / "words.txt").unlink()
    assert not study.again().runner.restore(task)
    assert not study.step_folder(source, "left").is_done
    assert study.runner.restore(task)
    assert study.step_folder(source, "left").is_done


def test_restoring_is_refused_while_another_run_works_on_the_study(study):
    study.do(source, "left")
    (study.folder / "source" / "left" / "words.txt").unlink()
    other = study.again()
    with other.runner.one_run(silent):
        other.runner.do(source, "right")
        with pytest.raises(InputError, match="Another run"):
            study.runner.restore(study.plan.task(source, "left"))


def test_a_copy_of_a_study_is_done_and_gets_the_times_of_its_files(study):
    study.do(lengths, "left")
    total = study.folder / "lengths" / "left" / "total.txt"
    os.utime(total, ns=(5, 5))
    assert study.again().do(lengths, "left") == []
    assert study.step_folder(lengths, "left").record.files["total.txt"].time == 5


# What was left out for a reason that can pass


@pytest.fixture
def with_gaps(study):
    """Done to the page while two words could not be read."""
    study.inputs.broken = {WORDS[1], WORDS[7]}
    study.do(page)
    study.do(some)
    return study


def without(*words):
    """The study as it is opened when only these words cannot be read."""

    def again(study):
        opened = study.again()
        opened.inputs.broken = set(words)
        return opened

    return again


def test_with_none_back_nothing_is_done(with_gaps):
    before = digests(with_gaps.folder, records=True)
    assert without(WORDS[1], WORDS[7])(with_gaps).do(page) == []
    assert {**digests(with_gaps.folder, records=True), LOCK: ""} == {**before, LOCK: ""}


def test_shards_with_an_item_that_is_back_are_done_anew_and_all_that_needs_them(with_gaps, tmp_path, caplog):
    again = without(WORDS[1])(with_gaps)
    assert again.do(page) == [*WORDS[6:], *WORDS[6:], "summary", "page"]
    assert [message.partition(":")[0] for message in caplog.messages] == ["lengths/left", "lengths/right"]
    assert again.do(page) == []
    # Words that are not of the page, and so wait for the command that does them.
    assert again.do(some) == WORDS[6:]
    undisturbed = type(again)(tmp_path / "whole")
    undisturbed.inputs.broken = {WORDS[1]}
    undisturbed.do(page)
    undisturbed.do(some)
    assert digests(again.folder) == digests(undisturbed.folder)


def test_a_task_without_shards_is_done_anew_and_all_that_needs_it(study, tmp_path):
    study.inputs.broken = {"left"}
    study.do(page)
    again = study.again()
    assert again.do(page) == ["source left", *WORDS, "summary", "page"]
    assert again.do(page) == []
    undisturbed = type(again)(tmp_path / "whole")
    undisturbed.do(page)
    assert digests(again.folder) == digests(undisturbed.folder)


def test_what_needs_it_is_done_anew_though_the_run_is_killed_in_between(with_gaps, tmp_path):
    again = without()(with_gaps)
    again.inputs.killer = WORDS[7]
    with killed():
        again.do(page)
    for name in ("summary", "page"):
        assert read_record(again.folder / name).key == CLEARED
    assert without()(with_gaps).do(page)[-2:] == ["summary", "page"]
    undisturbed = type(again)(tmp_path / "whole")
    undisturbed.do(page)
    names = digests(undisturbed.folder)
    assert {name: digest for name, digest in digests(again.folder).items() if name in names} == names


def test_what_needs_it_is_done_anew_where_another_damage_brings_an_item_back(with_gaps):
    """The shard is computed again because of the damage, and then has the word that it was without."""
    (with_gaps.folder / "lengths" / "left" / "lengths-00002.npy").unlink()
    again = without(WORDS[1])(with_gaps)
    assert again.do(lengths, "left") == WORDS[6:]
    assert read_record(again.folder / "summary").key == CLEARED
    assert again.do(summary)[-1] == "summary"


def test_a_damaged_table_of_what_was_left_out_is_computed_again(with_gaps):
    flip(with_gaps.folder / "lengths" / "left" / "skipped-00000.parquet", keep_time=True)
    again = without(WORDS[1], WORDS[7])(with_gaps)
    assert again.do(lengths, "left") == WORDS[:3]
    assert again.step_folder(lengths, "left").record.transient == 2


def change_record(study, name, **changes):
    folder = study.folder / name
    write_record(read_record(folder).model_copy(update=changes), folder)


def test_steps_that_say_they_need_themselves_or_each_other_end(with_gaps):
    record = read_record(with_gaps.folder / "lengths" / "left")
    change_record(with_gaps, "lengths/left", needs={**record.needs, "lengths/left": "a" * 64, "page": "a" * 64})
    change_record(with_gaps, "summary", needs={"lengths/left": "a" * 64, "summary": "a" * 64, "page": "a" * 64})
    assert without()(with_gaps).do(page)[-2:] == ["summary", "page"]


def test_many_records_that_need_one_another_are_all_taken_back(with_gaps):
    record = read_record(with_gaps.folder / "summary")
    for number in range(40):
        folder = with_gaps.folder / "explanations" / str(number)
        folder.mkdir(parents=True)
        needed = f"explanations/{number - 1}" if number else "summary"
        write_record(record.model_copy(update={"needs": {needed: "a" * 64}, "files": {}}), folder)
    without()(with_gaps).do(page)
    assert {read_record(folder).key for folder in (with_gaps.folder / "explanations").iterdir()} == {CLEARED}


def test_no_record_of_another_study_is_changed_through_a_link(with_gaps, tmp_path):
    other = type(with_gaps)(tmp_path / "other")
    other.do(page)
    before = digests(other.folder, records=True)
    (with_gaps.folder / "explanations").mkdir()
    (with_gaps.folder / "explanations" / "linked").symlink_to(other.folder / "summary")
    (with_gaps.folder / "linked").symlink_to(other.folder / "summary")
    (with_gaps.folder / "others").symlink_to(other.folder / "lengths")
    without()(with_gaps).do(page)
    assert digests(other.folder, records=True) == before


@pytest.mark.parametrize("name", ["source/left", "lengths/left", "summary"])
def test_a_record_that_says_it_left_out_what_no_table_lists_does_no_harm(study, name):
    study.do(page)
    change_record(study, name, transient=3, left_out=3)
    assert study.again().do(page) == []
