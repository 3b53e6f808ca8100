import pytest

from bias_toolkit.steps import Step, StepFolder, recorded_seconds


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
    assert recorded_seconds(tmp_path / "work") == 7.5


def test_broken_marker_means_not_done(tmp_path):
    folder = StepFolder(tmp_path, Step("work"))
    with folder.working() as path:
        pass
    (path / "step.json").write_text('{"key": ')
    assert not folder.done
