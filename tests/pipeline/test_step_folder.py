"""The folder of a task: when it is done, what is kept of it, and that nothing else is touched."""

import errno
import json
import os
from pathlib import Path

import pytest
from toy_study import Inputs, digests, flip, killed, lengths, source

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import seal_shard, sealed_shards
from bias_toolkit.pipeline.record import CLEARED, LONGEST, RECORD, read_record, write_record
from bias_toolkit.pipeline.step import Plan, step
from bias_toolkit.pipeline.step_folder import StepFolder, read_whole

HERE = {"torch": "2"}


def folder_of(study, version=1, name="work", **declared):
    """The folder of a step that writes `.bin` files; another version has another key."""
    declared = {
        "command": "work",
        "writes": ["*.bin", "part-*", "pictures/*.bin"],
        "also": lambda: {"version": version},
    } | declared
    return StepFolder(study, Plan(Inputs(), []).task(step(name, **declared)(lambda job: None)))


def finish(folder, files, environment=HERE):
    """Do a step whose work is to write some files."""
    with folder.working(environment) as path:
        for name, content in files.items():
            (path / name).parent.mkdir(exist_ok=True)
            (path / name).write_bytes(content)
    return folder


def interrupt(folder, environment=HERE):
    """Write one file of a step's work, and be stopped."""
    with killed(), folder.working(environment) as path:
        (path / "part-0.bin").write_bytes(b"whole")
        raise KeyboardInterrupt


def left(folder):
    return sorted(path.relative_to(folder.path).as_posix() for path in folder.path.rglob("*"))


def test_it_is_done_only_after_the_block_ended(tmp_path):
    folder = folder_of(tmp_path)
    assert not folder.is_done
    with folder.working(HERE):
        assert not folder.is_done
    assert folder.is_done
    assert not folder_of(tmp_path, version=2).is_done


def test_the_record_says_what_was_done(study):
    study.do(lengths, "left")
    record = study.step_folder(lengths, "left").record
    assert record.done
    assert record.settings == {"factor": 2, "machine": "m"}
    assert record.needs == {"source/left": study.plan.task(source, "left").key}
    assert record.environment == HERE
    whole = digests(study.folder / "lengths" / "left")
    assert {name: file.sha256 for name, file in record.files.items()} == whole


def test_interrupted_work_is_kept_and_that_of_another_key_is_removed(tmp_path):
    interrupt(folder_of(tmp_path))
    assert not folder_of(tmp_path).is_done
    with folder_of(tmp_path).working(HERE) as path:
        assert (path / "part-0.bin").read_bytes() == b"whole"
    with folder_of(tmp_path, version=2).working(HERE) as path:
        assert [each.name for each in path.iterdir()] == [RECORD]


def test_partial_work_of_another_environment_is_not_gone_on_with(tmp_path):
    interrupt(folder_of(tmp_path))
    with folder_of(tmp_path).working({"torch": "3"}) as path:
        assert not (path / "part-0.bin").exists()
    assert folder_of(tmp_path).is_done


def test_seconds_add_up_over_interruptions(tmp_path, monkeypatch):
    clock = iter([10.0, 13.0, 100.0, 104.5])
    monkeypatch.setattr("bias_toolkit.pipeline.step_folder.time.monotonic", lambda: next(clock))
    interrupt(folder_of(tmp_path))
    finish(folder_of(tmp_path), {})
    assert read_record(tmp_path / "work").seconds == 7.5


def test_more_seconds_than_a_record_may_have_do_not_end_a_run(tmp_path, monkeypatch):
    interrupt(folder_of(tmp_path))
    clock = iter([10.0, 20.0])
    monkeypatch.setattr("bias_toolkit.pipeline.step_folder.time.monotonic", lambda: next(clock))
    record = read_record(tmp_path / "work")
    write_record(record.model_copy(update={"seconds": float(LONGEST)}), tmp_path / "work")
    assert finish(folder_of(tmp_path), {}).is_done


def test_a_step_that_replaces_itself_keeps_its_old_result(tmp_path):
    finish(folder_of(tmp_path, replaces_itself=True), {"a.bin": b"old"})
    with folder_of(tmp_path, version=2, replaces_itself=True).working(HERE) as path:
        assert (path / "a.bin").read_bytes() == b"old"


# Damage

DAMAGES = {
    "flipped": flip,
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "deleted": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "a link": lambda path: (path.rename(path.with_name("moved")), path.symlink_to("moved")),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("name", ["a.bin", "pictures/b.bin"])
def test_a_damaged_file_means_not_done(tmp_path, caplog, name, damage):
    folder = finish(folder_of(tmp_path), {"a.bin": b"one", "pictures/b.bin": b"two"})
    assert folder.is_done
    damage(tmp_path / "work" / name)
    assert not folder.is_done
    assert folder.changed_file(folder.record) == folder.damaged_file(folder.record) == name
    with folder.working(HERE):
        pass
    assert not {"a.bin", "pictures/b.bin"} & set(folder.record.files)
    assert caplog.messages == [f"work: {name} was damaged or removed, and is computed again."]


def test_damage_that_kept_size_and_time_is_found_when_the_file_is_read_and_by_the_next_run(tmp_path):
    folder = finish(folder_of(tmp_path), {"a.bin": b"one", "b.bin": b"two"})
    flip(tmp_path / "work" / "b.bin", keep_time=True)
    assert folder.is_done
    assert folder.damaged_file(folder.record, "a.*") is None
    assert folder.is_done
    assert folder.damaged_file(folder.record) == "b.bin"
    assert not folder.is_done


def test_a_finished_task_is_not_read_to_see_that_it_is_done(tmp_path, monkeypatch):
    finish(folder_of(tmp_path), {"a.bin": b"one"})
    monkeypatch.setattr("bias_toolkit.foundation.files.file_digest", lambda path: pytest.fail("it was read"))
    folder = folder_of(tmp_path)
    assert folder.is_done
    os.utime(tmp_path / "work" / "a.bin", (1, 1))
    with pytest.raises(pytest.fail.Exception):
        _ = folder.is_done


def test_a_copy_with_other_times_is_done_and_is_read_once(tmp_path, monkeypatch):
    folder = finish(folder_of(tmp_path), {"a.bin": b"one"})
    os.utime(tmp_path / "work" / "a.bin", (1, 1))
    assert folder.is_done
    folder.renew_times()
    monkeypatch.setattr("bias_toolkit.foundation.files.file_digest", lambda path: pytest.fail("it was read"))
    assert folder.is_done


def test_files_whose_record_was_lost_are_computed_again(tmp_path, caplog):
    folder = finish(folder_of(tmp_path), {"a.bin": b"old"})
    for damage in (DAMAGES["deleted"], DAMAGES["truncated"]):
        damage(tmp_path / "work" / RECORD)
        assert folder.is_record_lost
        assert not folder.is_done
        with folder.working(HERE) as path:
            assert left(folder) == [RECORD]
            (path / "a.bin").write_bytes(b"new")
        assert not folder.is_record_lost
        assert caplog.messages == [
            f"work: {RECORD} is missing, damaged, or of another version. The step is computed again."
        ]
        caplog.clear()


def test_a_users_files_alone_are_no_lost_record(tmp_path, caplog):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "notes.txt").write_text("the user's")
    assert not folder_of(tmp_path).is_record_lost
    finish(folder_of(tmp_path), {})
    assert caplog.messages == []


def sealed_parts(folder):
    """Finish a step of three sealed shards."""
    with folder.working(HERE) as path:
        for number in range(3):
            (path / f"part-0000{number}.npy").write_bytes(bytes([number]))
            seal_shard(path, "part", number, [f"part-0000{number}.npy"])
    return folder


def test_whole_shards_of_a_damaged_sharded_task_are_kept(tmp_path):
    folder = sealed_parts(folder_of(tmp_path, sharding=object()))
    flip(folder.path / "part-00001.npy")
    with folder.working(HERE) as path:
        assert sealed_shards(path, "part", lambda number: [f"part-{number:05d}.npy"]) == {0, 2}
        assert [each.name for each in sorted(path.glob("part-*.npy"))] == ["part-00000.npy", "part-00002.npy"]


def test_an_empty_seal_takes_its_shard_with_it(tmp_path):
    folder = sealed_parts(folder_of(tmp_path, sharding=object()))
    (folder.path / "part-00001.sha256").write_text("")
    with folder.working(HERE) as path:
        assert sealed_shards(path, "part", lambda number: [f"part-{number:05d}.npy"]) == {0, 2}


# What is removed

OWN = {"a.bin": b"one", "part-0.npy": b"two", "pictures/b.bin": b"three"}
USERS = {
    "notes.txt": b"the user's",
    "a.bin.txt": b"the user's",
    "pictures/photograph.jpg": b"the user's",
    "backup/a.bin": b"the user's",
    "backup/pictures/b.bin": b"the user's",
}


@pytest.fixture
def outside(tmp_path):
    """A folder beside the study, with files of the names that a step writes, and a finished step of the same key."""
    finish(folder_of(tmp_path / "outside"), OWN)
    (tmp_path / "outside" / "a.bin").write_bytes(b"precious")
    (tmp_path / "outside" / "sub").mkdir()
    (tmp_path / "outside" / "sub" / "part-9.npy").write_bytes(b"precious")
    return tmp_path / "outside"


def with_links(folder, outside):
    """Put a user's files and links to outside into the folder of a step."""
    for name, content in USERS.items():
        (folder.path / name).parent.mkdir(parents=True, exist_ok=True)
        (folder.path / name).write_bytes(content)
    (folder.path / "empty").mkdir()
    (folder.path / "link.txt").symlink_to(outside / "a.bin")
    (folder.path / "folder.bin").symlink_to(outside / "sub")
    (folder.path / "linked").symlink_to(outside)
    return {*USERS, "empty", "link.txt", "folder.bin", "linked", "pictures", "backup", "backup/pictures"}


def test_only_what_the_step_writes_is_ever_removed(tmp_path, outside):
    before = digests(outside, records=True)
    folder = finish(folder_of(tmp_path / "study"), OWN)
    users = with_links(folder, outside)
    folder.clear()
    assert set(left(folder)) == users
    assert {name: (folder.path / name).read_bytes() for name in USERS} == USERS
    assert digests(outside, records=True) == before
    folder.clear()
    assert set(left(folder)) == users


def test_folders_that_are_empty_then_go_and_others_stay(tmp_path):
    folder = finish(folder_of(tmp_path, writes=["*/*.bin"]), {"pictures/a.bin": b"a", "plots/b.bin": b"b"})
    (folder.path / "plots" / "notes.txt").write_text("the user's")
    (folder.path / "empty").mkdir()
    folder.clear()
    assert left(folder) == ["empty", "plots", "plots/notes.txt"]


def test_a_link_of_the_steps_own_name_goes_and_not_what_it_leads_to(tmp_path, outside):
    before = digests(outside, records=True)
    folder = finish(folder_of(tmp_path / "study"), OWN)
    (folder.path / "part-7.npy").symlink_to(outside / "a.bin")
    (folder.path / "part-8.npy").symlink_to("nowhere")
    os.mkfifo(folder.path / "part-9.npy")
    with folder_of(tmp_path / "study", version=2).working(HERE):
        assert left(folder) == [RECORD]
    assert digests(outside, records=True) == before


def test_a_users_files_are_no_damage_and_stay_when_the_step_is_done_anew(tmp_path):
    folder = finish(folder_of(tmp_path), {"a.bin": b"one"})
    (folder.path / "notes.txt").write_text("the user's")
    assert folder.is_done
    finish(folder_of(tmp_path, version=2), {"a.bin": b"two"})
    assert (folder.path / "notes.txt").read_text() == "the user's"
    assert set(folder.record.files) == {"a.bin"}


def test_a_folder_that_leads_out_of_the_study_is_refused(tmp_path, outside):
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "work").symlink_to(outside / "work")
    before = digests(outside, records=True)
    with pytest.raises(InputError, match="leads out of"):
        folder_of(tmp_path / "study")
    assert digests(outside, records=True) == before


@pytest.mark.parametrize("is_done", [True, False])
@pytest.mark.parametrize("sharding", [None, object()])
@pytest.mark.parametrize(
    "name", ["notes.txt", "linked/a.bin", "link.txt", "pictures/photograph.jpg", "folder.bin/part-9.npy"]
)
def test_a_record_that_names_other_files_gets_none_of_them_removed(tmp_path, outside, name, sharding, is_done):
    """Anybody who knows the inputs knows the key, and can write a record with it."""
    before = digests(outside, records=True)
    folder = finish(folder_of(tmp_path / "study", sharding=sharding), {"a.bin": b"one"})
    users = with_links(folder, outside)
    record = folder.record
    named = {name: next(iter(record.files.values()))}
    write_record(record.model_copy(update={"done": is_done, "files": named}), folder.path)
    assert not folder.is_done
    with folder.working(HERE):
        assert users <= set(left(folder))
    folder.clear()
    assert set(left(folder)) == users
    assert {name: (folder.path / name).read_bytes() for name in USERS} == USERS
    assert digests(outside, records=True) == before


def test_no_file_of_a_link_is_read_for_what_was_left_out(study, tmp_path):
    study.inputs.broken = {"word-1"}
    study.do(lengths, "left")
    folder = study.step_folder(lengths, "left")
    os.mkfifo(folder.path / "skipped-00007.parquet")
    (folder.path / "skipped-00008.parquet").symlink_to(tmp_path / "outside")
    assert folder.left_out()["word"].tolist() == folder.transient_items() == ["word-1"]
    folder.reopen(["word-1"])
    assert {"skipped-00007.parquet", "skipped-00008.parquet"} < set(left(folder))


def test_an_old_result_that_cannot_be_deleted_ends_the_run_and_passes_for_none(tmp_path, monkeypatch):
    finish(folder_of(tmp_path), {"a.bin": b"one"})

    def refuse(self, **_):
        if self.exists():
            raise PermissionError(errno.EACCES, "denied", str(self))

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(PermissionError), folder_of(tmp_path, version=2).working(HERE):
        pytest.fail("it was begun")
    monkeypatch.undo()
    assert not folder_of(tmp_path).is_done
    assert not folder_of(tmp_path, version=2).is_done
    assert finish(folder_of(tmp_path, version=2), {}).record.files == {}


@pytest.mark.parametrize("is_record_there", [True, False])
@pytest.mark.parametrize("removals", range(5))
def test_a_kill_between_removals_leaves_nothing_that_passes_for_a_result(
    tmp_path, monkeypatch, removals, is_record_there
):
    """Of the three files and the record; the last of the cases is not killed."""
    finish(folder_of(tmp_path), OWN)
    if not is_record_there:
        (tmp_path / "work" / RECORD).unlink()
    unlink, removed = Path.unlink, []

    def counted(self, **options):
        if self.suffix == ".tmp" or ".tmp" in self.name:
            return unlink(self, **options)
        if len(removed) == removals:
            raise KeyboardInterrupt
        removed.append(self)
        return unlink(self, **options)

    monkeypatch.setattr(Path, "unlink", counted)
    new = folder_of(tmp_path, version=2)
    if removals < 4:
        with killed():
            new.clear()
    else:
        new.clear()
    monkeypatch.undo()
    assert len(removed) == removals
    for folder in (folder_of(tmp_path), new):
        assert not folder.is_done
        assert folder.own_record is None
    if removals < 3:
        assert new.is_record_lost or new.record.key == CLEARED
    with new.working(HERE):
        assert left(new) == [RECORD]
    assert new.record.files == {}


def test_a_kill_after_the_clearing_and_before_the_record_is_a_new_start(tmp_path, monkeypatch):
    finish(folder_of(tmp_path), OWN)
    new = folder_of(tmp_path, version=2)

    def kill(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(StepFolder, "_mark", kill)
    with killed(), new.working(HERE):
        pass
    monkeypatch.undo()
    assert left(new) == []
    assert finish(new, {"a.bin": b"new"}).is_done


# The folder goes away, or the system refuses


def test_a_folder_that_was_replaced_meanwhile_is_not_done(tmp_path):
    folder = folder_of(tmp_path)

    def replace():
        with folder.working(HERE) as path:
            path.rename(tmp_path / "away")
            path.mkdir()

    with pytest.raises(FileNotFoundError):
        replace()
    assert not folder.is_done


def test_an_error_of_the_system_without_a_name_gets_the_folders(tmp_path):
    with pytest.raises(OSError, match="No space") as caught, folder_of(tmp_path).working(HERE):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(tmp_path / "work")


# What was left out


def test_only_the_shards_with_what_is_tried_again_are_removed(study):
    study.inputs.broken = {"word-1", "word-7"}
    study.do(lengths, "left")
    folder = study.step_folder(lengths, "left")
    assert (folder.record.left_out, folder.record.transient) == (2, 2)
    assert folder.left_out()["word"].tolist() == ["word-1", "word-7"]
    folder.reopen(["word-7"])
    assert not folder.is_done
    assert folder.own_record.transient == 0
    assert sealed_shards(folder.path, "lengths", lambda number: []) == {0, 1}
    assert not [name for name in left(folder) if "00002" in name]


def test_a_task_without_shards_is_cleared_to_be_tried_again(study):
    study.inputs.broken = {"left"}
    study.do(source, "left")
    folder = study.step_folder(source, "left")
    assert folder.transient_items() == ["left"]
    folder.reopen(["left"])
    assert left(folder) == []


def test_a_table_of_what_was_left_out_that_cannot_be_read_is_a_sentence(study):
    study.inputs.broken = {"left"}
    study.do(source, "left")
    folder = study.step_folder(source, "left")
    (folder.path / "skipped.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"source/left cannot be read \("):
        folder.transient_items()
    folder.path.joinpath(RECORD).unlink()
    assert folder.left_out() is None


@pytest.mark.parametrize("error", [OSError("disk"), ValueError("bad\nmore"), KeyError("column"), RuntimeError("x")])
def test_what_cannot_be_read_is_one_sentence_that_names_it(tmp_path, error):
    def read(path):
        raise error

    with pytest.raises(InputError, match=r"a\.bin cannot be read \([^\n]*\)\.$"):
        read_whole(tmp_path / "a.bin", read)
    assert read_whole(tmp_path, lambda path: json.loads("[1]")) == [1]
