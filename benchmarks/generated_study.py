"""A study of any size whose photographs, features and responses are generated; its commands do every other step.

The study's own machinery cuts, writes and seals the shards of what is generated, so the commands go on from there.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from bias_toolkit.datasets import BOX_EDGES, SKIPPED
from bias_toolkit.datasets.image_facts import Header
from bias_toolkit.datasets.pixels import ImageFiles
from bias_toolkit.foundation.files import empty_table
from bias_toolkit.foundation.shards import Shard
from bias_toolkit.invariance import RESPONSES, Sweep
from bias_toolkit.invariance.response import make_response
from bias_toolkit.pipeline.step import Job, Step
from bias_toolkit.study import steps
from bias_toolkit.study.study import Study

PICTURES = ((125, 94), (94, 125), (100, 100), (128, 85))
"""Width and height of the JPEG files in pixels, a quarter of those of ImageNet."""
BOXED = {"train": 0.425, "test": 1.0}
"""Shares of the images that have a box, as in ImageNet."""
DECAY = 0.35
"""The features' standard deviation falls with this power of the dimension's number."""
CANDIDATES, WIDTH = 8, 4
"""Classes among which a generated response moves, and dimensions of its features."""


@dataclass(frozen=True)
class Generated:
    """What the images are generated from: the classes' labels, the number of images of each set, a seed."""

    labels: Sequence[str]
    images: dict[str, int]
    seed: int = 0

    def rng(self, *numbers: int) -> np.random.Generator:
        """The random numbers of one part of the study."""
        return np.random.default_rng([self.seed, *numbers])

    def classes(self, split: str, numbers: np.ndarray | None = None) -> np.ndarray:
        """The class of each image of a set, or of those of these numbers."""
        count = self.images[split]
        return (np.arange(count) if numbers is None else numbers) * len(self.labels) // count

    def strangeness(self, split: str, numbers: np.ndarray) -> np.ndarray:
        """How unlike their class images are, a standard normal number each: these are far from others and unstable."""
        return self.rng(1, len(split)).standard_normal(self.images[split])[numbers]


def write_sets(folder: Path, made: Generated) -> None:
    """Write both sets: a table of paths, labels and boxes each, and the JPEG files that it names.

    There is one JPEG file a class, with a hard link for each of its images.
    """
    pictures = []
    for number in range(len(made.labels)):
        width, height = PICTURES[number % len(PICTURES)]
        few = made.rng(2, number).integers(0, 256, (6, 6, 3), dtype=np.uint8)
        pictures.append(folder / "pictures" / f"{number}.jpg")
        pictures[-1].parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(few).resize((width, height)).save(pictures[-1])
    for split in made.images:
        classes = made.classes(split)
        paths = [f"{made.labels[each]}/{number:08d}.jpg" for number, each in enumerate(classes)]
        for each in np.unique(classes):
            (folder / split / made.labels[each]).mkdir(parents=True)
        for path, each in zip(paths, classes, strict=True):
            os.link(pictures[each], folder / split / path)
        boxes = _boxes(np.array(PICTURES)[classes % len(PICTURES)], made.rng(3, len(split)), BOXED[split])
        edges = {edge: pa.array(boxes[:, place], from_pandas=True) for place, edge in enumerate(BOX_EDGES)}
        labels = pa.array(made.labels).take(pa.array(classes))
        pq.write_table(pa.table({"path": paths, "label": labels} | edges), table_of(folder, split))


def table_of(folder: Path, split: str) -> Path:
    """The table of a set, which is written last."""
    return folder / split / "images.parquet"


def _boxes(sides: np.ndarray, rng: np.random.Generator, share: float) -> np.ndarray:
    """A centred box of each image, float64 (n, 4) in pixels, NaN for images that have none."""
    half = np.clip(rng.normal(0.3, 0.08, (len(sides), 2)), 0.08, 0.48)
    centre = np.clip(rng.normal(0.5, 0.08, (len(sides), 2)), half, 1 - half)
    boxes = np.hstack([(centre - half) * sides, (centre + half) * sides])
    boxes[rng.random(len(sides)) >= share] = np.nan
    return boxes


def make_study(folder: Path, made: Generated, model: str, **settings: Any) -> Study:
    """A study of the sets that `write_sets` wrote in the folder, with finished images, features, responses and noise.

    The header of one image a class is read, and the noise floor is measured; features and responses are generated.
    """
    sets = {split: table_of(folder, split) for split in made.images}
    study = Study(folder / "study", **sets, model=model, **settings)
    with (
        _one_header_a_class(),
        _in_place_of(steps.features, _features(made)),
        _in_place_of(steps.responses, _responses(made)),
    ):
        return study.embed().sweep()


@contextmanager
def _one_header_a_class() -> Iterator[None]:
    """Read the header of one image of each folder for all of them, which are the same file."""
    before, headers = ImageFiles.header, {}

    def header(images: ImageFiles, image_id: str) -> Header:
        place = images._path(os.path.dirname(image_id))
        if place not in headers:
            headers[place] = before(images, image_id)
        return headers[place]

    ImageFiles.header = header
    try:
        yield
    finally:
        ImageFiles.header = before


@contextmanager
def _in_place_of(step: Step, work: Callable[..., Any]) -> Iterator[None]:
    """Have another function do the work of a step."""
    before = step.work
    object.__setattr__(step, "work", work)
    try:
        yield
    finally:
        object.__setattr__(step, "work", before)


def _numbers(image_ids: Sequence[str]) -> np.ndarray:
    return np.array([int(Path(each).stem) for each in image_ids])


def _features(made: Generated) -> Callable[..., Iterator[dict[str, Any]]]:
    """The work of `features`: a centre for each class, and around it more noise the stranger an image is."""

    def work(job: Job, split: str, shards: Iterator[Shard], advance: Callable[[int], None]) -> Iterator[dict[str, Any]]:
        dimension = job.inputs.model.feature_dimension
        spread = np.arange(1, dimension + 1, dtype=np.float32) ** -DECAY
        centres = made.rng(4).standard_normal((len(made.labels), dimension), dtype=np.float32) * spread
        for shard in shards:
            numbers = _numbers(shard.items)
            noise = made.rng(5, len(split), shard.number).standard_normal((len(numbers), dimension), dtype=np.float32)
            far = np.exp(0.2 * made.strangeness(split, numbers)).astype(np.float32)
            features = centres[made.classes(split, numbers)] + noise * spread * far[:, None]
            advance(len(numbers))
            yield {
                "features": features.astype(job.settings.feature_dtype),
                "features.parquet": pd.DataFrame({"image_id": list(shard.items)}),
                "skipped": empty_table(SKIPPED),
            }

    return work


def _responses(made: Generated) -> Callable[..., Iterator[dict[str, Any]]]:
    """The work of `responses`: probabilities that wander from view to view, the wider the stranger an image is."""

    def work(
        job: Job, sweep: Sweep, shards: Iterator[Shard], advance: Callable[[int], None]
    ) -> Iterator[dict[str, Any]]:
        for shard in shards:
            numbers = _numbers(shard.items)
            strange, classes = made.strangeness("test", numbers), made.classes("test", numbers)
            rng = made.rng(6, shard.number, len(sweep.name))
            rows = []
            for image_id, own, odd in zip(shard.items, classes, strange, strict=True):
                candidates = (own + np.arange(CANDIDATES)) % len(made.labels)
                wander = rng.normal(0, 0.15 * np.exp(0.5 * odd), (sweep.n_views, CANDIDATES)).cumsum(axis=0)
                logits = rng.normal(0, 1, CANDIDATES) + wander
                logits[:, 0] += 2 - odd
                probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
                features = 3 + rng.normal(0, 0.05, (sweep.n_views, WIDTH)).cumsum(axis=0)
                row = make_response(probabilities.astype(np.float32), features, sweep, 0)
                row |= {"top1": candidates[row["top1"]].astype(np.int32), "label_index": own}
                rows.append({"image_id": image_id, **sweep.columns(), **row})
            advance(len(rows))
            yield {"responses": pd.DataFrame(rows, columns=RESPONSES.names), "skipped": empty_table(SKIPPED)}

    return work


def make_another(study: Study, made: Generated, folder: Path) -> None:
    """A copy of an analysed study, in `folder`, with other responses; of what it shares, the files are hard links."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(study.folder, folder, copy_function=os.link, ignore=shutil.ignore_patterns(".lock"))
    for name in ("responses", "measures", "analysis"):
        shutil.rmtree(folder / name)
    with _in_place_of(steps.responses, _responses(dataclasses.replace(made, seed=made.seed + 1))):
        Study(folder).sweep()
    Study(folder).analyse()
