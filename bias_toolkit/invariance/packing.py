"""Packing the views of many images into batches, and handing the outputs back image by image."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from bias_toolkit.invariance.views import Views

if TYPE_CHECKING:
    from bias_toolkit.models import Model


def evaluate_packed(
    model: Model, images: Iterable[tuple[Hashable, Views]], batch_size: int
) -> Iterator[tuple[Hashable, np.ndarray, np.ndarray]]:
    """Run the model on the views of each image, in batches that run on across images.

    Every batch but the last has exactly `batch_size` views.

    Parameters
    ----------
    images : iterable of (key, Views)
        All of the same fill.

    Yields
    ------
    key, probabilities (V, C), features (V, D)
        For each image, in order.
    """
    waiting = deque()

    def single_views():
        for key, views in images:
            waiting.append((key, len(views)))
            blank = views.blank
            for k in range(len(views)):
                yield views.pixels[k], None if blank is None else blank[k]

    outputs = []
    for output in _evaluate_batches(model, single_views(), batch_size):
        outputs.append(output)
        if len(outputs) == waiting[0][1]:
            key, _ = waiting.popleft()
            probabilities, features = zip(*outputs, strict=True)
            yield key, np.stack(probabilities), np.stack(features)
            outputs = []


def _evaluate_batches(
    model: Model, views: Iterator[tuple[np.ndarray, np.ndarray | None]], batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Probabilities and feature of each single view, in order."""
    while batch := list(islice(views, batch_size)):
        pixels, blank = zip(*batch, strict=True)
        outputs = model.evaluate(np.stack(pixels), None if blank[0] is None else np.stack(blank))
        yield from zip(outputs.probabilities, outputs.features, strict=True)
