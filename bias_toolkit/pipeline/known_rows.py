"""The rows of a step that a study of a sample has computed, for the step of a study of all items."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.files import read_array, read_shards
from bias_toolkit.foundation.shards import Shard


class KnownRows:
    """The rows in a folder of shards, by item.

    `outputs` are those of `Sharding`, with `by_item`: the first column of each table names the item of a row, and the
    rows of the array `x` belong to those of the table `x.parquet`.
    """

    def __init__(self, folder: Path, outputs: Mapping[str, Any]) -> None:
        self._tables = {
            name: read_shards(folder, name.partition(".")[0], schema)
            for name, schema in outputs.items()
            if schema is not None
        }
        self._arrays = {
            name: np.concatenate([read_array(path, 2) for path in sorted(folder.glob(f"{name}-*.npy"))])
            for name, schema in outputs.items()
            if schema is None
        }
        for name, array in self._arrays.items():
            if len(array) != len(self._tables[f"{name}.parquet"]):
                raise InputError(f"{folder} has {name} of other items than it lists.")
        self.items = {item for table in self._tables.values() for item in table.iloc[:, 0]}

    def rest(self, shard: Shard) -> Shard:
        """The items of a shard that are not known."""
        return Shard(shard.number, [item for item in shard.items if item not in self.items])

    def joined(self, made: Mapping[str, Any], shard: Shard) -> dict[str, Any]:
        """The tables and arrays of a shard, in the order of its items, from those made of the rest of it."""
        place = {item: row for row, item in enumerate(shard.items)}
        whole = dict(made)
        for name, known in self._tables.items():
            chosen = known.iloc[:, 0].isin(place).to_numpy()
            parts = [part for part in (made[name], known[chosen]) if len(part)]
            table = pd.concat(parts, ignore_index=True) if parts else made[name]
            order = table.iloc[:, 0].map(place).argsort(kind="stable").to_numpy()
            whole[name] = table.iloc[order]
            if (array := name.removesuffix(".parquet")) in self._arrays:
                whole[array] = np.concatenate([made[array], self._arrays[array][chosen]])[order]
        return whole
