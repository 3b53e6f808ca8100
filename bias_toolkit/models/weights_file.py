"""Check that a weights file can be read in the available memory, before any of it is unpacked.

A file from someone else may declare a small size and unpack to a large one: by compressed entries, overlapping entries,
or a pickle that multiplies its content. Files written by torch and safetensors do none of that, and are recognised by
their directory.
"""

import io
import os
import pickletools
import re
import struct
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from torch.serialization import MAGIC_NUMBER

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.memory import available_memory

ZIP_START = b"PK\x03\x04"
# Enough for some 30,000 tensors. A byte of a pickle makes an object of at most `BYTES_OF_AN_OBJECT`.
LARGEST_PICKLE = 8 * 2**20
BYTES_OF_AN_OBJECT = 256
# Enough for some 100,000 tensors.
LARGEST_HEADER = 16 * 2**20
PICKLES_OF_A_LEGACY_FILE = 5
SCRIPT = "constants.pkl"
MISMATCHED = "is damaged or is no torch file; give a .pt, .pth or .safetensors state dict"
_STORAGE = re.compile(r"[^/]+/data/[0-9]+")


class Entry(NamedTuple):
    """One entry in the directory of a zip file; sizes in bytes."""

    name: str
    flags: int
    method: int
    packed: int
    size: int
    offset: int


class UnsafeFile(Exception):
    """The fault of a weights file, as the end of a sentence that starts with "The weights file PATH"."""


def check_weights_file(path: Path, start: bytes, *, is_safetensors: bool) -> None:
    """Refuse a file that would unpack to more than its own size, or that is larger than the free memory.

    `start` is the first bytes of the file; `is_safetensors` says whether it is read as safetensors and not as torch's.
    Raises InputError for such a file, for a TorchScript archive, and for a file that torch does not write.
    """
    size, free = path.stat().st_size, available_memory()
    try:
        if size > free:
            raise UnsafeFile(f"takes {size:,} bytes of memory, and {free:,} are free; give a smaller one")
        with open(path, "rb") as file:
            if is_safetensors:
                _check_header(file, size)
            elif start.startswith(ZIP_START):
                _check_zip(file, size, free)
            else:
                _check_legacy(path, file, free)
    except UnsafeFile as error:
        raise InputError(f"The weights file {path} {error}.") from error


def _check_header(file: BinaryIO, size: int) -> None:
    (length,) = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))
    if LARGEST_HEADER < length <= size:
        raise UnsafeFile(
            f"is not a readable safetensors file: its header has {length:,} bytes, and may have {LARGEST_HEADER:,}"
        )


def _check_zip(file: BinaryIO, size: int, free: int) -> None:
    total, pickled, is_packed, is_odd = 0, None, False, False
    for entry in _directory(file, size):
        total += entry.size
        name = entry.name.rpartition("/")[2]
        if name == SCRIPT:
            raise UnsafeFile(
                "was not loaded, because it is a TorchScript archive, which holds code; "
                "save the weights alone with torch.save(model.state_dict(), FILE)"
            )
        is_packed |= bool(entry.method or entry.packed != entry.size or entry.flags & 1)
        # torch ignores case here, and would read one entry under many names.
        is_odd |= "/data/" in entry.name and not _STORAGE.fullmatch(entry.name)
        if name == "data.pkl":
            pickled = entry
    if is_packed:
        raise UnsafeFile(
            "was not loaded, because its entries are compressed or encrypted, which torch.save never does; save it "
            "again with torch.save(model.state_dict(), FILE)"
        )
    if is_odd or total > size or pickled is None:
        raise UnsafeFile(MISMATCHED)
    file.seek(pickled.offset)
    local = file.read(30)
    if len(local) < 30:
        raise UnsafeFile(MISMATCHED)
    file.seek(sum(struct.unpack("<HH", local[26:30])), os.SEEK_CUR)
    _check_pickle_size(pickled.size, free)
    _walk(io.BytesIO(file.read(pickled.size)), free)


def _directory(file: BinaryIO, size: int) -> Iterator[Entry]:
    """The entries of a zip file whose directory is at the end of the file, as torch writes it."""
    file.seek(max(size - 42, 0))
    end = file.read()
    if end[-22:-18] != b"PK\x05\x06" or end[-2:] != b"\0\0":
        raise UnsafeFile(MISMATCHED)
    count, length, start = struct.unpack("<HII", end[-12:-2])
    if end[:4] == b"PK\x06\x07" and len(end) == 42:
        file.seek(min(struct.unpack("<Q", end[8:16])[0], size))
        record = file.read(56)
        if len(record) < 56 or record[:4] != b"PK\x06\x06":
            raise UnsafeFile(MISMATCHED)
        count, length, start = struct.unpack("<QQQ", record[32:56])
    if start + length > size or 46 * count > length:
        raise UnsafeFile(MISMATCHED)
    file.seek(start)
    for _ in range(count):
        fixed = file.read(46)
        if len(fixed) < 46 or fixed[:4] != b"PK\x01\x02":
            raise UnsafeFile(MISMATCHED)
        flags, method = struct.unpack("<HH", fixed[8:12])
        packed, unpacked, *lengths = struct.unpack("<IIHHH", fixed[20:34])
        (offset,) = struct.unpack("<I", fixed[42:46])
        name, extra, _ = (file.read(each) for each in lengths)
        sizes = iter(_large_sizes(extra))
        unpacked, packed, offset = (
            next(sizes, each) if each == 0xFFFFFFFF else each for each in (unpacked, packed, offset)
        )
        yield Entry(name.decode("utf-8", "replace"), flags, method, packed, unpacked, min(offset, size))


def _large_sizes(extra: bytes) -> tuple[int, ...]:
    """The sizes in a zip entry's extra field for sizes of at least 4 GB."""
    while len(extra) >= 4:
        kind, length = struct.unpack("<HH", extra[:4])
        if kind == 1:
            field = extra[4 : 4 + length]
            return struct.unpack(f"<{len(field) // 8}Q", field[: len(field) // 8 * 8])
        extra = extra[4 + length :]
    return ()


def _check_legacy(path: Path, file: BinaryIO, free: int) -> None:
    """Check the pickles that precede the values in a file written by torch before 1.6."""
    try:
        # torch would unpack it to the disk.
        with tarfile.open(path, "r:"):
            raise UnsafeFile("is of torch before version 0.1.10; load it there, and save it again with torch.save")
    except (tarfile.TarError, OSError, ValueError, EOFError, RecursionError):
        pass
    head = io.BytesIO(file.read(_most_pickled(free) + 1))
    for number in range(PICKLES_OF_A_LEGACY_FILE):
        magic = _walk(head, free)
        _check_pickle_size(head.tell(), free)
        # torch continues only in this case.
        if number == 0 and magic != MAGIC_NUMBER:
            return


def _most_pickled(free: int) -> int:
    return min(LARGEST_PICKLE, free // BYTES_OF_AN_OBJECT)


def _check_pickle_size(size: int, free: int) -> None:
    if size > _most_pickled(free):
        raise UnsafeFile(
            f"was not loaded, because it holds more than {_most_pickled(free):,} bytes that are no tensors; save the "
            "weights alone with torch.save(model.state_dict(), FILE)"
        )


def _walk(pickle: io.BytesIO, free: int) -> object:
    """Parse one pickle without creating its objects; returns its last number. Any call may copy the longest text."""
    calls, longest, number = 0, 0, None
    try:
        for operation, value, _ in pickletools.genops(pickle):
            calls += operation.name in ("REDUCE", "NEWOBJ")
            if isinstance(value, str | bytes | bytearray):
                longest = max(longest, len(value))
            elif isinstance(value, int) and operation.name.startswith("LONG"):
                number = value
    except Exception as error:
        # A pickle that was cut off at the limit is too large, not damaged.
        if pickle.read(1) == b"":
            _check_pickle_size(pickle.tell(), free)
        raise UnsafeFile(MISMATCHED) from error
    if calls * longest > free // 4:
        raise UnsafeFile("was not loaded, because its pickle can multiply what it holds beyond the memory that is free")
    return number
