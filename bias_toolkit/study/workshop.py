"""Opening a study in one process to work on its shards, also in a process that has only its description."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.pipeline.executor import Executor, ShardJob, Workshop
from bias_toolkit.pipeline.step import Plan, Task
from bias_toolkit.pipeline.stored import Stored
from bias_toolkit.study import steps
from bias_toolkit.study.first_answer import first_answer_in
from bias_toolkit.study.inputs import WORDS, Inputs, Named
from bias_toolkit.study.record import StudyRecord, read_record
from bias_toolkit.study.results import Results
from bias_toolkit.study.settings import SPLITS, Settings

RAY_LOG = "ray.log"
"""The file in a study's folder with the tracebacks of Ray's workers."""


@dataclass(frozen=True)
class StudyFile:
    """A study as values that can be pickled: its folder, the names of its inputs, and its settings.

    Datasets and models that were given as objects must support pickling.
    """

    folder: Path
    named: Named
    settings: Settings

    def job(self, task: Task, numbers: tuple[int, ...]) -> ShardJob:
        """The shards of a task as a job for an executor."""
        in_turn = task.step.sharding is not None and task.step.sharding.in_turn
        return ShardJob(open_workshop, self, task.name, task.key, numbers, in_turn)


def open_workshop(study: StudyFile) -> Workshop:
    """Open a study in a process that works on shards for another process, which holds the study's lock."""
    recorded = read_record(study.folder) or StudyRecord()
    return make_workshop(study.folder, Inputs(study.folder, study.named, study.settings, recorded))


def open_ahead(study: StudyFile) -> Workshop:
    """The same before the record is up to date, with the inputs open and the network compiled."""
    workshop = open_workshop(study)
    workshop.plan.inputs.check()
    _ = workshop.plan.inputs.model.runtime
    return workshop


def make_workshop(folder: Path, inputs: Inputs, restore: Callable[[Task], bool] = lambda task: False) -> Workshop:
    """Put together the workshop of a study in this process: its inputs, plan and results.

    `restore` does a damaged task again, if this process may, and returns whether it did.
    """
    plan = Plan(inputs, steps.STEPS)
    results = Results(Stored(folder, plan, restore), inputs)
    inputs.tables = results.tables
    return Workshop(folder, plan, results, lambda: _stored_of_sample(folder, inputs))


def _stored_of_sample(folder: Path, inputs: Inputs) -> Stored | None:
    """What the first answer of the study in `folder` has stored; None if there is none."""
    place = first_answer_in(folder)
    if place is None:
        return None
    return Stored(place, Plan(inputs.sampled(place, inputs.settings.of_first_answer), steps.STEPS))


def _device_type(inputs: Inputs) -> str:
    """The kind of device that the model computes on, without opening it."""
    from bias_toolkit.models import Model, resolve_device

    given = inputs.named.model
    return (given.device if isinstance(given, Model) else resolve_device(inputs.settings.device)).type


def executor_of(named: str | Executor | None, address: str | None, workshop: Workshop, inputs: Inputs) -> Executor:
    """The executor of a study, by its name or itself; InputError if there is none, or it is not installed."""
    if named == "ray":
        from bias_toolkit.datasets import Dataset, is_held
        from bias_toolkit.pipeline.ray_executor import RayExecutor

        for split in SPLITS:
            given = getattr(inputs.named, split)
            if isinstance(given, Dataset) and is_held(given.root):
                raise InputError(
                    f"The {WORDS[split]} is in memory ({given.root.partition(': ')[2]}), where Ray's workers cannot "
                    "read it; name its files or folder instead, or leave out executor='ray'."
                )
        device = inputs.settings.device
        if device.startswith("cuda:"):
            raise InputError(f"--device {device} names one GPU; with --executor ray, name cuda.")
        uses_gpus = functools.cache(lambda: _device_type(inputs) == "cuda")
        return RayExecutor(address, log=workshop.folder / RAY_LOG, uses_gpus=uses_gpus)
    if address is not None:
        raise InputError("--ray-address is for --executor ray.")
    if isinstance(named, str) and named != "local":
        raise InputError(f"--executor is {named!r}, but must be local or ray.")
    return workshop if named in (None, "local") else named
