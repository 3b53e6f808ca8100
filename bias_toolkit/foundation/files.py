"""Writing files so that a killed run leaves complete files only, cutting work into shards, and detecting damage.

A file is written under a temporary name, flushed to disk, and renamed. So is the seal that marks a shard as complete:
`responses-00000.sha256` lists the digests of the shard's files in the format of `sha256sum --check`.
"""

import errno
import hashlib
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.memory import available_memory
from bias_toolkit.foundation.untrusted import check_kind, open_regular, read_regular_text

SEAL = ".sha256"
SEALED = (".npy", ".parquet", ".csv")
"""Endings of the files of a shard."""
INTERVAL = ("", "_low", "_high")
"""Endings of an estimate's columns: itself, and the ends of its interval."""
LARGEST_SEAL = 2**20
BYTES_A_VALUE = 8
BLOCK = 512
"""Bytes of a block, as the system counts what a file takes."""
HOLLOW_FROM, MOST_HOLLOW = 2**30, 1000
"""Files of more bytes are not read if they take less than a thousandth of them."""
MANY_VALUES = 10**6
"""From so many values on, a table is read by several threads; to hand a smaller one to threads takes longer."""
PROBE = bytes(65536)
OF_THE_FOLDER = (
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.ESTALE,
)
"""What goes wrong with a folder or its disk, whichever file is written."""

_SEAL_LINE = re.compile(rf"([0-9a-f]{{64}})  ([\w-]+(?:{'|'.join(map(re.escape, SEALED))}))", re.ASCII)
_TEMPORARY = re.compile(r"\..+\.\d+\.tmp(\.\w+)?")
_log = logging.getLogger("bias_toolkit")
DAMAGED = "%s: %s was damaged or removed, and is computed again."
"""The warning on a file of a step: the step's name, and the file's."""


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary path beside `path`, and rename it to `path` when the block ends without an error.

    The file's content is on the disk before the rename, and its new name before this returns, so a power failure leaves
    the old file or the new one. The folder is made if only its last part is missing. Raises OSError, which names the
    folder, if the folder cannot be written to: it is gone, the disk is full, or access is denied. Raises InputError if
    a folder is in the place of the file.
    """
    path = Path(path)
    temporary = temporary_path(path)
    try:
        if path.parent not in _never_made:
            path.parent.mkdir(exist_ok=True)
        try:
            # In a folder from somebody else, it may be a link.
            temporary.unlink(missing_ok=True)
            yield temporary
            if path.is_dir():
                raise InputError(f"{path} has to be a file, and is a folder; remove it.")
            to_disk(temporary)
            os.replace(temporary, path)
            to_disk(path.parent)
        except (OSError, RuntimeError) as error:
            # Libraries report a full disk in various ways, or name a temporary file that the user does not know.
            if reason := _why_not_written(error, temporary):
                raise OSError(reason.errno, reason.strerror, os.fspath(path.parent)) from error
            raise
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


_never_made: set[Path] = set()


@contextmanager
def never_made(folder: Path) -> Iterator[None]:
    """In the block, writing into a folder that is removed does not create it again."""
    _never_made.add(folder)
    try:
        yield
    finally:
        _never_made.discard(folder)


def temporary_path(path: Path) -> Path:
    """The name of `path` until it is complete; it contains the id of the process that writes it."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp{path.suffix}")


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files and folders that killed runs left anywhere in a folder."""
    for place, folders, files in os.walk(folder):
        for name in [*files, *folders]:
            if _TEMPORARY.fullmatch(name):
                left = Path(place, name)
                if left.is_dir() and not left.is_symlink():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink(missing_ok=True)
        folders[:] = [name for name in folders if not _TEMPORARY.fullmatch(name)]


def is_leftover(path: Path) -> bool:
    """Whether a path is the temporary path of another."""
    return _TEMPORARY.fullmatch(path.name) is not None


def to_disk(path: Path) -> None:
    """Wait until a file's content, or a folder's names, are on the disk."""
    if os.name != "posix" and path.is_dir():
        return
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:
        # Some network file systems do not support this for a folder.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(opened)


def _why_not_written(error: Exception, temporary: Path) -> OSError | None:
    """The operating system's reason why a temporary file cannot be written; None if the error has another cause."""
    if isinstance(error, OSError) and error.errno:
        own = error.filename in (None, os.fspath(temporary), os.fspath(temporary.parent))
        return error if own and error.errno in OF_THE_FOLDER else None
    try:
        with open(temporary, "ab") as file:
            file.write(PROBE)
            file.flush()
            os.fsync(file.fileno())
    except OSError as reason:
        return reason
    return None


def write_table(table: pd.DataFrame, path: str | os.PathLike, schema: pa.Schema) -> None:
    """Write a table as Parquet with exactly the schema's columns, in its order; KeyError if one is missing."""
    arrow = pa.Table.from_pandas(table[schema.names], schema=schema, preserve_index=False)
    with atomic_path(path) as temporary:
        pq.write_table(arrow.replace_schema_metadata(None), temporary)


def read_table(path: str | os.PathLike, schema: pa.Schema | None = None) -> pd.DataFrame:
    """Read a Parquet table that `write_table` wrote.

    Raises InputError if it is not a regular file, does not fit into the free memory, or does not match the schema.
    """
    table = read_arrow(path)
    if schema is not None and not table.schema.equals(schema):
        raise InputError(f"{os.fspath(path)} has other columns than the table that belongs there.")
    return table.to_pandas(ignore_metadata=True, use_threads=table.num_rows * table.num_columns >= MANY_VALUES)


def read_arrow(path: str | os.PathLike, columns: Sequence[str] | None = None) -> pa.Table:
    """Read the same as an Arrow table, by default with all columns."""
    check_kind(path, os.stat(path))
    with pq.ParquetFile(path) as file:
        groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
        # A repeated value takes no space in the file.
        values = sum(group.column(number).num_values for group in groups for number in range(group.num_columns))
        if values * BYTES_A_VALUE > available_memory():
            raise InputError(f"{os.fspath(path)} has {values:,} values, for which the free memory does not suffice.")
        return file.read(columns, use_threads=values >= MANY_VALUES)


def read_array(path: str | os.PathLike, ndim: int | None = None, *, mapped: bool = False) -> np.ndarray:
    """Read an array from a `.npy` file; `ndim` is the required number of dimensions.

    If `mapped`, the values stay in the file until they are used. Raises InputError if the file cannot be read, is not a
    regular file, or does not hold an array of numbers.
    """
    try:
        check_kind(path, os.stat(path))
        array = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (InputError, MemoryError):
        raise
    except Exception as error:
        # The header is parsed as Python literals, and each of the parsers raises other errors.
        raise InputError(f"{os.fspath(path)} is no readable .npy array: {error}") from error
    if not isinstance(array, np.ndarray) or not np.issubdtype(array.dtype, np.number):
        raise InputError(f"{os.fspath(path)} is no .npy array of numbers")
    if ndim not in (None, array.ndim):
        raise InputError(f"{os.fspath(path)} has {array.ndim} dimensions, and has to have {ndim}")
    return array


def empty_table(schema: pa.Schema) -> pd.DataFrame:
    """A table with the schema's columns and types, and no rows."""
    return schema.empty_table().to_pandas()


def columns(kind: pa.DataType, *names: str, ends: Sequence[str] = ("",)) -> list[pa.Field]:
    """Columns of one type for a schema: each name with each of the endings, such as those of `INTERVAL`."""
    return [pa.field(f"{name}{end}", kind) for name in names for end in ends]


def write_array(array: np.ndarray, path: str | os.PathLike) -> None:
    """Write an array as `.npy`."""
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.save(file, array)


def write_text(text: str, path: str | os.PathLike) -> None:
    """Write a text file as UTF-8."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def shard_slices(rows: int, shard_size: int) -> list[slice]:
    """Cut `rows` rows into contiguous shards of `shard_size`, the same on every run; the last may be shorter."""
    return [slice(start, min(start + shard_size, rows)) for start in range(0, rows, shard_size)]


def seal_shard(folder: Path, kind: str, number: int, names: Sequence[str]) -> None:
    """Mark a shard as complete, as the last step: write `<kind>-<number>.sha256` with the digests of its files.

    `names` are the shard's files in `folder`. Files that a killed run left under other names do not belong to the
    shard.
    """
    lines = [f"{file_digest(folder / name)}  {name}\n" for name in names]
    write_text("".join(lines), seal_path(folder, kind, number))


def sealed_shards(folder: str | os.PathLike, kind: str, names: Callable[[int], Iterable[str]]) -> set[int]:
    """The numbers of the complete shards in a folder; every byte of their files is read.

    A damaged shard is removed, so that it is computed again, and this is logged. `names` gives the names of the files
    of a shard: a damaged seal may lack some.
    """
    folder = Path(folder)
    whole = set()
    for path in sorted(folder.glob(f"{kind}-*{SEAL}")):
        number = path.name.removeprefix(f"{kind}-").removesuffix(SEAL)
        if not re.fullmatch("[0-9]{1,9}", number):
            continue
        damaged = damaged_in_shard(path)
        if damaged is None:
            whole.add(int(number))
        else:
            name = "/".join(folder.parts[-2:])
            _log.warning(DAMAGED, name, damaged)
            for each in (path, *(folder / name for name in names(int(number)))):
                if each.is_symlink() or not each.is_dir():
                    each.unlink(missing_ok=True)
    return whole


def shard_files(folder: str | os.PathLike, kind: str) -> list[Path]:
    """The Parquet tables of a kind in a folder of shards, `<kind>-00000.parquet` and so on, in order."""
    named = ((re.fullmatch(rf"{kind}-(\d{{5,}})\.parquet", path.name), path) for path in Path(folder).glob(f"{kind}-*"))
    return [path for _, path in sorted((int(match[1]), path) for match, path in named if match)]


def read_shards(folder: str | os.PathLike, kind: str, schema: pa.Schema) -> pd.DataFrame:
    """The tables of a kind in a folder of shards, joined in the order of the shards."""
    tables = [read_arrow(path) for path in shard_files(folder, kind)]
    return pa.concat_tables([schema.empty_table(), *tables]).to_pandas()


def damaged_in_shard(seal: Path) -> str | None:
    """The name of a file that does not match its shard's seal; None if all match."""
    digests = read_seal(seal)
    if not digests:
        return seal.name
    return next((name for name, digest in digests.items() if not is_intact(seal.parent / name, digest)), None)


def read_seal(path: Path) -> dict[str, str]:
    """The digests of a shard's files by name; empty if the seal cannot be read.

    A seal may be hostile: one that names anything but tables and arrays beside it counts as unreadable.
    """
    try:
        lines = read_regular_text(path, LARGEST_SEAL).splitlines()
    except InputError:
        return {}
    matches = [_SEAL_LINE.fullmatch(line) for line in lines]
    return {match[2]: match[1] for match in matches} if all(matches) else {}


def seal_path(folder: Path, kind: str, number: int) -> Path:
    """The path of a shard's seal."""
    return folder / f"{kind}-{number:05d}{SEAL}"


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hex.

    Raises InputError if it is not a regular file, cannot be opened, or is large and almost all of it is a hole: that
    takes no space, and hours to read.
    """
    with open_regular(path) as file:
        status = os.fstat(file.fileno())
        taken = getattr(status, "st_blocks", status.st_size) * BLOCK
        if status.st_size > HOLLOW_FROM and taken * MOST_HOLLOW < status.st_size:
            raise InputError(f"{os.fspath(path)} has {status.st_size:,} bytes, of which almost all are a hole.")
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_intact(path: Path, digest: str) -> bool:
    """Whether a file has a digest. A file that this process found intact before is read again only if it changed."""
    try:
        stat = path.stat()
        seen = (os.fspath(path), digest, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        if seen not in _intact:
            if file_digest(path) != digest:
                return False
            _intact.add(seen)
    except (OSError, InputError):
        return False
    return True


_intact: set[tuple] = set()
