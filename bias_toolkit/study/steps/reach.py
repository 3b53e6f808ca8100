"""How near random copies of the training images come to the test images."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bias_toolkit.pipeline.step import Job, sharded, step
from bias_toolkit.study.settings import INTERVAL_RULE
from bias_toolkit.study.steps.features import features
from bias_toolkit.study.steps.images import sample_of_images

if TYPE_CHECKING:
    import numpy as np

    from bias_toolkit.foundation.shards import Shard

TRAINING_SAMPLE, TEST_SAMPLE = 500, 1000
"""Images whose copies are made, and images to which distances are taken."""
NEEDED = "needed.json"
REACH_RULE = 2
"""The version of the intervals of medians, of falls and of the training images' own distance."""


def _copied(job: Job) -> list[str]:
    return sample_of_images(job.results.features("train").image_ids, TRAINING_SAMPLE, job.settings.seed)


@sharded(
    "reach/copies",
    needs=[features.of("train")],
    inputs=["model"],
    requires=["train", "model"],
    settings=["feature_size", "seed", "batch_size"],
    items=_copied,
    shard_size=16,
    outputs=lambda: {"features": None},
    files=["features"],
    label="Random copies",
    command="remedies",
)
def copies(job: Job, shards: Iterator[Shard], advance: Callable[[int], None]) -> Iterator[Mapping[str, Any]]:
    """The features of random copies of training images (`random_views`), image after image."""
    import numpy as np

    from bias_toolkit.features.augmentation_reach import COPIES
    from bias_toolkit.foundation.resampling import named_generator
    from bias_toolkit.invariance.packing import evaluate_packed
    from bias_toolkit.invariance.views import Views
    from bias_toolkit.models.training.views import seeded_views

    model, train, seed = job.inputs.model, job.inputs.train, job.settings.seed

    def views() -> Iterator[tuple[object, Views | None]]:
        for shard in shards:
            for image_id in shard.items:
                own_seed = int(named_generator(seed, image_id).integers(2**31))
                pixels = train.read(image_id)
                mean, side = model.preprocessing.mean, model.input_size
                yield image_id, Views(seeded_views(pixels, max(COPIES), side, mean, own_seed))
                advance(1)
            yield None, None

    made: list[np.ndarray] = []
    for image_id, _, some in evaluate_packed(model, views(), model.batch_size):
        if image_id is None:
            yield {"features": np.concatenate(made)}
            made = []
        else:
            made.append(some)


def _tables() -> dict[str, Any]:
    from bias_toolkit.features.augmentation_reach import REACH

    return {"reach": REACH}


@step(
    "reach/curve",
    needs=[copies, features],
    settings=["metric", "resamples", "seed"],
    also=lambda: {"intervals": INTERVAL_RULE, "reach": REACH_RULE},
    command="remedies",
    writes=["reach.parquet", NEEDED],
    tables=_tables,
)
def reach(job: Job) -> None:
    """The median distance over the number of copies, and how many copies would be needed."""
    import numpy as np

    from bias_toolkit.features.augmentation_reach import (
        COPIES,
        copies_needed,
        median_spacing,
        nearest_distances,
        reach_curve,
    )
    from bias_toolkit.foundation.files import write_table, write_text

    settings, results = job.settings, job.results
    copied = results.copies
    training_ids = _copied(job)
    training = _features_of(job, "train", training_ids)
    test_ids = sample_of_images(results.features("test").image_ids, TEST_SAMPLE, settings.seed)
    test = _features_of(job, "test", test_ids)
    rows = {image_id: row for row, image_id in enumerate(training_ids)}
    own = np.array([rows.get(twin, -1) for twin in job.inputs.twins(test_ids)])
    by_copy = copied.reshape(len(training), max(COPIES), -1).swapaxes(0, 1)
    nearest = nearest_distances(test, [training, *by_copy], settings.metric, own)
    options = {"resamples": settings.resamples, "seed": settings.seed}
    target, targets = median_spacing(training, settings.metric, **options)
    needed = copies_needed(nearest, target.value, targets, **options)
    record = {"target_low": target.low, "target_high": target.high, "fit": needed.fit}
    record = {name: value if np.isfinite(value) else None for name, value in record.items()}
    record |= {"target": target.value, "n_training": target.n}
    record |= {"copies": None if needed.copies is None else needed.copies[:3]}
    write_table(reach_curve(nearest, **options), job.folder / "reach.parquet", _tables()["reach"])
    write_text(json.dumps(record), job.folder / NEEDED)


def _features_of(job: Job, split: str, image_ids: list[str]) -> np.ndarray:
    """The stored features of some images, in the order given; float64."""
    import numpy as np

    wanted = set(image_ids)
    found = {
        image_id: vector
        for ids, part in job.results.features(split).shards()
        for image_id, vector in zip(ids, part, strict=True)
        if image_id in wanted
    }
    return np.stack([found[image_id] for image_id in image_ids]).astype(float)
