import pytest

from bias_toolkit.errors import InputError
from bias_toolkit.steps import Step, StepFolder, read_marker


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
    monkeypatch.setattr("bias_toolkit.steps.time.monotonic", lambda: next(clock))
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
    with pytest.raises(InputError, match="holds files that are not this study's"):
        StepFolder(tmp_path, Step("images/train")).working().__enter__()
    assert photograph.read_bytes() == b"precious"


def test_a_step_that_replaces_itself_keeps_its_old_result(tmp_path):
    with StepFolder(tmp_path, Step("report", {"a": 1})).working() as path:
        (path / "index.html").write_text("old")
    with StepFolder(tmp_path, Step("report", {"a": 2}, replaces_itself=True)).working() as path:
        assert (path / "index.html").read_text() == "old"


def test_two_runs_at_once_are_refused(tmp_path):
    with StepFolder(tmp_path, Step("one")).working():
        with pytest.raises(InputError, match="Another run"):
            StepFolder(tmp_path, Step("two")).working().__enter__()
        assert not (tmp_path / "two").exists()
    with StepFolder(tmp_path, Step("two")).working():
        pass
