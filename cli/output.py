"""Printing results: readable text or JSON on standard output, progress and news of the inputs on standard error."""

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from bias_toolkit.foundation.bars import ConsoleProgress, LastingStream
from bias_toolkit.foundation.words import visible, visible_json, visible_name

if TYPE_CHECKING:
    from bias_toolkit import Study
    from bias_toolkit.report.words.finding import Finding


def error_console() -> Console:
    """Standard error, for all that is not the result."""
    return Console(stderr=True, file=sys.stderr and LastingStream(sys.stderr))


def console_progress() -> ConsoleProgress:
    """Progress bars on standard error, so that standard output holds the result only."""
    return ConsoleProgress(error_console())


def opened(folder: str, trust_study: bool = False, **options: str | None) -> "Study":
    """The study in a folder, as it is, with other `options` of `Study`.

    Importing what it needs takes a second or more, and a spinner says so.
    """
    with console_progress()("Opening the study", None):
        from bias_toolkit.study import Study

        return Study(folder, trust_study=trust_study, **options)


def tell_news(sentences: Sequence[str]) -> None:
    """Print what is known of the inputs before the work begins, on standard error."""
    for sentence in sentences:
        _print(error_console(), Text(visible_name(sentence)))


def _print(console: Console, text: Text) -> None:
    """Print a text, wrapped to the width of a terminal; anywhere else it stays one line."""
    console.print(text, soft_wrap=not console.is_terminal, highlight=False)


def _plain(value: Any) -> Any:
    """The value with NumPy scalars as Python's and NaN as null, as JSON has neither."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def say(text: str) -> None:
    """Print a message; names in it cannot control the terminal."""
    print(visible(text))


def say_findings(findings: Iterable["Finding"]) -> None:
    """Print each finding's claim, in bold on a terminal, and its estimate after it."""
    for finding in findings:
        estimate = f" {finding.estimate.text}." if finding.estimate else ""
        _print(Console(), Text.assemble((visible_name(finding.claim), "bold"), visible_name(estimate)))


def say_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table, as wide as its cells where it is not printed to a terminal."""
    from rich import box
    from rich.table import Table

    table = Table(*headings, box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*(Text(visible_name(cell)) for cell in row))
    console = Console()
    if not console.is_terminal:
        # Wide enough for any table: a column that does not fit would be cut.
        console = Console(width=1000)
    console.print(table, highlight=False)


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    print(visible_json(json.dumps(_plain(value), indent=2, ensure_ascii=False)))
