"""Progress bars with a rate and the time left, drawn on standard error."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class RateColumn(ProgressColumn):
    """Items per second, over the last half minute."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f}/s", style="progress.data.speed")


class TimeColumn(TimeRemainingColumn):
    """The time left, and at the end the time it took."""

    def render(self, task: Task) -> Text:
        if task.finished:
            return Text(f"took {timedelta(seconds=int(task.finished_time or 0))}", style="progress.elapsed")
        return super().render(task).append(" left")


class LastingStream:
    """A text stream that may disappear without ending the run, as when its terminal is closed.

    A pipe whose reader has ended still ends the program.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with self._until_it_goes():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._until_it_goes():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextmanager
    def _until_it_goes(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError:
            # Buffered and later output is dropped.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


class ConsoleProgress:
    """Draws each task of the library as one bar on a `console`; off a terminal, one line at each task's end."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def __call__(self, description: str, total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
        columns = (
            TextColumn("{task.description:<24}"),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            RateColumn(),
            TimeColumn(),
        )
        with Progress(*columns, console=self.console) as bars:
            task = bars.add_task(description, total=total)
            if done:
                # Work of an earlier run counts as done, but not for the rate.
                bars.reset(task, completed=done, total=total)
            yield lambda count: bars.advance(task, count)
