"""The features of both sets: of the centre view of the crop of size `feature_size`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.pipeline.step import Job, sharded
from bias_toolkit.study.settings import SPLITS
from bias_toolkit.study.steps.images import images

if TYPE_CHECKING:
    from bias_toolkit.foundation.shards import Shard


def _outputs() -> dict[str, Any]:
    from bias_toolkit.datasets import SKIPPED
    from bias_toolkit.features import FEATURE_ROWS

    return {"features": None, "features.parquet": FEATURE_ROWS, "skipped": SKIPPED}


def _refuse_nothing(job: Job, split: str) -> None:
    """Raise InputError if no image could be read."""
    from bias_toolkit.datasets import SKIPPED
    from bias_toolkit.foundation.files import read_shards

    skipped = read_shards(job.folder, "skipped", SKIPPED)
    n_images = len(job.inputs.dataset(split).images)
    if len(skipped) == n_images:
        first = skipped.iloc[0]
        raise InputError(
            f"None of the {n_images:,} images of {job.inputs.dataset(split).root} could be decoded (the first, "
            f"{first['image_id']}: {first['reason']})."
        )


@sharded(
    "features/{split}",
    over="splits",
    needs=[images.where(lambda inputs, split: [split])],
    inputs=["model"],
    requires=[*SPLITS, "model"],
    settings=["feature_size", "feature_dtype", "feature_precision", "batch_size"],
    items=lambda job, split: job.inputs.dataset(split).images["image_id"].tolist(),
    shard_size=1024,
    outputs=_outputs,
    files=["features", "skipped"],
    label="Features",
    by_item=True,
    finish=_refuse_nothing,
    command="embed",
)
def features(
    job: Job, split: str, shards: Iterator[Shard], advance: Callable[[int], None]
) -> Iterator[Mapping[str, Any]]:
    """The model's feature of each image, shard by shard."""
    from bias_toolkit.features import feature_shards
    from bias_toolkit.invariance import centre_reduction, centre_view

    model, dataset, settings = job.inputs.model, job.inputs.dataset(split), job.settings
    side, size = model.input_size, settings.feature_size
    reduction = centre_reduction(side, size)
    for made in feature_shards(
        model,
        lambda image_id: dataset.read_reduced(image_id, reduction),
        lambda image, _: (centre_view(image, side, size).pixels[0], None),
        shards,
        dtype=settings.feature_dtype,
        precision=settings.feature_precision,
        batch_size=model.batch_size,
        advance=advance,
    ):
        yield {"features": made["features"], "features.parquet": made["rows"], "skipped": made["skipped"]}
