"""The remedies at test time on a sample of test images, and their comparison with the model as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bias_toolkit.pipeline.step import Job, sharded, step
from bias_toolkit.study.settings import INTERVAL_RULE
from bias_toolkit.study.steps.images import images, sample_of_images
from bias_toolkit.study.steps.neighbours import neighbours
from bias_toolkit.study.steps.training import FACTORY, WEIGHTS, give_back, trained_model, training

if TYPE_CHECKING:
    from bias_toolkit.foundation.shards import Shard
    from bias_toolkit.invariance import RemedyRun

TABLES = ("effects", "tenths")


def _outputs() -> dict[str, Any]:
    from bias_toolkit.datasets import SKIPPED
    from bias_toolkit.invariance import REMEDIED

    return {"remedied": REMEDIED, "skipped": SKIPPED}


def _shown(job: Job, run: RemedyRun) -> list[str]:
    return sample_of_images(job.inputs.test.images["image_id"].tolist(), job.settings.remedy_images, job.settings.seed)


def _give_back(job: Job, run: RemedyRun) -> None:
    """Write the network of a remedy that rebuilds it."""
    from bias_toolkit.invariance import remedy_of
    from bias_toolkit.invariance.remedies.low_pass import LowPass

    remedy = remedy_of(run.name)
    if isinstance(remedy, LowPass) and remedy.network(job.inputs.model) is not None:
        give_back(job, job.inputs.model.module.state_dict(), remedy.size)


@sharded(
    "remedies/{run.name}",
    over="remedy_runs",
    needs=[images.of("test"), training.where(lambda inputs, run: {run.name}.intersection(inputs.training_arms))],
    inputs=["model", "label_map"],
    requires=["model"],
    check=lambda inputs: inputs.check_remedies(),
    settings=["remedy_images", "seed", "batch_size"],
    items=_shown,
    shard_size=8,
    outputs=_outputs,
    files=["remedied", "skipped"],
    label="Remedy {run.name}",
    finish=lambda job, run: _give_back(job, run),
    writes=[WEIGHTS, FACTORY],
    command="remedies",
)
def remedied(
    job: Job, run: RemedyRun, shards: Iterator[Shard], advance: Callable[[int], None]
) -> Iterator[Mapping[str, Any]]:
    """The measures of one remedy's predictions on a sample of test images, shard by shard."""
    from bias_toolkit.invariance import remedy_of, remedy_shards

    inputs, remedy = job.inputs, remedy_of(run.name)
    is_trained = run.name in inputs.training_arms
    return remedy_shards(
        trained_model(job, run.name) if is_trained else remedy.network(inputs.model),
        inputs.test.read,
        shards,
        remedy,
        run.sweep,
        label_indices=inputs.trained_label_indices if is_trained else inputs.label_indices("test"),
        batch_size=inputs.model.batch_size,
        advance=advance,
    )


def _tables() -> dict[str, Any]:
    from bias_toolkit.analysis import schema

    return {name: getattr(schema, f"REMEDY_{name.upper()}") for name in TABLES}


@step(
    "remedies/comparison",
    needs=[remedied, neighbours],
    settings=["resamples", "seed"],
    also=lambda: {"intervals": INTERVAL_RULE},
    command="remedies",
    writes=[f"{name}.parquet" for name in TABLES],
    tables=_tables,
)
def remedies(job: Job) -> None:
    """Compare every remedy with the model as it is, image by image."""
    from bias_toolkit.analysis import compare_remedies
    from bias_toolkit.foundation.files import write_table

    result = compare_remedies(
        job.results.remedied, job.results.distances, resamples=job.settings.resamples, seed=job.settings.seed
    )
    for name, schema in _tables().items():
        write_table(getattr(result, name), job.folder / f"{name}.parquet", schema)
