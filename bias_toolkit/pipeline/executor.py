"""Executors, which do the shards of a step; the default is this process.

A job can be pickled. A worker opens the study once, does the shards of a job, writes and seals their files, and yields
their numbers in order. Only the driver, which created the job, holds the study's lock and records the step as done.
Results do not depend on the executor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import never_made
from bias_toolkit.foundation.progress import Advance, silent
from bias_toolkit.pipeline.known_rows import KnownRows
from bias_toolkit.pipeline.shards import work_on_shards
from bias_toolkit.pipeline.step import Job, Plan, Task
from bias_toolkit.pipeline.step_folder import StepFolder
from bias_toolkit.pipeline.stored import Stored


@dataclass(frozen=True)
class ShardJob:
    """The shards of a task that have to be done, as values that can be pickled.

    `open`, a function of a module, makes a `Workshop` of `study`. `study` describes the study, its inputs and its
    settings. `task` and `key` are the task's name and key. `numbers` are those of the shards, in order. `in_turn` says
    that each shard continues from the one before.

    With `members`, the numbers are those of members of a step without shards, each of them a task; `task` and `key` are
    those of the first.
    """

    open: Callable[[Any], Workshop]
    study: Any
    task: str
    key: str
    numbers: Iterable[int]
    in_turn: bool = False
    members: tuple[Any, ...] = ()


class Workshop:
    """A study that one process has opened, for work in its folder; `results` reads the output of steps.

    `sample` gives what a study of a sample of the same inputs has stored, or None.
    """

    def __init__(
        self, folder: Path, plan: Plan, results: Any, sample: Callable[[], Stored | None] = lambda: None
    ) -> None:
        self.folder = folder
        self.plan = plan
        self.results = results
        self._sample = sample

    def shards(self, job: ShardJob, advance: Advance) -> Iterator[int]:
        """Do the shards of a job, and yield each one's number as soon as this shard and all before it are sealed.

        `advance` takes the number of items done since its last call. Raises InputError if the study has no such task,
        or if the task has another key here.
        """
        tasks = self._of_members(job.members) if job.members else self.plan.all()
        task = next((each for each in tasks if each.name == job.task), None)
        if task is None or task.key != job.key:
            raise InputError(
                f"{self.folder} does not give {job.task} the key that the job has; the worker needs the same inputs, "
                "settings and version of bias-toolkit."
            )
        if not job.members:
            yield from work_on_shards(task, self._job(task), job.numbers, advance, self._known(task))
            return
        for number in job.numbers:
            each = self.plan.task(task.step, job.members[number])
            with never_made(self.folder / each.name):
                each.work(self._job(each))
            advance(1)
            yield number

    def _of_members(self, members: Sequence[Any]) -> list[Task]:
        """The tasks of the first member, of any step whose members cannot be listed."""
        return [self.plan.task(step, members[0]) for step in self.plan.steps if not step.is_listed]

    def _job(self, task: Task) -> Job:
        return Job(self.folder / task.name, self.plan.inputs, self.results, silent)

    def _known(self, task: Task) -> KnownRows | None:
        """The rows of a task that a sample's study has computed, with the same settings and in the same environment."""
        sharding = task.step.sharding
        if not sharding.by_item or (stored := self._sample()) is None:
            return None
        there = StepFolder(stored.folder, stored.plan.task(task.step, task.member)).own_record
        here = StepFolder(self.folder, task).own_record
        is_alike = there is not None and here is not None and there.environment == here.environment
        if not is_alike or not there.done or there.transient:
            return None
        try:
            return stored.read(task.step, "", lambda folder: KnownRows(folder, sharding.outputs()), task.member)
        except InputError:
            # It is damaged, and this study does not need it.
            return None

    def environment(self) -> dict[str, str]:
        """Nothing: the shards are done by this process."""
        return {}

    def prepare(self, study: Any, opening: Callable[[Any], Workshop]) -> None:
        """Nothing: this process opens the study for itself."""

    def close(self) -> None:
        """Nothing has to be ended."""


class Executor(Protocol):
    """Does the shards of jobs, as `Workshop.shards` says.

    `environment` says how its workers differ from this process, if that may change rounding. `prepare` says that jobs
    of a study may come: workers may start and call `opening` with the study meanwhile. It does not wait, and leaves
    errors to `shards`. `close` ends the workers when a run ends.
    """

    def shards(self, job: ShardJob, advance: Advance) -> Iterator[int]: ...

    def environment(self) -> dict[str, str]: ...

    def prepare(self, study: Any, opening: Callable[[Any], Workshop]) -> None: ...

    def close(self) -> None: ...
