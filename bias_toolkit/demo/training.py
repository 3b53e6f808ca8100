"""The training of the demo's networks: `python -m bias_toolkit.demo.training --out FOLDER`.

Only the centre view of each training image is used, without augmentation, so any invariance of a network comes from its
architecture or from the framing of the training images. With `--arm` and `--seed`, a network is trained with more
augmentation, with low-pass filters, with both, or with neither.
"""

import argparse
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from bias_toolkit.datasets.demo import load_demo_dataset
from bias_toolkit.foundation.memory import keep_freed_memory
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.foundation.resampling import named_generator
from bias_toolkit.models.demo import (
    DEMO_INPUT_SIZE,
    DEMO_NETWORKS,
    DEMO_PREPROCESSING,
    build_demo_network,
    demo_training_set,
    demo_weights_file,
)
from bias_toolkit.models.give_back import write_weights
from bias_toolkit.models.specs import ARM_NETWORKS, demo_arm
from bias_toolkit.models.training.arms import ARMS, Arm, arm_of
from bias_toolkit.models.training.views import as_tensor, random_views

EPOCHS = 12
BATCH = 64
ARM_EPOCHS = 6
ARM_BATCH = 32
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 1e-4
CENTRE_VIEW = slice(4, 4 + DEMO_INPUT_SIZE)


def train_demo_network(
    name: str,
    arm: Arm = ARMS[0],
    *,
    seed: int = 0,
    epochs: int = EPOCHS,
    batch: int = BATCH,
    images: int | None = None,
    progress: Progress = silent,
) -> nn.Module:
    """Train one of the demo's networks from scratch on its training set, on the CPU.

    Cross-entropy, AdamW, one cycle of the learning rate. The same seed gives the same weights on one machine with one
    number of threads; every arm of a seed has the same initial weights and the same order of images. Torch's global
    random state is not changed.

    `seed` sets the initial weights, the order of the images, the dropout and the random views; only the first `images`
    are used, in batches of `batch`. The network is returned in eval mode. Raises InputError if there is no demo network
    of that name.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = arm.network(build_demo_network(name), DEMO_INPUT_SIZE).to(memory_format=torch.channels_last)
        pixels, labels = training_images(demo_training_set(name), images)
        batches = len(pixels) // batch
        optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=epochs * batches)
        inputs = centre_views(pixels)
        with progress(f"Training {name}, {arm.name}, seed {seed}", total=epochs * batches) as advance:
            for epoch in range(epochs):
                if arm.augmented:
                    inputs = varied_views(pixels, epoch, seed)
                for rows in torch.randperm(len(inputs))[: batches * batch].split(batch):
                    loss = functional.cross_entropy(network(inputs[rows]), labels[rows])
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    schedule.step()
                    advance(1)
    return network.eval()


@lru_cache
def training_images(dataset_name: str, images: int | None = None) -> tuple[Tensor, Tensor]:
    """A demo dataset's first images, uint8 (n, 3, 74, 74), and their classes (n)."""
    dataset = load_demo_dataset(dataset_name)
    table = dataset.images.head(len(dataset.images) if images is None else images)
    pixels = torch.stack([as_tensor(dataset.read(image_id)) for image_id in table["image_id"]])
    return pixels, torch.from_numpy(table["label"].astype(int).to_numpy(copy=True))


def centre_views(pixels: Tensor) -> Tensor:
    """The centre views of images uint8 (n, 3, 74, 74), normalised: float32 (n, 3, 64, 64)."""
    return _normalised(pixels[:, :, CENTRE_VIEW, CENTRE_VIEW])


def varied_views(pixels: Tensor, epoch: int, seed: int) -> Tensor:
    """One random view of each image (`random_views`), as `centre_views`; without mirroring, as digits have a side.

    They depend on the seed and the epoch only. Torch's global random state is not changed.
    """
    augment = random_views(DEMO_INPUT_SIZE, DEMO_PREPROCESSING.mean, flip=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(named_generator(seed, f"views {epoch}").integers(2**31)))
        return _normalised(torch.stack([augment(image) for image in pixels]))


def _normalised(pixels: Tensor) -> Tensor:
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (DEMO_PREPROCESSING.mean, DEMO_PREPROCESSING.std))
    return ((pixels.float() / 255 - mean) / std).contiguous(memory_format=torch.channels_last)


def add_weights(network: nn.Module, path: Path, name: str) -> None:
    """Write a network's weights, in float16 and under its name, into a file that may hold other networks."""
    kept = load_file(path) if path.exists() else {}
    state = {f"{name}.{key}": tensor for key, tensor in network.state_dict().items()}
    write_weights(kept | {key: each.half() if each.is_floating_point() else each for key, each in state.items()}, path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the networks and write their weights."""
    parser = argparse.ArgumentParser(prog="python -m bias_toolkit.demo.training", description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the weights are written")
    parser.add_argument("--network", choices=DEMO_NETWORKS, action="append", help="one of them only")
    parser.add_argument(
        "--arm", choices=[arm.name for arm in ARMS], action="append", help="train it with these remedies"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int)
    options = parser.parse_args(arguments)
    keep_freed_memory()
    for network in options.network or (ARM_NETWORKS if options.arm else DEMO_NETWORKS):
        if not options.arm:
            path = options.out / demo_weights_file(network)
            trained = train_demo_network(network, seed=options.seed, epochs=options.epochs or EPOCHS)
            write_weights(trained.state_dict(), path)
            print(path)
        for arm in options.arm or ():
            name = demo_arm(network, arm, options.seed)
            path = options.out / demo_weights_file(name)
            epochs = options.epochs or ARM_EPOCHS
            trained = train_demo_network(network, arm_of(arm), seed=options.seed, epochs=epochs, batch=ARM_BATCH)
            add_weights(trained, path, name)
            print(f"{path}: {name}")


if __name__ == "__main__":
    main()
