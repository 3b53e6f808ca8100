"""The folder of one task: whether its result is complete, working in it, and clearing it."""

import errno
import fnmatch
import logging
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import pandas as pd

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import (
    DAMAGED,
    SEAL,
    atomic_path,
    damaged_in_shard,
    file_digest,
    is_intact,
    is_leftover,
    never_made,
    read_seal,
    read_table,
)
from bias_toolkit.foundation.untrusted import inside
from bias_toolkit.foundation.words import count
from bias_toolkit.pipeline.record import (
    LONGEST,
    RECORD,
    FileRecord,
    StepRecord,
    differing,
    file_state,
    mark_cleared,
    read_record,
    write_record,
)
from bias_toolkit.pipeline.step import Task

Result = TypeVar("Result")
_log = logging.getLogger("bias_toolkit")


class StepFolder:
    """The folder of one task in a study's folder, with its record. Only the holder of the study's lock works in it.

    Raises InputError if the folder is a link that leads out of the study.
    """

    def __init__(self, study: Path, task: Task):
        self.task = task
        self.path = inside(study, task.name)

    @property
    def record(self) -> StepRecord | None:
        """The content of the record, whatever the task's key."""
        return read_record(self.path)

    @property
    def own_record(self) -> StepRecord | None:
        """The record, if it has the task's key."""
        record = self.record
        return record if record is not None and record.key == self.task.key else None

    @property
    def is_done(self) -> bool:
        """Whether the folder holds the task's complete result."""
        record = self.own_record
        return record is not None and record.done and self.changed_file(record) is None

    def changed_file(self, record: StepRecord, names: str = "*") -> str | None:
        """The name of a file that changed since the task was done; None if there is none.

        A file is read only if its size or time has changed.
        """
        for name, known in record.files.items():
            if not fnmatch.fnmatch(name, names):
                continue
            try:
                path = inside(self.path, name)
                size, changed_at = file_state(path)
                # Of another size it is another file, however long it would take to read.
                changed = size != known.size or (changed_at != known.time and not is_intact(path, known.sha256))
            except (OSError, InputError):
                changed = True
            if changed:
                return name
        return self._added_shard(record) if names == "*" else None

    def _added_shard(self, record: StepRecord) -> str | None:
        """The name of a shard's file that is not in the record; None if there is none.

        Shards are read by number, so an added shard would be read as a part of the result.
        """
        is_sharded = self.task.step.sharding is not None
        return next((name for name in self._written() if name not in record.files), None) if is_sharded else None

    def damaged_file(self, record: StepRecord, names: str = "*") -> str | None:
        """The name of a file, among those that match the pattern `names`, whose content changed; None if there is none.

        Every byte is read.
        """
        changed = self.changed_file(record, names)
        if changed is not None:
            return changed
        for name, known in record.files.items():
            if fnmatch.fnmatch(name, names) and not is_intact(self.path / name, known.sha256):
                # The new time makes the next run read the file; with the old time, the file would count as intact.
                with suppress(OSError):
                    os.utime(self.path / name)
                return name
        return None

    def _beside_shards(self) -> list[str]:
        """The names of the step's files that belong to no shard."""
        of_shards = {name for seal in self.path.glob(f"*{SEAL}") for name in (seal.name, *read_seal(seal))}
        return [name for name in self._written() if name not in of_shards]

    def _is_in_damaged_shard(self, name: str) -> bool:
        """Whether a file is the seal, or a file, of a shard that does not match its seal."""
        seals = (seal for seal in self.path.glob(f"*{SEAL}") if name == seal.name or name in read_seal(seal))
        return any(damaged_in_shard(seal) is not None for seal in seals)

    @property
    def is_record_lost(self) -> bool:
        """Whether the folder holds files of the step, but no intact record."""
        # A run may replace the folder between the two checks.
        return self.record is None and bool(self._written()) and self.record is None

    def renew_times(self) -> None:
        """Record the files' present times if they differ, as in a copy of a study."""
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

        Files of a stopped run under the same key and in the same environment are kept, so the work continues from
        there. All other files are removed first. If a result was damaged, its intact shards are kept. `environment` has
        versions and device, which may change rounding: a finished result stays valid in another environment, but no
        result is made in two.

        Raises OSError if the folder disappears during the work.
        """
        name, record = self.task.name, self.own_record
        kept = record is not None and record.environment == environment
        if record is not None and record.done and (changed := self.changed_file(record)) is not None:
            is_of_parts = self.task.step.replaces_itself or self.task.step.sharding is not None
            kept = kept and is_of_parts and self._added_shard(record) is None
            # The loop over shards says the same of a damaged shard.
            if not (kept and self._is_in_damaged_shard(changed)):
                _log.warning(DAMAGED, name, changed)
            if kept and self.task.step.sharding is not None:
                # They are written again; `begin` keeps what is there.
                self._remove(self._beside_shards())
        elif self.is_record_lost:
            _log.warning("%s: %s is missing, damaged, or of another version. The step is computed again.", name, RECORD)
        elif record is not None and not kept and (begun := len(list(self.path.glob(f"*{SEAL}")))):
            _log.warning(
                "%s: %s done with another %s, and computed again, as no result is made in two environments.",
                name,
                f"{count(begun, 'shard')} {'was' if begun == 1 else 'were'}",
                differing(record.environment, environment),
            )
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
            # A failure to save the seconds must not hide the original error.
            with suppress(OSError):
                self._check_place(place)
                self._mark(False, before + time.monotonic() - start, environment)
            if isinstance(error, OSError) and error.errno and error.filename is None:
                raise OSError(error.errno, error.strerror, os.fspath(self.path)) from error
            raise
        self._check_place(place)
        self._mark(True, before + time.monotonic() - start, environment)

    def take_over(self, study: Path) -> bool:
        """Copy the task's result from another study's folder, if it is there, whole, and under the same key.

        Returns whether it was. A result that left out items for a transient reason is not taken.
        """
        there = StepFolder(study, self.task)
        record = there.own_record
        if record is None or not record.done or record.transient or there.changed_file(record) is not None:
            return False
        if not all(map(self._is_own, record.files)):
            return False
        # Not `damaged_file`, which changes a damaged file's time: nothing is changed there.
        if not all(is_intact(there.path / name, known.sha256) for name, known in record.files.items()):
            return False
        self.clear()
        for name in record.files:
            copy = inside(self.path, name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(copy) as temporary:
                shutil.copy2(inside(there.path, name), temporary)
        write_record(record, self.path)
        self.renew_times()
        return True

    def clear(self) -> None:
        """Remove the step's files here, so that a killed run leaves nothing that looks like a new result."""
        if self.task.step.replaces_itself or not self.path.exists():
            return
        if (record := self.record) is not None:
            # This comes first: from here on, the folder holds only a part of an old result.
            mark_cleared(record, self.path)
        self._remove(self._written())
        self._remove([RECORD])

    def _remove(self, names: Sequence[str]) -> None:
        """Remove files found in the folder, and then the empty folders. Links are not followed."""
        for name in names:
            path = self.path / name
            path.unlink(missing_ok=True)
            for folder in list(path.parents)[: name.count("/")]:
                with suppress(OSError):
                    folder.rmdir()

    def _written(self) -> list[str]:
        """The names of the step's files that are in the folder. Links are not followed."""
        names = []
        for place, folders, files in os.walk(self.path):
            folders.sort()
            within = Path(place).relative_to(self.path)
            paths = [(within / each).as_posix() for each in sorted(files) if not is_leftover(Path(each))]
            names += [name for name in paths if name != RECORD and self._is_own(name)]
        return names

    def _is_own(self, name: str) -> bool:
        # A star does not match "/", so a pattern determines the folder of a file.
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
        """The tables of the items left out, joined: an item's name, reason, transient; None if there are no tables.

        Only tables in the record are read. Tables that a run removes meanwhile are missing from the result.
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
        """The files among these that list the items left out."""
        pattern = self.task.step.skips
        return [] if pattern is None else sorted(name for name in names if fnmatch.fnmatchcase(name, pattern))

    def transient_items(self) -> list[str]:
        """The items that the done task left out for a transient reason; InputError if their tables cannot be read."""

        def transient(_: Path) -> list[str]:
            left_out = self.left_out()
            return [] if left_out is None else left_out.loc[left_out["transient"], left_out.columns[0]].tolist()

        return read_whole(self.path, transient)

    def reopen(self, items: Collection[str]) -> None:
        """Mark the done task as unfinished, so that these items, which it had left out, are tried again.

        Shards with such an item are removed; the others are kept.
        """
        record = self.own_record
        sharding = self.task.step.sharding
        if sharding is None or not sharding.is_kept:
            self.clear()
            return
        write_record(record.model_copy(update={"done": False, "files": {}, "left_out": 0, "transient": 0}), self.path)
        for name in self._skipping(record.files):
            if read_table(self.path / name, self.task.step.schema(name)).iloc[:, 0].isin(list(items)).any():
                number = Path(name).stem.rpartition("-")[2]
                self._remove([each for each in self._written() if Path(each).stem.endswith(f"-{number}")])

    def _described(self) -> dict[str, FileRecord]:
        """The records of the step's files. Digests are taken from the seals if there are any."""
        known = {name: digest for seal in self.path.glob(f"*{SEAL}") for name, digest in read_seal(seal).items()}
        described = {}
        for name in self._written():
            path = self.path / name
            size, changed = file_state(path)
            digest = known.get(name) or file_digest(path)
            described[name] = FileRecord(sha256=digest, size=size, time=changed)
        return described

    def _check_place(self, place: os.stat_result) -> None:
        """Raise OSError if the folder disappeared, because files that were written before would be lost unnoticed."""
        if not self.path.exists() or not os.path.samestat(place, os.stat(self.path)):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(self.path))


def read_whole(path: Path, read: Callable[[Path], Result]) -> Result:
    """The result of `read` on a file or folder of a step; InputError if it cannot be read."""
    try:
        return read(path)
    except InputError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise InputError(f"{path} cannot be read ({str(error).partition(chr(10))[0]}).") from error
