"""Reading results of steps: only those that are done, intact, and under the study's present key."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from pydantic import BaseModel, ValidationError

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import read_table
from bias_toolkit.foundation.untrusted import parse_json, read_regular, read_regular_text
from bias_toolkit.pipeline.record import RECORD, StepRecord
from bias_toolkit.pipeline.step import Plan, Step, Task
from bias_toolkit.pipeline.step_folder import StepFolder, read_whole

Result = TypeVar("Result")
LARGEST_TEXT = 64 * 2**20
"""Bytes of a JSON or text file."""


class Stored:
    """Reads the results of the tasks in a study's folder.

    `restore` does a damaged task again, if this process may, and returns whether it did.
    """

    def __init__(self, folder: Path, plan: Plan, restore: Callable[[Task], bool] = lambda task: False) -> None:
        self.folder = folder
        self.plan = plan
        self._restore = restore

    def read(self, step: Step, name: str, read: Callable[[Path], Result], member: object = None) -> Result:
        """The result of `read`, which takes the path of a file of a task; all of it is of one state of the task.

        `name` is the file's name, or "" for the task's folder; `member` is for steps that have members. Raises
        InputError, which names the command to run, if the task is not done, was done with other inputs or settings, or
        was damaged.
        """
        task = self.plan.task(step, member)
        record = self.check(task, name or "*")
        folder = StepFolder(self.folder, task)
        is_other = False
        try:
            result = read_whole(folder.path / name, read)
        except InputError:
            is_other = folder.own_record != record
            if not is_other:
                raise
        if is_other or folder.own_record != record:
            raise InputError(
                f"{folder.path} was computed anew while it was read. Read it again when the run that works on the "
                "study has ended."
            )
        return result

    def has(self, step: Step, name: str, member: object = None) -> bool:
        """Whether a task that is done wrote a file of this name."""
        return name in self.check(self.plan.task(step, member), name).files

    def check(self, task: Task, names: str = "*") -> StepRecord:
        """The record of a done task, after checking every byte of the requested files; raises as `read`."""
        record = self._record(task)
        folder = StepFolder(self.folder, task)
        damaged = folder.damaged_file(record, names)
        if damaged is None:
            return record
        if self._restore(task):
            return self._record(task)
        raise InputError(
            f"{folder.path / damaged} was damaged or removed since it was written; run `bias-toolkit "
            f"{task.step.command}` on the study, and it is computed again."
        )

    def refuse_lost(self, task: Task) -> None:
        """Raise InputError if a task has written files, but its record is missing, damaged, or not readable."""
        folder = StepFolder(self.folder, task)
        if folder.is_record_lost and not self._restore(task):
            raise InputError(
                f"{folder.path / RECORD} is missing, damaged, or of another version of bias-toolkit; run "
                f"`bias-toolkit {task.step.command}` on the study, and it is made anew."
            )

    def _record(self, task: Task) -> StepRecord:
        self.refuse_lost(task)
        folder = StepFolder(self.folder, task)
        record = folder.record
        if record is None or (record.key == task.key and not record.done):
            raise InputError(
                f"{self.folder} has no {task.name} yet; run `bias-toolkit {task.step.command}` on it first."
            )
        if record.key != task.key:
            raise InputError(
                f"{folder.path} was computed with other inputs or settings than the study has now; run `bias-toolkit "
                f"{task.step.command}` on the study."
            )
        return record

    def is_current(self, step: Step, member: object = None) -> bool:
        """Whether a task is done with the present inputs and settings. No file's content is read."""
        record = StepFolder(self.folder, self.plan.task(step, member)).own_record
        return record is not None and record.done

    def table(self, step: Step, name: str, member: object = None) -> pd.DataFrame:
        """A Parquet table of a task, by the file's name without its ending."""
        return self.read(step, f"{name}.parquet", lambda path: read_table(path, step.schema(path.name)), member)

    def json(self, step: Step, name: str, kind: type[BaseModel], member: object = None) -> Any:
        """The value in a JSON file of a task, which has to match `kind`."""

        def read(path: Path) -> Any:
            value = parse_json(read_regular(path, LARGEST_TEXT), path)
            try:
                kind.model_validate(value)
            except ValidationError as error:
                raise InputError(f"{path} does not hold the values that belong there.") from error
            return value

        return self.read(step, name, read, member)

    def text(self, step: Step, name: str, member: object = None) -> str:
        """The text in a file of a task, without white space at its ends."""
        return self.read(step, name, lambda path: read_regular_text(path, LARGEST_TEXT).strip(), member)
