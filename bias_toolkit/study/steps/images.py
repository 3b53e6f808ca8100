"""The images and objects tables of both sets."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import bias_toolkit
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.pipeline.step import Job, step

READERS = 2
"""The version of the layouts' readers, to be raised when they read the same files differently."""


def _tables() -> dict[str, Any]:
    from bias_toolkit.datasets import IMAGES, OBJECTS, SKIPPED

    return {"images": IMAGES, "objects": OBJECTS, "skipped": SKIPPED}


@step(
    "images/{split}",
    over="splits",
    inputs=["{split}"],
    also=lambda: {"toolkit": bias_toolkit.__version__, "readers": READERS},
    command="report",
    writes=["images.parquet", "objects.parquet", "skipped.parquet", "dataset.json"],
    tables=_tables,
    skips="skipped.parquet",
)
def images(job: Job, split: str) -> None:
    """Read the annotations and every image's header, and write the resulting tables."""
    from bias_toolkit.foundation.files import write_table, write_text

    dataset = job.inputs.opened(split)
    tables = dataset.scan(job.progress)
    for name, schema in _tables().items():
        write_table(getattr(tables, name), job.folder / f"{name}.parquet", schema)
    record = {
        "root": dataset.root,
        "layout": dataset.layout,
        "layout_reason": dataset.layout_reason,
        "class_names": dict(dataset.class_names),
        "dropped_boxes": tables.dropped_boxes,
        "notes": [dataclasses.asdict(note) for note in tables.notes],
    }
    if dataset.sample_of is not None:
        record["sample_of"] = dataset.sample_of
    write_text(json.dumps(record, ensure_ascii=False), job.folder / "dataset.json")


def sample_of_images(image_ids: Sequence[str], n: int, seed: int) -> list[str]:
    """A seeded sample of test images without replacement, in the order given; all if there are at most n.

    Raises InputError if there are fewer than two.
    """
    import numpy as np

    if len(image_ids) < 2:
        raise InputError("The test set has fewer than two images to show; a sample needs two or more.")
    chosen = np.random.default_rng(seed).permutation(len(image_ids))[:n]
    return [image_ids[number] for number in np.sort(chosen)]
