"""Run the predictions of one remedy along a sweep, shard by shard."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bias_toolkit.datasets import skipped_table
from bias_toolkit.foundation.files import empty_table, read_shards
from bias_toolkit.foundation.shards import Shard
from bias_toolkit.invariance.measures import measure_of, measures_of
from bias_toolkit.invariance.packing import evaluate_shards
from bias_toolkit.invariance.remedies import Remedy
from bias_toolkit.invariance.response import make_response
from bias_toolkit.invariance.schema import REMEDIED, REMEDIED_MEASURES
from bias_toolkit.invariance.sweep import Sweep, sweep_picture
from bias_toolkit.invariance.transforms import CENTRE, STEPS, transform_of
from bias_toolkit.invariance.views import Views

if TYPE_CHECKING:
    from bias_toolkit.models import Model

IMAGES_AHEAD = 4
MEASURES = [measure_of(name) for name in REMEDIED_MEASURES]


@dataclass(frozen=True)
class RemedyRun:
    """A remedy, by its name (`remedy_of`), along one sweep of shifts: crop or embed."""

    name: str
    sweep: Sweep


def remedy_shards(
    network: Model | None,
    read: Callable[[str], np.ndarray],
    shards: Iterable[Shard],
    remedy: Remedy,
    sweep: Sweep,
    *,
    label_indices: Mapping[str, int],
    batch_size: int,
    advance: Callable[[int], None],
) -> Iterator[dict[str, pd.DataFrame]]:
    """The measures of a remedy's predictions on images along a sweep.

    Yields for each shard, in order: "remedied", the table REMEDIED, and "skipped", the table SKIPPED. The tables are
    empty if there is no network, as the remedy does not apply. Raises InputError if the output for an image is not
    finite.

    Parameters
    ----------
    network : the remedy's.
    sweep : crop or embed, with a transform that shifts.
    read, shards, label_indices, batch_size, advance : as for `sweep_shards`; `read` returns whole images.
    """
    if network is None:
        for shard in shards:
            advance(len(shard.items))
            yield {"remedied": empty_table(REMEDIED), "skipped": skipped_table([])}
        return
    path = transform_of(sweep.transform).path() - CENTRE

    def prepare(image_id: str) -> list[tuple[None, Views]]:
        picture = sweep_picture(read(image_id), sweep, network.input_size, image_id, CENTRE + remedy.margin)
        return [(None, remedy.views(picture, path))]

    def make_row(image_id: str, _: None, probabilities: np.ndarray, features: np.ndarray) -> dict:
        label_index = label_indices.get(image_id)
        predictions = remedy.predictions(probabilities, path)
        # No measure of a remedy is of the features.
        response = make_response(predictions, np.zeros((len(path), 1)), sweep, label_index)
        return {
            "image_id": image_id,
            "remedy": remedy.name,
            "label_index": label_index,
            "top1": int(response["top1"][CENTRE]),
            "n_steps": STEPS,
        } | measures_of(response, MEASURES)

    yield from evaluate_shards(
        network,
        shards,
        prepare,
        make_row,
        "remedied",
        REMEDIED,
        ahead=IMAGES_AHEAD,
        batch_size=batch_size,
        advance=advance,
    )


def load_remedied(folder: str | os.PathLike) -> pd.DataFrame:
    """The measures of all shards of a remedy in a folder, table REMEDIED."""
    return read_shards(folder, "remedied", REMEDIED)
