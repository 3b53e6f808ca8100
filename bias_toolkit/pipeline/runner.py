"""Doing tasks in a study's folder: one run at a time, what is done kept, what was damaged computed again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bias_toolkit.foundation.files import remove_leftovers
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.pipeline.executor import Executor, ShardJob, Workshop
from bias_toolkit.pipeline.lock import StudyLock
from bias_toolkit.pipeline.shards import do_shards
from bias_toolkit.pipeline.step import Job, Step, Task
from bias_toolkit.pipeline.step_folder import StepFolder

_log = logging.getLogger("bias_toolkit")


class Runner:
    """Does the tasks of a study.

    Parameters
    ----------
    workshop : Workshop
    executor : Executor
    describe_job : callable
        From a task and shard numbers, the job for the executor.
    environment : callable
        What may change rounding without being a setting.
    started : callable
        Called once a run, after the lock is taken and before anything is written.
    recording : callable
        Called before each task, with whether the task has to be computed.
    ended : callable
        Called after each task that was computed.
    """

    def __init__(
        self,
        workshop: Workshop,
        executor: Executor,
        *,
        describe_job: Callable[[Task, tuple[int, ...]], ShardJob],
        environment: Callable[[], Mapping[str, str]],
        started: Callable[[], None],
        recording: Callable[[bool], None],
        ended: Callable[[], None],
    ):
        self._workshop = workshop
        self._executor = executor
        self._describe_job = describe_job
        self._environment = environment
        self._started, self._recording, self._ended = started, recording, ended
        self._lock = StudyLock(workshop.folder)
        self._depth = 0
        self._known: set[str] = set()
        self._progress: Progress = silent

    @property
    def folder(self) -> Path:
        """The study's folder."""
        return self._workshop.folder

    @contextmanager
    def one_run(self, progress: Progress) -> Iterator[None]:
        """Hold the study's lock from the first task in the block to the block's end; blocks may be nested.

        What is refused before the first task leaves the folder untouched.
        """
        self._depth += 1
        previous, self._progress = self._progress, progress
        try:
            yield
        finally:
            self._progress = previous
            self._depth -= 1
            if self._depth == 0 and self._lock.held:
                self._lock.release()

    def do(self, step: Step, member: Any = None) -> None:
        """Do a task, after those that it needs, unless its result is there already and whole."""
        with self.one_run(self._progress):
            self._do(step, member, set())

    def _do(self, step: Step, member: Any, seen: set[str]) -> None:
        plan = self._workshop.plan
        task = plan.task(step, member)
        if task.name in seen:
            return
        seen.add(task.name)
        for need in task.needs:
            self._do(need.step, need.member, seen)
        # What was needed may have changed an identity.
        task = plan.task(step, member)
        self._known.add(task.name)
        self._take_lock()
        folder = StepFolder(self.folder, task)
        if not folder.is_done:
            for name in step.inputs:
                plan.inputs.open(name)
            task = plan.task(step, member)
            folder = StepFolder(self.folder, task)
        done = folder.is_done
        self._recording(not done)
        if done:
            folder.renew_times()
            return
        with folder.working(self._environment()) as path:
            job = Job(path, plan.inputs, self._workshop.results, self._progress)
            if step.sharding is None:
                task.work(job)
            else:
                do_shards(task, job, lambda numbers, advance: self._seal(task, numbers, advance))
        self._lock.check()
        self._ended()

    def _seal(self, task: Task, numbers: list[int], advance: Callable[[int], None]) -> Iterator[int]:
        return self._executor.shards(self._describe_job(task, tuple(numbers)), advance)

    def _take_lock(self) -> None:
        if self._lock.held:
            self._lock.check()
        else:
            self._lock.acquire()
            remove_leftovers(self.folder)
            self._started()

    def restore(self, task: Task) -> bool:
        """Do a damaged task again, if it came up in this process before; says whether it did."""
        if task.name not in self._known:
            return False
        self.do(task.step, task.member)
        return True
