"""Measures how good estimated boxes are: `python benchmarks/located_boxes.py TRAIN VAL`, some minutes on two cores.

The threshold is compared on half of the training images' classes, the boxes on the other half and on the validation
images. With --out it also writes what a report quotes where a study has no boxes to measure this on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bias_toolkit import load_dataset, load_model
from bias_toolkit.datasets import Dataset
from bias_toolkit.foundation.files import write_text
from bias_toolkit.foundation.shards import cut_into_shards
from bias_toolkit.models import Model, match_labels
from bias_toolkit.models.activation_map import ActivationMap, ActivationMaps
from bias_toolkit.objects import image_framing, position_and_scale
from bias_toolkit.objects.locate import estimated_objects, located_shards
from bias_toolkit.objects.locate_box import THRESHOLD
from bias_toolkit.objects.locate_quality import localisation_quality
from bias_toolkit.study.steps.located import whole_view

THRESHOLDS = [number / 20 for number in range(1, 13)]
DIGITS = 4
SHARD_SIZE = 256


def remembered(compute: Callable[..., ActivationMaps]) -> Callable[..., ActivationMaps]:
    """The same maps for the same views without running the network again."""
    known: dict[bytes, ActivationMaps] = {}

    def maps(pixels: np.ndarray, classes: np.ndarray) -> ActivationMaps:
        key = hashlib.sha256(pixels.tobytes() + classes.tobytes()).digest()
        if key not in known:
            known[key] = compute(pixels, classes)
        return known[key]

    return maps


def sample(dataset: Dataset, n: int) -> pd.DataFrame:
    """`n` of the dataset's images that have a box, drawn by lot with a fixed seed, or all where they are fewer."""
    images = dataset.images[dataset.images["image_id"].isin(dataset.objects["image_id"])]
    return images.iloc[np.sort(np.random.default_rng(0).permutation(len(images))[:n])]


def boxes(maps: Callable[..., ActivationMaps], model: Model, dataset: Dataset, images: pd.DataFrame, threshold: float):
    """The objects table of the images as the model locates them."""
    labels = images.set_index("image_id")["label"].dropna()
    indices = match_labels(sorted(labels.unique()), model, dataset.class_names).indices
    shards = located_shards(
        maps,
        dataset.read,
        lambda image: whole_view(image, model.input_size),
        cut_into_shards(images["image_id"].tolist(), SHARD_SIZE),
        class_indices={image_id: indices[label] for image_id, label in labels.items() if label in indices},
        threshold=threshold,
        advance=lambda _: None,
    )
    located = pd.concat([shard["located"] for shard in shards], ignore_index=True)
    return estimated_objects(located, images, model.class_names)


def quality(estimated: pd.DataFrame, dataset: Dataset, images: pd.DataFrame, scale: float, resamples: int = 2000):
    """`localisation_quality` on some of a dataset's images."""
    own, given = (table[table["image_id"].isin(images["image_id"])] for table in (estimated, dataset.objects))
    return localisation_quality(own, given, images, typical_scale=scale, resamples=resamples)


def print_quality(title: str, table: pd.DataFrame) -> None:
    """Print one comparison as Markdown."""
    print(f"\n{title}\n\n| criterion | boxes | value | 95% interval | better than centred by |")
    print("| --- " * 5 + "|")
    for row in table.itertuples():
        gain = f"{row.gain:.3f} ({row.gain_low:.3f} to {row.gain_high:.3f})" if math.isfinite(row.gain) else ""
        print(f"| {row.criterion} | {row.estimator} | {row.value:.3f} | {row.low:.3f} to {row.high:.3f} | {gain} |")
    print("\nFor the centre biases and truncated_share the last column is the estimate's error.", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the comparisons, and write those on the validation images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", metavar="TRAIN", help="a dataset with boxes")
    parser.add_argument("val", metavar="VAL", help="a dataset with boxes")
    parser.add_argument("--model", default="efficientnet-lite0")
    parser.add_argument("--train-images", type=int, default=2000)
    parser.add_argument("--images", type=int, default=1000, help="validation images")
    parser.add_argument("--out", type=Path, metavar="FILE", help="a JSON file of the validation images' figures")
    options = parser.parse_args(arguments)

    model = load_model(options.model, search_current_folder=True)
    maps = remembered(ActivationMap(model))
    train, val = load_dataset(options.train), load_dataset(options.val)
    framing = image_framing(position_and_scale(train.objects, train.images), train.images)
    scale = float(framing["scale"].median())
    images = sample(train, options.train_images)
    classes = sorted(images["label"].dropna().unique())
    chosen_on = images["label"].isin(classes[::2])

    print(f"Thresholds on {chosen_on.sum():,} training images of {len(classes[::2])} classes:\n")
    print("| threshold | accuracy | median IoU | scale bias | ρ centre_distance | ρ scale |")
    print("| --- " * 6 + "|")
    for threshold in THRESHOLDS:
        located = boxes(maps, model, train, images, threshold)
        table = quality(located, train, images[chosen_on], scale, resamples=100)
        value = table[table["estimator"] == "estimated"].set_index("criterion")["value"]
        names = ("localisation_accuracy", "median_iou", "log_scale_bias", "rho_centre_distance", "rho_scale")
        print(f"| {threshold:.2f} | " + " | ".join(f"{value[name]:.3f}" for name in names) + " |", flush=True)

    located = boxes(maps, model, train, images, THRESHOLD)
    others = images[~chosen_on]
    print_quality(f"{len(others):,} training images of the other classes", quality(located, train, others, scale))
    images = sample(val, options.images)
    table = quality(boxes(maps, model, val, images, THRESHOLD), val, images, scale)
    print_quality(f"{len(images):,} validation images", table)
    if options.out is not None:
        names = [Path(path).name for path in (options.train, options.val)]
        command = ["python", "benchmarks/located_boxes.py", *names, "--model", options.model]
        record = {
            "dataset": f"{len(images):,} validation images of {images['label'].nunique()} classes of Tiny-ImageNet",
            "model": model.name,
            "command": shlex.join([*command, "--images", str(options.images)]),
            "quality": [{name: _short(value) for name, value in row.items()} for row in table.to_dict("records")],
        }
        write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", options.out)


def _short(value):
    if not isinstance(value, float):
        return value
    return round(value, DIGITS) if math.isfinite(value) else None


if __name__ == "__main__":
    main(sys.argv[1:])
