"""The numerical noise floor on the centre view of one sweep."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bias_toolkit.pipeline.step import Job, sharded
from bias_toolkit.study.settings import INTERVAL_RULE
from bias_toolkit.study.steps.images import images

if TYPE_CHECKING:
    from bias_toolkit.foundation.shards import Shard


def _evaluations(job: Job) -> list[str]:
    """Two of each image of the sample. They are one shard, as their batches decide the rounding."""
    return [str(number) for number in range(2 * min(job.settings.noise_images, len(job.inputs.test.images)))]


def _outputs() -> dict[str, Any]:
    from bias_toolkit.invariance import NOISE

    return {"noise": NOISE}


def _write(job: Job) -> None:
    from bias_toolkit.foundation.files import read_arrow, write_text

    (floor,) = read_arrow(job.folder / "noise-00000.parquet").to_pylist()
    write_text(json.dumps(floor), job.folder / "noise.json")


@sharded(
    "noise",
    needs=[images.of("test")],
    inputs=["model", "noise_sweep"],
    requires=["model"],
    settings=["noise_images", "batch_size", "seed"],
    also=lambda: {"intervals": INTERVAL_RULE, "views": "one an image"},
    items=_evaluations,
    shard_size=lambda job: len(_evaluations(job)),
    outputs=_outputs,
    files=["noise"],
    label="Noise floor",
    finish=_write,
    is_kept=False,
    command="sweep",
    writes=["noise.json"],
)
def noise(job: Job, shards: Iterator[Shard], advance: Callable[[int], None]) -> Iterator[Mapping[str, Any]]:
    """Evaluate the same view of each image again at another batch position."""
    import pandas as pd

    from bias_toolkit.foundation.progress import in_items
    from bias_toolkit.invariance import noise_floor, sweep_reduction

    model, test, sweep = job.inputs.model, job.inputs.test, job.inputs.noise_sweep
    for shard in shards:
        floor = noise_floor(
            model,
            lambda image_id: test.read_reduced(image_id, sweep_reduction(sweep, model.input_size, image_id)),
            test.images["image_id"].tolist(),
            sweep,
            batch_size=model.batch_size,
            n_images=job.settings.noise_images,
            seed=job.settings.seed,
            progress=in_items(advance, len(shard.items), len(shard.items)),
        )
        yield {"noise": pd.DataFrame([dataclasses.asdict(floor)])}
