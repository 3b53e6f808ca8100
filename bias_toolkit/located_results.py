"""Reading what a study has of estimated boxes, and which of its boxes those are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from bias_toolkit.plan import BOXES_FILE, LOCALISATION_STEP
from bias_toolkit.steps import read_marker
from bias_toolkit.storage import read_table

EDGES = ["x0", "y0", "x1", "y1"]


class LocatedResults:
    """What a study says of where its boxes come from."""

    folder: Path
    images: Callable[[str], pd.DataFrame]
    objects: Callable[[str], pd.DataFrame]
    framing: Callable[[str], pd.DataFrame]
    _existing: Callable[[str, str], Path]
    _is_current: Callable[[str], bool]

    def boxes_record(self, split: str) -> dict[str, Any]:
        """Where the boxes come from that the framing of the `train` or `test` set is of.

        `estimated` says whether they were; if so `layer`, `is_exact` and `threshold` say how, and if not `reason` is a
        sentence on why a set without boxes got none.
        """
        path = self.folder / "objects" / BOXES_FILE
        return json.loads(path.read_text(encoding="utf-8"))[split] if path.exists() else {"estimated": False}

    def is_estimated(self, split: str) -> bool:
        """Whether the framing of the `train` or `test` set is of boxes that the model located."""
        return bool(self.boxes_record(split)["estimated"])

    def given_framing(self, split: str) -> pd.DataFrame:
        """Position and scale of the objects of the `train` or `test` set, of the boxes that the dataset has itself."""
        from bias_toolkit.objects import position_and_scale

        if not self.is_estimated(split):
            return self.framing(split)
        return position_and_scale(self.objects(split), self.images(split))

    def located(self, split: str) -> pd.DataFrame:
        """Where the model located the object of each image of the `train` or `test` set, and with which score."""
        from bias_toolkit.objects.locate import load_located

        return load_located(self._existing(f"located/{split}", "objects"))

    @property
    def localisation(self) -> tuple[str, pd.DataFrame] | None:
        """How good estimated boxes are on one of the sets, `train` or `test`, that has boxes of its own: which, and the
        table; None where that was not measured.
        """
        folder = self.folder / LOCALISATION_STEP
        if not read_marker(folder).get("done") or not self._is_current(LOCALISATION_STEP):
            return None
        split = json.loads((folder / "localisation.json").read_text(encoding="utf-8"))["split"]
        return split, read_table(folder / "localisation.parquet")
