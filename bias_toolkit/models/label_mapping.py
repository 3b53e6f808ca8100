"""Read the file in which a user assigns a class to each label."""

import csv
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path

from bias_toolkit.foundation.errors import InputError

COLUMNS = ("label", "class")


@dataclass(frozen=True)
class MappingEntry:
    """A label, its class (a number is an index), and the line that contains it."""

    label: str
    target: str | int
    line: int


def read_mapping(path: Path) -> list[MappingEntry]:
    """Read a CSV file with the columns `label,class`, or a JSON object from labels to classes.

    Raises InputError if it is missing or neither, a class is missing or of a wrong type, or a label occurs twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(f"The mapping file {path} is not text in UTF-8 (line {line}): save it as UTF-8.") from error
    except OSError as error:
        raise InputError(f"The mapping file {path} cannot be read: {error.strerror or error}.") from error
    entries = _read_json(path, text) if path.suffix.lower() == ".json" else _read_csv(path, text)
    seen = {}
    for entry in entries:
        if entry.label in seen:
            raise InputError(
                f"{path}, line {entry.line}: the label {entry.label!r} comes twice (first in line {seen[entry.label]})."
            )
        seen[entry.label] = entry.line
    return entries


def _read_csv(path: Path, text: str) -> list[MappingEntry]:
    reader = csv.reader(io.StringIO(text), skipinitialspace=True, strict=True)
    entries = []
    try:
        header = [cell.strip() for cell in next(reader, [])]
        if any(column not in header for column in COLUMNS):
            raise InputError(f"{path}, line 1: the header must have the columns label and class, not {header}.")
        label_at, class_at = (header.index(column) for column in COLUMNS)
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if len(cells) != len(header) or not cells[label_at] or not cells[class_at]:
                raise InputError(
                    f"{path}, line {reader.line_num}: a row must have a label and a class, not {','.join(row)!r}; "
                    "put a name that has commas in double quotes."
                )
            entries.append(MappingEntry(cells[label_at], cells[class_at], reader.line_num))
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: this is not a row of a table: {error}.") from error
    return entries


def _read_json(path: Path, text: str) -> list[MappingEntry]:
    try:
        pairs = json.loads(text, object_pairs_hook=_Pairs)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}: this is not JSON: {error.msg}.") from error
    except (RecursionError, ValueError) as error:
        raise InputError(f"{path} must hold one JSON object from labels to ids, names or indices.") from error
    if not isinstance(pairs, _Pairs):
        raise InputError(f"{path}, line 1: the file must hold one JSON object from labels to classes.")
    entries, position = [], 0
    for label, target in pairs:
        position = _key_end(text, label, position)
        line = text.count("\n", 0, position) + 1
        if not isinstance(target, str | int) or isinstance(target, bool):
            raise InputError(f"{path}, line {line}: the class of {label!r} must be an id, a name or an index.")
        entries.append(MappingEntry(label, target, line))
    return entries


def _key_end(text: str, label: str, start: int) -> int:
    """The position where the key of `label` ends; JSON's parser does not keep positions."""
    forms = {json.dumps(label), json.dumps(label, ensure_ascii=False)}
    match = re.compile(rf"(?:{'|'.join(map(re.escape, forms))})(?=\s*:)").search(text, start)
    return match.end() if match else start


class _Pairs(list):
    """A JSON object's entries in order, including repeated keys."""
