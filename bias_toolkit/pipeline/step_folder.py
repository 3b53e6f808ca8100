"""The folder of one task: whether its result is there and whole, working in it, and clearing it."""

import errno
import fnmatch
import logging
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import pandas as pd

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import SEAL, file_digest, is_intact, is_leftover, never_made, read_seal, read_table
from bias_toolkit.foundation.untrusted import inside
from bias_toolkit.pipeline.record import (
    LONGEST,
    RECORD,
    FileRecord,
    StepRecord,
    file_state,
    mark_cleared,
    read_record,
    write_record,
)
from bias_toolkit.pipeline.step import Task

Result = TypeVar("Result")
_log = logging.getLogger("bias_toolkit")


class StepFolder:
    """The folder of one task with its record. Whoever works in it holds the study's lock.

    Parameters
    ----------
    study : Path
        The study's folder.
    task : Task

    Raises
    ------
    InputError
        If the folder is a link that leads out of the study.
    """

    def __init__(self, study: Path, task: Task):
        self.task = task
        self.path = inside(study, task.name)

    @property
    def record(self) -> StepRecord | None:
        """What the record says, whatever the task's key."""
        return read_record(self.path)

    @property
    def own_record(self) -> StepRecord | None:
        """The record, if it is under the task's key."""
        record = self.record
        return record if record is not None and record.key == self.task.key else None

    @property
    def is_done(self) -> bool:
        """Whether the folder holds the task's whole result."""
        record = self.own_record
        return record is not None and record.done and self.changed_file(record) is None

    def changed_file(self, record: StepRecord, names: str = "*") -> str | None:
        """The name of a file that is not as it was when the task was done; None where there is none.

        A file is read only where its size or time is another than then.
        """
        for name, known in record.files.items():
            if not fnmatch.fnmatch(name, names):
                continue
            try:
                path = inside(self.path, name)
                changed = file_state(path) != (known.size, known.time) and not is_intact(path, known.sha256)
            except (OSError, InputError):
                changed = True
            if changed:
                return name
        return self._added_shard(record) if names == "*" else None

    def _added_shard(self, record: StepRecord) -> str | None:
        """The name of a shard's file that the record does not have; None where there is none.

        A shard is read by its number, so that one that was put there would be read as a part of the result.
        """
        is_sharded = self.task.step.sharding is not None
        return next((name for name in self._written() if name not in record.files), None) if is_sharded else None

    def damaged_file(self, record: StepRecord, names: str = "*") -> str | None:
        """The name of a file whose content is not what was written; None where there is none. Every byte is read.

        Parameters
        ----------
        record : StepRecord
        names : str
            The files that are read, as a pattern.
        """
        changed = self.changed_file(record, names)
        if changed is not None:
            return changed
        for name, known in record.files.items():
            if fnmatch.fnmatch(name, names) and not is_intact(self.path / name, known.sha256):
                # Under a new time, the next run reads the file. It would take it for whole by its old one.
                with suppress(OSError):
                    os.utime(self.path / name)
                return name
        return None

    @property
    def is_record_lost(self) -> bool:
        """Whether the folder holds what the step writes, but no record that is whole."""
        # A run may replace the folder between two looks.
        return self.record is None and bool(self._written()) and self.record is None

    def renew_times(self) -> None:
        """Take the files' present times into the record where they are others, as in a copy of a study."""
        record = self.own_record
        states = {name: file_state(self.path / name) for name in record.files}
        if any((known.size, known.time) != states[name] for name, known in record.files.items()):
            files = {
                name: FileRecord(sha256=known.sha256, size=states[name][0], time=states[name][1])
                for name, known in record.files.items()
            }
            with suppress(OSError):
                write_record(record.model_copy(update={"files": files}), self.path)

    @contextmanager
    def working(self, environment: Mapping[str, str]) -> Iterator[Path]:
        """Give the folder to work in, and record the task as done when the block ends without an error.

        What a stopped run left under the same key and in the same environment is kept, so that the work goes on from
        there. What was made otherwise is removed first. Of a result that was damaged, whole shards are kept.

        Parameters
        ----------
        environment : mapping
            What may change rounding: versions, the device. A finished result stays valid in another environment, but
            no result is made in two.

        Raises
        ------
        OSError
            If the folder goes away while it is worked in.
        """
        name, record = self.task.name, self.own_record
        kept = record is not None and record.environment == environment
        if record is not None and record.done and (changed := self.changed_file(record)) is not None:
            _log.warning("%s: %s was damaged or removed, and is computed again.", name, changed)
            is_of_parts = self.task.step.replaces_itself or self.task.step.sharding is not None
            kept = kept and is_of_parts and self._added_shard(record) is None
        elif self.is_record_lost:
            _log.warning("%s: %s is missing, damaged, or of another version. The step is computed again.", name, RECORD)
        before = record.seconds if kept else 0.0
        if not kept:
            self.clear()
        self.path.mkdir(parents=True, exist_ok=True)
        for folder in {Path(pattern).parent for pattern in self.task.step.writes}:
            if folder.name and (self.path / folder).is_symlink():
                raise InputError(f"{self.path / folder} has to be a folder, and is a link; remove it.")
        place = os.stat(self.path)
        self._mark(False, before, environment)
        start = time.monotonic()
        try:
            with never_made(self.path):
                yield self.path
        except BaseException as error:
            # The seconds are not worth hiding what went wrong.
            with suppress(OSError):
                self._check_place(place)
                self._mark(False, before + time.monotonic() - start, environment)
            if isinstance(error, OSError) and error.errno and error.filename is None:
                raise OSError(error.errno, error.strerror, os.fspath(self.path)) from error
            raise
        self._check_place(place)
        self._mark(True, before + time.monotonic() - start, environment)

    def clear(self) -> None:
        """Remove what the step has written here, so that a killed run leaves nothing that passes for a new result."""
        if self.task.step.replaces_itself or not self.path.exists():
            return
        if (record := self.record) is not None:
            # First of all, as from here on the folder holds a part of an old result.
            mark_cleared(record, self.path)
        self._remove(self._written())
        self._remove([RECORD])

    def _remove(self, names: Sequence[str]) -> None:
        """Remove files that were found in the folder, and folders that are empty then. Links are not followed."""
        for name in names:
            path = self.path / name
            path.unlink(missing_ok=True)
            for folder in list(path.parents)[: name.count("/")]:
                with suppress(OSError):
                    folder.rmdir()

    def _written(self) -> list[str]:
        """The names of the files in the folder that are of those that the step writes. Links are not followed."""
        names = []
        for place, folders, files in os.walk(self.path):
            folders.sort()
            within = Path(place).relative_to(self.path)
            found = [(within / each).as_posix() for each in sorted(files) if not is_leftover(Path(each))]
            names += [name for name in found if name != RECORD and self._is_own(name)]
        return names

    def _is_own(self, name: str) -> bool:
        # A star stands for no "/", so that a pattern says in which folder a file is.
        return any(
            name.count("/") == pattern.count("/") and fnmatch.fnmatchcase(name, pattern)
            for pattern in self.task.step.writes
        )

    def _mark(self, done: bool, seconds: float, environment: Mapping[str, str]) -> None:
        files = self._described() if done else {}
        left_out = self._left_out(files)
        record = StepRecord(
            key=self.task.key,
            done=done,
            seconds=min(round(seconds, 3), LONGEST),
            settings=self.task.settings,
            needs={need.name: need.key for need in self.task.needs},
            environment=dict(environment),
            files=files,
            left_out=0 if left_out is None else len(left_out),
            transient=0 if left_out is None else int(left_out["transient"].sum()),
        )
        write_record(record, self.path)

    def left_out(self) -> pd.DataFrame | None:
        """The tables of what the step left out, joined: an item's name, reason, transient; None where there are none.

        Only tables that the record names are read. A run may replace the folder meanwhile; then what is gone is not
        among them.
        """
        record = self.record
        return None if record is None else self._left_out(record.files)

    def _left_out(self, names: Iterable[str]) -> pd.DataFrame | None:
        tables = []
        for name in self._skipping(names):
            with suppress(FileNotFoundError):
                tables.append(read_table(self.path / name, self.task.step.schema(name)))
        return pd.concat(tables, ignore_index=True) if tables else None

    def _skipping(self, names: Iterable[str]) -> list[str]:
        """Those of the files that list what was left out."""
        pattern = self.task.step.skips
        return [] if pattern is None else sorted(name for name in names if fnmatch.fnmatchcase(name, pattern))

    def transient_items(self) -> list[str]:
        """The items that the done task left out for a reason that can pass.

        Raises
        ------
        InputError
            If the tables of what it left out cannot be read.
        """

        def transient(_: Path) -> list[str]:
            left_out = self.left_out()
            return [] if left_out is None else left_out.loc[left_out["transient"], left_out.columns[0]].tolist()

        return read_whole(self.path, transient)

    def reopen(self, items: Collection[str]) -> None:
        """Take the done task back, so that these items, which it had left out, are tried again.

        Of shards, those with such an item are removed, and the others kept.
        """
        record = self.own_record
        if self.task.step.sharding is None:
            self.clear()
            return
        write_record(record.model_copy(update={"done": False, "files": {}, "left_out": 0, "transient": 0}), self.path)
        for name in self._skipping(record.files):
            if read_table(self.path / name, self.task.step.schema(name)).iloc[:, 0].isin(list(items)).any():
                number = Path(name).stem.rpartition("-")[2]
                self._remove([each for each in self._written() if Path(each).stem.endswith(f"-{number}")])

    def _described(self) -> dict[str, FileRecord]:
        """The records of the files that the step wrote. The digests that seals have are taken from there."""
        known = {name: digest for seal in self.path.glob(f"*{SEAL}") for name, digest in read_seal(seal).items()}
        described = {}
        for name in self._written():
            path = self.path / name
            size, changed = file_state(path)
            digest = known.get(name) or file_digest(path)
            described[name] = FileRecord(sha256=digest, size=size, time=changed)
        return described

    def _check_place(self, place: os.stat_result) -> None:
        """Raise OSError if the folder went away. Files that were written before would be missed by nobody."""
        if not self.path.exists() or not os.path.samestat(place, os.stat(self.path)):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(self.path))


def read_whole(path: Path, read: Callable[[Path], Result]) -> Result:
    """What `read` makes of a file or folder of a step; InputError if it cannot be read."""
    try:
        return read(path)
    except InputError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise InputError(f"{path} cannot be read ({str(error).partition(chr(10))[0]}).") from error
