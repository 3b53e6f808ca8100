"""Which step of a study is done, under which settings, and what has to be done again.

A step owns one folder of the study. Its key is a digest of the settings that decide its result and of the keys
of the steps it needs, so a changed setting reaches exactly the steps that depend on it. `step.json` in the folder
says under which key the folder was begun, on what machine and versions, and whether it was finished; of a finished
step, it has the digest of every file. A step is done only as long as its files are as they were then.
"""

from __future__ import annotations

import errno
import fnmatch
import functools
import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import (
    SEAL,
    file_digest,
    is_intact,
    is_leftover,
    never_made,
    read_seal,
    remove_folder,
    write_text,
)

MARKER = "step.json"
DIGEST = "sha256"
WRITTEN = {".parquet", ".npy", ".json", ".txt", ".faiss", SEAL}
"""Endings of what steps write, but for pages with their pictures."""
Result = TypeVar("Result")
_log = logging.getLogger("bias_toolkit")


@dataclass(frozen=True)
class Step:
    """One step: its folder inside the study, the settings that decide its result, and what it needs.

    Parameters
    ----------
    name : str
        The step's folder, relative to the study's.
    settings : mapping
        JSON values. Settings that only change the speed do not belong here.
    needs : tuple of Step
        The steps whose results it reads.
    replaces_itself : bool
        Whether the work puts its result into the place of the old one, which then stays until that moment.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[Step, ...] = ()
    replaces_itself: bool = False

    @property
    def key(self) -> str:
        """SHA-256 hex digest of everything that decides the step's result."""
        content = {
            "step": self.name,
            "settings": dict(self.settings),
            "needs": [step.key for step in self.needs],
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class StepFolder:
    """The folder of one step, with its marker. Whoever works in it holds the study's lock.

    Parameters
    ----------
    study : Path
        The study's folder.
    step : Step
    environment : mapping
        What may change rounding: versions, the device. A finished result stays valid in another environment, but no
        result is made in two.
    """

    def __init__(self, study: Path, step: Step, environment: Mapping[str, str] | None = None):
        self.step = step
        self.path = study / step.name
        self._environment = dict(environment or {})

    def _own_marker(self) -> dict[str, Any]:
        marker = read_marker(self.path)
        return marker if marker.get("key") == self.step.key else {}

    @property
    def done(self) -> bool:
        """Whether the folder holds the step's whole result under the present settings."""
        return bool(self._own_marker().get("done")) and changed_file(self.path) is None

    def _mark(self, done: bool, seconds: float) -> None:
        marker = {
            "key": self.step.key,
            "done": done,
            "seconds": round(seconds, 3),
            "settings": dict(self.step.settings),
            "needs": {step.name: step.key for step in self.step.needs},
            "environment": self._environment,
            "files": _describe_files(self.path) if done else {},
        }
        _write_marker(marker, self.path)

    def renew_times(self) -> None:
        """Note the files' times where they are others than when the step was done, as in a copy of a study."""
        marker = self._own_marker()
        files = {
            name: [digest, *_size_and_time(self.path / name)] for name, (digest, *_) in marker.get("files", {}).items()
        }
        if files != marker.get("files", {}):
            _write_marker(marker | {"files": files}, self.path)

    @contextmanager
    def working(self) -> Iterator[Path]:
        """Give the folder to work in, and mark it as done when the block ends without an error.

        What an interrupted run left under the same key and in the same environment is kept, so that the work goes on
        from there; what was computed otherwise is removed first. Of a result that was damaged, whole shards are kept.

        Raises
        ------
        InputError
            If the folder holds files that are no step's.
        OSError
            If the folder vanishes while it is worked in.
        """
        marker = self._own_marker()
        kept = bool(marker) and marker["environment"] == self._environment
        if marker.get("done") and (changed := list(_changed_files(self.path))):
            _log.warning("%s: %s was damaged or removed, and is computed again.", self.step.name, changed[0])
            kept = kept and (self.step.replaces_itself or any(self.path.glob(f"*{SEAL}")))
            if kept:
                # A seal that was cut off would pass for that of a shard with fewer files.
                for name in changed:
                    (self.path / name).unlink(missing_ok=True)
        elif lost_marker(self.path):
            self._refuse_foreign()
            _log.warning("%s: %s was damaged or removed, and the step is computed again.", self.step.name, MARKER)
        if not kept:
            self._remove_old()
        self.path.mkdir(parents=True, exist_ok=True)
        place = os.stat(self.path)
        before = marker["seconds"] if kept else 0.0
        self._mark(done=False, seconds=before)
        start = time.monotonic()
        try:
            with never_made(self.path):
                yield self.path
        except BaseException as error:
            # The seconds are not worth hiding what went wrong.
            with suppress(OSError):
                self._check_place(place)
                self._mark(done=False, seconds=before + time.monotonic() - start)
            if isinstance(error, OSError) and error.errno and error.filename is None:
                raise OSError(error.errno, error.strerror, os.fspath(self.path)) from error
            raise
        self._check_place(place)
        self._mark(done=True, seconds=before + time.monotonic() - start)

    def _check_place(self, place: os.stat_result) -> None:
        """Files that were written before the folder went away would be missed by nobody."""
        if not self.path.exists() or not os.path.samestat(place, os.stat(self.path)):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(self.path))

    def _refuse_foreign(self) -> None:
        """Raise InputError if a folder without a marker holds files that no step wrote."""
        if (self.path / MARKER).exists() or self._has_page:
            return
        if any(path.is_file() and path.suffix not in WRITTEN for path in self.path.rglob("*")):
            raise InputError(
                f"{self.path} holds files but no {MARKER}, so they may not be this study's; name another folder for "
                "the study, or move them away, and run the command again."
            )

    @property
    def _has_page(self) -> bool:
        from bias_toolkit.report.page.publish import PAGE, is_own_page

        return is_own_page(self.path / PAGE)

    def _remove_old(self) -> None:
        if self.path.exists() and not self.step.replaces_itself:
            remove_folder(self.path)


def read_marker(folder: Path) -> dict[str, Any]:
    """What `step.json` in a step's folder says; empty where there is none that is whole."""
    path = folder / MARKER
    try:
        stat = path.stat()
        return _parse_marker(path, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    except (OSError, ValueError):
        return {}


@functools.lru_cache(maxsize=512)
def _parse_marker(path: Path, *_: int) -> dict[str, Any]:
    """A marker, read once a version of its file. One without digests is of a study that an older toolkit made."""
    marker = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(marker, dict) or "key" not in marker:
        return {}
    if "files" in marker or DIGEST in marker:
        return marker if marker.get(DIGEST) == _digest(marker) else {}
    return marker


def lost_marker(folder: Path) -> bool:
    """Whether a step's folder holds files, but no `step.json` that is whole: it was damaged or removed."""
    try:
        has_files = not read_marker(folder) and any(not is_leftover(path) for path in folder.iterdir())
    except OSError:
        return False
    # A run that replaces the folder may have done so between the two looks.
    return has_files and not read_marker(folder)


def _write_marker(marker: Mapping[str, Any], folder: Path) -> None:
    marker = {**marker, DIGEST: _digest(marker)}
    write_text(json.dumps(marker, indent=2, sort_keys=True), folder / MARKER)


def _digest(record: Mapping[str, Any]) -> str:
    """SHA-256 of everything in a record but its own digest."""
    rest = {name: value for name, value in record.items() if name != DIGEST}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def read_whole(path: Path, read: Callable[[Path], Result]) -> Result:
    """What `read` makes of a file or folder of a step; InputError if it cannot be read."""
    try:
        return read(path)
    except InputError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise InputError(f"{path} cannot be read ({str(error).partition(chr(10))[0]}).") from error


def changed_file(folder: Path) -> str | None:
    """The name of a file that is not as it was when the step was done, None where there is none.

    A file is read only where its size or time is another than then: `damaged_file` reads all.
    """
    return next(_changed_files(folder), None)


def _changed_files(folder: Path) -> Iterator[str]:
    for name, (digest, *known) in read_marker(folder).get("files", {}).items():
        path = folder / name
        try:
            is_changed = _size_and_time(path) != known and not is_intact(path, digest)
        except OSError:
            is_changed = True
        if is_changed:
            yield name


def damaged_file(folder: Path, names: str = "*") -> str | None:
    """The name of a damaged file of a finished step: of one that was changed, or whose content is not what was written.

    Parameters
    ----------
    folder : Path
        Of the step.
    names : str
        The files whose content is read, as a pattern of `fnmatch`; all by default.
    """
    changed = changed_file(folder)
    if changed is not None:
        return changed
    for name, (digest, *_) in read_marker(folder).get("files", {}).items():
        if fnmatch.fnmatch(name, names) and not is_intact(folder / name, digest):
            # A new time makes the next run read the file, which it otherwise takes for whole by its old one.
            with suppress(OSError):
                os.utime(folder / name)
            return name
    return None


def _describe_files(folder: Path) -> dict[str, list]:
    """Digest, size in bytes and time in nanoseconds of each file in a step's folder; what seals say is believed."""
    known = {name: digest for seal in folder.glob(f"*{SEAL}") for name, digest in read_seal(seal).items()}
    files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != MARKER and not is_leftover(path):
            files[name] = [known.get(name) or file_digest(path), *_size_and_time(path)]
    return files


def _size_and_time(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]
