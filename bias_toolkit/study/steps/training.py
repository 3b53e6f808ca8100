"""Training the study's model further on the training set: an arm for each remedy, and one without."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.pipeline.step import Job, sharded
from bias_toolkit.study.settings import BATCH_OF_TRAINING
from bias_toolkit.study.steps.features import features
from bias_toolkit.study.steps.images import sample_of_images

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from bias_toolkit.foundation.progress import Advance
    from bias_toolkit.foundation.shards import Shard
    from bias_toolkit.models import Model
    from bias_toolkit.study.settings import Settings

WEIGHTS, FACTORY = "network.safetensors", "network.py"
BATCHES_AHEAD = 2


def training_images(job: Job) -> list[tuple[str, int]]:
    """The training images and the class of each: those that were embedded and have a label."""
    images = job.results.images("train").set_index("image_id")["label"]
    classes = job.inputs.training_classes
    labels = images.reindex(job.results.features("train").image_ids)
    used = [(image_id, classes[label]) for image_id, label in labels.items() if label in classes]
    if not used:
        raise InputError("No training image has a label, so the model cannot be trained on them.")
    return drawn(used, job.settings)


def drawn(used: list[tuple[str, Any]], settings: Settings) -> list[tuple[str, Any]]:
    """The images that are trained on, of those that could be: a seeded sample if `train_images` is given."""
    limit = settings.train_images
    return used if limit is None or limit >= len(used) else sample_of_images(used, limit, settings.seed)


def _batches(job: Job) -> int:
    """Batches in an epoch."""
    n_images = len(training_images(job))
    return n_images // min(BATCH_OF_TRAINING, n_images)


def _outputs() -> dict[str, Any]:
    from bias_toolkit.models.schema import TRAINING

    return {"state": None, "log": TRAINING}


def starting_network(job: Job, arm_name: str) -> nn.Module:
    """The network of an arm before its training; with a new head if no label is a class of the study's model."""
    from bias_toolkit.models.training.arms import arm_of
    from bias_toolkit.models.training.head import with_new_head

    inputs = job.inputs
    network = arm_of(arm_name).network(inputs.model.module, inputs.model.input_size)
    if inputs.needs_new_head:
        with_new_head(network, len(inputs.training_classes), inputs.model.input_size, job.settings.seed)
    return network


@sharded(
    "training/{arm}",
    over="training_arms",
    needs=[features.of("train")],
    inputs=["model", "label_map"],
    requires=["train", "model"],
    check=lambda inputs: inputs.check_training(),
    settings=["train_epochs", "train_images", "train_rate", "feature_size", "seed"],
    items=lambda job, arm: [str(batch) for batch in range(job.settings.train_epochs * _batches(job))],
    shard_size=lambda job, arm: _batches(job),
    outputs=_outputs,
    files=["state", "log"],
    label="Training, {arm}",
    finish=lambda job, arm: write_network(job, arm),
    in_turn=True,
    writes=[WEIGHTS, FACTORY],
    command="remedies",
)
def training(job: Job, arm: str, shards: Iterator[Shard], advance: Advance) -> Iterator[Mapping[str, Any]]:
    """One arm, epoch by epoch; each epoch is a shard, and continues from the state of the one before."""
    import pandas as pd

    from bias_toolkit.models.precision import full_float32
    from bias_toolkit.models.training.epoch import Schedule, epoch_order, new_optimizer, train_epoch
    from bias_toolkit.models.training.state import from_array, to_array

    model, settings = job.inputs.model, job.settings
    images = training_images(job)
    network = starting_network(job, arm).to(model.device)
    optimizer = new_optimizer(network, settings.train_rate)
    schedule = Schedule(settings.train_epochs, _batches(job), settings.train_rate)
    done = 0
    for epoch, _ in shards:
        if epoch != done:
            from_array(_state(job, epoch - 1), network, optimizer)
        order = epoch_order(len(images), BATCH_OF_TRAINING, epoch, settings.seed)
        with full_float32():
            result = train_epoch(
                network,
                optimizer,
                schedule,
                epoch,
                _inputs(job, arm, images, order),
                seed=settings.seed,
                advance=lambda loss: advance(1, f"loss {loss:.2f}"),
            )
        done = epoch + 1
        row = pd.DataFrame([(epoch + 1, result.loss, result.accuracy)], columns=["epoch", "loss", "accuracy"])
        yield {"state": to_array(network, optimizer), "log": row}


def _state(job: Job, epoch: int) -> np.ndarray:
    from bias_toolkit.foundation.files import read_array

    return read_array(job.folder / f"state-{epoch:05d}.npy", 1)


def _inputs(
    job: Job, arm: str, images: list[tuple[str, int]], order: list[np.ndarray]
) -> Iterator[tuple[Tensor, Tensor]]:
    """The normalised images and classes of each batch. Images are decoded ahead in threads; random views are not."""
    import numpy as np
    import torch

    from bias_toolkit.foundation.threads import decoding_workers, ordered_map
    from bias_toolkit.invariance import centre_reduction, centre_view
    from bias_toolkit.models.training.arms import arm_of
    from bias_toolkit.models.training.views import as_tensor, random_views

    model, train = job.inputs.model, job.inputs.train
    side, size = model.input_size, job.settings.feature_size
    augmented = arm_of(arm).augmented
    augment = random_views(side, model.preprocessing.mean)

    def read(number: int) -> np.ndarray:
        image_id = images[number][0]
        if augmented:
            return train.read(image_id)
        return centre_view(train.read_reduced(image_id, centre_reduction(side, size)), side, size).pixels[0]

    numbers = [int(number) for batch in order for number in batch]
    pixels = ordered_map(read, numbers, workers=decoding_workers(), ahead=BATCHES_AHEAD * BATCH_OF_TRAINING)
    for batch in order:
        shown = [next(pixels) for _ in batch]
        if augmented:
            shown = [augment(as_tensor(each)).permute(1, 2, 0).numpy() for each in shown]
        yield model.normalise(np.stack(shown)), torch.tensor([images[number][1] for number in batch])


def trained_model(job: Job, arm: str) -> Model:
    """The model of an arm after its training."""
    from bias_toolkit.models.training.state import network_tensors

    model = job.inputs.model
    network = starting_network(job, arm)
    array = job.results.stored.read(training, "", lambda folder: _last_state(folder, job), arm)
    network.load_state_dict(network_tensors(array, network))
    names = list(job.inputs.training_classes) if job.inputs.needs_new_head else None
    return model.with_module(network.eval(), f"{model.name}, {arm}", names)


def _last_state(folder: Any, job: Job) -> np.ndarray:
    from bias_toolkit.foundation.files import read_array

    return read_array(folder / f"state-{job.settings.train_epochs - 1:05d}.npy", 1)


def write_network(job: Job, arm: str) -> None:
    """Write the trained network as files that the toolkit and torch can load."""
    from bias_toolkit.models.training.arms import arm_of
    from bias_toolkit.models.training.state import network_tensors

    tensors = network_tensors(_last_state(job.folder, job), starting_network(job, arm))
    give_back(job, tensors, arm_of(arm).filter_size, new_head=job.inputs.needs_new_head)


def give_back(job: Job, tensors: Mapping[str, Tensor], filter_size: int, *, new_head: bool = False) -> None:
    """Write a changed network: its weights and, if its architecture can be built by name, a function that builds it."""
    from bias_toolkit.models.give_back import write_factory, write_weights

    write_weights(tensors, job.folder / WEIGHTS)
    if (spec := job.inputs.rebuildable(new_head=new_head)) is not None:
        write_factory(job.folder / FACTORY, spec, WEIGHTS, filter_size, job.inputs.model.reading.outputs)
