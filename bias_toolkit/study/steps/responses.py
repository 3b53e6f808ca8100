"""The model's outputs along every sweep, and the measures computed from them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.pipeline.step import Job, sharded, step
from bias_toolkit.study.steps.images import images
from bias_toolkit.study.values import StoppedValues

if TYPE_CHECKING:
    from bias_toolkit.foundation.shards import Shard
    from bias_toolkit.invariance import Sweep

STOPPED, RUNTIME = "sequential.json", "runtime.txt"


def responses_outputs() -> dict[str, Any]:
    """The files of a shard of responses, with their schemas."""
    from bias_toolkit.datasets import SKIPPED
    from bias_toolkit.invariance import RESPONSES

    return {"responses": RESPONSES, "skipped": SKIPPED}


def sweep_images(
    job: Job, sweep: Sweep, shards: Iterator[Shard], advance: Callable[[int], None]
) -> Iterator[Mapping[str, Any]]:
    """The responses of test images along a sweep, shard by shard. Images are read no larger than the sweep needs."""
    from bias_toolkit.invariance import sweep_reduction, sweep_shards

    model, test = job.inputs.model, job.inputs.test

    def read(image_id: str) -> Any:
        if sweep.is_of_frames:
            return test.read_frames(image_id)
        return test.read_reduced(image_id, sweep_reduction(sweep, model.input_size, image_id))

    return sweep_shards(
        model,
        read,
        shards,
        sweep,
        label_indices=job.inputs.label_indices("test"),
        batch_size=model.batch_size,
        advance=advance,
    )


def _order(job: Job, sweep: Sweep) -> list[str]:
    """The test images; in random order if the sweep may stop before the last."""
    from bias_toolkit.invariance import drawing_order

    image_ids = job.inputs.test.images["image_id"].tolist()
    return image_ids if job.settings.precision is None else drawing_order(image_ids, job.settings.seed)


def _stop(job: Job, sweep: Sweep) -> Callable[[Mapping[str, Any]], bool] | None:
    """A function that stops the sweep at the study's precision and writes the estimate at that point."""
    from bias_toolkit.foundation.files import write_text
    from bias_toolkit.invariance import StopWhenKnown

    if job.settings.precision is None:
        return None
    known = StopWhenKnown(sweep, len(job.inputs.test.images), job.settings.precision)

    def stop(tables: Mapping[str, Any]) -> bool:
        is_enough = known(tables["responses"], tables["skipped"])
        write_text(json.dumps(known.record()), job.folder / STOPPED)
        return is_enough

    return stop


def _write_runtime(job: Job, sweep: Sweep) -> None:
    """Write the runtime that gives the outputs, unless another process has."""
    from bias_toolkit.foundation.files import write_text

    if not (job.folder / RUNTIME).exists():
        write_text(job.inputs.model.runtime_reason + "\n", job.folder / RUNTIME)


def _finish(job: Job, sweep: Sweep) -> None:
    """InputError if no image could be decoded."""
    from bias_toolkit.foundation.files import read_arrow, shard_files

    if not any(read_arrow(path).num_rows for path in shard_files(job.folder, "responses")):
        test = job.inputs.test
        raise InputError(f"None of the {len(test.images):,} images of {test.root} could be decoded.")


@sharded(
    "responses/{sweep.name}",
    over="sweeps",
    needs=[images.of("test")],
    inputs=["model", "label_map"],
    requires=["model"],
    check=lambda inputs: inputs.check_sweeps(),
    settings=[
        "batch_size",
        ("precision", lambda settings: settings.precision is not None),
        ("seed", lambda settings: settings.precision is not None),
    ],
    items=_order,
    shard_size=64,
    outputs=responses_outputs,
    files=["responses", "skipped"],
    label="Sweep {sweep.name}",
    by_item=True,
    stop=_stop,
    begin=_write_runtime,
    finish=_finish,
    writes=[STOPPED, RUNTIME],
    command="sweep",
)
def responses(
    job: Job, sweep: Sweep, shards: Iterator[Shard], advance: Callable[[int], None]
) -> Iterator[Mapping[str, Any]]:
    """The model's outputs along one sweep, shard by shard."""
    return sweep_images(job, sweep, shards, advance)


def _tables() -> dict[str, Any]:
    from bias_toolkit.invariance import MEASURES, SEQUENTIAL

    return {"measures": MEASURES, "sequential": SEQUENTIAL}


@step(
    "measures",
    needs=[images.of("test"), responses],
    also=lambda: {"measures": _tables()["measures"].names},
    command="sweep",
    writes=["measures.parquet", "labels.json", "sequential.parquet"],
    tables=_tables,
)
def measures(job: Job) -> None:
    """The measures of every sweep, in the order of the test set, and the state of each sweep that could stop."""
    import pandas as pd

    from bias_toolkit.foundation.files import empty_table, write_table, write_text
    from bias_toolkit.invariance import load_measures
    from bias_toolkit.models.labels import chance_sentence

    model = job.inputs.model
    schemas = _tables()
    results = job.results
    place = {image_id: row for row, image_id in enumerate(results.images("test")["image_id"])}
    tables, known = [], []
    for sweep in job.inputs.sweeps:
        table = results.stored.read(responses, "", load_measures, sweep)
        tables.append(table.sort_values("image_id", key=lambda ids: ids.map(place)))
        if job.settings.precision is not None:
            known.append(results.stored.json(responses, STOPPED, StoppedValues, sweep))
    write_table(pd.concat(tables, ignore_index=True), job.folder / "measures.parquet", schemas["measures"])
    matched = dataclasses.asdict(job.inputs.label_match) | {"classes": model.class_names}
    accuracy = tables[0]["accuracy"].dropna()
    if doubt := chance_sentence(job.inputs.label_match, int(accuracy.gt(0.5).sum()), len(accuracy), model.n_classes):
        matched["sentence"] += f". {doubt}"
    write_text(json.dumps(matched), job.folder / "labels.json")
    stopped = pd.DataFrame(known) if known else empty_table(schemas["sequential"])
    write_table(stopped, job.folder / "sequential.parquet", schemas["sequential"])
