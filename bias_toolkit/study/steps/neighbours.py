"""Each test image's nearest training images, its distances from the training set, and how typical these are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.pipeline.step import Job, sharded
from bias_toolkit.study.settings import INTERVAL_RULE
from bias_toolkit.study.steps.features import features
from bias_toolkit.study.steps.index import index

if TYPE_CHECKING:
    import numpy as np

    from bias_toolkit.features.index import Search
    from bias_toolkit.foundation.shards import Shard

PART = 131_072
"""Training images in a part. Each part's nearest are found anew, so smaller parts take longer in all."""
FOUND = NEIGHBOURS, IN_CLASS, SPACING = "nearest", "within", "apart"
"""What is searched for: the neighbours of test images, those within the class, and those of training images."""


def _tables() -> dict[str, Any]:
    from bias_toolkit.features.index import schema

    return {name: getattr(schema, name.upper()) for name in ("neighbours", "distances", "search_quality")}


class _Asked:
    """What the study's index is asked: the test images and their own rows, and the rows of training images."""

    def __init__(self, job: Job) -> None:
        import numpy as np

        from bias_toolkit.features.index import NEAREST, StoredFeatures, spacing_rows

        settings, results, store = job.settings, job.results, job.results.features("test")
        self.training = results.training_index
        self.features, self.image_ids = StoredFeatures(store.arrays), store.image_ids
        self.rows = {image_id: row for row, image_id in enumerate(self.training.image_ids)}
        if not self.rows.keys() <= set(job.inputs.train.images["image_id"]):
            folder = results.folder / index.name
            raise InputError(
                f"{folder} names images that are not in the training set; remove that folder, and run again."
            )
        twins = job.inputs.twins(self.image_ids)
        self.own = np.array([self.rows.get(twin, -1) for twin in twins], dtype=np.int64)
        self.k = max(settings.neighbours, NEAREST)
        self.training_rows = spacing_rows(self.training, seed=settings.seed)

    def searches(self, job: Job) -> dict[str, Search]:
        """The exact searches."""
        from bias_toolkit.features.index import EXACT, Search, groups_of

        training, own = self.training, self.own
        groups = groups_of(_labels(job, "test", self.image_ids), _labels(job, "train", training.image_ids))
        searches = {IN_CLASS: Search(self.features, 1, own, groups)}
        if training.index == EXACT:
            searches[NEIGHBOURS] = Search(self.features, self.k, own)
            searches[SPACING] = Search(training.features_at(self.training_rows), 1, self.training_rows)
        return searches


def _merge(job: Job) -> None:
    """Write the tables of what was found; an approximate index is searched here, and the quality of it measured."""
    import numpy as np

    from bias_toolkit.features.index import (
        EXACT,
        distances_table,
        leave_one_out_distances,
        merge,
        nearest_neighbours,
        neighbours_table,
        search_quality,
    )
    from bias_toolkit.foundation.files import read_array, write_array, write_table, write_text

    def found(name: str, k: int) -> tuple[np.ndarray, np.ndarray]:
        return merge([read_array(path, 3) for path in sorted(job.folder.glob(f"{name}-*.npy"))], k)

    schemas, settings, progress = _tables(), job.settings, job.progress
    asked = _Asked(job)
    training, vectors, image_ids, own, k = asked.training, asked.features, asked.image_ids, asked.own, asked.k
    if training.index == EXACT:
        table = neighbours_table(training, image_ids, *found(NEIGHBOURS, k))
        spacing = np.sort(found(SPACING, 1)[0][:, 0])
    else:
        table = nearest_neighbours(training, vectors, image_ids, own, k, progress=progress)
        spacing = leave_one_out_distances(training, seed=settings.seed, progress=progress)
        quality = search_quality(
            training, vectors, own, k, resamples=settings.resamples, seed=settings.seed, progress=progress
        )
        write_table(quality, job.folder / "search_quality.parquet", schemas["search_quality"])
    within, _ = found(IN_CLASS, 1)
    distances = distances_table(training, table, image_ids, within[:, 0], own, reference=spacing)
    write_table(table[table["rank"] <= settings.neighbours], job.folder / "neighbours.parquet", schemas["neighbours"])
    write_table(distances, job.folder / "distances.parquet", schemas["distances"])
    write_array(spacing, job.folder / "spacing.npy")
    write_text(json.dumps({"n_shared": int((own >= 0).sum())}), job.folder / "shared.json")


@sharded(
    "neighbours",
    needs=[index, features.of("test")],
    settings=["neighbours", ("resamples", lambda settings: settings.index != "exact")],
    also=lambda: {"intervals": INTERVAL_RULE, "spacing": "here"},
    items=lambda job: job.inputs.train.images["image_id"].tolist(),
    shard_size=PART,
    outputs=lambda: dict.fromkeys(FOUND),
    files=FOUND,
    label="Searching the training features",
    finish=_merge,
    is_kept=False,
    command="index",
    writes=["neighbours.parquet", "distances.parquet", "spacing.npy", "shared.json", "search_quality.parquet"],
    tables=_tables,
)
def neighbours(job: Job, shards: Iterator[Shard], advance: Callable[[int], None]) -> Iterator[Mapping[str, Any]]:
    """What is found in each part of the training images. Arrays as `search_part` returns them."""
    import numpy as np

    from bias_toolkit.features.index import search_part
    from bias_toolkit.foundation.progress import in_items

    asked = _Asked(job)
    searches = asked.searches(job)
    nothing = np.empty((2, 0, 0))
    for shard in shards:
        there = [asked.rows[image_id] for image_id in shard.items if image_id in asked.rows]
        progress = in_items(advance, len(shard.items), sum(len(each.queries) for each in searches.values()))
        start, stop = (there[0], there[-1] + 1) if there else (0, 0)
        part = asked.training.part(start, stop)
        found = {name: search_part(part, start, each, progress=progress) for name, each in searches.items()}
        yield dict.fromkeys(FOUND, nothing) | found


def _labels(job: Job, split: str, image_ids: Sequence[str]) -> list[str | None]:
    labels = job.results.images(split).set_index("image_id")["label"].reindex(image_ids)
    return [label if isinstance(label, str) else None for label in labels]
