"""Who does the shards of a step. Here it is this process.

A job can be pickled. A worker opens the study once, does the shards of a job, writes and seals their files, and yields
their numbers in order. The driver, which gave it the job, alone holds the study's lock and records the step as done.
Results do not depend on the executor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.progress import silent
from bias_toolkit.pipeline.shards import work_on_shards
from bias_toolkit.pipeline.step import Job, Plan


@dataclass(frozen=True)
class ShardJob:
    """Which shards of which task to do, in values that can be pickled.

    Parameters
    ----------
    open : callable
        A function of a module. It makes a `Workshop` of `study`.
    study : object
        Describes the study, its inputs and its settings.
    task, key : str
        The task's name and its key.
    numbers : tuple of int
        Of the shards, in order.
    """

    open: Callable[[Any], Workshop]
    study: Any
    task: str
    key: str
    numbers: tuple[int, ...]


class Workshop:
    """A study that is opened in one process, for work in its folder.

    Parameters
    ----------
    folder : Path
        Of the study.
    plan : Plan
    results : object
        Reads what steps have written.
    """

    def __init__(self, folder: Path, plan: Plan, results: Any):
        self.folder = folder
        self.plan = plan
        self.results = results

    def shards(self, job: ShardJob, advance: Callable[[int], None]) -> Iterator[int]:
        """Do the shards of a job, and yield the number of each as soon as it and all before it are sealed.

        Parameters
        ----------
        job : ShardJob
        advance : callable
            Takes the number of items that were done since the last call.

        Raises
        ------
        InputError
            If the study has no such task, or its key is another here.
        """
        task = next((each for each in self.plan.all() if each.name == job.task), None)
        if task is None or task.key != job.key:
            raise InputError(
                f"{self.folder} does not give {job.task} the key that the job has; the worker needs the same inputs, "
                "settings and version of bias-toolkit."
            )
        work = Job(self.folder / task.name, self.plan.inputs, self.results, silent)
        yield from work_on_shards(task, work, job.numbers, advance)


class Executor(Protocol):
    """Does the shards of jobs, as `Workshop.shards` says."""

    def shards(self, job: ShardJob, advance: Callable[[int], None]) -> Iterator[int]: ...
