"""The sharded store of features on disk: one `.npy` and one `.parquet` a shard."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bias_toolkit.features.schema import FEATURE_ROWS
from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import (
    SEAL,
    damaged_in_shard,
    read_seal,
    seal_shard,
    write_array,
    write_table,
    write_text,
)

SKIPPED_COLUMNS = ["image_id", "reason"]
KIND = "features"


@dataclass(frozen=True)
class Shard:
    """One slice of a store: its features, the ids of their rows, and the images that were left out.

    `features-00000.sha256` is written last, with the digests of the others. Shards of other tools have none; of them,
    one that has `features-00000.parquet` is whole.
    """

    folder: Path
    number: int

    @property
    def array_path(self) -> Path:
        return self.folder / f"features-{self.number:05d}.npy"

    @property
    def rows_path(self) -> Path:
        return self.folder / f"features-{self.number:05d}.parquet"

    @property
    def skipped_path(self) -> Path:
        return self.folder / f"skipped-{self.number:05d}.csv"

    @property
    def seal_path(self) -> Path:
        return self.folder / f"features-{self.number:05d}{SEAL}"

    def write(self, image_ids: list[str], features: np.ndarray, skipped: list[tuple[str, str]]) -> None:
        """Write the shard, replacing what a killed run may have left of it."""
        self.seal_path.unlink(missing_ok=True)
        write_array(features, self.array_path)
        if skipped:
            table = pd.DataFrame(skipped, columns=SKIPPED_COLUMNS)
            # Read back, and so as it is; csv quotes a carriage return only where it quotes everything.
            text = table.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_ALL)
            write_text(text, self.skipped_path)
        else:
            self.skipped_path.unlink(missing_ok=True)
        write_table(pd.DataFrame({"image_id": pd.Series(image_ids, dtype=str)}), self.rows_path, FEATURE_ROWS)
        written = [self.array_path, self.rows_path, *([self.skipped_path] if skipped else [])]
        seal_shard(self.folder, KIND, self.number, [path.name for path in written])

    def seal(self) -> dict[str, str]:
        """SHA-256 of the shard's files by name; empty for a shard of another tool.

        Raises
        ------
        InputError
            If a file is not as it was written.
        """
        if not self.seal_path.exists():
            return {}
        damaged = damaged_in_shard(self.seal_path)
        if damaged is not None:
            raise InputError(f"{self.folder / damaged} was damaged since it was written; extract the features again.")
        return read_seal(self.seal_path)

    def erase(self) -> None:
        """Remove the shard's files."""
        for path in (self.seal_path, self.rows_path, self.array_path, self.skipped_path):
            path.unlink(missing_ok=True)

    def image_ids(self) -> list[str]:
        """The ids of the rows, in their order."""
        try:
            return pq.read_table(self.rows_path, columns=["image_id"])["image_id"].to_pylist()
        except (KeyError, OSError, pa.ArrowException) as error:
            raise InputError(f"{self.rows_path} is no Parquet table with a column image_id: {error}") from error

    def features(self) -> np.ndarray:
        """The features (rows, dimension), memory-mapped."""
        try:
            array = np.load(self.array_path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise InputError(f"{self.array_path} is no readable .npy array: {error}") from error
        if array.ndim != 2 or not np.issubdtype(array.dtype, np.floating):
            raise InputError(
                f"{self.array_path} holds {array.dtype} of shape {array.shape}; "
                "features are float16 or float32 of shape (rows, dimension)"
            )
        return array

    def skipped(self) -> pd.DataFrame:
        """The images left out: `image_id` and `reason`."""
        if not self.skipped_path.exists():
            return pd.DataFrame({column: pd.Series(dtype=str) for column in SKIPPED_COLUMNS})
        try:
            table = pd.read_csv(self.skipped_path, dtype=str, keep_default_na=False)
            return table[SKIPPED_COLUMNS]
        except (KeyError, ValueError) as error:
            raise InputError(f"{self.skipped_path} is no CSV file with columns image_id and reason.") from error


def whole_shards(folder: str | os.PathLike) -> list[Shard]:
    """The shards of a folder that are whole, in order; empty where the folder does not exist."""
    names = (re.fullmatch(r"features-(\d{5,})\.parquet", path.name) for path in Path(folder).glob("features-*"))
    return [Shard(Path(folder), number) for number in sorted(int(name[1]) for name in names if name)]


def skipped_features(folder: str | os.PathLike) -> pd.DataFrame:
    """The images that a store's whole shards left out: `image_id` and `reason`."""
    tables = [shard.skipped() for shard in whole_shards(folder)]
    return pd.concat([pd.DataFrame(columns=SKIPPED_COLUMNS, dtype=str), *tables], ignore_index=True)


class FeatureStore:
    """Features in a folder of shards, written by `extract_features` or by another tool in the same layout.

    Each shard is `features-00000.npy` (float16 or float32, rows × dimension) beside `features-00000.parquet`
    (at least the column `image_id`, one row a row of the array); `skipped-00000.csv` is optional. A shard
    whose `.parquet` is missing counts as unfinished and is passed over. Where a shard has a list of digests,
    `features-00000.sha256`, its files are held against it when its features are read.

    Parameters
    ----------
    folder : path of the store.

    Raises
    ------
    InputError
        If the folder holds no whole shard, the two files of a shard do not fit, the shards differ in
        dimension, or an image occurs twice.
    """

    def __init__(self, folder: str | os.PathLike):
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
            self._take(shard)
        if len(set(self.image_ids)) < len(self.image_ids):
            raise InputError(f"{self.folder} holds features of one image twice; each image_id must be unique")

    def _take(self, shard: Shard) -> None:
        ids, shape = shard.image_ids(), shard.features().shape
        if shape != (len(ids), self.dimension):
            raise InputError(
                f"{shard.array_path} has shape {shape}; its .parquet and the store's other shards "
                f"call for {(len(ids), self.dimension)}"
            )
        self.image_ids += ids

    @property
    def rows(self) -> int:
        """How many images have features."""
        return len(self.image_ids)

    @property
    def arrays(self) -> list[Path]:
        """The shards' `.npy` files, in the order of their rows."""
        return [shard.array_path for shard in self._shards]

    @property
    def skipped(self) -> pd.DataFrame:
        """The images left out because they could not be read: `image_id` and `reason`."""
        return pd.concat([shard.skipped() for shard in self._shards], ignore_index=True)

    def shards(self) -> Iterator[tuple[list[str], np.ndarray]]:
        """Yield each shard's ids and its features (rows, dimension), memory-mapped in the type on disk.

        Raises
        ------
        InputError
            If a shard's files are not as they were written, or others than when the store was opened.
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
