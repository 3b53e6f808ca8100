"""The training of the demo's networks: `python -m bias_toolkit.demo.training --out FOLDER`.

Only the centre view of each training image is used, without augmentation, so any invariance of a network comes from its
architecture or from the framing of the training images.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from bias_toolkit.datasets.demo import load_demo_dataset
from bias_toolkit.foundation.files import atomic_path
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.models.demo import (
    DEMO_INPUT_SIZE,
    DEMO_NETWORKS,
    DEMO_PREPROCESSING,
    build_demo_network,
    demo_training_set,
    demo_weights_file,
)

EPOCHS = 12
BATCH = 64
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 1e-4
CENTRE_VIEW = slice(4, 4 + DEMO_INPUT_SIZE)


def train_demo_network(
    name: str, *, seed: int = 0, epochs: int = EPOCHS, images: int | None = None, progress: Progress = silent
) -> nn.Module:
    """Train one of the demo's networks on the centre views of its training set, on the CPU.

    Cross-entropy, AdamW, one cycle of the learning rate. The same seed gives the same weights on one machine with one
    number of threads. Torch's global random state is not changed.

    `seed` sets the initial weights, the order of the images and the dropout; only the first `images` are used. The
    network is returned in eval mode. Raises InputError if there is no demo network of that name.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_demo_network(name).to(memory_format=torch.channels_last).train()
        inputs, labels = training_views(demo_training_set(name), images)
        batches = len(inputs) // BATCH
        optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=epochs * batches)
        with progress(f"Training {name}", total=epochs * batches) as advance:
            for _ in range(epochs):
                for rows in torch.randperm(len(inputs))[: batches * BATCH].split(BATCH):
                    loss = functional.cross_entropy(network(inputs[rows]), labels[rows])
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    schedule.step()
                    advance(1)
    return network.eval()


def training_views(dataset_name: str, images: int | None = None) -> tuple[Tensor, Tensor]:
    """The centre views of a demo dataset's first images, normalised (n × 3 × 64 × 64), and their classes (n)."""
    dataset = load_demo_dataset(dataset_name)
    table = dataset.images.head(len(dataset.images) if images is None else images)
    pixels = np.stack([dataset.read(image_id)[CENTRE_VIEW, CENTRE_VIEW] for image_id in table["image_id"]])
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (DEMO_PREPROCESSING.mean, DEMO_PREPROCESSING.std))
    inputs = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - mean) / std
    labels = torch.from_numpy(table["label"].astype(int).to_numpy(copy=True))
    return inputs.contiguous(memory_format=torch.channels_last), labels


def save_weights(network: nn.Module, path: Path) -> None:
    """Write a network's weights as safetensors."""
    state = {key: tensor.detach().contiguous() for key, tensor in network.state_dict().items()}
    with atomic_path(path) as temporary:
        save_file(state, temporary)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the networks and write their weights."""
    parser = argparse.ArgumentParser(prog="python -m bias_toolkit.demo.training", description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the weights are written")
    parser.add_argument("--network", choices=DEMO_NETWORKS, action="append", help="one of them only")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    options = parser.parse_args(arguments)
    for name in options.network or DEMO_NETWORKS:
        path = options.out / demo_weights_file(name)
        save_weights(train_demo_network(name, seed=options.seed, epochs=options.epochs), path)
        print(path)


if __name__ == "__main__":
    main()
