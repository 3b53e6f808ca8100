"""Files that are whole or not there, and damage that is noticed."""

import errno
import hashlib
import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bias_toolkit.foundation.files import (
    atomic_path,
    is_intact,
    read_seal,
    read_table,
    remove_leftovers,
    seal_shard,
    sealed_shards,
    shard_slices,
    temporary_path,
    write_array,
    write_table,
    write_text,
)


@pytest.fixture
def sealed(tmp_path):
    """A folder with three whole shards of two files."""
    for number in range(3):
        for name in (f"part-{number:05d}.npy", f"part-{number:05d}.parquet"):
            (tmp_path / name).write_bytes(name.encode() * 20)
        seal_shard(tmp_path, "part", number, [f"part-{number:05d}.npy", f"part-{number:05d}.parquet"])
    return tmp_path


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_name_before_anything_else(tmp_path, monkeypatch):
    """The order that survives a loss of power: content, name, and the folder that holds the name."""
    done = []

    def name_of(file):
        return os.path.basename(os.readlink(f"/proc/self/fd/{file}"))

    monkeypatch.setattr("bias_toolkit.foundation.files.os.fsync", lambda file: done.append(("sync", name_of(file))))
    replace = os.replace

    def renaming(old, new):
        done.append(("rename", os.path.basename(old), os.path.basename(new)))
        replace(old, new)

    monkeypatch.setattr("bias_toolkit.foundation.files.os.replace", renaming)
    write_text("content", tmp_path / "file.txt")
    temporary = f".file.txt.{os.getpid()}.tmp.txt"
    assert done == [("sync", temporary), ("rename", temporary, "file.txt"), ("sync", tmp_path.name)]


@pytest.mark.parametrize("error", [KeyboardInterrupt, KeyError, OSError])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "file.txt"
    write_text("old", path)

    def fail():
        with atomic_path(path) as temporary:
            temporary.write_text("ne")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["file.txt"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_what_is_wrong_with_the_disk_is_said_of_the_folder(tmp_path, monkeypatch, number):
    def failing(file):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("bias_toolkit.foundation.files.os.fsync", failing)
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        write_text("content", tmp_path / "file.txt")
    assert (caught.value.errno, caught.value.filename) == (number, str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_other_errors_are_told_as_they_are(tmp_path):
    def fail(error):
        with atomic_path(tmp_path / "file.txt"):
            raise error

    for error in (RuntimeError("of the block"), FileNotFoundError(errno.ENOENT, "gone", "/elsewhere/photograph.jpg")):
        with pytest.raises(type(error)) as caught:
            fail(error)
        assert caught.value is error


def test_a_folder_that_is_gone_is_not_made_again_with_all_above_it(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        write_text("content", tmp_path / "study" / "index" / "reason.txt")
    assert caught.value.filename == str(tmp_path / "study" / "index")
    assert list(tmp_path.iterdir()) == []


def test_a_table_and_an_array_come_back(tmp_path):
    table = pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "more": [0, 0]})
    write_table(table, tmp_path / "t.parquet", pa.schema([("b", pa.string()), ("a", pa.int32())]))
    assert read_table(tmp_path / "t.parquet").to_dict("list") == {"b": ["x", "y"], "a": [1, 2]}
    write_array(np.eye(3), tmp_path / "a.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), np.eye(3))


@given(st.integers(0, 60), st.integers(1, 20))
def test_shards_cover_every_row_once(rows, size):
    covered = [row for part in shard_slices(rows, size) for row in range(rows)[part]]
    assert covered == list(range(rows))
    assert all(part.start % size == 0 for part in shard_slices(rows, size))


def test_only_leftovers_are_removed(tmp_path):
    keep = ["a.tmp", ".hidden", ".note.tmp", "1.tmp.txt", ".a.b.tmp.txt", "sub/.x.tmp.1"]
    gone = [".a.12.tmp", ".a.txt.12.tmp.txt", "sub/.b.parquet.7.tmp.parquet", ".folder.3.tmp/inside.txt"]
    for name in keep + gone:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    remove_leftovers(tmp_path)
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert left == sorted(keep)
    assert not (tmp_path / ".folder.3.tmp").exists()


def names_of_part(number):
    return [f"part-{number:05d}.npy", f"part-{number:05d}.parquet"]


def test_sealed_shards_are_whole(sealed):
    assert sealed_shards(sealed, "part", names_of_part) == {0, 1, 2}
    assert sealed_shards(sealed, "other", names_of_part) == set()
    assert sealed_shards(sealed / "nowhere", "part", names_of_part) == set()
    (sealed / "part-00002.sha256").unlink()
    assert sealed_shards(sealed, "part", names_of_part) == {0, 1}


@pytest.mark.parametrize("name", ["part-00001.npy", "part-00001.parquet", "part-00001.sha256"])
@pytest.mark.parametrize("kind", ["flip", "truncate", "empty", "delete"])
def test_a_damaged_shard_is_removed_and_named(sealed, name, kind, caplog):
    path = sealed / name
    content = path.read_bytes()
    if kind == "delete":
        path.unlink()
    else:
        flipped = content[:7] + bytes([content[7] ^ 32]) + content[8:]
        path.write_bytes({"flip": flipped, "truncate": content[:-3], "empty": b""}[kind])
    (sealed / "notes-00001.csv").write_text("mine")
    assert sealed_shards(sealed, "part", names_of_part) == {0, 2}
    assert (sealed / "notes-00001.csv").read_text() == "mine"
    if (name, kind) != ("part-00001.sha256", "delete"):
        assert len(caplog.messages) == 1
        assert caplog.messages[0].startswith(f"{sealed.parent.name}/{sealed.name}: part-00001.")
        assert caplog.messages[0].endswith(" was damaged or removed, and is computed again.")
        assert not any((sealed / each).exists() for each in names_of_part(1))
    assert not (sealed / "part-00001.sha256").exists()
    assert (sealed / "part-00000.npy").exists()


def test_a_seal_is_believed_only_as_a_whole(tmp_path):
    seal = tmp_path / "part-00000.sha256"
    digest = hashlib.sha256(b"content").hexdigest()
    for text in (
        "",
        "nonsense",
        f"{digest}  a.npy\nnonsense",
        f"{digest}  ../a.npy\n",
        f"{digest}  /a.npy\n",
        f"{digest}  ..\\a.npy\n",
        f"{digest}  .a.npy\n",
        f"{digest}  a.py\n",
        f"{digest}  a\n",
        f"{digest}  a\x1b.npy\n",
        f"{digest[:-1]}  a.npy\n",
        f"{digest}  a.npy\n" * 20_000,
    ):
        seal.write_text(text)
        assert read_seal(seal) == {}
    seal.write_bytes(b"\xff\xfe")
    assert read_seal(seal) == {}
    seal.write_text(f"{digest}  a.npy\n")
    assert read_seal(seal) == {"a.npy": digest}


@pytest.mark.skipif(os.name != "posix", reason="named pipes and links are POSIX")
def test_nothing_outside_is_read_or_removed_through_a_seal(sealed, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.npy").write_bytes(b"secret")
    (sealed / "part-00000.npy").unlink()
    (sealed / "part-00000.npy").symlink_to(outside / "secret.npy")
    digest = hashlib.sha256(b"secret").hexdigest()
    (sealed / "part-00000.sha256").write_text(f"{digest}  part-00000.npy\n")
    (sealed / "part-00001.npy").unlink()
    os.mkfifo(sealed / "part-00001.npy")
    (sealed / "part-00002.sha256").unlink()
    os.mkfifo(sealed / "part-00002.sha256")
    (sealed / "folder-00000.npy").mkdir()
    (sealed / "note-00000.txt").write_text("kept")
    assert sealed_shards(sealed, "part", names_of_part) == set()
    assert (outside / "secret.npy").read_bytes() == b"secret"
    assert {path.name for path in sealed.iterdir()} == {"folder-00000.npy", "note-00000.txt"}


@pytest.mark.skipif(os.name != "posix", reason="links are POSIX")
def test_leftovers_are_removed_and_not_what_they_link_to(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("kept")
    study = tmp_path / "study"
    study.mkdir()
    (study / ".a.12.tmp").symlink_to(outside)
    remove_leftovers(study)
    assert list(study.iterdir()) == []
    assert (outside / "file").read_text() == "kept"


def test_a_file_that_was_found_intact_is_read_again_only_when_it_changed(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"content")
    digest = hashlib.sha256(b"content").hexdigest()
    assert is_intact(path, digest)
    read = []
    monkeypatch.setattr("bias_toolkit.foundation.files.file_digest", lambda path: read.append(path) or digest)
    assert is_intact(path, digest)
    assert read == []
    path.write_bytes(b"CONTENT")
    assert is_intact(path, digest)
    assert read == [path]
    monkeypatch.undo()
    assert not is_intact(path, hashlib.sha256(b"other").hexdigest())
    assert not is_intact(tmp_path / "nowhere", digest)


def test_a_link_in_the_place_of_a_temporary_file_is_not_followed(tmp_path):
    victim, path = tmp_path / "victim", tmp_path / "figure.svg"
    victim.write_text("precious")
    temporary_path(path).symlink_to(victim)
    write_text("new", path)
    assert (victim.read_text(), path.read_text(), path.is_symlink()) == ("precious", "new", False)
