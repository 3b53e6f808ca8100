"""About how long the work that a study lacks will take, from a trial of it on a few images."""

import time
from collections.abc import Sequence

from bias_toolkit.foundation.progress import silent
from bias_toolkit.foundation.shards import Shard
from bias_toolkit.foundation.words import count
from bias_toolkit.pipeline.executor import Workshop
from bias_toolkit.pipeline.shards import missing_shards
from bias_toolkit.pipeline.step import Job, Task
from bias_toolkit.study import steps

TRIED = 8
"""Images of a trial."""
STATISTICS = 45.0
"""Seconds on two cores for the steps after the images, of 1,000 test images and 2,000 resamples."""
RESAMPLES = 2000


def duration_sentence(workshop: Workshop, tasks: Sequence[Task]) -> str | None:
    """`This will take about 4 minutes.`; None if the tasks, and those that they need, lack no work on images.

    None also for a map, layers or remedies, which are not tried. The features, sweeps and located objects of a few
    images are computed, with the open model, and not kept.
    """
    on_images = [task for task in workshop.plan.in_order(tasks) if task.step.sharding and task.step.sharding.is_kept]
    if not all(task.step.sharding.by_item for task in on_images):
        return None
    seconds = sum(_seconds(workshop, task) for task in on_images)
    if not seconds:
        return None
    settings = workshop.plan.inputs.settings
    if steps.analysis in {task.step for task in tasks}:
        seconds += STATISTICS * settings.resamples / RESAMPLES
    less = "" if settings.precision is None else ", or less, as sweeps stop at --precision"
    return f"This will take about {_rounded(seconds)}{less}."


def _seconds(workshop: Workshop, task: Task) -> float:
    """How long the missing shards of a task will take; all of it counts if only a sample's rows are known."""
    if workshop.results.stored.is_current(task.step, task.member):
        return 0.0
    job = Job(workshop.folder / task.name, workshop.plan.inputs, workshop.results, silent)
    items = [item for shard in missing_shards(task, job) for item in shard.items]
    if not items:
        return 0.0
    tried = items[:: max(len(items) // TRIED, 1)][:TRIED]
    # A runtime is made at its first use, which takes seconds whatever the number of images.
    _ = job.inputs.model.runtime
    start = time.monotonic()
    for _ in task.work(job, iter([Shard(0, tried)]), lambda done, note="": None):
        pass
    return (time.monotonic() - start) / len(tried) * len(items)


def _rounded(seconds: float) -> str:
    minutes = seconds / 60
    if minutes < 0.75:
        return "half a minute"
    return count(max(round(minutes), 1), "minute") if minutes < 90 else count(round(minutes / 60), "hour")
