"""Progress bars with a rate and the time left, drawn on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

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
    """Items a second, over the last half minute."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f}/s", style="progress.data.speed")


class TimeColumn(TimeRemainingColumn):
    """The time left, and at the end the time it took."""

    def render(self, task: Task) -> Text:
        if task.finished:
            return Text(f"took {timedelta(seconds=int(task.finished_time or 0))}", style="progress.elapsed")
        return super().render(task).append(" left")


class ConsoleProgress:
    """Draws each task of the library as one bar; off a terminal, one line at each task's end.

    Parameters
    ----------
    console : rich.console.Console
        Where to draw.
    """

    def __init__(self, console: Console):
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
                # Work of an earlier run counts as done, but not towards the rate.
                bars.reset(task, completed=done, total=total)
            yield lambda count: bars.advance(task, count)
