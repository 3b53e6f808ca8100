"""Extract the features of a dataset's images, shard by shard."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bias_toolkit.datasets import skipped_table
from bias_toolkit.foundation.choices import FEATURE_DTYPES
from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.foundation.shards import Shard, prepared_shards

if TYPE_CHECKING:
    from bias_toolkit.models import Model

View = tuple[np.ndarray, np.ndarray | None]
"""Pixels (W, W, 3) uint8, and outside (W, W) bool or None."""

Skipped = list[tuple[str, UnreadableImageError]]


def feature_shards(
    model: Model,
    read: Callable[[str], np.ndarray],
    make_view: Callable[[np.ndarray, str], View],
    shards: Iterable[Shard],
    *,
    dtype: str = "float32",
    precision: str = "float32",
    batch_size: int = 64,
    advance: Callable[[int], None],
) -> Iterator[dict[str, np.ndarray | pd.DataFrame]]:
    """One feature per image.

    Images are decoded in threads ahead of the model. The model gets the next batches, also from the next shard, before
    it has returned the earlier ones. A batch never spans two shards, so the features do not depend on which shards are
    requested together. Closing the generator ends the threads. Yields for each shard, in order: "features", an array
    (rows, D) of `dtype`; "rows", the table FEATURE_ROWS of the same length; and "skipped", the table SKIPPED of the
    images that cannot be read. Raises InputError if an option is out of range, or a feature is not finite in `dtype`.

    Parameters
    ----------
    model : returns, for batches of pixels (N, W, W, 3) uint8 and outside (N, W, W) bool or None, `features` (N, D).
    read : image_id -> image (H, W, 3) uint8; raises `UnreadableImageError`.
    make_view : (image, image_id) -> pixels (W, W, 3) uint8, and outside (W, W) bool or None.
    shards : of image ids.
    dtype : `float32` or `float16`, the type of the features.
    precision : `float32`, `bfloat16` or `float16`, of the arithmetic.
    """
    if dtype not in FEATURE_DTYPES:
        raise InputError(f"dtype must be one of {', '.join(FEATURE_DTYPES)}, got {dtype!r}")
    if batch_size < 1:
        raise InputError(f"batch_size must be at least 1, got {batch_size}")

    def prepare(image_id: str) -> View:
        return make_view(read(image_id), image_id)

    # The batches sent to the model whose outputs are pending, in order. None with the skipped images ends a shard.
    sent: deque[tuple[list[str] | None, Skipped]] = deque()

    def given(prepared: Iterable[Iterator[tuple[str, View | UnreadableImageError]]]) -> Iterator[View]:
        for images in prepared:
            skipped = []
            readable = _readable(images, skipped, advance)
            while batch := list(islice(readable, batch_size)):
                ids, views = zip(*batch, strict=True)
                sent.append((list(ids), []))
                yield _joined(views)
            sent.append((None, skipped))

    nothing = np.empty((0, model.feature_dimension), dtype)
    ids, features = [], [nothing]

    def ended() -> Iterator[dict[str, np.ndarray | pd.DataFrame]]:
        while sent and sent[0][0] is None:
            _, skipped = sent.popleft()
            rows = pd.DataFrame({"image_id": pd.Series(ids, dtype=str)})
            yield {"features": np.concatenate(features), "rows": rows, "skipped": skipped_table(skipped)}
            ids.clear()
            del features[1:]

    with (
        closing(prepared_shards(shards, prepare, ahead=2 * batch_size)) as prepared,
        closing(model.evaluate_batches(given(prepared), precision=precision)) as answers,
    ):
        for outputs in answers:
            yield from ended()
            answered, _ = sent.popleft()
            ids += answered
            features.append(_stored(outputs.features, answered, dtype))
            advance(len(answered))
            yield from ended()
        yield from ended()


def _readable(
    images: Iterable[tuple[str, View | UnreadableImageError]], skipped: Skipped, advance: Callable[[int], None]
) -> Iterator[tuple[str, View]]:
    """The readable images; the others are added to `skipped`."""
    for image_id, view in images:
        if isinstance(view, UnreadableImageError):
            skipped.append((image_id, view))
            advance(1)
        else:
            yield image_id, view


def _joined(batch: Sequence[View]) -> tuple[np.ndarray, np.ndarray | None]:
    pixels = np.stack([pixels for pixels, _ in batch])
    if all(outside is None for _, outside in batch):
        return pixels, None
    nowhere = np.zeros(pixels.shape[1:3], dtype=bool)
    return pixels, np.stack([nowhere if outside is None else outside for _, outside in batch])


def _stored(features: np.ndarray, image_ids: list[str], dtype: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        features = features.astype(dtype)
    if not np.isfinite(features).all():
        first = image_ids[int(np.argmin(np.isfinite(features).all(axis=1)))]
        raise InputError(
            f"the model's feature of {first} is not finite as {dtype}; "
            "check the weights, or choose float32 if it was float16"
        )
    return features
