"""The sharded store of features on disk: one `.npy` and one `.parquet` file per shard."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from bias_toolkit.datasets.schema import SKIPPED
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import (
    SEAL,
    damaged_in_shard,
    empty_table,
    read_array,
    read_arrow,
    read_seal,
    read_table,
    shard_files,
)

FEATURE_ROWS = pa.schema([("image_id", pa.string())])
"""The table beside each shard of features: one row per row of the array."""


class StoredShard:
    """One slice of a store: its features, the ids of their rows, and the images that were left out.

    `features-00000.sha256` is written last, with the digests of the other files. Shards made by other tools have no
    such file; they are complete if they have `features-00000.parquet`.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self.folder = folder
        self.array_path, self.rows_path, self.seal_path = (
            folder / f"features-{number:05d}{ending}" for ending in (".npy", ".parquet", SEAL)
        )
        self.skipped_path = folder / f"skipped-{number:05d}.parquet"

    def seal(self) -> dict[str, str]:
        """SHA-256 of the shard's files by name; empty for a shard of another tool.

        Raises InputError if a file has changed since it was written.
        """
        if not self.seal_path.exists():
            return {}
        damaged = damaged_in_shard(self.seal_path)
        if damaged is not None:
            raise InputError(f"{self.folder / damaged} was damaged since it was written; extract the features again.")
        return read_seal(self.seal_path)

    def image_ids(self) -> list[str]:
        """The ids of the rows, in order."""
        try:
            return read_arrow(self.rows_path, ["image_id"])["image_id"].cast(pa.string()).to_pylist()
        except (KeyError, OSError, pa.ArrowException) as error:
            raise InputError(f"{self.rows_path} is no Parquet table with a column image_id: {error}") from error

    def features(self) -> np.ndarray:
        """The features (rows, dimension), memory-mapped."""
        array = read_array(self.array_path, mapped=True)
        if array.ndim != 2 or not np.issubdtype(array.dtype, np.floating):
            raise InputError(
                f"{self.array_path} holds {array.dtype} of shape {array.shape}; "
                "features are float16 or float32 of shape (rows, dimension)"
            )
        return array

    def skipped(self) -> pd.DataFrame:
        """The images left out, table SKIPPED; empty for a shard of another tool."""
        if not self.skipped_path.exists():
            return empty_table(SKIPPED)
        try:
            return read_table(self.skipped_path)[SKIPPED.names]
        except (KeyError, OSError, pa.ArrowException) as error:
            columns = ", ".join(SKIPPED.names)
            raise InputError(f"{self.skipped_path} is no Parquet table with columns {columns}.") from error


def whole_shards(folder: str | os.PathLike) -> list[StoredShard]:
    """The complete shards of a folder, in order; empty if the folder does not exist."""
    return [StoredShard(Path(folder), int(path.stem.rpartition("-")[2])) for path in shard_files(folder, "features")]


class FeatureStore:
    """Features in a folder of shards, written from `feature_shards` or by another tool in the same layout.

    Each shard is `features-00000.npy` (float16 or float32, rows × dimension) beside `features-00000.parquet` (at least
    the column `image_id`, one row per row of the array); `skipped-00000.parquet` (table SKIPPED) is optional. A shard
    without `.parquet` is unfinished and is ignored. If a shard has digests, `features-00000.sha256`, its files are
    checked against them when its features are read. Raises InputError if the folder has no complete shard, the two
    files of a shard do not fit, the shards differ in dimension, or an image occurs twice.
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        self.folder = Path(folder)
        self._shards = whole_shards(folder)
        if not self._shards:
            raise InputError(
                f"{self.folder} holds no features: expected features-00000.npy beside features-00000.parquet"
            )
        self._seals = [read_seal(shard.seal_path) for shard in self._shards]
        self.image_ids: list[str] = []
        self.dimension: int = self._shards[0].features().shape[1]
        for shard in self._shards:
            ids, shape = shard.image_ids(), shard.features().shape
            if shape != (len(ids), self.dimension):
                raise InputError(
                    f"{shard.array_path} has shape {shape}; its .parquet and the store's other shards "
                    f"call for {(len(ids), self.dimension)}"
                )
            self.image_ids += ids
        if len(set(self.image_ids)) < len(self.image_ids):
            raise InputError(f"{self.folder} holds features of one image twice; each image_id must be unique")

    @property
    def rows(self) -> int:
        """The number of images that have features."""
        return len(self.image_ids)

    @property
    def arrays(self) -> list[Path]:
        """The shards' `.npy` files, in the order of their rows."""
        return [shard.array_path for shard in self._shards]

    @property
    def skipped(self) -> pd.DataFrame:
        """The images left out because they could not be read, table SKIPPED."""
        return pd.concat([shard.skipped() for shard in self._shards], ignore_index=True)

    def shards(self) -> Iterator[tuple[list[str], np.ndarray]]:
        """Yield each shard's ids and its features (rows, dimension), memory-mapped in the type on disk.

        Raises InputError if a shard's files have changed since they were written or the store was opened.
        """
        for shard, seal in zip(self._shards, self._seals, strict=True):
            if shard.seal() != seal:
                raise InputError(f"{shard.array_path} was written anew since the store was opened; open it again.")
            yield shard.image_ids(), shard.features()

    def load(self) -> tuple[list[str], np.ndarray]:
        """All ids, and all features as one float32 array (rows, dimension)."""
        features = np.empty((self.rows, self.dimension), dtype=np.float32)
        start = 0
        for ids, part in self.shards():
            features[start : start + len(ids)] = part
            start += len(ids)
        return list(self.image_ids), features
