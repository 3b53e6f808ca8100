"""Run a sweep over a dataset's images, shard by shard."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bias_toolkit.foundation.files import empty_table, read_shards, read_table, shard_files
from bias_toolkit.foundation.shards import Shard
from bias_toolkit.foundation.threads import decoding_workers
from bias_toolkit.invariance.measures_table import measures_table
from bias_toolkit.invariance.packing import evaluate_shards
from bias_toolkit.invariance.response import make_response
from bias_toolkit.invariance.schema import MEASURES, RESPONSES
from bias_toolkit.invariance.sweep import Sweep, make_views
from bias_toolkit.invariance.views import Views

if TYPE_CHECKING:
    from bias_toolkit.models import Model

SHARDS_AT_ONCE = 32


def sweep_shards(
    model: Model,
    read: Callable[[str], np.ndarray | Iterable[np.ndarray]],
    shards: Iterable[Shard],
    sweep: Sweep,
    *,
    label_indices: Mapping[str, int],
    batch_size: int,
    advance: Callable[[int], None],
) -> Iterator[dict[str, pd.DataFrame]]:
    """The responses of a model to a sweep over images.

    Images are decoded and views made in threads, ahead of the model and across the ends of shards. A batch never spans
    two shards, so the responses do not depend on which shards are requested together. Closing the generator ends the
    threads. Yields for each shard, in order: "responses", the table RESPONSES, and "skipped", the table SKIPPED. Raises
    InputError if the sweep's size leaves nothing of an image, or the model's output for an image is not finite.

    Parameters
    ----------
    read : returns the image of an id, uint8 (height, width, 3) or reduced, or the frames of its clip; an image for
        which it raises `UnreadableImageError` is left out and listed among the skipped.
    shards : of image ids.
    label_indices : from image id to the index of its label's class; images without one have no label.
    batch_size : views in a batch.
    advance : is called with the number of images done since the last call.
    """

    def prepare(image_id: str) -> list[tuple[None, Views]]:
        return [(None, make_views(read(image_id), sweep, model.input_size, image_id))]

    def make_row(image_id: str, _: None, probabilities: np.ndarray, features: np.ndarray) -> dict:
        columns = make_response(probabilities, features, sweep, label_indices.get(image_id))
        return {"image_id": image_id, **sweep.columns(), **columns}

    return evaluate_shards(
        model,
        shards,
        prepare,
        make_row,
        "responses",
        RESPONSES,
        ahead=2 * decoding_workers() + math.ceil(batch_size / sweep.n_views),
        batch_size=batch_size,
        advance=advance,
    )


def load_responses(folder: str | os.PathLike) -> pd.DataFrame:
    """The responses of all shards in a folder, in image order."""
    return read_shards(folder, "responses", RESPONSES)


def load_measures(folder: str | os.PathLike) -> pd.DataFrame:
    """The measures of all shards of responses in a folder, in image order.

    Responses are much larger than measures, so only `SHARDS_AT_ONCE` shards of them are in memory at a time.
    """
    paths = shard_files(folder, "responses")
    parts = [paths[start : start + SHARDS_AT_ONCE] for start in range(0, len(paths), SHARDS_AT_ONCE)]
    tables = [measures_table(pd.concat(map(read_table, part))) for part in parts]
    return pd.concat(tables, ignore_index=True) if tables else empty_table(MEASURES)
