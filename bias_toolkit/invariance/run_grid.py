"""Running sweeps over a framing map's cells: image by image, so that a killed run goes on where it stopped."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from bias_toolkit.datasets.schema import SKIPPED
from bias_toolkit.foundation.errors import UnreadableImageError
from bias_toolkit.foundation.files import empty_table, seal_shard, sealed_shards, shard_slices, write_table
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.foundation.threads import decoding_workers, ordered_map
from bias_toolkit.invariance import measures
from bias_toolkit.invariance.framing_grid import REAL, FramingCell, FramingGrid, framed_window
from bias_toolkit.invariance.packing import evaluate_packed
from bias_toolkit.invariance.response import check_finite, make_response
from bias_toolkit.invariance.schema import FRAMED
from bias_toolkit.invariance.sweep import CENTRE, STEPS, Sweep
from bias_toolkit.invariance.views import Views, path
from bias_toolkit.invariance.window import Picture, Window, take_picture

if TYPE_CHECKING:
    from bias_toolkit.models import Model

IMAGES_AHEAD = 3
KIND = "framed"


def run_grid(
    model: Model,
    read: Callable[[str], np.ndarray],
    image_ids: Sequence[str],
    boxes: Mapping[str, Sequence[float]],
    grid: FramingGrid,
    surroundings: str,
    folder: str | os.PathLike,
    *,
    transform: str = "diagonal",
    label_indices: Mapping[str, int],
    batch_size: int,
    shard_size: int = 2,
    progress: Progress = silent,
) -> None:
    """Write the measures of images whose objects are shown in every cell they fit into; do only what is missing.

    In each cell the model is given a sweep of 8 steps of one pixel around it. A shard is of whole images, and
    batches never run across shards.

    Parameters
    ----------
    read : callable
        Gives the image of an id, uint8 (height, width, 3); an image for which it raises `UnreadableImageError` is left
        out and listed among the skipped.
    boxes : mapping
        image_id to x0, y0, x1, y1 of its object, in pixels; an image that is not in it is its own object.
    surroundings : {"mean", "black", "inpaint", "real"}
    transform : {"diagonal", "horizontal", "vertical"}
    label_indices : mapping
        From an image's id to its label's place among the model's classes; ids without one have no label.
    batch_size : int
        Views in a batch.
    shard_size : int
        Images in a shard.

    Raises
    ------
    InputError
        If the model's output for an image is not finite.
    """
    folder = Path(folder)
    image_ids = list(image_ids)
    slices = shard_slices(len(image_ids), shard_size)
    whole = sealed_shards(folder, KIND)
    missing = {number: image_ids[part] for number, part in enumerate(slices) if number not in whole}
    cells = grid.cells

    def prepare(image_id: str) -> list[tuple[FramingCell, Window, Picture]] | UnreadableImageError:
        try:
            image = read(image_id)
        except UnreadableImageError as error:
            return error
        return _pictures(image, boxes.get(image_id), cells, model.input_size, surroundings)

    prepared = ordered_map(
        prepare, chain.from_iterable(missing.values()), workers=decoding_workers(), ahead=IMAGES_AHEAD
    )
    done = len(image_ids) - sum(map(len, missing.values()))
    with (
        progress(f"Map, {surroundings}", total=len(image_ids), done=done) as advance,
        closing(prepared),
        closing(
            _shards(model, missing, prepared, transform, surroundings, label_indices, batch_size, advance)
        ) as shards,
    ):
        for number, rows, skipped in shards:
            paths = folder / f"skipped-{number:05d}.parquet", _path(folder, number)
            write_table(skipped, paths[0], SKIPPED)
            write_table(rows, paths[1], FRAMED)
            seal_shard(folder, KIND, number, [path.name for path in paths])


def load_grid(folder: str | os.PathLike) -> pd.DataFrame:
    """The measures of all shards in a folder of `run_grid`, table FRAMED."""
    shards = [pq.read_table(path).to_pandas() for path in sorted(Path(folder).glob("framed-*.parquet"))]
    shards = [shard for shard in shards if len(shard)]
    return pd.concat(shards, ignore_index=True) if shards else empty_table(FRAMED)


def load_grid_skipped(folder: str | os.PathLike) -> pd.DataFrame:
    """The images that `run_grid` could not read, with reasons."""
    shards = [pq.read_table(path).to_pandas() for path in sorted(Path(folder).glob("skipped-*.parquet"))]
    return pd.concat([empty_table(SKIPPED), *shards], ignore_index=True)


def _pictures(
    image: np.ndarray, box: Sequence[float] | None, cells: Sequence[FramingCell], input_size: int, surroundings: str
) -> list[tuple[FramingCell, Window, Picture]]:
    height, width = image.shape[:2]
    box = (0.0, 0.0, float(width), float(height)) if box is None else box
    windows = [(cell, framed_window(box, width, height, cell, input_size, surroundings)) for cell in cells]
    fill = "mean" if surroundings == REAL else surroundings
    return [(cell, window, take_picture(image, window, CENTRE, fill)) for cell, window in windows if window is not None]


def _shards(
    model: Model,
    missing: Mapping[int, Sequence[str]],
    prepared: Iterator[list[tuple[FramingCell, Window, Picture]] | UnreadableImageError],
    transform: str,
    surroundings: str,
    label_indices: Mapping[str, int],
    batch_size: int,
    advance: Callable[[int], None],
) -> Iterator[tuple[int, pd.DataFrame, pd.DataFrame]]:
    """The number, the measures and the skipped images of each missing shard, in order."""
    skipped = defaultdict(list)
    shifts = path(transform) - CENTRE
    sweep = Sweep("crop", transform, 1.0)

    def views() -> Iterator[tuple[tuple, Views | None]]:
        for number, ids in missing.items():
            # zip asks for an id first, so at a shard's end it leaves the next shard's pictures alone.
            for image_id, pictures in zip(ids, prepared, strict=False):
                if isinstance(pictures, UnreadableImageError):
                    skipped[number].append({"image_id": image_id, "reason": str(pictures)})
                else:
                    for cell, window, picture in pictures:
                        yield (number, image_id, cell, window, picture.outside), picture.views(shifts)
                advance(1)
            yield (number, None, None, None, None), None

    rows = []
    for key, probabilities, features in evaluate_packed(model, views(), batch_size):
        number, image_id, cell, window, outside = key
        if image_id is None:
            reasons = pd.DataFrame(skipped.pop(number, []), columns=SKIPPED.names)
            yield number, pd.DataFrame(rows, columns=FRAMED.names), reasons
            rows = []
            continue
        check_finite(probabilities, features, image_id)
        label_index = label_indices.get(image_id)
        response = make_response(probabilities, features, sweep, label_index)
        seen = outside[CENTRE:-CENTRE, CENTRE:-CENTRE]
        rows.append(
            {
                "image_id": image_id,
                "surroundings": surroundings,
                "cx": cell.cx,
                "cy": cell.cy,
                "scale": cell.scale,
                "magnification": float(1 / np.sqrt(window.step_x * window.step_y)),
                "made_up": float(seen.mean()),
                "p_top1_change": float(measures.p_top1_change(response["top1"])),
                "mac": float(measures.mac(response["p_top1"], response["p_top1_next"])),
                "accuracy": None if label_index is None else float(measures.accuracy(response["top1"], label_index)),
                "label_index": label_index,
                "top1": int(response["top1"][CENTRE]),
                "confidence": float(measures.confidence(response["p_top1"])),
                "margin": float(measures.margin(response["p_top1"], response["p_second"])),
                "n_steps": STEPS,
            }
        )


def _path(folder: Path, number: int) -> Path:
    return folder / f"framed-{number:05d}.parquet"
