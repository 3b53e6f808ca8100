"""One run at a time."""

import errno
import json
import os
import socket
import subprocess
import sys

import pytest

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.pipeline.lock import LOCK, StudyLock


@pytest.fixture
def no_flock(monkeypatch):
    """A file system without locks."""

    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)


def held(folder):
    lock = StudyLock(folder)
    lock.acquire()
    return lock


def dead_process():
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


@pytest.mark.parametrize("fixture", [None, "no_flock"])
def test_it_is_held_by_one_and_told_to_the_other(tmp_path, request, fixture):
    if fixture:
        request.getfixturevalue(fixture)
    folder = tmp_path / "new" / "study"
    first = held(folder)
    assert first.held
    holder = json.loads((folder / LOCK).read_text())
    assert (holder["pid"], holder["host"]) == (os.getpid(), socket.gethostname())
    with pytest.raises(InputError) as told:
        held(folder)
    assert f"process {os.getpid()} on {socket.gethostname()}, since {holder['since']}" in str(told.value)
    assert (f"remove {folder / LOCK}" in str(told.value)) == bool(fixture)
    first.release()
    assert not first.held
    second = held(folder)
    second.check()
    second.release()


@pytest.mark.parametrize("fixture", [None, "no_flock"])
def test_a_lock_that_is_also_a_file_elsewhere_is_not_written_to(tmp_path, request, fixture):
    if fixture:
        request.getfixturevalue(fixture)
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "study").mkdir()
    os.link(tmp_path / "mine.txt", tmp_path / "study" / LOCK)
    with pytest.raises(InputError, match=r"hard link.*remove it"):
        held(tmp_path / "study")
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.usefixtures("no_flock")
def test_without_flock_a_dead_process_of_this_machine_holds_nothing(tmp_path):
    (tmp_path / LOCK).write_text(json.dumps({"pid": dead_process(), "host": socket.gethostname(), "since": "then"}))
    lock = held(tmp_path)
    assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()
    lock.release()
    assert not (tmp_path / LOCK).exists()


@pytest.mark.usefixtures("no_flock")
@pytest.mark.parametrize(
    "content",
    [
        "",
        json.dumps({"pid": "x", "host": socket.gethostname(), "since": "then"}),
        json.dumps({"pid": 1, "host": "another", "since": "then"}),
    ],
)
def test_without_flock_what_cannot_be_known_to_be_dead_is_left_to_the_user(tmp_path, content):
    (tmp_path / LOCK).write_text(content)
    with pytest.raises(InputError, match="If it does not run any more, remove"):
        held(tmp_path)
    assert (tmp_path / LOCK).read_text() == content


def test_with_flock_what_a_dead_process_wrote_does_not_matter(tmp_path):
    (tmp_path / LOCK).write_text(json.dumps({"pid": 1, "host": "another", "since": "then"}))
    held(tmp_path).release()
    assert (tmp_path / LOCK).read_text() == "{}"


@pytest.mark.usefixtures("no_flock")
def test_a_lock_file_from_a_system_with_flock_is_free_when_it_was_let_go(tmp_path):
    (tmp_path / LOCK).write_text("{}")
    held(tmp_path).release()


@pytest.mark.parametrize("change", ["removed", "moved"])
def test_a_study_that_went_away_is_noticed(tmp_path, change):
    lock = held(tmp_path / "study")
    lock.check()
    if change == "removed":
        (tmp_path / "study" / LOCK).unlink()
    else:
        (tmp_path / "study").rename(tmp_path / "away")
    with pytest.raises(FileNotFoundError) as caught:
        lock.check()
    assert caught.value.filename == str(tmp_path / "study")
    lock.release()


def test_a_full_disk_keeps_nobody_out_and_nobody_in(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("bias_toolkit.pipeline.lock.os.write", fail)
    lock = held(tmp_path)
    with pytest.raises(InputError, match="Another run is working"):
        held(tmp_path)
    lock.release()
    assert not lock.held
    held(tmp_path).release()


def test_other_errors_of_the_system_are_not_taken_for_a_missing_lock(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("fcntl.flock", fail)
    with pytest.raises(OSError, match="Input/output"):
        held(tmp_path)


def test_a_copy_that_a_child_process_holds_open_does_not_keep_the_lock(tmp_path):
    first = StudyLock(tmp_path)
    first.acquire()
    copy = os.dup(first._file)
    try:
        first.release()
        second = StudyLock(tmp_path)
        second.acquire()
        assert second.held
        second.release()
    finally:
        os.close(copy)


@pytest.mark.parametrize("fixture", [None, "no_flock"])
def test_several_share_a_lock_that_is_free(tmp_path, request, fixture):
    if fixture:
        request.getfixturevalue(fixture)
    shared = [StudyLock(tmp_path) for _ in range(2)]
    for each in shared:
        each.acquire(shared=True)
    if not fixture:
        with pytest.raises(InputError, match="Another run is working"):
            held(tmp_path)
    for each in shared:
        each.release()
    run = held(tmp_path)
    with pytest.raises(InputError, match=rf"Another run \(process {os.getpid()}"):
        shared[0].acquire(shared=True)
    run.release()


@pytest.mark.usefixtures("no_flock")
def test_without_flock_the_end_of_a_shared_lock_leaves_that_of_a_run(tmp_path):
    part = StudyLock(tmp_path)
    part.acquire(shared=True)
    run = held(tmp_path)
    part.release()
    run.check()
    run.release()
