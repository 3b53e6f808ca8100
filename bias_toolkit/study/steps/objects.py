"""Position and scale of the objects of both sets, against chance and against each other."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from bias_toolkit.pipeline.step import Job, step
from bias_toolkit.study.settings import INTERVAL_RULE, SPLITS
from bias_toolkit.study.steps.images import images
from bias_toolkit.study.steps.located import localisation, located

if TYPE_CHECKING:
    import pandas as pd

COMPARISON, TWO_SAMPLE, BOXES = "comparison.parquet", "two-sample.json", "boxes.json"


def _tables() -> dict[str, Any]:
    from bias_toolkit import objects as framing_of

    of_a_set = {"framing": framing_of.FRAMING, "summary": framing_of.FRAMING_SUMMARY}
    of_sets = {f"{split}-{name}": schema for split in SPLITS for name, schema in of_a_set.items()}
    return of_sets | {"test-subjects": framing_of.SUBJECTS, "comparison": framing_of.FRAMING_COMPARISON}


def _described() -> int:
    from bias_toolkit.objects.summary import MOST_IMAGES

    return MOST_IMAGES


@step(
    "objects",
    needs=[
        images,
        located.where(lambda inputs, _: inputs.estimated_splits),
        localisation.where(lambda inputs, _: [None] if inputs.estimated_splits and inputs.measured_split else []),
    ],
    inputs=["why_not_estimated"],
    settings=["boxes", "resamples", "permutations", "placements", "seed"],
    also=lambda: {"intervals": INTERVAL_RULE, "summary": _tables()["train-summary"].names, "described": _described()},
    command="objects",
    writes=["*-framing.parquet", "*-summary.parquet", "test-subjects.parquet", COMPARISON, TWO_SAMPLE, BOXES],
    tables=_tables,
)
def objects(job: Job) -> None:
    """Relate the objects to their null model and the test set's to the training set's."""
    from bias_toolkit import objects as framing_of
    from bias_toolkit.foundation.files import write_table, write_text
    from bias_toolkit.foundation.progress import named

    inputs, settings, progress = job.inputs, job.settings, job.progress
    framing, schemas = {}, _tables()
    for split in SPLITS:
        dataset = inputs.dataset(split)
        framing[split] = framing_of.position_and_scale(_framed_objects(job, split), dataset.images)
        summary = framing_of.framing_summary(
            framing[split],
            dataset.images,
            resamples=settings.resamples,
            placements=settings.placements,
            seed=settings.seed,
            progress=named(progress, after=split),
        )
        write_table(framing[split], job.folder / f"{split}-framing.parquet", schemas[f"{split}-framing"])
        write_table(summary, job.folder / f"{split}-summary.parquet", schemas[f"{split}-summary"])
    subjects = framing_of.image_framing(framing["test"], inputs.test.images)
    # A subject with the name of its training image leaves its own box out of the density.
    twins = [twin or "" for twin in inputs.twins(subjects["image_id"])]
    subjects["framing_log_density"] = framing_of.framing_log_density(
        subjects.assign(image_id=twins), framing["train"], leave_out_own_image=True, seed=settings.seed
    )
    subjects["log_scale_deviation"] = framing_of.log_scale_deviation(subjects, framing["train"])
    write_table(subjects, job.folder / "test-subjects.parquet", schemas["test-subjects"])
    write_text(json.dumps(_boxes_record(job), ensure_ascii=False), job.folder / BOXES)
    comparison = framing_of.compare_framing(
        framing["train"],
        framing["test"],
        inputs.train.images,
        inputs.test.images,
        resamples=settings.resamples,
        permutations=settings.permutations,
        seed=settings.seed,
        progress=progress,
    )
    if comparison is not None:
        write_table(comparison.variables, job.folder / COMPARISON, schemas["comparison"])
        write_text(json.dumps(dataclasses.asdict(comparison.test)), job.folder / TWO_SAMPLE)


def _framed_objects(job: Job, split: str) -> pd.DataFrame:
    """The objects table from which a set's framing is computed: given, or estimated."""
    from bias_toolkit.objects.locate import estimated_objects

    dataset = job.inputs.dataset(split)
    if split not in job.inputs.estimated_splits:
        return dataset.objects
    return estimated_objects(job.results.located(split), dataset.images, job.inputs.model.class_names)


def _boxes_record(job: Job) -> dict[str, dict]:
    """The origin of each set's boxes."""
    from bias_toolkit.objects.locate_box import THRESHOLD

    inputs, record = job.inputs, {}
    for split in SPLITS:
        if split in inputs.estimated_splits:
            maps = inputs.activation_map
            record[split] = {"estimated": True, "layer": maps.layer, "is_exact": maps.is_exact, "threshold": THRESHOLD}
        else:
            is_missing = job.settings.boxes == "auto" and not inputs.has_objects(split)
            record[split] = {"estimated": False, "reason": inputs.why_not_estimated if is_missing else None}
    return record
