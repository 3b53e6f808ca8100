"""The mean image of each set and of its classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bias_toolkit.pipeline.step import Job, sharded
from bias_toolkit.study.steps.images import images

if TYPE_CHECKING:
    from pathlib import Path

    from bias_toolkit.foundation.shards import Shard
    from bias_toolkit.objects.mean_images import DrawnImages


def _tables() -> dict[str, Any]:
    from bias_toolkit.datasets import SKIPPED

    return {"skipped": SKIPPED}


def _outputs() -> dict[str, Any]:
    from bias_toolkit.objects import SUMMED

    return {"sums": None, "sums.parquet": SUMMED} | _tables()


def _drawn(job: Job, split: str) -> DrawnImages:
    from bias_toolkit.objects import draw_images

    dataset = job.inputs.dataset(split)
    return draw_images(dataset.images, dataset.objects, seed=job.settings.seed)


def _average(job: Job, split: str) -> None:
    """Write the means, from the sums of all shards."""
    from bias_toolkit.datasets import SKIPPED
    from bias_toolkit.foundation.files import read_array, read_table
    from bias_toolkit.objects import SUMMED, Summed, means_of_sums

    def part(path: Path) -> Summed:
        table = path.with_suffix(".parquet")
        skipped = table.with_name(table.name.replace("sums", "skipped"))
        return Summed(read_array(path, 4), read_table(table, SUMMED), read_table(skipped, SKIPPED))

    parts = map(part, sorted(job.folder.glob("sums-*.npy")))
    means_of_sums(_drawn(job, split), parts).save(job.folder)


def _most_of_classes() -> int:
    from bias_toolkit.objects.mean_images import MOST_OF_CLASSES

    return MOST_OF_CLASSES


@sharded(
    "mean-images/{split}",
    over="pictured_splits",
    needs=[images.where(lambda inputs, split: [split])],
    settings=["seed"],
    items=lambda job, split: _drawn(job, split).image_ids,
    shard_size=512,
    outputs=_outputs,
    files=["sums", "skipped"],
    label="Averaging images",
    finish=_average,
    is_kept=False,
    also=lambda: {"of_classes": _most_of_classes()},
    command="objects",
    writes=["means.npy", "means.parquet", "skipped.parquet"],
    tables=_tables,
    skips="skipped.parquet",
)
def mean_images(
    job: Job, split: str, shards: Iterator[Shard], advance: Callable[[int], None]
) -> Iterator[Mapping[str, Any]]:
    """The sums of the images of one set, shard by shard."""
    from bias_toolkit.objects import summed_shards

    for made in summed_shards(job.inputs.dataset(split).read, _drawn(job, split), shards, advance=advance):
        yield {"sums": made.sums, "sums.parquet": made.table, "skipped": made.skipped}
