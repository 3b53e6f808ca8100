"""The demo's networks trained in four arms with three seeds each: their measures on both test sets.

One light sweep for each network, not a study. The tables are kept in the demo's folder, sealed, under the digest of all
that they depend on, so a second run computes nothing.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

import bias_toolkit
from bias_toolkit.datasets import Dataset
from bias_toolkit.datasets.demo import load_demo_dataset
from bias_toolkit.foundation.files import columns, file_digest, read_shards, seal_shard, sealed_shards, write_table
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.foundation.shards import Shard
from bias_toolkit.invariance import CENTRE, HEADLINE, Sweep, measures_table, sweep_shards
from bias_toolkit.models import load_model
from bias_toolkit.models.demo import WEIGHTS, demo_weights_file
from bias_toolkit.models.specs import ARM_NETWORKS, DEMO_SEEDS, demo_arm
from bias_toolkit.models.training.arms import ARMS

IMAGES = {"photographer": 200, "uniform": 600}
"""How many images of each test set are shown: the first ones."""
RUNTIME = "auto"
SWEEP = Sweep("crop", "diagonal", 1.0)
ARM_MEASURES = (HEADLINE, "mac", "any_change", "accuracy")
KIND = "arms"

MEASURED = pa.schema(
    [
        *columns(pa.string(), "dataset", "image_id", "network", "arm"),
        ("seed", pa.int32()),
        *columns(pa.float32(), *ARM_MEASURES),
        ("right", pa.bool_()),
    ]
)
"""One row per test set, image and network. `right` is whether the centre view's top-1 class is the label."""


def measured_arms(folder: Path, progress: Progress = silent) -> pd.DataFrame:
    """Table MEASURED of all arms and seeds of both networks, from `folder`, or computed there as far as it lacks them.

    What is computed is sealed network by network, so a run that was stopped goes on.
    """
    datasets = {name: load_demo_dataset(name) for name in IMAGES}
    place = folder / f"{KIND}-{_key(datasets)[:12]}"
    place.mkdir(parents=True, exist_ok=True)
    members = list(product(ARM_NETWORKS, [arm.name for arm in ARMS], DEMO_SEEDS))
    whole = sealed_shards(place, KIND, lambda number: [_file(number)])
    missing = [number for number in range(len(members)) if number not in whole]
    total, done = sum(IMAGES.values()), len(members) - len(missing)
    with progress("Four arms, three seeds", total=len(members) * total, done=done * total) as advance:
        # Drawing an image takes as long as showing it to a network.
        pictures = {name: _pictures(dataset) for name, dataset in datasets.items()} if missing else {}
        for number in missing:
            network, arm, seed = members[number]
            tables = _measured(demo_arm(network, arm, seed), datasets, pictures, advance)
            table = pd.concat(tables, ignore_index=True).assign(network=network, arm=arm, seed=seed)
            write_table(table[MEASURED.names], place / _file(number), MEASURED)
            seal_shard(place, KIND, number, [_file(number)])
    return read_shards(place, KIND, MEASURED)


def _file(number: int) -> str:
    return f"{KIND}-{number:05d}.parquet"


def _key(datasets: Mapping[str, Dataset]) -> str:
    """The digest of all that decides the tables."""
    weights = [file_digest(WEIGHTS / demo_weights_file(demo_arm(network, ARMS[0].name, 0))) for network in ARM_NETWORKS]
    images = [(name, dataset.fingerprint, _shown(dataset)) for name, dataset in datasets.items()]
    return hashlib.sha256(
        json.dumps([bias_toolkit.__version__, weights, images, SWEEP.name, MEASURED.names]).encode()
    ).hexdigest()


def _shown(dataset: Dataset) -> list[str]:
    return dataset.images["image_id"].head(IMAGES[dataset.root.removeprefix("demo:")]).tolist()


def _pictures(dataset: Dataset) -> dict[str, np.ndarray]:
    return {image_id: dataset.read(image_id) for image_id in _shown(dataset)}


def _measured(
    name: str,
    datasets: Mapping[str, Dataset],
    pictures: Mapping[str, Mapping[str, np.ndarray]],
    advance: Callable[[int], None],
) -> Iterator[pd.DataFrame]:
    """The measures of one network on the images of each test set."""
    model = load_model(f"demo:{name}", runtime=RUNTIME)
    for dataset, images in pictures.items():
        labels = datasets[dataset].images.set_index("image_id")["label"].astype(int)
        (made,) = sweep_shards(
            model,
            images.__getitem__,
            [Shard(0, list(images))],
            SWEEP,
            label_indices=labels.to_dict(),
            batch_size=model.batch_size,
            advance=advance,
        )
        responses = made["responses"]
        right = responses["top1"].str[CENTRE] == responses["label_index"]
        yield measures_table(responses)[["image_id", *ARM_MEASURES]].assign(dataset=dataset, right=right)
