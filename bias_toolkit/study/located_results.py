"""Reading what a study has of estimated boxes, and which of its boxes those are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from bias_toolkit.pipeline.steps import read_marker
from bias_toolkit.study.plan import BOXES_FILE, LOCALISATION_STEP
from bias_toolkit.study.stored_results import StoredResults

EDGES = ["x0", "y0", "x1", "y1"]


class LocatedResults(StoredResults):
    """What a study says of where its boxes come from."""

    images: Callable[[str], pd.DataFrame]
    objects: Callable[[str], pd.DataFrame]
    framing: Callable[[str], pd.DataFrame]

    def boxes_record(self, split: str) -> dict[str, Any]:
        """Where the boxes come from that the framing of the `train` or `test` set is of.

        `estimated` says whether they were; if so `layer`, `is_exact` and `threshold` say how, and if not `reason` is a
        sentence on why a set without boxes got none.
        """
        folder = self.folder / "objects"
        if not (folder / BOXES_FILE).exists() and BOXES_FILE not in read_marker(folder).get("files", {}):
            return {"estimated": False}
        return self._json(f"objects/{BOXES_FILE}", "objects")[split]

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

        return self._read(f"located/{split}", "objects", load_located)

    @property
    def localisation(self) -> tuple[str, pd.DataFrame] | None:
        """How good estimated boxes are on one of the sets, `train` or `test`, that has boxes of its own: which, and the
        table; None where that was not measured.
        """
        folder = self.folder / LOCALISATION_STEP
        if not read_marker(folder).get("done") or not self._is_current(LOCALISATION_STEP):
            return None
        split = self._json(f"{LOCALISATION_STEP}/localisation.json", "objects")["split"]
        return split, self._table(f"{LOCALISATION_STEP}/localisation.parquet", "objects")
