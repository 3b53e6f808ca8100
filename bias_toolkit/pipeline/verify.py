"""Checking every byte that steps have written against its digest."""

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import file_digest, is_leftover
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.foundation.untrusted import inside
from bias_toolkit.pipeline.record import RECORD, FileRecord, read_record


class Damage(NamedTuple):
    """A file that changed since it was written: the step's name, the file's name in its folder, and the fault."""

    step: str
    file: str
    reason: str


def verify(study: Path, progress: Progress = silent, others: Collection[str] = ()) -> list[Damage]:
    """The damaged files of a study's finished steps; `progress` counts files, and nothing outside the folder is read.

    `others` are names of folders in it that are no step.

    A damaged file gets a new time of change, so that the next run, which checks sizes and times, reads the file and
    computes it again.
    """
    damaged, records = [], {}
    for folder in step_folders(study, others):
        name = folder.relative_to(study).as_posix()
        record = read_record(folder)
        if record is None:
            damaged.append(Damage(name, RECORD, "it is missing, damaged, or of another version of bias-toolkit"))
        elif record.done:
            records[name] = record
    with progress("Verifying", total=sum(len(record.files) for record in records.values())) as advance:
        for name, record in records.items():
            for file, known in record.files.items():
                reason = _what_is_wrong(study / name, file, known)
                if reason is not None:
                    damaged.append(Damage(name, file, reason))
                advance(1)
    return damaged


def step_folders(study: Path, others: Collection[str]) -> list[Path]:
    """The folders of a study that hold, or held, a step's result: those with files, one or two levels deep."""
    places = []
    for place in [*study.glob("*/"), *study.glob("*/*/")]:
        name = place.relative_to(study)
        if name.parts[0] not in others:
            # A link may lead out of the study.
            with suppress(InputError):
                places.append(inside(study, name.as_posix()))
    is_step = {place for place in places if (place / RECORD).is_symlink() or (place / RECORD).exists()}
    lost = {
        place
        for place in places
        if place not in is_step
        and place.parent not in is_step
        and not place.is_symlink()
        and any(not path.is_dir() and not is_leftover(path) for path in place.iterdir())
    }
    return sorted(is_step | lost)


def _what_is_wrong(folder: Path, name: str, known: FileRecord) -> str | None:
    """The fault of a file of a finished step; None if it has none."""
    try:
        path = inside(folder, name)
        if path.lstat().st_size == known.size and file_digest(path) == known.sha256:
            return None
        os.utime(path, follow_symlinks=False)
    except FileNotFoundError:
        return "it was removed"
    except (OSError, InputError) as error:
        return f"it cannot be read ({str(error).rstrip('.')})"
    return "its content is not what was written"
