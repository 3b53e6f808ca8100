"""Indexing a study's training features, and finding each test image's nearest training images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bias_toolkit.foundation.files import write_array, write_table, write_text
from bias_toolkit.foundation.progress import Progress

if TYPE_CHECKING:
    from bias_toolkit.study import Study

QUALITY_FILE = "search_quality.parquet"


def write_index(study: Study, folder: Path, progress: Progress) -> None:
    """The index of the training features, the reason for it, and the training images' own spacing."""
    from bias_toolkit.features.index import StoredFeatures, TrainingIndex, leave_one_out_distances

    store, settings = study.features("train"), study.settings
    built = TrainingIndex.build(
        StoredFeatures(store.arrays),
        store.image_ids,
        settings.metric,
        index=settings.index,
        memory=settings.memory,
        seed=settings.seed,
        progress=progress,
    )
    write_array(leave_one_out_distances(built, seed=settings.seed, progress=progress), folder / "spacing.npy")
    write_text(built.reason + "\n", folder / "reason.txt")
    built.save(folder)


def write_neighbours(study: Study, folder: Path, twins: Sequence[str | None], progress: Progress) -> None:
    """The neighbours and distances of the test images; of an approximate index also how good it is.

    Parameters
    ----------
    twins : for each row of the test features the training image that is the very same file, None where there is none.
    """
    from bias_toolkit.features.index import (
        DISTANCES,
        EXACT,
        NEAREST,
        NEIGHBOURS,
        SEARCH_QUALITY,
        StoredFeatures,
        distances_table,
        nearest_neighbours,
        search_quality,
    )

    settings, training, store = study.settings, study.training_index, study.features("test")
    features, image_ids = StoredFeatures(store.arrays), store.image_ids
    rows = {image_id: row for row, image_id in enumerate(training.image_ids)}
    own = np.array([rows.get(twin, -1) for twin in twins], dtype=np.int64)
    k = max(settings.neighbours, NEAREST)
    neighbours = nearest_neighbours(training, features, image_ids, own, k, progress=progress)
    distances = distances_table(
        training,
        neighbours,
        features,
        image_ids,
        _labels(study, "test", image_ids),
        _labels(study, "train", training.image_ids),
        own,
        reference=study.training_spacing,
        progress=progress,
    )
    kept = neighbours[neighbours["rank"] <= settings.neighbours]
    write_table(kept, folder / "neighbours.parquet", NEIGHBOURS)
    write_table(distances, folder / "distances.parquet", DISTANCES)
    write_text(json.dumps({"n_shared": int((own >= 0).sum())}), folder / "shared.json")
    if training.index != EXACT:
        quality = search_quality(
            training, features, own, k, resamples=settings.resamples, seed=settings.seed, progress=progress
        )
        write_table(quality, folder / QUALITY_FILE, SEARCH_QUALITY)


def _labels(study: Study, split: str, image_ids: Sequence[str]) -> list[str | None]:
    labels = study.images(split).set_index("image_id")["label"].reindex(image_ids)
    return [None if pd.isna(label) else label for label in labels]
