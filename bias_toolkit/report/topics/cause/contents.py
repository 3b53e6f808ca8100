"""What is said of framing that was varied on purpose is made from this."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bias_toolkit.analysis import FramingMap
from bias_toolkit.report.source import Source, study_name

Views = Mapping[str, Sequence[tuple[float, np.ndarray]]]


@dataclass(frozen=True)
class Cause:
    """The framing map and the size curve, where they were computed.

    `study`: its name. `model`: gives the model's name; read only where it is shown. `size_curve`, `size_measures`:
    tables SUMMARY and MEASURES of the size curve. `map_views`: what the model is shown in the map of one image.
    `sweeps`: table SUMMARY of the study's own sweeps; read only where it is shown in place of a size curve.
    """

    study: str
    model: Callable[[], str]
    framing_map: FramingMap | None
    size_curve: pd.DataFrame | None
    size_measures: pd.DataFrame | None
    map_views: Callable[[], Views]
    sweeps: Callable[[], pd.DataFrame]
    seed: int

    @property
    def shown_sizes(self) -> pd.DataFrame:
        """The size curve, or what the study's own sweeps have of it where there is none."""
        return self.sweeps() if self.size_curve is None else self.size_curve


def gather(source: Source) -> Cause:
    """The framing map and the size curve of a study, where they were computed under its present settings."""
    sized = source.has("sizes/curve")
    return Cause(
        study=study_name(source),
        model=lambda: source.model_record["name"],
        framing_map=source.framing_map if source.has("map/relation") else None,
        size_curve=source.size_curve if sized else None,
        size_measures=source.size_measures if sized else None,
        map_views=source.map_views,
        sweeps=lambda: source.analysis.summary,
        seed=source.settings.seed,
    )
