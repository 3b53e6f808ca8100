"""Progress bars with a rate and the time left, drawn on standard error."""

import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

from bias_toolkit.foundation.progress import Advance, Progress, silent

DESCRIPTION_WIDTH, SHORTEST_SECONDS = 28, 1


class RateColumn(ProgressColumn):
    """Items per second: over the last half minute, and at the end over the whole time; none if that is too short."""

    def render(self, task: Task) -> Text:
        speed = task.speed
        if task.finished:
            seconds = task.finished_time or 0
            speed = (task.completed - task.fields["done"]) / seconds if seconds >= SHORTEST_SECONDS else None
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
    """Draws the tasks of the library on a `console`: each as a bar, or as a spinner if its size is not known.

    A bar leaves a line at its end. Off a terminal, only that line is written. A spinner leaves nothing, and is hidden
    while a task inside it, or a bar, is drawn.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._drawn: list[Bars] = []

    def __call__(self, description: str, total: int | None, done: int = 0) -> AbstractContextManager[Advance]:
        return self._spinner(description) if total is None else self._bar(description, total, done)

    @contextmanager
    def _bar(self, description: str, total: int, done: int) -> Iterator[Advance]:
        columns = (
            TextColumn(f"{{task.description:<{DESCRIPTION_WIDTH}}}", markup=False),
            BarColumn(bar_width=10),
            MofNCompleteColumn(),
            RateColumn(),
            TimeColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        with self._in_front(Bars(*columns, console=self.console)) as bars:
            task = bars.add_task(description, total=total, note="", done=done)
            if done:
                # Work of an earlier run counts as done, but not for the rate.
                bars.reset(task, completed=done, total=total)
            yield lambda count, note="": bars.update(task, advance=count, note=note)

    @contextmanager
    def _spinner(self, description: str) -> Iterator[Advance]:
        is_behind_a_bar = any(not drawn.live.transient for drawn in self._drawn)
        if not self.console.is_terminal or is_behind_a_bar:
            yield lambda count, note="": None
            return
        columns = (TextColumn("{task.description}", markup=False), SpinnerColumn(), TimeElapsedColumn())
        with self._in_front(Bars(*columns, console=self.console, transient=True)) as spinner:
            spinner.add_task(description, total=None)
            yield lambda count, note="": None

    @contextmanager
    def _in_front(self, progress: Bars) -> Iterator[Bars]:
        """Draw a progress in place of the one around it."""
        around = self._drawn[-1] if self._drawn else None
        if around is not None:
            around.stop()
        self._drawn.append(progress)
        try:
            with progress:
                yield progress
        finally:
            self._drawn.remove(progress)
            if around is not None:
                around.start()


def shown(progress: Progress | bool | None) -> Progress:
    """The progress of a call from Python: by default bars in a terminal or a notebook, and nothing elsewhere.

    False shows nothing, True shows bars anywhere.
    """
    if progress is False:
        return silent
    if progress is not None and progress is not True:
        return progress
    # Rich draws bars in a notebook by ipywidgets; without it, each leaves its last line.
    has_widgets = importlib.util.find_spec("ipywidgets") is not None
    console = Console(stderr=True, force_jupyter=None if has_widgets else False)
    return ConsoleProgress(console) if progress or console.is_terminal or _is_notebook() else silent


def _is_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "kernel", None) is not None
