"""Pack the views of many images into batches, and return the outputs image by image, shard by shard."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from bias_toolkit.datasets import skipped_table
from bias_toolkit.foundation.errors import UnreadableImageError
from bias_toolkit.foundation.shards import Shard, prepared_shards
from bias_toolkit.invariance.response import check_finite
from bias_toolkit.invariance.views import Views

if TYPE_CHECKING:
    from bias_toolkit.models import Model


def evaluate_shards(
    model: Model,
    shards: Iterable[Shard],
    prepare: Callable[[str], Iterable[tuple[object, Views]]],
    make_row: Callable[[str, object, np.ndarray, np.ndarray], dict],
    name: str,
    schema: pa.Schema,
    *,
    ahead: int,
    batch_size: int,
    advance: Callable[[int], None],
) -> Iterator[dict[str, pd.DataFrame]]:
    """Run the model on views of the shards' images; a batch may span images, but never shards.

    The model gets the next shard's batches before it has returned the last outputs of a shard. Yields for each shard,
    in order: the table of the rows, under `name`, and "skipped", the table SKIPPED. Raises InputError if the model's
    output for an image is not finite.

    Parameters
    ----------
    prepare : from an image's id to its pieces, each a key of its choice and some views. It is called in threads, at
        most `ahead` images ahead; if it raises `UnreadableImageError`, the image is left out.
    make_row : from an image's id, a piece's key, and the piece's probabilities (V, C) and features (V, D) to a row.
    name, schema : of the table of the rows.
    advance : is called with the number of images done, when the model gets their views.
    """
    with closing(prepared_shards(shards, prepare, ahead=ahead)) as prepared:

        def views() -> Iterator[tuple[object, Views | None]]:
            for images in prepared:
                skipped = []
                for image_id, pieces in images:
                    if isinstance(pieces, UnreadableImageError):
                        skipped.append((image_id, pieces))
                    else:
                        for key, some in pieces:
                            yield (image_id, key), some
                    advance(1)
                yield skipped, None

        rows = []
        with closing(evaluate_packed(model, views(), batch_size)) as outputs:
            for key, probabilities, features in outputs:
                if probabilities is None:
                    yield {name: pd.DataFrame(rows, columns=schema.names), "skipped": skipped_table(key)}
                    rows = []
                else:
                    check_finite(probabilities, features, key[0])
                    rows.append(make_row(*key, probabilities, features))


def evaluate_packed(
    model: Model, images: Iterable[tuple[object, Views | None]], batch_size: int
) -> Iterator[tuple[object, np.ndarray | None, np.ndarray | None]]:
    """Run the model on the views of each image, in batches that may span images.

    Images are requested ahead of what is yielded, so that the model need not wait. None instead of views ends a group
    of images. No batch spans two groups, so a group's outputs do not depend on the others. Every batch but the last of
    a group has exactly `batch_size` views. All `images` have the same fill. Yields, in order, key, probabilities (V,
    C) and features (V, D) for each image, and (key, None, None) at each end of a group.
    """
    waiting: deque[tuple[object, int | None]] = deque()

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        parts: list[Views] = []
        for key, views in images:
            waiting.append((key, None if views is None else len(views)))
            start = 0
            while views is not None and start < len(views):
                parts.append(views[start : start + batch_size - sum(map(len, parts))])
                start += len(parts[-1])
                if sum(map(len, parts)) == batch_size:
                    yield _joined(parts)
                    parts = []
            if views is None and parts:
                yield _joined(parts)
                parts = []
        if parts:
            yield _joined(parts)

    have: tuple[list[np.ndarray], list[np.ndarray]] = [], []

    def finished() -> Iterator[tuple[object, np.ndarray | None, np.ndarray | None]]:
        while waiting and (waiting[0][1] is None or waiting[0][1] <= sum(map(len, have[0]))):
            key, count = waiting.popleft()
            yield (key, None, None) if count is None else (key, *(_take(rows, count) for rows in have))

    for outputs in model.evaluate_batches(batches()):
        for rows, made in zip(have, (outputs.probabilities, outputs.features), strict=True):
            rows.append(made)
        yield from finished()
    yield from finished()


def _joined(parts: list[Views]) -> tuple[np.ndarray, np.ndarray | None]:
    blank = [part.blank for part in parts]
    return np.concatenate([part.pixels for part in parts]), None if blank[0] is None else np.concatenate(blank)


def _take(parts: list[np.ndarray], count: int) -> np.ndarray:
    """Remove the first `count` rows from the parts, and return them."""
    rows = np.concatenate(parts)
    parts[:] = [rows[count:]]
    # The copy keeps the returned rows from holding the whole batch in memory.
    return rows[:count].copy()
