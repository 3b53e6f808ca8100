"""About how long the work that a study lacks will take, from a trial of it on a few images."""

import time
from collections.abc import Collection, Sequence

from bias_toolkit.foundation.progress import silent
from bias_toolkit.foundation.shards import Shard
from bias_toolkit.foundation.words import count
from bias_toolkit.pipeline.executor import Workshop
from bias_toolkit.pipeline.shards import missing_shards
from bias_toolkit.pipeline.step import Job, Step, Task
from bias_toolkit.study import steps
from bias_toolkit.study.settings import SPLITS

TRIED = 8
"""Images of a trial."""
STATISTICS = 45.0
"""Seconds on two cores for the steps after the images, of 1,000 test images and 2,000 resamples."""
RESAMPLES = 2000
OF_AN_IMAGE = 4.5e-4
"""Seconds of them for each further image: what 1.3 million images took on two cores."""
PRODUCTS = 4e10
"""Products of two numbers in a second of exact search on two cores."""
SHORT = 60.0
"""Seconds of search and statistics alone of which nothing is said."""


def duration_sentence(workshop: Workshop, tasks: Sequence[Task]) -> str | None:
    """`This will take about 4 minutes.`; None if the tasks, and those that they need, lack little.

    None also for a map, layers or remedies, which are not tried. The features, sweeps and located objects of a few
    images are computed, and not kept. Search and statistics are known by the number of images.
    """
    in_order, settings = workshop.plan.in_order(tasks), workshop.plan.inputs.settings
    on_images = [task for task in in_order if task.step.sharding and task.step.sharding.is_kept]
    if not all(task.step.sharding.by_item for task in on_images):
        return None
    missing = {task.step for task in in_order if not workshop.results.stored.is_current(task.step, task.member)}
    n_train, n_test = (len(workshop.results.images(split)) for split in SPLITS)
    other = 0.0
    if steps.neighbours in missing:
        other += n_train * n_test * _dimension(workshop, missing) / PRODUCTS
    if steps.analysis in missing and steps.analysis in {task.step for task in tasks}:
        other += STATISTICS * settings.resamples / RESAMPLES + OF_AN_IMAGE * (n_train + n_test)
    seconds = sum(_seconds(workshop, task) for task in on_images)
    if not seconds and other < SHORT:
        return None
    seconds += other
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


def _dimension(workshop: Workshop, missing: Collection[Step]) -> int:
    """Of the features; a model is not opened for it if they are there."""
    if steps.features in missing:
        return workshop.plan.inputs.model.feature_dimension
    return workshop.results.features("test").dimension


def _rounded(seconds: float) -> str:
    minutes = seconds / 60
    if minutes < 0.75:
        return "half a minute"
    return count(max(round(minutes), 1), "minute") if minutes < 90 else count(round(minutes / 60), "hour")
