"""Reading files that may be hostile: special files, names that lead out of a folder, JSON that never ends.

Everything here reads data and returns data. Any fault in the data raises `InputError` with one sentence.
"""

import errno
import json
import math
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from bias_toolkit.foundation.errors import InputError

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# Opening a pipe without a writer would block, and a link may lead anywhere. Windows lacks these flags.
SAFELY = os.O_RDONLY
for _flag in ("O_NONBLOCK", "O_NOFOLLOW", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"):
    SAFELY |= getattr(os, _flag, 0)
# This many digits fit into a float.
MOST_DIGITS = 300
_NOT_IN_NAMES = re.compile("[\x00-\x1f\x7f-\x9f\\\\\ud800-\udfff\u2028\u2029]")
_DRIVE = re.compile("[A-Za-z]:")


@contextmanager
def open_regular(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """Open a file that may be hostile for reading; this never blocks, and follows no link.

    Raises InputError if it is not a regular file (a folder, a link, a named pipe, a socket, a device) or cannot be
    read.
    """
    try:
        # Merely opening a device can have an effect.
        check_kind(path, os.lstat(path))
        opened = os.open(path, SAFELY)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise InputError(f"{os.fspath(path)} has to be a regular file, and is a link.") from error
        raise InputError(f"{os.fspath(path)} cannot be read: {error.strerror or error}.") from error
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{os.fspath(path)!r} is no name that a file can have.") from error
    with os.fdopen(opened, "rb") as file:
        check_kind(path, os.fstat(opened))
        yield file


def kind_of(status: os.stat_result) -> str:
    """The kind of a file that is not regular, as an error names it: "a folder", "a named pipe" and others."""
    return _KINDS.get(stat.S_IFMT(status.st_mode), "something else")


def check_kind(path: str | os.PathLike, status: os.stat_result) -> None:
    """Raise InputError unless a file's status, from `os.lstat`, is that of a regular file."""
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{os.fspath(path)} has to be a regular file, and is {kind_of(status)}.")


def read_regular(path: str | os.PathLike, limit: int) -> bytes:
    """The content of a file that may be hostile; InputError as in `open_regular`, or above `limit` bytes."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            # The reported size may be wrong, as in /proc, or the file may grow.
            content = b"" if size > limit else file.read(min(size, limit) + 1)
        except OSError as error:
            raise InputError(f"{os.fspath(path)} cannot be read: {error.strerror or error}.") from error
    if size > limit or len(content) > size:
        raise InputError(f"{os.fspath(path)} has to be a regular file of at most {limit:,} bytes, and is larger.")
    return content


def read_regular_text(path: str | os.PathLike, limit: int) -> str:
    """The text of a file that may be hostile, UTF-8 of at most `limit` bytes; InputError as in `read_regular`."""
    try:
        return read_regular(path, limit).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{os.fspath(path)} has to be text in UTF-8; byte {error.start} is not.") from error


def inside(folder: str | os.PathLike, name: object) -> Path:
    """The path of a file in a folder, by a name from a record that may be hostile; the file need not exist.

    The name is relative to the folder, with `/`. Raises InputError if it is not text, is absolute, has an empty part,
    `.`, `..`, a backslash, a drive or a control character, or if a link in the path leads out of the folder.
    """
    wanted = f"in {os.fspath(folder)}, a name has to be relative, with /, and stay inside"
    if not isinstance(name, str) or _NOT_IN_NAMES.search(name) or _DRIVE.match(name):
        raise InputError(f"{_shown(name)} is not valid: {wanted}.")
    if any(part in ("", ".", "..") for part in name.split("/")):
        raise InputError(f"{_shown(name)} is not valid: {wanted}.")
    path = Path(folder, name)
    if _has_no_link(os.fspath(folder), name):
        return path
    try:
        stays = path.resolve().is_relative_to(Path(folder).resolve())
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{_shown(name)} is not valid: it cannot be followed in {os.fspath(folder)}.") from error
    if not stays:
        raise InputError(f"{_shown(name)} is not valid: a link on its way leads out of {os.fspath(folder)}.")
    return path


def _has_no_link(place: str, name: str) -> bool:
    """Whether it is certain that no part of a name in a folder is a link; this is much faster than to follow it."""
    try:
        for part in name.split("/"):
            place = os.path.join(place, part)
            if stat.S_ISLNK(os.lstat(place).st_mode):
                return False
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return True


def _shown(name: object) -> str:
    return f"The name {name[:100]!a}" if isinstance(name, str) else f"A name of type {type(name).__name__}"


def parse_json(text: str | bytes, path: str | os.PathLike, *, finite: bool = True) -> Any:
    """The value of a JSON text that may be hostile; bytes are UTF-8, and `path` is its file, for the error.

    NaN and infinities, which only Python writes, are refused unless `finite` is False. Raises InputError if it is not
    valid UTF-8 or JSON, is nested too deeply, repeats a key, or holds a number that is too long or not finite.
    """

    def number(digits: str) -> float:
        value = float(digits)
        if finite and not math.isfinite(value):
            raise ValueError(f"the number {digits[:40]} is not finite")
        return value

    def whole_number(digits: str) -> int:
        if len(digits) > MOST_DIGITS:
            raise ValueError(f"a number has {len(digits):,} digits")
        return int(digits)

    try:
        text = text.decode("utf-8") if isinstance(text, bytes) else text
        return json.loads(
            text, object_pairs_hook=_unique, parse_int=whole_number, parse_float=number, parse_constant=number
        )
    except RecursionError as error:
        raise InputError(f"{os.fspath(path)} is no valid JSON: it is nested too deeply.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{os.fspath(path)} is no valid JSON: byte {error.start} is not UTF-8.") from error
    except ValueError as error:
        raise InputError(f"{os.fspath(path)} is no valid JSON: {str(error).rstrip('.')}.") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise ValueError(f"the key {twice[:40]!a} is there twice")
    return value
