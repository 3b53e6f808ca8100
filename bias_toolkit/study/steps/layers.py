"""Measuring every operation of the model that subsamples, on a sample of test images, and over that sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bias_toolkit.pipeline.step import Job, sharded, step
from bias_toolkit.study.settings import INTERVAL_RULE
from bias_toolkit.study.steps.images import images, sample_of_images

if TYPE_CHECKING:
    from bias_toolkit.datasets import ReducedImage
    from bias_toolkit.foundation.shards import Shard

TABLES = ("summary", "contrasts", "correlations")
MAPS = 2
"""The version of the maps; those of other versions are made anew."""


def _shown(job: Job) -> list[str]:
    return sample_of_images(job.inputs.test.images["image_id"].tolist(), job.settings.layer_images, job.settings.seed)


def _outputs() -> dict[str, Any]:
    from bias_toolkit.datasets import SKIPPED
    from bias_toolkit.invariance import LAYERS

    return {"layers": LAYERS, "skipped": SKIPPED}


def _operations() -> dict[str, Any]:
    from bias_toolkit.invariance import OPERATIONS

    return {"operations": OPERATIONS}


def _read(job: Job, image_id: str) -> ReducedImage:
    """An image, read no larger than its views need."""
    from bias_toolkit.invariance import LAYER_SWEEP, sweep_reduction

    inputs = job.inputs
    return inputs.test.read_reduced(image_id, sweep_reduction(LAYER_SWEEP, inputs.model.input_size, image_id))


def _write_operations(job: Job) -> None:
    from bias_toolkit.foundation.files import write_table
    from bias_toolkit.invariance import layer_operations

    write_table(layer_operations(job.inputs.model), job.folder / "operations.parquet", _operations()["operations"])


@sharded(
    "layers/images",
    needs=[images.of("test")],
    inputs=["model"],
    requires=["model"],
    settings=["layer_images", "seed"],
    items=_shown,
    shard_size=16,
    outputs=_outputs,
    files=["layers", "skipped"],
    label="Layers",
    finish=_write_operations,
    writes=["operations.parquet"],
    tables=_operations,
    command="layers",
)
def layers(job: Job, shards: Iterator[Shard], advance: Callable[[int], None]) -> Iterator[Mapping[str, Any]]:
    """The measures of each operation that subsamples, for each image and condition."""
    from bias_toolkit.invariance import layer_shards

    return layer_shards(job.inputs.model, lambda image_id: _read(job, image_id), shards, advance=advance)


def _tables() -> dict[str, Any]:
    from bias_toolkit.analysis import schema
    from bias_toolkit.invariance import LAYER_MAPS

    return {name: getattr(schema, f"LAYER_{name.upper()}") for name in TABLES} | {"maps": LAYER_MAPS}


@step(
    "layers/analysis",
    needs=[layers],
    inputs=["model"],
    requires=["model"],
    settings=["layer_images", "resamples", "permutations", "seed"],
    also=lambda: {"intervals": INTERVAL_RULE, "maps": MAPS},
    command="layers",
    writes=[*(f"{name}.parquet" for name in TABLES), "maps.parquet"],
    tables=_tables,
)
def layer_analysis(job: Job) -> None:
    """The measures over images, and the maps of one image; InputError if no image could be read."""
    from bias_toolkit.analysis import analyse_layers
    from bias_toolkit.foundation.errors import InputError
    from bias_toolkit.foundation.files import write_table
    from bias_toolkit.invariance import LAYER_SWEEP, LayerProbe, make_views

    settings, model = job.settings, job.inputs.model
    measured = job.results.layers
    if measured.empty:
        raise InputError(f"None of the {settings.layer_images:,} sampled images of the test set could be decoded.")
    analysed = analyse_layers(
        measured, resamples=settings.resamples, permutations=settings.permutations, seed=settings.seed
    )
    image_id = _typical_image(measured)
    views = make_views(_read(job, image_id), LAYER_SWEEP, model.input_size, image_id)
    made = analysed._asdict() | {"maps": LayerProbe(model).maps(views, image_id)}
    for name, schema in _tables().items():
        write_table(made[name], job.folder / f"{name}.parquet", schema)


def _typical_image(measured: Any) -> str:
    """The image whose pooled change, averaged over the operations as they are, is the median one."""
    from bias_toolkit.invariance import AS_IT_IS

    rows = measured[measured["condition"].eq(AS_IT_IS.name)]
    means = rows.groupby("image_id")["pooled_change"].mean().sort_values(kind="stable")
    return means.index[len(means) // 2]
