"""`step.json`: the key under which a step was begun, whether the step was finished, and its files' digests."""

import functools
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import write_text
from bias_toolkit.foundation.untrusted import parse_json, read_regular

RECORD = "step.json"
DIGEST = "sha256"
LARGEST_RECORD = 256 * 2**20
"""Bytes. A step of ImageNet's size has some 20,000 shards, of 500 bytes in the record each."""
CLEARED = "0" * 64
"""The key of a folder whose result is not valid any more. It is no task's."""
LONGEST = 10**9
"""Seconds; about 30 years."""

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[^/\\\x00-\x1f]+(/[^/\\\x00-\x1f]+)*$", max_length=1000)]


class FileRecord(BaseModel):
    """A file of a finished step: its digest, size in bytes, and time of change in nanoseconds."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    sha256: Digest
    size: int = Field(ge=0, lt=2**63)
    time: int = Field(gt=-(2**63), lt=2**63)


class StepRecord(BaseModel):
    """The content of `step.json`.

    Parameters
    ----------
    key : str
        The task's key.
    done : bool
        Whether the step was finished.
    seconds : float
        The wall time over all runs.
    settings, needs : mapping
        The parts of the key: values by name, and the keys of the tasks that were needed.
    environment : mapping
        Versions and device, which may change rounding but are not settings.
    files : mapping
        The files of a finished step, by their names in its folder.
    left_out : int
        The number of items that the step left out.
    transient : int
        The number of those that it left out for a transient reason.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    key: Digest
    done: bool
    seconds: float = Field(ge=0, le=LONGEST, allow_inf_nan=False)
    settings: dict[str, JsonValue]
    needs: dict[Name, Digest]
    environment: dict[str, str]
    files: dict[Name, FileRecord]
    left_out: int = Field(default=0, ge=0, lt=2**63)
    transient: int = Field(default=0, ge=0, lt=2**63)


def differing(one: Mapping[str, str], other: Mapping[str, str]) -> str:
    """The names of what differs between two environments: `device, torch`."""
    return ", ".join(sorted(name for name in {*one, *other} if one.get(name) != other.get(name)))


def read_record(folder: Path) -> StepRecord | None:
    """The record in a step's folder; None if it is missing, incomplete, or changed since it was written."""
    path = folder / RECORD
    try:
        stat = path.lstat()
        return _parsed(path, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    except (OSError, InputError):
        return None


@functools.lru_cache(maxsize=512)
def _parsed(path: Path, *_: int) -> StepRecord | None:
    """A record, read once for each state of its file."""
    content = parse_json(read_regular(path, LARGEST_RECORD), path)
    if not isinstance(content, dict) or content.pop(DIGEST, None) != digest_of(content):
        return None
    try:
        record = StepRecord.model_validate(content)
    except ValidationError:
        return None
    names = [*record.needs, *record.files]
    return None if any({".", ".."} & set(name.split("/")) for name in names) else record


def write_record(record: StepRecord, folder: Path) -> None:
    """Write a record with its digest, completely or not at all."""
    content = record.model_dump()
    text = json.dumps({**content, DIGEST: digest_of(content)}, indent=2, sort_keys=True)
    write_text(text, folder / RECORD)


def mark_cleared(record: StepRecord, folder: Path) -> None:
    """Record that a folder's result is no longer valid, whatever files are in the folder."""
    write_record(record.model_copy(update={"key": CLEARED, "done": False, "files": {}}), folder)


def digest_of(content: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of the content of a record; the order of its keys does not matter."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def file_state(path: Path) -> tuple[int, int]:
    """Size in bytes and time of change in nanoseconds of a file; a link is not followed."""
    stat = os.lstat(path)
    return stat.st_size, stat.st_mtime_ns
