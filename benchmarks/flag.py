"""Flagging new images against the model's bare forward pass: `python -m benchmarks.flag`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import typer

from benchmarks.photographs import write_photographs
from benchmarks.rows import Row, alternately, markdown, rate, ratio
from bias_toolkit import Flag, Settings, load_model
from bias_toolkit.analysis.flag import COMBINATION, TERMS
from bias_toolkit.features.index import TrainingIndex
from bias_toolkit.invariance import Sweep
from bias_toolkit.models import Model

TRAINING_IMAGES = 10_000
ARRAYS = 512


def make_flag(model: Model, training_images: int, seed: int = 0) -> Flag:
    """A flag of the combination, which needs all scores, with random training features of 20 classes."""
    rng = np.random.default_rng(seed)
    features = np.abs(rng.normal(size=(training_images, model.feature_dimension)).astype(np.float32))
    index = TrainingIndex.build(features, [str(row) for row in range(training_images)])
    ones = [1.0] * len(TERMS)
    model_of = {"terms": list(TERMS), "mean": ones, "scale": ones, "weights": ones, "intercept": 0.0}
    values = {"shipped": COMBINATION, "share": 0.2, "probability": 0.5, "models": {COMBINATION: model_of}}
    values |= {"far": 1.0, "unsure": 0.5, "unusual": None}
    return Flag(model, index, rng.integers(0, 20, training_images), values, Settings(), Sweep("crop", "diagonal", 1.0))


def flag_rows(model_name: str = "efficientnet-lite0", runtime: str = "auto", repeats: int = 5) -> list[Row]:
    """Scoring arrays of the model's size, and JPEG files, each against passes on views that are in memory."""
    model = load_model(model_name, runtime=runtime)
    flag = make_flag(model, TRAINING_IMAGES)
    size, batch = model.input_size, model.batch_size
    views = np.random.default_rng(0).integers(0, 256, (ARRAYS, size, size, 3), np.uint8)
    images = [np.pad(view, ((5, 5), (5, 5), (0, 0)), mode="edge") for view in views]

    def passes() -> int:
        batches = ((views[start : start + batch], None) for start in range(0, ARRAYS, batch))
        return sum(len(each.features) for each in model.evaluate_batches(batches))

    with tempfile.TemporaryDirectory() as temporary:
        files = sorted(write_photographs(Path(temporary), 128).rglob("*.jpg")) * (ARRAYS // 128)
        ways = {"passes": passes, "arrays": lambda: len(flag.score(images)), "files": lambda: len(flag.score(files))}
        alternately(ways, 1)
        rates = alternately(ways, repeats)
    bare = f"passes on preloaded views: {rate(rates['passes'], 'images/s')}"
    name = f"{model.name}, {model.runtime}, {TRAINING_IMAGES:,} training images"
    return [
        Row(f"flag arrays, {name}", rate(rates["arrays"], "images/s"), bare, ratio(rates["arrays"], rates["passes"])),
        Row(
            f"flag JPEG files of 500 × 375, {name}",
            rate(rates["files"], "images/s"),
            bare,
            ratio(rates["files"], rates["passes"]),
            "with decoding, on the same cores",
        ),
    ]


if __name__ == "__main__":
    typer.run(lambda: print(markdown("Flag", flag_rows())))
