"""Doing tasks in a study's folder: one run at a time; finished tasks are kept, damaged ones computed again."""

import errno
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import never_made, remove_leftovers
from bias_toolkit.foundation.progress import Advance, Progress, named, silent
from bias_toolkit.foundation.untrusted import inside
from bias_toolkit.pipeline.executor import Executor, ShardJob, Workshop
from bias_toolkit.pipeline.lock import StudyLock
from bias_toolkit.pipeline.record import RECORD, differing, mark_cleared, read_record
from bias_toolkit.pipeline.shards import do_shards, missing_shards
from bias_toolkit.pipeline.step import Job, Step, Task
from bias_toolkit.pipeline.step_folder import StepFolder

READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
_log = logging.getLogger("bias_toolkit")


class _BegunError(Exception):
    """Ends the work on a task that was only to be begun."""


class Runner:
    """Does the tasks of a study.

    Parameters
    ----------
    workshop : Workshop
    executor : Executor
    describe_job : callable
        Maps a task and shard numbers to the job for the executor.
    environment : callable
        Returns versions and device, which may change rounding but are not settings.
    started : callable
        Called once per run, after the lock is taken and before anything is written.
    recording : callable
        Called before each task, with whether the task has to be computed.
    ended : callable
        Called after each computed task, and once if no task was computed.
    returned : callable
        Maps a task and the items that it left out for a transient reason to those items that are available now.
    reuse : sequence of path
        Folders of other studies. A task that is done there under the same key is copied.
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
        returned: Callable[[Task, Sequence[str]], list[str]],
        reuse: Sequence[Path] = (),
    ) -> None:
        self._workshop = workshop
        self._executor = executor
        self._describe_job = describe_job
        self._environment = environment
        self._started, self._recording, self._ended, self._returned = started, recording, ended, returned
        self._reuse = reuse
        self._lock = StudyLock(workshop.folder)
        self._depth = 0
        self._known: set[str] = set()
        self._is_seen: set[tuple[str, str]] = set()
        self._progress: Progress = silent
        self._numbers: dict[str, str] = {}
        self.computed: list[str] = []
        """The names of the tasks that were computed, in order."""

    @property
    def is_local(self) -> bool:
        """Whether this process does the shards."""
        return self._executor is self._workshop

    @property
    def folder(self) -> Path:
        """The study's folder."""
        return self._workshop.folder

    @contextmanager
    def one_run(self, progress: Progress) -> Iterator[None]:
        """Hold the study's lock from the first task in the block to the block's end; blocks may be nested.

        An error before the first task leaves the folder unchanged.
        """
        self._depth += 1
        previous, self._progress = self._progress, progress
        try:
            yield
            if self._depth == 1 and self._lock.held:
                self._ended()
        finally:
            self._progress = previous
            self._depth -= 1
            if self._depth == 0:
                self._is_seen.clear()
                try:
                    self._executor.close()
                finally:
                    if self._lock.held:
                        self._lock.release()

    def record(self) -> None:
        """Record the study's inputs and settings, and compute nothing."""
        with self.one_run(self._progress):
            self._take_lock()
            self._recording(False)

    def number(self, names: Sequence[str]) -> None:
        """Number the tasks that follow, for the progress of each: `3/9 Features, train`."""
        self._numbers = {name: f"{place}/{len(names)}" for place, name in enumerate(names, start=1)}

    def do(self, step: Step, member: Any = None) -> None:
        """Do a task, after the tasks that it needs, unless its result exists already and is intact."""
        with self.one_run(self._progress):
            try:
                self._take_lock()
            except OSError as error:
                # A finished study can be used even if its folder is read-only.
                if error.errno not in READ_ONLY or not self._is_all_done(step, member):
                    raise
            else:
                self._do(step, member)

    def do_each(self, step: Step, members: Sequence[Any], advance: Advance) -> None:
        """Do a step, which has no shards, for each member, as `do`; an executor's workers do several at the same time.

        `advance` counts the members that were not done.
        """
        with self.one_run(self._progress):
            begun: list[tuple[Task, StepFolder]] = []
            for member in members:
                is_done = StepFolder(self.folder, self._workshop.plan.task(step, member)).is_done
                if is_done or self.is_local:
                    self.do(step, member)
                    advance(0 if is_done else 1)
                else:
                    self._take_lock()
                    self._do(step, member, lambda task, folder: begun.append((task, folder)))
            if begun:
                self._do_elsewhere(begun, advance)

    def _do_elsewhere(self, begun: Sequence[tuple[Task, StepFolder]], advance: Advance) -> None:
        """Have an executor do tasks without shards, and record each as soon as it and all before it are done."""
        environment = {**self._environment(), **self._executor.environment()}
        first, members = begun[0][0], tuple(task.member for task, _ in begun)
        job = replace(self._describe_job(first, tuple(range(len(begun)))), members=members)
        with ExitStack() as stack:
            open_folders = [stack.enter_context(ExitStack()) for _ in begun]
            for opened, (_, folder) in zip(open_folders, begun, strict=True):
                opened.enter_context(folder.working(environment))
            for number in self._executor.shards(job, advance):
                open_folders[number].close()
                self.computed.append(begun[number][0].name)
        self._lock.check()
        self._ended()

    def begin(self, step: Step, member: Any = None) -> int:
        """Do the tasks that a task with shards needs, and record that it is begun, for `do_part`.

        Returns the number of shards that are missing.
        """
        with self.one_run(self._progress):
            self._take_lock()
            self._do(step, member, self._begin)
            task = self._workshop.plan.task(step, member)
            return 0 if StepFolder(self.folder, task).is_done else len(missing_shards(task, self._job(task)))

    def do_part(self, step: Step, member: Any, part: int, parts: int) -> int:
        """Do the missing shards of one part of a task that is begun; its parts may be done at the same time.

        `part` is from 1 to `parts`. Nothing is recorded: the next run finds the shards. Returns the number of shards
        done. Raises InputError if a run works on the study, or if the task is not begun, or not in this environment.
        """
        lock = StudyLock(self.folder)
        lock.acquire(shared=True)
        try:
            plan = self._workshop.plan
            for name in step.inputs:
                plan.inputs.open(step.named(name, member))
            task = plan.task(step, member)
            folder = StepFolder(self.folder, task)
            if (record := folder.own_record) is None:
                raise InputError(
                    f"{folder.path} is not begun with these inputs and settings; run `bias-toolkit run-shards "
                    f"{self.folder} {task.name}` first, without --part."
                )
            if record.done:
                return 0
            there, here = record.environment, dict(self._environment())
            if there != here:
                raise InputError(
                    f"{folder.path} was begun on a machine with another {differing(there, here)}; run `bias-toolkit "
                    f"run-shards {self.folder} {task.name}` without --part on a machine like this one."
                )
            shards = [shard for shard in missing_shards(task, self._job(task)) if shard.number % parts == part - 1]
            job = self._describe_job(task, tuple(shard.number for shard in shards))
            label = step.named(step.sharding.label, member)
            total = sum(len(shard.items) for shard in shards)
            with self._progress(label, total=total) as advance, never_made(folder.path):
                return sum(1 for _ in self._workshop.shards(job, advance))
        finally:
            lock.release()

    def _is_all_done(self, step: Step, member: Any) -> bool:
        """Whether a task and all that it needs are done and intact."""
        plan = self._workshop.plan
        needs = ((need.step, each) for need in step.needed() for each in need.members(plan.inputs, member))
        is_done = StepFolder(self.folder, plan.task(step, member)).is_done
        return is_done and all(self._is_all_done(needed, each) for needed, each in needs)

    def _do(self, step: Step, member: Any, compute: Callable[[Task, StepFolder], None] | None = None) -> None:
        plan = self._workshop.plan
        # One need after the other: later needs may depend on the results of earlier ones.
        for need in step.needed():
            for needed in need.members(plan.inputs, member):
                self._do(need.step, needed)
        task = plan.task(step, member)
        if (task.name, task.key) in self._is_seen:
            return
        self._lock.check()
        folder = StepFolder(self.folder, task)
        if folder.is_done:
            self._try_again(folder)
        if not folder.is_done:
            if (record := folder.own_record) is not None and record.transient:
                # The task, computed again, may contain items that were missing when its dependents were computed.
                self._take_back_what_needs(task.name)
            for name in step.inputs:
                plan.inputs.open(step.named(name, member))
            # Opening may take long, and meanwhile the folder may have gone.
            self._lock.check()
            task = plan.task(step, member)
            folder = StepFolder(self.folder, task)
        done = folder.is_done
        self._known.add(task.name)
        self._recording(not done)
        if done:
            folder.renew_times()
        else:
            (compute or self._compute)(task, folder)
        self._is_seen.add((task.name, task.key))

    def _compute(self, task: Task, folder: StepFolder) -> None:
        # A page links to the files beside it.
        if not task.step.replaces_itself and any(folder.take_over(study) for study in self._reuse):
            self._ended()
            return
        number = self._numbers.get(task.name, "")
        progress = named(self._progress, number, task.member if isinstance(task.member, str) else "")
        # A task may work for long before its first bar, or between two.
        alive = self._progress(f"{number} {task.title}", None) if number else nullcontext()
        job = self._job(task, progress)
        environment = dict(self._environment())
        if task.step.sharding is not None:
            environment |= self._executor.environment()
            record = folder.own_record
            if record is not None and record.environment != environment and not missing_shards(task, job):
                # All of it was computed there, such as by parts of an array job.
                environment = record.environment
        with folder.working(environment), alive:
            if task.step.sharding is None:
                task.work(job)
            else:
                do_shards(task, job, lambda numbers, advance: self._seal(task, numbers, advance))
        self.computed.append(task.name)
        self._lock.check()
        self._ended()

    def _job(self, task: Task, progress: Progress = silent) -> Job:
        folder = StepFolder(self.folder, task).path
        return Job(folder, self._workshop.plan.inputs, self._workshop.results, progress)

    def _begin(self, task: Task, folder: StepFolder) -> None:
        with suppress(_BegunError), folder.working(self._environment()):
            raise _BegunError

    def _try_again(self, folder: StepFolder) -> None:
        """Reopen a task, and undo all its dependents, if items that it had left out are available again."""
        record = folder.own_record
        if not record.transient or folder.damaged_file(record, folder.task.step.skips or "") is not None:
            return
        back = self._returned(folder.task, folder.transient_items())
        if not back:
            return
        name = folder.task.name
        _log.warning(
            "%s: %s of those that were left out can be read now, and it is computed anew.", name, f"{len(back):,}"
        )
        self._take_back_what_needs(name)
        folder.reopen(back)

    def _take_back_what_needs(self, name: str) -> None:
        """Undo the records of all tasks that depend on a task, so that they are computed again."""
        records = {}
        for path in [*self.folder.glob(f"*/{RECORD}"), *self.folder.glob(f"*/*/{RECORD}")]:
            other = path.parent.relative_to(self.folder).as_posix()
            # A folder in the study may be a link to another study.
            with suppress(InputError):
                if other != name and (record := read_record(inside(self.folder, other))) is not None:
                    records[other] = record
        undone = [name]
        for each in undone:
            for other in [other for other, record in records.items() if each in record.needs]:
                mark_cleared(records.pop(other), self.folder / other)
                undone.append(other)

    def _seal(self, task: Task, numbers: list[int], advance: Advance) -> Iterator[int]:
        return self._executor.shards(self._describe_job(task, tuple(numbers)), advance)

    def _take_lock(self) -> None:
        if self._lock.held:
            self._lock.check()
        else:
            self._lock.acquire()
            remove_leftovers(self.folder)
            self._started()

    def restore(self, task: Task) -> bool:
        """Do a damaged task again, if this process knows it already; returns whether it did."""
        if task.name not in self._known:
            return False
        self._is_seen.discard((task.name, task.key))
        self.do(task.step, task.member)
        return True
