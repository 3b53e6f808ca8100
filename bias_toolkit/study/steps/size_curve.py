"""Sweeping a sample of test images at every view size, from a tight crop to a small image on a canvas (A)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bias_toolkit.pipeline.step import Job, sharded, step
from bias_toolkit.study.settings import INTERVAL_RULE
from bias_toolkit.study.steps.images import images, sample_of_images
from bias_toolkit.study.steps.responses import responses_outputs, sweep_images

if TYPE_CHECKING:
    from bias_toolkit.foundation.shards import Shard
    from bias_toolkit.invariance import Sweep


def _shown(job: Job, sweep: Sweep) -> list[str]:
    return sample_of_images(job.inputs.test.images["image_id"].tolist(), job.settings.size_images, job.settings.seed)


@sharded(
    "sizes/{sweep.name}",
    over="size_sweeps",
    needs=[images.of("test")],
    inputs=["model", "label_map"],
    requires=["model"],
    settings=["size_images", "seed", "batch_size"],
    items=_shown,
    shard_size=64,
    outputs=responses_outputs,
    files=["responses", "skipped"],
    label="Sweep {sweep.name}",
    command="sizes",
)
def sized(
    job: Job, sweep: Sweep, shards: Iterator[Shard], advance: Callable[[int], None]
) -> Iterator[Mapping[str, Any]]:
    """The responses of a sample of test images at one view size."""
    return sweep_images(job, sweep, shards, advance)


def _tables() -> dict[str, Any]:
    from bias_toolkit.analysis import SUMMARY
    from bias_toolkit.invariance import MEASURES

    return {"summary": SUMMARY, "measures": MEASURES}


@step(
    "sizes/curve",
    needs=[sized],
    settings=["size_images", "resamples", "seed"],
    also=lambda: {"intervals": INTERVAL_RULE, "measures": _tables()["measures"].names},
    command="sizes",
    writes=["summary.parquet", "measures.parquet"],
    tables=_tables,
)
def size_curve(job: Job) -> None:
    """The measures over the view size."""
    import pandas as pd

    from bias_toolkit.analysis import measure_summary
    from bias_toolkit.foundation.files import write_table
    from bias_toolkit.invariance import load_measures

    tables = [job.results.stored.read(sized, "", load_measures, sweep) for sweep in job.inputs.size_sweeps]
    measures = pd.concat(tables, ignore_index=True)
    summary = measure_summary(measures, resamples=job.settings.resamples, seed=job.settings.seed)
    for name, table in {"summary": summary, "measures": measures}.items():
        write_table(table, job.folder / f"{name}.parquet", _tables()[name])
