"""Images whose instability has a known cause: digits that differ from the training digits in one respect only.

The cause of the demo networks' instability is known by construction: the position of a digit that was only moved, or
the scale of a digit that was only made smaller or larger. The share of explanations that list it first can be counted.
"""

import dataclasses
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from bias_toolkit.datasets import Dataset
from bias_toolkit.datasets.demo import demo_scenes, drawn_dataset
from bias_toolkit.datasets.demo_scenes import IMAGE_SIDE, Scene
from bias_toolkit.explain import Request, explain_image
from bias_toolkit.explain.record import INTERVENTIONS
from bias_toolkit.foundation.progress import silent
from bias_toolkit.pipeline.step import Job
from bias_toolkit.study import Study
from bias_toolkit.study.steps.explanation import context_of, subject_of

AS_TRAINED, MOVED, SCALED = "as trained", "only moved", "only shrunk or enlarged"
KINDS = (MOVED, SCALED, AS_TRAINED)
EXPECTED = {MOVED: "off_centre", SCALED: "scale"}

LEAST_MOVE = 0.15
"""Of a moved digit's centre from the middle, in image widths: three standard deviations of the training law."""

SMALL, LARGE = (0.2, 0.3), (0.6, 0.8)
"""Scales of shrunk and of enlarged digits; in training, 95% lie between 0.36 and 0.57."""

STABLE, UNEXPLAINED = "stable", "nothing found"
OUTCOMES = (STABLE, *INTERVENTIONS, UNEXPLAINED)


def known_scenes(kind: str, n: int) -> list[Scene]:
    """The first `n` scenes of the demo's test set photographer, each changed in the one respect that `kind` names.

    They are moved to a place that is uniform over those at least 0.15 image widths off the middle; or scaled about the
    same centre, log-uniformly over scales that are smaller or larger than in training; or left unchanged.
    """
    rng = np.random.default_rng(0)
    change = {AS_TRAINED: lambda box, rng: box, MOVED: _moved, SCALED: _scaled}[kind]
    scenes = list(demo_scenes("photographer").values())[:n]
    return [dataclasses.replace(scene, box=change(scene.box, rng)) for scene in scenes]


def known_dataset(n: int) -> Dataset:
    """The pictures of `known_scenes`, `n` of each kind, as a dataset; an image's id begins with its kind."""
    kinds = {kind: known_scenes(kind, n) for kind in KINDS}
    scenes = {f"{kind}/{number:05d}": scene for kind, found in kinds.items() for number, scene in enumerate(found)}
    stamp = json.dumps([dataclasses.asdict(scene) for scene in scenes.values()]).encode()
    return drawn_dataset(
        "demo:known-causes", "it is drawn from the built-in dataset", list(scenes), lambda: scenes, stamp
    )


def explain_known_causes(network: str, n: int, folder: str | os.PathLike, **settings: Any) -> pd.DataFrame:
    """Explain `n` images of every kind to a demo network; `folder` gets the study, which has these settings.

    Returns one row per image: `image_id`, `kind`, `p_top1_change` along the study's own sweep, and `outcome`, one of
    `OUTCOMES`: the image is called stable, the cause that is listed first, or no cause was found.
    """
    study = Study(folder, "demo:train", known_dataset(n), f"demo:{network}", **settings).analyse()
    job = Job(study.folder, study.inputs, study.results, silent)
    context = context_of(job)
    own = study.results.per_image.set_index("image_id")["p_top1_change"]
    rows = []
    with TemporaryDirectory() as pictures:
        for image_id in own.index:
            explanation = explain_image(context, subject_of(job, Request(image_id)), Path(pictures))
            found = explanation.causes[0].cause if explanation.causes else UNEXPLAINED
            outcome = STABLE if explanation.is_stable else found
            kind, _, _ = image_id.partition("/")
            rows.append({"image_id": image_id, "kind": kind, "p_top1_change": own[image_id], "outcome": outcome})
    return pd.DataFrame(rows)


def confusion(explained: pd.DataFrame) -> pd.DataFrame:
    """How many images of each kind (rows) have each outcome (columns)."""
    return pd.crosstab(explained["kind"], explained["outcome"]).reindex(index=KINDS, columns=OUTCOMES, fill_value=0)


def _moved(box: Sequence[int], rng: np.random.Generator) -> tuple[int, int, int, int]:
    width, height = box[2] - box[0], box[3] - box[1]
    while True:
        x, y = (int(rng.integers(IMAGE_SIDE - length + 1)) for length in (width, height))
        off = math.hypot((x + width / 2) / IMAGE_SIDE - 0.5, (y + height / 2) / IMAGE_SIDE - 0.5)
        if off >= LEAST_MOVE:
            return x, y, x + width, y + height


def _scaled(box: Sequence[int], rng: np.random.Generator) -> tuple[int, int, int, int]:
    width, height = box[2] - box[0], box[3] - box[1]
    scale = math.sqrt(width * height) / IMAGE_SIDE
    small, large = (math.exp(rng.uniform(*np.log(limits))) / scale for limits in (SMALL, LARGE))
    # A digit that is too long to be enlarged is made smaller.
    factor = large if rng.random() < 0.5 and large * max(width, height) <= IMAGE_SIDE else small
    new_width, new_height = round(width * factor), round(height * factor)
    x = round((box[0] + box[2] - new_width) / 2)
    y = round((box[1] + box[3] - new_height) / 2)
    x, y = min(max(x, 0), IMAGE_SIDE - new_width), min(max(y, 0), IMAGE_SIDE - new_height)
    return x, y, x + new_width, y + new_height
