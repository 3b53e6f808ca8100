"""Running a sweep over a dataset: shard by shard, so that a killed run goes on where it stopped."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bias_toolkit.datasets.schema import SKIPPED
from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.foundation.files import empty_table, seal_shard, sealed_shards, shard_slices, write_table
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.foundation.threads import decoding_workers, ordered_map
from bias_toolkit.invariance.measures import measures_table
from bias_toolkit.invariance.packing import evaluate_packed
from bias_toolkit.invariance.protocol import make_views
from bias_toolkit.invariance.response import check_finite, make_response
from bias_toolkit.invariance.schema import MEASURES, RESPONSES
from bias_toolkit.invariance.sweep import Sweep
from bias_toolkit.invariance.views import Views

if TYPE_CHECKING:
    from bias_toolkit.models import Model

KIND = "responses"


def run_sweep(
    model: Model,
    read: Callable[[str], np.ndarray],
    image_ids: Sequence[str],
    sweep: Sweep,
    folder: str | os.PathLike,
    *,
    label_indices: Mapping[str, int],
    batch_size: int,
    shard_size: int = 64,
    shards: Iterable[int] | None = None,
    stop: Callable[[pd.DataFrame, pd.DataFrame], bool] | None = None,
    progress: Progress = silent,
) -> None:
    """Write the responses of a model to a sweep over images, as shards in a folder; do only what is missing.

    Images are decoded and views made in threads, ahead of the model. Batches never run across shards, so the
    responses do not depend on where an earlier run stopped. The folder has to be empty, or to hold shards of
    the same model, images and settings: what is there is taken as it is.

    Parameters
    ----------
    read : callable
        Gives the image of an id, uint8 (height, width, 3); an image for which it raises `UnreadableImageError` is left
        out and listed among the skipped.
    label_indices : mapping
        From an image's id to its label's place among the model's classes; ids without one have no label.
    batch_size : int
        Views in a batch.
    shard_size : int
        Images in a shard.
    shards : iterable of int, optional
        Numbers of the shards to do, all by default; a cluster gives each of its tasks some of them.
    stop : callable, optional
        Given the responses and the skipped images of each shard in turn, those of an earlier run among them, says
        whether that is enough; the shards that follow are then left out.

    Raises
    ------
    InputError
        If the sweep's size leaves nothing of an image, the model's output for one is not finite, or there is no shard
        of a number.
    """
    folder = Path(folder)
    image_ids = list(image_ids)
    slices = shard_slices(len(image_ids), shard_size)
    asked = range(len(slices)) if shards is None else sorted(set(shards))
    if not set(asked) <= set(range(len(slices))):
        raise InputError(f"shards must be numbers from 0 to {len(slices) - 1}, got {list(asked)}")
    ids_asked = {number: image_ids[slices[number]] for number in asked}
    whole = sealed_shards(folder, KIND)
    missing = {number: ids for number, ids in ids_asked.items() if number not in whole}

    def prepare(image_id: str) -> Views | UnreadableImageError:
        try:
            return make_views(read(image_id), sweep, model.input_size, image_id)
        except UnreadableImageError as error:
            return error

    ahead = 2 * decoding_workers() + math.ceil(batch_size / sweep.n_views)
    prepared = ordered_map(prepare, chain.from_iterable(missing.values()), workers=decoding_workers(), ahead=ahead)
    total = sum(map(len, ids_asked.values()))
    done = total - sum(map(len, missing.values()))
    with (
        progress(f"Sweep {sweep.name}", total=total, done=done) as advance,
        closing(prepared),
        closing(_shards(model, missing, prepared, sweep, label_indices, batch_size, advance)) as shards,
    ):
        for number in ids_asked:
            if number in missing:
                _, responses, skipped = next(shards)
                paths = _skipped_path(folder, number), _responses_path(folder, number)
                write_table(skipped, paths[0], SKIPPED)
                write_table(responses, paths[1], RESPONSES)
                seal_shard(folder, KIND, number, [path.name for path in paths])
            if stop is not None and stop(
                pd.read_parquet(_responses_path(folder, number)), pd.read_parquet(_skipped_path(folder, number))
            ):
                break


def load_responses(folder: str | os.PathLike) -> pd.DataFrame:
    """The responses of all shards in a folder of `run_sweep`, in the order of the images."""
    return _load_shards(folder, "responses-*.parquet", RESPONSES)


def load_measures(folder: str | os.PathLike) -> pd.DataFrame:
    """The measures of all shards in a folder of `run_sweep`, in the order of the images.

    The responses, which take many times the room, are in memory one shard at a time.
    """
    shards = [measures_table(pd.read_parquet(path)) for path in sorted(Path(folder).glob("responses-*.parquet"))]
    return pd.concat(shards, ignore_index=True) if shards else empty_table(MEASURES)


def load_skipped(folder: str | os.PathLike) -> pd.DataFrame:
    """The images that `run_sweep` could not read, with reasons, in the order of the images."""
    return _load_shards(folder, "skipped-*.parquet", SKIPPED)


def _shards(
    model: Model,
    missing: Mapping[int, Sequence[str]],
    prepared: Iterator[Views | UnreadableImageError],
    sweep: Sweep,
    label_indices: Mapping[str, int],
    batch_size: int,
    advance: Callable[[int], None],
) -> Iterator[tuple[int, pd.DataFrame, pd.DataFrame]]:
    """The number, the responses and the skipped images of each missing shard, in order."""
    skipped = defaultdict(list)

    def readable() -> Iterator[tuple[tuple[int, str | None], Views | None]]:
        for number, ids in missing.items():
            # zip asks for an id first, so at a shard's end it leaves the next shard's views alone.
            for image_id, views in zip(ids, prepared, strict=False):
                if isinstance(views, UnreadableImageError):
                    skipped[number].append({"image_id": image_id, "reason": str(views)})
                    advance(1)
                else:
                    yield (number, image_id), views
            yield (number, None), None

    settings = {
        "protocol": sweep.protocol,
        "transform": sweep.transform,
        "size": sweep.size,
        "fill": sweep.fill if sweep.protocol == "embed" else None,
        "sampling": sweep.sampling if sweep.protocol == "crop" else None,
    }
    rows = []
    for (number, image_id), probabilities, features in evaluate_packed(model, readable(), batch_size):
        if image_id is None:
            reasons = pd.DataFrame(skipped.pop(number, []), columns=SKIPPED.names)
            yield number, pd.DataFrame(rows, columns=RESPONSES.names), reasons
            rows = []
        else:
            check_finite(probabilities, features, image_id)
            columns = make_response(probabilities, features, sweep, label_indices.get(image_id))
            rows.append({"image_id": image_id, **settings, **columns})
            advance(1)


def _load_shards(folder: str | os.PathLike, pattern: str, schema: pa.Schema) -> pd.DataFrame:
    shards = [pq.read_table(path) for path in sorted(Path(folder).glob(pattern))]
    return pa.concat_tables([schema.empty_table(), *shards]).to_pandas()


def _responses_path(folder: Path, number: int) -> Path:
    return folder / f"responses-{number:05d}.parquet"


def _skipped_path(folder: Path, number: int) -> Path:
    return folder / f"skipped-{number:05d}.parquet"
