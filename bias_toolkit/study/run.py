"""Doing the steps of a study: one run at a time, what is done kept, what was damaged computed again."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import remove_leftovers, write_text
from bias_toolkit.foundation.spreadsheet import csv_text
from bias_toolkit.pipeline.lock import StudyLock
from bias_toolkit.pipeline.steps import Step, StepFolder
from bias_toolkit.study.record import package_versions, read_record
from bias_toolkit.study.results import StudyResults

if TYPE_CHECKING:
    from bias_toolkit.models import Model

ROUNDING_PACKAGES = ("torch", "torchvision", "openvino", "faiss-gpu", "faiss-cpu", "numpy", "pillow")
SKIPPED_FILE = "skipped.csv"

Method = TypeVar("Method", bound=Callable[..., Any])


def one_run(method: Method) -> Method:
    """A method of a study that computes: no other run works on the study from its first step to its end."""

    @functools.wraps(method)
    def alone(self: StudyRun, *arguments: Any, **options: Any) -> Any:
        with self._one_run():
            return method(self, *arguments, **options)

    return alone


class StudyRun(StudyResults):
    """Does steps in a study's folder."""

    model: Model
    _write_record: Callable[[bool], None]
    _depth: int = 0

    @cached_property
    def _lock(self) -> StudyLock:
        return StudyLock(self.folder)

    @cached_property
    def _works(self) -> dict[str, tuple[Step, Callable[[Path], None]]]:
        """How each step that came up in this process is done."""
        return {}

    @contextmanager
    def _one_run(self) -> Iterator[None]:
        """Hold the study's lock from the first step that comes up in the block; blocks may lie in one another.

        What a block finds wrong before its first step leaves the folder untouched.
        """
        self._depth += 1
        try:
            yield
            if self._depth == 1 and self._lock.held:
                self._list_skipped()
        finally:
            self._depth -= 1
            if self._depth == 0 and self._lock.held:
                self._lock.release()

    def _do(self, step: Step, work: Callable[[Path], None]) -> Path:
        """Do a step's work unless its result is there already and undamaged, and give its folder."""
        self._works[step.name] = (step, work)
        with self._one_run():
            self._take_lock()
            folder = StepFolder(self.folder, step, self._environment)
            done = folder.done
            self._write_record(computing=not done)
            if done:
                folder.renew_times()
            else:
                with folder.working() as path:
                    work(path)
                self._lock.check()
                self._list_skipped()
        return folder.path

    def _take_lock(self) -> None:
        if self._lock.held:
            self._lock.check()
        else:
            self._lock.acquire()
            remove_leftovers(self.folder)
            # Another run may have written it since the study was opened; one that is damaged is written anew.
            with suppress(InputError):
                self._recorded = read_record(self.folder)

    def _restore(self, name: str) -> bool:
        """Do a damaged step again, where this process knows how; says whether it does."""
        if name not in self._works:
            return False
        self._do(*self._works[name])
        return True

    def _list_skipped(self) -> None:
        """Write skipped.csv if it does not say yet what the steps have left out."""
        path, text = self.folder / SKIPPED_FILE, csv_text(self.skipped_images)
        if not path.is_file() or path.read_bytes() != text.encode():
            write_text(text, path)

    @property
    def _environment(self) -> dict[str, str]:
        """What may change rounding without being a setting."""
        versions = {name: version for name, version in package_versions().items() if name in ROUNDING_PACKAGES}
        if "model" in self.__dict__:
            versions |= {"device": self.model.device.type, "runtime": self.model.chosen_runtime}
        return versions
