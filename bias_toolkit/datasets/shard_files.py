"""Datasets that are divided into several files, such as tars: which files a path or a pattern names."""

import os
import re
from collections.abc import Sequence
from fnmatch import fnmatch
from itertools import chain
from pathlib import Path

from bias_toolkit.datasets.file_names import check_path, escaped
from bias_toolkit.foundation.errors import InputError

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_CHOICE = re.compile(r"\{([^{}]*,[^{}]*)\}")
_MOST_FILES = 1_000_000
_NUMBERS = re.compile(r"\d+")


def is_pattern(name: str) -> bool:
    """Whether a path names several files: by a range, `train-{000..012}.tar`, a choice, `{a,b}.tar`, or a `*`."""
    return bool(_RANGE.search(name) or _CHOICE.search(name) or "*" in Path(name).name)


def shard_files(path: Path, suffix: str) -> list[Path]:
    """The files that a path names, sorted: one file, those of a folder, or those of a pattern; empty if there is none.

    Only files whose names end in `suffix` count. Raises InputError if a file of a range does not exist, or if a
    folder holds the files of several sets.
    """
    if path.is_file():
        return [path] if path.name.lower().endswith(suffix) else []
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if _is_shard(file, suffix))
        _refuse_several_sets(path, files)
        return files
    if not is_pattern(str(path)) or not str(path).lower().endswith(suffix):
        return []
    files = sorted(set(chain.from_iterable(map(_matching, map(Path, _expanded(str(path)))))))
    if missing := [file for file in files if not file.is_file()]:
        raise InputError(f"{path} names {len(files)} files, and there is no file {escaped(str(missing[0]))}")
    return files


def _is_shard(file: Path, suffix: str) -> bool:
    return file.name.lower().endswith(suffix) and not file.name.startswith(".") and file.is_file()


def _expanded(pattern: str) -> list[str]:
    """The names that a pattern's ranges and choices give; numbers of a range keep the width of its first."""
    if match := _RANGE.search(pattern):
        first, last = match.groups()
        if int(last) - int(first) >= _MOST_FILES:
            raise InputError(f"{pattern} names more than {_MOST_FILES:,} files; name fewer")
        parts = [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]
    elif match := _CHOICE.search(pattern):
        parts = match[1].split(",")
    else:
        return [pattern]
    names: list[str] = []
    for part in parts:
        names += _expanded(pattern[: match.start()] + part + pattern[match.end() :])
        if len(names) > _MOST_FILES:
            raise InputError(f"{pattern} names more than {_MOST_FILES:,} files; name fewer")
    return names


def _matching(path: Path) -> Sequence[Path]:
    """A file, or the files of its folder that a name with a `*` matches."""
    if "*" not in path.name:
        return [path]
    if not path.parent.is_dir():
        return []
    return [file for file in path.parent.iterdir() if fnmatch(file.name, path.name) and file.is_file()]


def _refuse_several_sets(folder: Path, files: Sequence[Path]) -> None:
    """Raise InputError if the names of files, without their numbers, are those of several sets."""
    patterns = sorted({_NUMBERS.sub("*", file.name) for file in files})
    if len(patterns) > 1:
        raise InputError(
            f"{folder} holds files of several sets ({', '.join(map(escaped, patterns))}): name one set by a pattern, "
            f"such as {escaped(str(folder / patterns[0]))}"
        )


def place_of(path: Path, files: Sequence[Path]) -> tuple[Path, list[str]]:
    """The place that image ids are relative to, and the beginning of the ids of each file's images.

    An id is the path of its image, as if its file were a folder.
    """
    if path.is_file():
        return path, [""]
    for file in files:
        check_path(file)
    place = Path(os.path.commonpath([file.parent for file in files]))
    return place, [f"{file.relative_to(place).as_posix()}/" for file in files]
