"""Reading the text of annotation files, with errors that name the file and the line."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from bias_toolkit.errors import InputError


def read_lines(file: Path) -> Iterator[tuple[int, str]]:
    """Yield number (from 1) and content of each line that is not blank; raises InputError unless UTF-8."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not a text file in UTF-8") from error
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield number, line.strip()


def parse_edges(values: Sequence[str | float], where: str) -> tuple[float, float, float, float]:
    """Four finite numbers; raises InputError, which begins with `where`, if they are not."""
    try:
        edges = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        edges = ()
    if len(edges) != 4 or not all(map(math.isfinite, edges)):
        shown = " ".join(map(str, values))
        raise InputError(f"{where}: a box has to be four finite numbers, not {shown!r}")
    return edges
