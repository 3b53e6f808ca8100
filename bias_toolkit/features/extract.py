"""Extracting the features of a dataset's images, shard by shard."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bias_toolkit.features.store import KIND, FeatureStore, Shard, whole_shards
from bias_toolkit.foundation.errors import InputError, UnreadableImageError
from bias_toolkit.foundation.files import sealed_shards, shard_slices
from bias_toolkit.foundation.progress import Progress, silent
from bias_toolkit.foundation.threads import decoding_workers, ordered_map

if TYPE_CHECKING:
    from bias_toolkit.models import Model

DTYPES = ("float16", "float32")


@dataclass(frozen=True)
class _Decoded:
    image_id: str
    pixels: np.ndarray | None = None
    outside: np.ndarray | None = None
    reason: str | None = None


def extract_features(
    model: Model,
    read: Callable[[str], np.ndarray],
    make_view: Callable[[np.ndarray, str], tuple[np.ndarray, np.ndarray | None]],
    image_ids: Sequence[str],
    folder: str | os.PathLike,
    *,
    dtype: str = "float32",
    precision: str = "float32",
    batch_size: int = 64,
    shard_size: int = 1024,
    shards: Iterable[int] | None = None,
    progress: Progress = silent,
) -> FeatureStore:
    """Extract one feature an image into a sharded store; whole shards of an earlier run are kept.

    Images are decoded in threads ahead of the model. Batches never cross shards, so a run that was killed and
    continued gives the same bits as one that was not. Images that cannot be read are left out; the store's
    `skipped` lists them with the reason.

    Parameters
    ----------
    model : gives, for batches of pixels (N, W, W, 3) uint8 and outside (N, W, W) bool or None, `features` (N, D).
    read : image_id -> image (H, W, 3) uint8; raises `UnreadableImageError`.
    make_view : (image, image_id) -> pixels (W, W, 3) uint8, and outside (W, W) bool or None.
    image_ids : the images, in the order of the rows; the shards are contiguous slices of it.
    folder : of the store; created if need be.
    dtype : `float32` or `float16`, the type on disk.
    precision : `float32`, `bfloat16` or `float16`, of the arithmetic.
    batch_size, shard_size : images.
    shards : numbers of the shards to do, all by default; a cluster gives each of its tasks some of them.
    progress : counts images.

    Raises
    ------
    InputError
        If there are no images, an image_id occurs twice, an option is out of range, none of the images that
        this run tried could be read, a feature is not finite in `dtype`, or the folder holds features of
        other images or of another type or dimension.
    """
    image_ids, folder = list(image_ids), Path(folder)
    _check_options(image_ids, dtype, batch_size, shard_size)
    slices = shard_slices(len(image_ids), shard_size)
    whole = _whole_numbers(folder, [image_ids[part] for part in slices], np.dtype(dtype), model.feature_dimension)
    asked = range(len(slices)) if shards is None else sorted(set(shards))
    if not asked or not set(asked) <= set(range(len(slices))):
        raise InputError(f"shards must be numbers from 0 to {len(slices) - 1}, got {list(asked)}")
    missing = [number for number in asked if number not in whole]

    def decode(image_id: str) -> _Decoded:
        try:
            return _Decoded(image_id, *make_view(read(image_id), image_id))
        except UnreadableImageError as error:
            return _Decoded(image_id, reason=str(error))

    todo = (image_id for number in missing for image_id in image_ids[slices[number]])
    sizes = {number: slices[number].stop - slices[number].start for number in asked}
    done = sum(sizes[number] for number in asked if number in whole)
    with (
        closing(ordered_map(decode, todo, workers=decoding_workers(), ahead=2 * batch_size)) as decoded,
        progress("Extracting features", total=sum(sizes.values()), done=done) as advance,
    ):
        parts = {number: islice(decoded, sizes[number]) for number in missing}
        with closing(_shards(model, parts, dtype, batch_size, precision, advance)) as shards_done:
            for number, ids, features, skipped in shards_done:
                Shard(folder, number).write(ids, features, skipped)
    return _finished(folder, asked)


def _check_options(image_ids: list[str], dtype: str, batch_size: int, shard_size: int) -> None:
    if not image_ids:
        raise InputError("there are no images to extract features from; image_ids is empty")
    if len(set(image_ids)) < len(image_ids):
        raise InputError("image_ids names one image twice; each must be unique")
    if dtype not in DTYPES:
        raise InputError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    for name, value in (("batch_size", batch_size), ("shard_size", shard_size)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, got {value}")


def _whole_numbers(folder: Path, parts: list[list[str]], dtype: np.dtype, dimension: int) -> set[int]:
    sealed = sealed_shards(folder, KIND)
    for shard in whole_shards(folder):
        skipped, features = set(shard.skipped()["image_id"]), shard.features()
        wanted = parts[shard.number] if shard.number < len(parts) else []
        ids = [image_id for image_id in wanted if image_id not in skipped]
        if not wanted or shard.image_ids() != ids or len(ids) + len(skipped) != len(wanted):
            raise InputError(
                f"{shard.rows_path} holds features of other images than were asked for; "
                "erase the folder or choose another"
            )
        if features.shape != (len(ids), dimension) or features.dtype != dtype:
            raise InputError(
                f"{shard.array_path} holds {features.dtype} of shape {features.shape} where {dtype} of shape "
                f"{(len(ids), dimension)} was asked for; erase the folder or choose another"
            )
    return sealed


def _shards(
    model: Model,
    parts: Mapping[int, Iterator[_Decoded]],
    dtype: str,
    batch_size: int,
    precision: str,
    advance: Callable[[int], None],
) -> Iterator[tuple[int, list[str], np.ndarray, list[tuple[str, str]]]]:
    """Of each shard its number, the ids, the features (rows, D) and the skipped images with their reasons.

    The model is given the next batches, also those of the next shard, before it has answered the earlier ones.
    """
    skipped = {number: [] for number in parts}
    # What the model was given and has not answered, in order; None in place of ids ends a shard.
    sent: deque[tuple[int, list[str] | None]] = deque()

    def given() -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        for number, part in parts.items():
            for batch in _batches(part, batch_size, skipped[number], advance):
                sent.append((number, [item.image_id for item in batch]))
                yield _joined(batch)
            sent.append((number, None))

    ids: list[str] = []
    features = [np.empty((0, model.feature_dimension), dtype)]

    def ended() -> Iterator[tuple[int, list[str], np.ndarray, list[tuple[str, str]]]]:
        while sent and sent[0][1] is None:
            number, _ = sent.popleft()
            yield number, list(ids), np.concatenate(features), skipped.pop(number)
            ids.clear()
            del features[1:]

    for outputs in model.evaluate_batches(given(), precision=precision):
        yield from ended()
        _, answered = sent.popleft()
        ids += answered
        features.append(_stored(outputs.features, answered, dtype))
        advance(len(answered))
        yield from ended()
    yield from ended()


def _batches(
    part: Iterable[_Decoded], batch_size: int, skipped: list, advance: Callable[[int], None]
) -> Iterator[list[_Decoded]]:
    batch = []
    for item in part:
        if item.reason is not None:
            skipped.append((item.image_id, item.reason))
            advance(1)
            continue
        batch.append(item)
        if len(batch) == batch_size:
            yield batch
            batch = []
    if batch:
        yield batch


def _joined(batch: list[_Decoded]) -> tuple[np.ndarray, np.ndarray | None]:
    pixels = np.stack([item.pixels for item in batch])
    if all(item.outside is None for item in batch):
        return pixels, None
    nowhere = np.zeros(pixels.shape[1:3], dtype=bool)
    return pixels, np.stack([nowhere if item.outside is None else item.outside for item in batch])


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


def _finished(folder: Path, asked: Sequence[int]) -> FeatureStore:
    shards = [Shard(folder, number) for number in asked]
    if any(shard.image_ids() for shard in shards):
        return FeatureStore(folder)
    skipped = [row for shard in shards for row in shard.skipped().itertuples()]
    for shard in shards:
        shard.erase()
    raise InputError(
        f"none of the {len(skipped)} images could be read; the first, {skipped[0].image_id}: {skipped[0].reason}"
    )
