"""Reading the text of annotation files, with errors that name the file and the line."""

import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bias_toolkit.datasets.file_names import shortened
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.memory import free_memory
from bias_toolkit.foundation.untrusted import check_kind

_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_BYTES_A_BYTE = 10
"""Memory that a byte of text takes as Python's objects, roughly."""
_SMALL = 2**26
_PART_OF_STREAM = 2**20
_MOST_OF_AN_OBJECT = 2**26
_BETWEEN = re.compile(r"[\s,]*")
_SHOWN_OF_A_VALUE = 40
_SHOWN_VALUES = 6


def read_lines(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the number (from 1) and the content of each line that is not blank; raises as `decoded_lines`."""
    for number, line in enumerate(decoded_lines(file), 1):
        if stripped := line.strip():
            yield number, stripped


def decoded_lines(file: Path) -> Iterator[str]:
    """Yield each line with its end.

    Raises InputError if the file is not regular, not UTF-8, has zero bytes, or does not fit in memory.
    """
    check_fits(file, _size(file) * _BYTES_A_BYTE)
    with open(file, "rb") as lines:
        for number, line in enumerate(lines, 1):
            yield _decoded(line.removeprefix(_UTF8_MARK) if number == 1 else line, file, number)


def read_json(file: Path) -> Any:
    """The value in a JSON file; InputError if it is not regular, malformed, not UTF-8, or does not fit in memory."""
    check_fits(file, _size(file) * _BYTES_A_BYTE)
    try:
        return parse_json(_decoded(file.read_bytes().removeprefix(_UTF8_MARK), file), str(file))
    except MemoryError as error:
        raise InputError(f"{file} takes more memory to read than there is; divide it into several files") from error


def stream_json_objects(file: Path, key: str) -> Iterator[dict[str, Any]]:
    """Yield each object of the list under a key with which a JSON file begins; the others are not held in memory.

    Raises InputError if the file does not begin so, is malformed, is not UTF-8, or has an object that is too large.
    """
    decoder, number = json.JSONDecoder(), 0
    _size(file)
    with open(file, encoding="utf-8-sig") as stream:
        try:
            text = stream.read(_PART_OF_STREAM)
            start = re.match(rf'\s*{{\s*"{re.escape(key)}"\s*:\s*\[', text)
            if start is None:
                raise InputError(f"{file} has to begin with the list {key!r}, and does not: is it another file?")
            position = start.end()
            while not text.startswith("]", position := _BETWEEN.match(text, position).end()):
                try:
                    value, position = decoder.raw_decode(text, position)
                except (ValueError, RecursionError) as error:
                    rest = text[position:]
                    more = stream.read(max(_PART_OF_STREAM, len(rest))) if len(rest) < _MOST_OF_AN_OBJECT else ""
                    if not more:
                        raise InputError(f"{file}: entry {number} of {key!r} is not valid JSON: {error}") from error
                    text, position = rest + more, 0
                    continue
                if not isinstance(value, dict):
                    raise InputError(f"{file}: entry {number} of {key!r} has to be an object, not {shortened(value)}")
                yield value
                number += 1
        except UnicodeDecodeError as error:
            raise InputError(f"{file} is not a text file in UTF-8: save it as UTF-8") from error


def parse_json(text: str, where: str) -> Any:
    """The value of a JSON text; InputError, which begins with `where`, if it is malformed."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f", line {error.lineno}" if "\n" in text else ""
        raise InputError(f"{where}{place}: this is not valid JSON: {error.msg} (column {error.colno})") from error
    except RecursionError as error:
        raise InputError(f"{where} has lists or objects in one another too deeply to be read") from error
    except ValueError as error:
        raise InputError(f"{where} has a whole number of too many digits to be read") from error


def _size(file: Path) -> int:
    """The size of a file; InputError if it is not regular: opening a pipe would wait for ever."""
    status = os.stat(file)
    check_kind(file, status)
    return status.st_size


def check_fits(file: Path, needed: float) -> None:
    """Raise InputError if reading a file takes more memory (bytes) than is free."""
    free = free_memory()
    if needed > _SMALL * _BYTES_A_BYTE and free is not None and needed > free:
        raise InputError(
            f"{file} takes about {needed / 2**30:.0f} GB of memory to read, and {free / 2**30:.0f} GB are free: "
            "divide it into several files, or read it where there is more"
        )


def _decoded(content: bytes, file: Path, number: int | None = None) -> str:
    """The text of a file, or of one line if its number is given."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        first = content.count(b"\n", 0, error.start) + 1 if number is None else number
        kind = "is in UTF-16" if first == 1 and content.startswith(_UTF16_MARKS) else "is not a text file in UTF-8"
        raise InputError(f"{file} {kind} (line {first}): save it as UTF-8") from error
    if "\0" in text:
        first = text[: text.index("\0")].count("\n") + 1 if number is None else number
        raise InputError(f"{file}, line {first}: there is a zero byte, which no text has; the file is damaged")
    return text


def parse_size(width: object, height: object) -> tuple[float, float]:
    """Width and height that annotations state for an image; 0 and 0 if they state none that an image can have."""
    try:
        size = float(width), float(height)
    except (TypeError, ValueError, OverflowError):
        return 0.0, 0.0
    return size if all(1 <= side < 2**31 for side in size) else (0.0, 0.0)


def parse_edges(values: Sequence[str | float], where: str) -> tuple[float, float, float, float]:
    """Four finite numbers; InputError, which begins with `where`, if the values are anything else."""
    try:
        edges = tuple(float(value) for value in values if not isinstance(value, bool) and "_" not in str(value))
    except (TypeError, ValueError, OverflowError):
        edges = ()
    if len(values) != 4 or len(edges) != 4 or not all(map(math.isfinite, edges)):
        shown = shortened(" ".join(str(value)[:_SHOWN_OF_A_VALUE] for value in values[:_SHOWN_VALUES]))
        raise InputError(f"{where}: a box has to be four finite numbers, not {shown}")
    return edges
