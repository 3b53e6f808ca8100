"""The mean image of each set and of its classes."""

from typing import Any

from bias_toolkit.pipeline.step import Job, step
from bias_toolkit.study.steps.images import images


def _tables() -> dict[str, Any]:
    from bias_toolkit.datasets import SKIPPED

    return {"skipped": SKIPPED}


def _most_of_classes() -> int:
    from bias_toolkit.objects.mean_images import MOST_OF_CLASSES

    return MOST_OF_CLASSES


@step(
    "mean-images/{split}",
    over="splits",
    needs=[images.where(lambda inputs, split: [split])],
    settings=["seed"],
    also=lambda: {"of_classes": _most_of_classes()},
    command="objects",
    writes=["means.npy", "means.parquet", "skipped.parquet"],
    tables=_tables,
    skips="skipped.parquet",
)
def mean_images(job: Job, split: str) -> None:
    """Average the images of one set."""
    from bias_toolkit import objects

    dataset = job.inputs.dataset(split)
    means = objects.mean_images(
        dataset.read, dataset.images, dataset.objects, seed=job.settings.seed, progress=job.progress
    )
    means.save(job.folder)
