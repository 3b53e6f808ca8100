"""One epoch of a training: AdamW, cross-entropy, a cosine schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.resampling import named_generator
from bias_toolkit.models.feature_layer import network_logits

WEIGHT_DECAY = 0.01


@dataclass(frozen=True)
class Schedule:
    """`epochs` of `batches` steps each; the learning rate falls from `rate` to 0 along half a cosine.

    Source: I. Loshchilov & F. Hutter, "SGDR", ICLR 2017, equation 5, with one period.
    """

    epochs: int
    batches: int
    rate: float

    def at(self, step: int) -> float:
        """The learning rate of a step, counted from 0 over all epochs."""
        return self.rate / 2 * (1 + math.cos(math.pi * step / (self.epochs * self.batches)))


@dataclass(frozen=True)
class EpochResult:
    """The mean loss of an epoch in nats, and the share of its images on which the network was right."""

    loss: float
    accuracy: float


def new_optimizer(network: nn.Module, rate: float) -> AdamW:
    """AdamW (I. Loshchilov & F. Hutter, "Decoupled weight decay regularization", ICLR 2019) for a network."""
    return AdamW(network.parameters(), lr=rate, weight_decay=WEIGHT_DECAY)


def epoch_order(n_images: int, batch_size: int, epoch: int, seed: int) -> list[np.ndarray]:
    """The images of each batch of an epoch, by number. The rest that fills no batch is left out of this epoch."""
    order = named_generator(seed, f"epoch {epoch}").permutation(n_images)
    size = min(batch_size, n_images)
    return np.split(order[: n_images // size * size], n_images // size)


def train_epoch(
    network: nn.Module,
    optimizer: AdamW,
    schedule: Schedule,
    epoch: int,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    seed: int,
    advance: Callable[[float], None] = lambda loss: None,
) -> EpochResult:
    """Train a network for one epoch.

    On the CPU, the same seed gives the same weights, whether the training was interrupted before this epoch or not.
    Torch's global random state is not changed. On CUDA, the forward pass has mixed precision (bfloat16).

    `batches` are normalised images (n, 3, W, W) and class indices (n,). They are drawn inside the seeded block, so they
    may use torch's generator. `advance` is called with the loss of each step. Raises InputError if a loss is not
    finite.
    """
    device = next(network.parameters()).device
    total = right = images = 0
    devices = [device] if device.type == "cuda" else []
    mixed = torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(int(named_generator(seed, f"training {epoch}").integers(2**31)))
        for number, (inputs, classes) in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = schedule.at(epoch * schedule.batches + number)
            with mixed:
                logits = network_logits(network(inputs.to(device))).float()
            targets = classes.to(device)
            loss = functional.cross_entropy(logits, targets)
            value = float(loss.detach())
            if not math.isfinite(value):
                raise InputError(
                    f"The loss became {value:g} in step {number + 1} of epoch {epoch + 1}; give a smaller --train-rate."
                )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += value * len(classes)
            right += int((logits.argmax(dim=1) == targets).sum())
            images += len(classes)
            advance(value)
    return EpochResult(total / images, right / images)
