"""The demo's networks trained in four arms with three seeds each: their measures on both test sets.

The measures ship with the package, as the weights do: 24 networks on 800 images would take minutes in every demo. They
are made by `python -m bias_toolkit.demo.arms`, with one light sweep of each network.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from bias_toolkit.datasets import Dataset
from bias_toolkit.datasets.demo import load_demo_dataset
from bias_toolkit.foundation.bars import shown
from bias_toolkit.foundation.files import columns, file_digest, read_table, write_table
from bias_toolkit.foundation.progress import Advance, Progress, silent
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
SHIPPED = Path(__file__).parent / "arms.parquet"
MADE_OF = SHIPPED.with_suffix(".sha256")
"""The digest of what the shipped table was made of."""

MEASURED = pa.schema(
    [
        *columns(pa.string(), "dataset", "image_id", "network", "arm"),
        ("seed", pa.int32()),
        *columns(pa.float32(), *ARM_MEASURES),
        ("right", pa.bool_()),
    ]
)
"""One row per test set, image and network. `right` is whether the centre view's top-1 class is the label."""


def measured_arms() -> pd.DataFrame:
    """Table MEASURED of all arms and seeds of both networks, as it ships."""
    return read_table(SHIPPED, MEASURED)


def measure_arms(progress: Progress = silent) -> pd.DataFrame:
    """Table MEASURED of all arms and seeds of both networks, computed."""
    datasets = {name: load_demo_dataset(name) for name in IMAGES}
    # Drawing an image takes as long as showing it to a network.
    pictures = {
        name: {image_id: dataset.read(image_id) for image_id in _shown(dataset)} for name, dataset in datasets.items()
    }
    members, tables = list(product(ARM_NETWORKS, [arm.name for arm in ARMS], DEMO_SEEDS)), []
    with progress("Four arms, three seeds", total=len(members) * sum(map(len, pictures.values()))) as advance:
        for network, arm, seed in members:
            for table in _measured(demo_arm(network, arm, seed), datasets, pictures, advance):
                tables.append(table.assign(network=network, arm=arm, seed=seed))
    return pd.concat(tables, ignore_index=True)[MEASURED.names]


def made_of() -> str:
    """The digest of all that decides the table."""
    weights = [file_digest(WEIGHTS / demo_weights_file(demo_arm(network, ARMS[0].name, 0))) for network in ARM_NETWORKS]
    images = [(name, load_demo_dataset(name).fingerprint, n) for name, n in IMAGES.items()]
    return hashlib.sha256(json.dumps([weights, images, SWEEP.name, MEASURED.names]).encode()).hexdigest()


def _shown(dataset: Dataset) -> list[str]:
    return dataset.images["image_id"].head(IMAGES[dataset.root.removeprefix("demo:")]).tolist()


def _measured(
    name: str,
    datasets: Mapping[str, Dataset],
    pictures: Mapping[str, Mapping[str, np.ndarray]],
    advance: Advance,
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


if __name__ == "__main__":
    write_table(measure_arms(shown(True)), SHIPPED, MEASURED)
    MADE_OF.write_text(made_of() + "\n", encoding="utf-8")
