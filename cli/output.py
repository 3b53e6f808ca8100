"""Printing results: readable text or JSON on standard output, progress on standard error."""

import json
import math
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from bias_toolkit.foundation.words import visible, visible_json
from bias_toolkit_cli.progress import ConsoleProgress, LastingStream


def console_progress() -> ConsoleProgress:
    """Progress bars on standard error, so that standard output holds the result only."""
    return ConsoleProgress(Console(stderr=True, file=sys.stderr and LastingStream(sys.stderr)))


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


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    print(visible_json(json.dumps(_plain(value), indent=2, ensure_ascii=False)))
