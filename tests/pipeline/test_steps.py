import errno
import json
import os

import pytest

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import remove_leftovers, seal_shard, sealed_shards
from bias_toolkit.pipeline.steps import Step, StepFolder, changed_file, damaged_file, read_marker


def interrupt(folder):
    """Write one shard of a step's work, and be stopped."""
    with folder.working() as path:
        (path / "shard-0").write_text("whole")
        raise KeyboardInterrupt


def test_key_depends_on_settings_and_on_what_is_needed():
    first = Step("first", {"a": 1})
    assert Step("first", {"a": 1}).key == first.key
    assert Step("first", {"a": 2}).key != first.key
    assert Step("second", {}, (first,)).key != Step("second", {}, (Step("first", {"a": 2}),)).key
    assert Step("second", {}, (first,)).key == Step("second", {}, (Step("first", {"a": 1}),)).key


def test_done_only_after_the_block_ended(tmp_path):
    folder = StepFolder(tmp_path, Step("work", {"a": 1}))
    assert not folder.done
    with folder.working():
        assert not folder.done
    assert folder.done
    assert not StepFolder(tmp_path, Step("work", {"a": 2})).done


def test_interrupted_work_is_kept_and_other_work_is_removed(tmp_path):
    step = Step("work", {"a": 1})
    with pytest.raises(KeyboardInterrupt):
        interrupt(StepFolder(tmp_path, step))
    assert not StepFolder(tmp_path, step).done
    with StepFolder(tmp_path, step).working() as path:
        assert (path / "shard-0").read_text() == "whole"
    with StepFolder(tmp_path, Step("work", {"a": 2})).working() as path:
        assert not (path / "shard-0").exists()


def test_seconds_add_up_over_interruptions(tmp_path, monkeypatch):
    clock = iter([10.0, 13.0, 100.0, 104.5])
    monkeypatch.setattr("bias_toolkit.pipeline.steps.time.monotonic", lambda: next(clock))
    folder = StepFolder(tmp_path, Step("work"))
    with pytest.raises(KeyboardInterrupt):
        interrupt(folder)
    with folder.working():
        pass
    assert read_marker(tmp_path / "work")["seconds"] == 7.5


def test_broken_marker_means_not_done(tmp_path):
    folder = StepFolder(tmp_path, Step("work"))
    with folder.working() as path:
        pass
    (path / "step.json").write_text('{"key": ')
    assert not folder.done


def test_partial_work_of_another_environment_is_not_gone_on_with(tmp_path):
    step = Step("work")
    with pytest.raises(KeyboardInterrupt):
        interrupt(StepFolder(tmp_path, step, {"torch": "2.0"}))
    with StepFolder(tmp_path, step, {"torch": "2.1"}).working() as path:
        assert not (path / "shard-0").exists()
    assert StepFolder(tmp_path, step, {"torch": "2.2"}).done


def test_files_that_are_no_steps_are_never_removed(tmp_path):
    photograph = tmp_path / "images" / "train" / "photograph.jpg"
    photograph.parent.mkdir(parents=True)
    photograph.write_bytes(b"precious")
    with pytest.raises(InputError, match=r"no step\.json, so they may not be this study's"):
        StepFolder(tmp_path, Step("images/train")).working().__enter__()
    assert photograph.read_bytes() == b"precious"


def test_files_of_steps_without_a_marker_are_computed_again(tmp_path, caplog):
    folder = finish(StepFolder(tmp_path, Step("work")), {"a.parquet": b"old", "a.sha256": b"old"})
    (tmp_path / "work" / "step.json").unlink()
    assert not folder.done
    with folder.working() as path:
        assert [each.name for each in path.iterdir()] == ["step.json"]
    assert caplog.messages == ["work: step.json was damaged or removed, and the step is computed again."]


def test_a_page_without_a_marker_is_written_again_if_it_is_the_toolkits(tmp_path):
    from bias_toolkit.report.page.publish import claim

    folder = finish(StepFolder(tmp_path, Step("page")), {"pictures/a.png": b"picture"})
    (tmp_path / "page" / "step.json").unlink()
    with pytest.raises(InputError, match=r"no step\.json"):
        folder.working().__enter__()
    claim(tmp_path / "page")
    finish(folder, {"b.png": b"picture"})
    assert sorted(each.name for each in (tmp_path / "page").iterdir()) == ["b.png", "step.json"]


def test_an_old_result_that_cannot_be_deleted_does_not_end_the_run(tmp_path, monkeypatch):
    finish(StepFolder(tmp_path, Step("work", {"a": 1})), {"a.bin": b"one"})
    monkeypatch.setattr("shutil.os.unlink", lambda *_, **__: (_ for _ in ()).throw(PermissionError(13, "denied")))
    with StepFolder(tmp_path, Step("work", {"a": 2})).working() as path:
        assert not (path / "a.bin").exists()


def test_a_step_that_replaces_itself_keeps_its_old_result(tmp_path):
    with StepFolder(tmp_path, Step("report", {"a": 1})).working() as path:
        (path / "index.html").write_text("old")
    with StepFolder(tmp_path, Step("report", {"a": 2}, replaces_itself=True)).working() as path:
        assert (path / "index.html").read_text() == "old"


def finish(folder, files):
    """Do a step whose work is to write some files."""
    with folder.working() as path:
        for name, content in files.items():
            (path / name).parent.mkdir(exist_ok=True)
            (path / name).write_bytes(content)
    return folder


DAMAGES = {
    "flipped": lambda path: path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:]),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "deleted": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("name", ["a.bin", "pictures/b.bin"])
def test_a_damaged_file_means_not_done(tmp_path, caplog, name, damage):
    files = {"a.bin": b"one", "pictures/b.bin": b"two"}
    folder = finish(StepFolder(tmp_path, Step("work")), files)
    assert folder.done
    damage(tmp_path / "work" / name)
    assert not folder.done
    assert changed_file(tmp_path / "work") == damaged_file(tmp_path / "work") == name
    with folder.working() as path:
        assert [each.name for each in path.iterdir()] == ["step.json"]
    assert caplog.messages == [f"work: {name} was damaged or removed, and is computed again."]


def test_damage_that_kept_size_and_time_is_found_when_the_file_is_read_and_by_the_next_run(tmp_path):
    folder = finish(StepFolder(tmp_path, Step("work")), {"a.bin": b"one", "b.bin": b"two"})
    path = tmp_path / "work" / "b.bin"
    times = path.stat()
    path.write_bytes(b"tuo")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert folder.done
    assert damaged_file(path.parent, "a.*") is None
    assert folder.done
    assert damaged_file(path.parent) == "b.bin"
    assert not folder.done


def test_a_finished_step_is_not_read_to_see_that_it_is_done(tmp_path, monkeypatch):
    folder = finish(StepFolder(tmp_path, Step("work")), {"a.bin": b"one"})
    monkeypatch.setattr("bias_toolkit.foundation.files.file_digest", lambda path: pytest.fail("it was read"))
    assert StepFolder(tmp_path, Step("work")).done
    os.utime(tmp_path / "work" / "a.bin", (1, 1))
    with pytest.raises(pytest.fail.Exception):
        _ = folder.done


def test_a_copy_with_other_times_is_done_and_is_read_once(tmp_path, monkeypatch):
    folder = finish(StepFolder(tmp_path, Step("work")), {"a.bin": b"one"})
    os.utime(tmp_path / "work" / "a.bin", (1, 1))
    assert folder.done
    folder.renew_times()
    monkeypatch.setattr("bias_toolkit.foundation.files.file_digest", lambda path: pytest.fail("it was read"))
    assert folder.done


def test_a_file_that_was_added_is_no_damage(tmp_path):
    folder = finish(StepFolder(tmp_path, Step("work")), {"a.bin": b"one"})
    (tmp_path / "work" / "notes.txt").write_text("the user's")
    assert folder.done


def test_whole_shards_of_a_damaged_step_are_kept(tmp_path):
    folder = StepFolder(tmp_path, Step("work"))
    with folder.working() as path:
        for number in range(3):
            (path / f"part-{number}.npy").write_bytes(bytes([number]))
            seal_shard(path, "part", number, [f"part-{number}.npy"])
    (path / "part-1.npy").write_bytes(b"x")
    with folder.working():
        assert sealed_shards(path, "part") == {0, 2}
        assert sorted(each.name for each in path.glob("part-*.npy")) == ["part-0.npy", "part-2.npy"]


def test_no_byte_of_a_marker_can_change_unnoticed(tmp_path, caplog):
    folder = finish(StepFolder(tmp_path, Step("work", {"a": 1})), {"a.bin": b"one"})
    marker = tmp_path / "work" / "step.json"
    whole = marker.read_bytes()
    meant = json.loads(whole)
    for place in range(len(whole)):
        marker.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        found = read_marker(marker.parent)
        assert not found or found == meant
    marker.write_bytes(whole[:-2])
    with folder.working() as path:
        assert not (path / "a.bin").exists()
    assert caplog.messages == ["work: step.json was damaged or removed, and the step is computed again."]


def test_a_marker_of_before_there_were_digests_is_taken_as_it_is(tmp_path):
    folder = finish(StepFolder(tmp_path, Step("work")), {"a.bin": b"one"})
    marker = json.loads((tmp_path / "work" / "step.json").read_text())
    del marker["files"], marker["sha256"]
    (tmp_path / "work" / "step.json").write_text(json.dumps(marker))
    assert folder.done


def test_old_results_go_as_one_and_so_a_kill_leaves_nothing_that_is_taken_for_the_users(tmp_path, monkeypatch):
    finish(StepFolder(tmp_path, Step("work", {"a": 1})), {"a.bin": b"one", "b.bin": b"two"})

    def killed(path, **_):
        raise KeyboardInterrupt

    monkeypatch.setattr("bias_toolkit.foundation.files.shutil.rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        StepFolder(tmp_path, Step("work", {"a": 2})).working().__enter__()
    monkeypatch.undo()
    assert not (tmp_path / "work").exists()
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert StepFolder(tmp_path, Step("work", {"a": 2})).working().__enter__().exists()


def test_a_folder_that_was_replaced_meanwhile_is_not_done(tmp_path):
    folder = StepFolder(tmp_path, Step("work"))

    def replace():
        with folder.working() as path:
            path.rename(tmp_path / "away")
            path.mkdir()

    with pytest.raises(FileNotFoundError):
        replace()
    assert not folder.done


def test_an_error_of_the_system_without_a_name_gets_the_folders(tmp_path):
    def fill_disk():
        with StepFolder(tmp_path, Step("work")).working():
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space") as caught:
        fill_disk()
    assert caught.value.filename == str(tmp_path / "work")
