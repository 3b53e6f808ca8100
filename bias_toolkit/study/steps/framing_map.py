"""Showing test images with their objects at other positions and scales, and relating that to the training objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bias_toolkit.pipeline.step import Job, sharded, step
from bias_toolkit.study.settings import INTERVAL_RULE, SPLITS
from bias_toolkit.study.steps.images import images, sample_of_images

if TYPE_CHECKING:
    import pandas as pd

    from bias_toolkit.foundation.shards import Shard

TABLES = ("cells", "correlations", "contrasts")
LARGEST_DENSITY_SAMPLE = 10_000


def _boxes(job: Job) -> dict[str, list[float]]:
    """The box of the subject of each test image, for images with boxes."""
    from bias_toolkit.datasets import BOX_EDGES

    subjects = job.results.subjects("test")
    return dict(zip(subjects["image_id"], subjects[BOX_EDGES].to_numpy().tolist(), strict=True))


def _shown(job: Job, surroundings: str) -> list[str]:
    """A sample of the test images; only of those with boxes, if there are any."""
    candidates = sorted(_boxes(job)) or job.inputs.test.images["image_id"].tolist()
    return sample_of_images(candidates, job.settings.map_images, job.settings.seed)


def _outputs() -> dict[str, Any]:
    from bias_toolkit.datasets import SKIPPED
    from bias_toolkit.invariance import FRAMED

    return {"framed": FRAMED, "skipped": SKIPPED}


@sharded(
    "map/{surroundings}",
    over="surroundings",
    needs=[images.of("test")],
    inputs=["model", "label_map"],
    settings=["map_images", "map_positions", "map_scales", "batch_size", "seed"],
    items=_shown,
    shard_size=2,
    outputs=_outputs,
    files=["framed", "skipped"],
    label="Map, {surroundings}",
    command="map",
)
def framed(
    job: Job, surroundings: str, shards: Iterator[Shard], advance: Callable[[int], None]
) -> Iterator[Mapping[str, Any]]:
    """The measures of each image in every cell of the map, in one kind of surroundings."""
    from bias_toolkit.invariance import grid_shards

    inputs = job.inputs
    return grid_shards(
        inputs.model,
        inputs.test.read,
        shards,
        _boxes(job),
        inputs.framing_grid,
        surroundings,
        label_indices=inputs.label_indices("test"),
        batch_size=inputs.model.batch_size,
        advance=advance,
    )


def _tables() -> dict[str, Any]:
    from bias_toolkit.analysis import schema

    return {name: getattr(schema, f"MAP_{name.upper()}") for name in TABLES}


@step(
    "map/relation",
    requires=[*SPLITS, "model"],
    needs=[images, framed.where(lambda inputs, _: inputs.shown_surroundings)],
    inputs=["model"],
    settings=["map_images", "map_positions", "map_scales", "map_surroundings", "feature_size", "resamples", "seed"],
    also=lambda: {"intervals": INTERVAL_RULE, "recognised": "labels that differ"},
    command="map",
    writes=[f"{name}.parquet" for name in TABLES],
    tables=_tables,
)
def framing_map(job: Job) -> None:
    """Relate the cells of the map to the density of the training objects."""
    from bias_toolkit.analysis import analyse_map
    from bias_toolkit.foundation.files import write_table

    settings = job.settings
    result = analyse_map(
        job.results.framed,
        _training_density(job),
        resamples=settings.resamples,
        seed=settings.seed,
        progress=job.progress,
    )
    for name, schema in _tables().items():
        write_table(getattr(result, name), job.folder / f"{name}.parquet", schema)


def _training_density(job: Job) -> pd.DataFrame | None:
    """Log density of the training objects, as the model sees them, at each cell; None without boxes."""
    import numpy as np
    import pandas as pd

    from bias_toolkit.invariance import Sweep, boxes_in_view
    from bias_toolkit.objects import kernel_log_density

    inputs = job.inputs
    if inputs.train.objects.empty or inputs.test.objects.empty:
        return None
    subjects = job.results.subjects("train")
    if len(subjects) > LARGEST_DENSITY_SAMPLE:
        subjects = subjects.sample(LARGEST_DENSITY_SAMPLE, random_state=job.settings.seed)
    sweep = Sweep("crop", "diagonal", job.settings.feature_size)
    x0, y0, x1, y1 = boxes_in_view(subjects, sweep, inputs.model.input_size).T
    training = np.column_stack([(x0 + x1) / 2, (y0 + y1) / 2, np.log((x1 - x0) * (y1 - y0)) / 2])
    cells = pd.DataFrame(inputs.framing_grid.cells)
    points = np.column_stack([cells["cx"], cells["cy"], np.log(cells["scale"])])
    return cells.assign(log_density=kernel_log_density(points, training))
