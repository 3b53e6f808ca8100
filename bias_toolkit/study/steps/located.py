"""Locating objects in sets without boxes, and measuring the quality of the located boxes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import bias_toolkit
from bias_toolkit.pipeline.step import Job, sharded
from bias_toolkit.study.settings import INTERVAL_RULE
from bias_toolkit.study.steps.images import images

if TYPE_CHECKING:
    import numpy as np

    from bias_toolkit.foundation.shards import Shard
    from bias_toolkit.objects.locate import LocatingView

SAMPLE = 1000
"""Images with boxes on which estimated boxes are measured."""


def _rules() -> dict[str, Any]:
    return _method() | {"intervals": INTERVAL_RULE}


def _method() -> dict[str, Any]:
    from bias_toolkit.objects.locate_box import THRESHOLD

    return {"threshold": THRESHOLD, "toolkit": bias_toolkit.__version__}


def _outputs() -> dict[str, Any]:
    from bias_toolkit.datasets import SKIPPED
    from bias_toolkit.objects.locate import LOCATED

    return {"located": LOCATED, "skipped": SKIPPED}


def whole_view(image: np.ndarray, input_size: int) -> LocatingView:
    """The view of an image, uint8 (height, width, 3), for locating its object: all of it, resized to a square input.

    A view of the central square would lose a third of the area of a 3 : 2 photograph, including the objects that are
    framed most unusually. Classifiers are trained on such distortion: on crops of aspects 3/4 to 4/3.
    """
    from bias_toolkit.invariance.views import resize
    from bias_toolkit.objects.locate import LocatingView

    height, width = image.shape[:2]
    return LocatingView(resize(image, input_size), (0, 0, width, height))


def _locate(
    job: Job, split: str, shards: Iterator[Shard], advance: Callable[[int], None]
) -> Iterator[Mapping[str, Any]]:
    from bias_toolkit.objects.locate import located_shards
    from bias_toolkit.objects.locate_box import THRESHOLD

    inputs = job.inputs
    return located_shards(
        inputs.activation_map,
        inputs.dataset(split).read,
        lambda image: whole_view(image, inputs.model.input_size),
        shards,
        class_indices=inputs.label_indices(split),
        threshold=THRESHOLD,
        batch_size=inputs.model.batch_size,
        advance=advance,
    )


@sharded(
    "located/{split}",
    over="splits",
    # The mapping of the training set's labels uses the test set's as well.
    needs=[images],
    inputs=["model", "label_map"],
    settings=["batch_size"],
    also=_method,
    items=lambda job, split: job.inputs.dataset(split).images["image_id"].tolist(),
    shard_size=256,
    outputs=_outputs,
    files=["located", "skipped"],
    label="Locating objects",
    by_item=True,
    command="objects",
)
def located(
    job: Job, split: str, shards: Iterator[Shard], advance: Callable[[int], None]
) -> Iterator[Mapping[str, Any]]:
    """The estimated boxes of one set, shard by shard."""
    return _locate(job, split, shards, advance)


def _sample(job: Job) -> list[str]:
    """A seeded sample of the images that have boxes."""
    import zlib

    import numpy as np

    dataset = job.inputs.dataset(job.inputs.measured_split)
    boxed = dataset.images[dataset.images["image_id"].isin(dataset.objects["image_id"])]["image_id"]
    rng = np.random.default_rng([job.settings.seed, zlib.crc32(b"localisation")])
    return boxed.iloc[np.sort(rng.permutation(len(boxed))[:SAMPLE])].tolist()


def _measure(job: Job) -> None:
    """Compare the estimated boxes of the sample with the set's own boxes."""
    from bias_toolkit.foundation.files import write_table, write_text
    from bias_toolkit.objects import image_framing, position_and_scale
    from bias_toolkit.objects.locate import estimated_objects, load_located
    from bias_toolkit.objects.locate_quality import localisation_quality

    split, settings, train = job.inputs.measured_split, job.settings, job.inputs.train
    dataset, estimates = job.inputs.dataset(split), load_located(job.folder)
    ids = estimates.loc[estimates["located_by"].notna(), "image_id"]
    sample = dataset.images[dataset.images["image_id"].isin(ids)]
    # The centred box, which the estimate is compared with, uses the training objects if they have boxes.
    typical = None
    if len(train.objects):
        subjects = image_framing(position_and_scale(train.objects, train.images), train.images)
        typical = float(subjects["scale"].median())
    quality = localisation_quality(
        estimated_objects(estimates, sample, job.inputs.model.class_names),
        dataset.objects[dataset.objects["image_id"].isin(sample["image_id"])],
        sample,
        typical_scale=typical,
        resamples=settings.resamples,
        seed=settings.seed,
    )
    write_table(quality, job.folder / "localisation.parquet", _tables()["localisation"])
    write_text(json.dumps({"split": split}), job.folder / "localisation.json")


def _tables() -> dict[str, Any]:
    from bias_toolkit.objects.locate_quality import LOCALISATION

    return {"localisation": LOCALISATION}


@sharded(
    "localisation",
    needs=[images],
    inputs=["model", "label_map"],
    settings=["batch_size", "resamples", "seed"],
    also=_rules,
    items=_sample,
    shard_size=256,
    outputs=_outputs,
    files=["located", "skipped"],
    label="Measuring estimated boxes",
    by_item=True,
    finish=_measure,
    writes=["localisation.parquet", "localisation.json"],
    tables=_tables,
    # The images that it leaves out are already listed by other steps.
    skips=None,
    command="objects",
)
def localisation(job: Job, shards: Iterator[Shard], advance: Callable[[int], None]) -> Iterator[Mapping[str, Any]]:
    """The quality of estimated boxes on images that have boxes."""
    return _locate(job, job.inputs.measured_split, shards, advance)
