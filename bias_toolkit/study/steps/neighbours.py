"""Each test image's nearest training images, and its distances from the training set."""

import json
from collections.abc import Sequence
from typing import Any

from bias_toolkit.pipeline.step import Job, step
from bias_toolkit.study.settings import INTERVAL_RULE
from bias_toolkit.study.steps.features import features
from bias_toolkit.study.steps.index import index


def _tables() -> dict[str, Any]:
    from bias_toolkit.features.index import DISTANCES, NEIGHBOURS, SEARCH_QUALITY

    return {"neighbours": NEIGHBOURS, "distances": DISTANCES, "search_quality": SEARCH_QUALITY}


@step(
    "neighbours",
    needs=[index, features.of("test")],
    settings=["neighbours", ("resamples", lambda settings: settings.index != "exact")],
    also=lambda: {"intervals": INTERVAL_RULE},
    command="index",
    writes=["neighbours.parquet", "distances.parquet", "shared.json", "search_quality.parquet"],
    tables=_tables,
)
def neighbours(job: Job) -> None:
    """Search the index; for an approximate index, also measure the quality of the search."""
    import numpy as np

    from bias_toolkit.features.index import (
        EXACT,
        NEAREST,
        StoredFeatures,
        distances_table,
        nearest_neighbours,
        search_quality,
    )
    from bias_toolkit.foundation.files import write_table, write_text

    schemas = _tables()
    settings, results, progress = job.settings, job.results, job.progress
    training, store = results.training_index, results.features("test")
    vectors, image_ids = StoredFeatures(store.arrays), store.image_ids
    rows = {image_id: row for row, image_id in enumerate(training.image_ids)}
    own = np.array([rows.get(twin, -1) for twin in job.inputs.twins(image_ids)], dtype=np.int64)
    k = max(settings.neighbours, NEAREST)
    table = nearest_neighbours(training, vectors, image_ids, own, k, progress=progress)
    distances = distances_table(
        training,
        table,
        vectors,
        image_ids,
        _labels(job, "test", image_ids),
        _labels(job, "train", training.image_ids),
        own,
        reference=results.training_spacing,
        progress=progress,
    )
    write_table(table[table["rank"] <= settings.neighbours], job.folder / "neighbours.parquet", schemas["neighbours"])
    write_table(distances, job.folder / "distances.parquet", schemas["distances"])
    write_text(json.dumps({"n_shared": int((own >= 0).sum())}), job.folder / "shared.json")
    if training.index != EXACT:
        quality = search_quality(
            training, vectors, own, k, resamples=settings.resamples, seed=settings.seed, progress=progress
        )
        write_table(quality, job.folder / "search_quality.parquet", schemas["search_quality"])


def _labels(job: Job, split: str, image_ids: Sequence[str]) -> list[str | None]:
    labels = job.results.images(split).set_index("image_id")["label"].reindex(image_ids)
    return [label if isinstance(label, str) else None for label in labels]
