"""Run sweeps over a framing map's cells, shard by shard."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bias_toolkit.foundation.files import read_shards
from bias_toolkit.foundation.shards import Shard
from bias_toolkit.invariance.framing_grid import Framed, FramingGrid, framed_pictures
from bias_toolkit.invariance.measures import INVARIANCE_MEASURES, measures_of
from bias_toolkit.invariance.packing import evaluate_shards
from bias_toolkit.invariance.protocols.crop import CROP
from bias_toolkit.invariance.response import make_response
from bias_toolkit.invariance.schema import FRAMED
from bias_toolkit.invariance.sweep import Sweep
from bias_toolkit.invariance.transforms import CENTRE, STEPS, transform_of
from bias_toolkit.invariance.views import Views

if TYPE_CHECKING:
    from bias_toolkit.models import Model

IMAGES_AHEAD = 3
MEASURES = [each for each in INVARIANCE_MEASURES if each.name in FRAMED.names]


def grid_shards(
    model: Model,
    read: Callable[[str], np.ndarray],
    shards: Iterable[Shard],
    boxes: Mapping[str, Sequence[float]],
    grid: FramingGrid,
    surroundings: str,
    *,
    transform: str = "diagonal",
    label_indices: Mapping[str, int],
    batch_size: int,
    advance: Callable[[int], None],
) -> Iterator[dict[str, pd.DataFrame]]:
    """The measures of images whose objects are shown in every cell that they fit into.

    In each cell the model gets a sweep of 8 steps of one pixel around it. A batch never spans two shards. The model
    gets the next shard's batches before it has returned the last outputs of a shard. Closing the generator ends the
    threads. Yields for each shard, in order: "framed", the table FRAMED, and "skipped", the table SKIPPED. Raises
    InputError if the transform is unknown, or the model's output for an image is not finite.

    Parameters
    ----------
    boxes : image_id to x0, y0, x1, y1 of its object, in pixels; an image without an entry is itself the object.
    surroundings : {"mean", "black", "inpaint", "real"}
    transform : {"diagonal", "horizontal", "vertical"}
    read, shards, label_indices, batch_size, advance : as for `sweep_shards`; `read` returns whole images.
    """
    sweep = Sweep(CROP.name, transform, 1.0)
    shifts = transform_of(transform).path() - CENTRE

    def prepare(image_id: str) -> Iterator[tuple[Framed, Views]]:
        image, box = read(image_id), boxes.get(image_id)
        framed = framed_pictures(image, box, grid.cells, surroundings, model.input_size, CENTRE)
        # Views are made only when the model needs them: the views of all cells of all images ahead take much memory.
        return ((each, each.picture.views(shifts)) for each in framed)

    def make_row(image_id: str, framed: Framed, probabilities: np.ndarray, features: np.ndarray) -> dict:
        cell, window, picture = framed
        label_index = label_indices.get(image_id)
        response = make_response(probabilities, features, sweep, label_index)
        seen = picture.outside[CENTRE:-CENTRE, CENTRE:-CENTRE]
        return {
            "image_id": image_id,
            "surroundings": surroundings,
            "cx": cell.cx,
            "cy": cell.cy,
            "scale": cell.scale,
            "magnification": float(1 / np.sqrt(window.step_x * window.step_y)),
            "made_up": float(seen.mean()),
            "label_index": label_index,
            "top1": int(response["top1"][CENTRE]),
            "n_steps": STEPS,
        } | measures_of(response, MEASURES)

    return evaluate_shards(
        model, shards, prepare, make_row, "framed", FRAMED, ahead=IMAGES_AHEAD, batch_size=batch_size, advance=advance
    )


def load_grid(folder: str | os.PathLike) -> pd.DataFrame:
    """The measures of all shards of a framing map in a folder, table FRAMED."""
    return read_shards(folder, "framed", FRAMED)
