"""What is said of invariance is made from this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bias_toolkit.foundation.words import known
from bias_toolkit.report.source import Source, SweepKey, per_image, sweep_key


@dataclass(frozen=True)
class NoiseFloor:
    """`p_top1_change` between two evaluations of the same views, with its 95% interval.

    `n_changed` of `n_views` views changed their top-1 class.
    """

    value: float
    n_views: int
    n_changed: int
    low: float
    high: float


@dataclass(frozen=True)
class InvarianceContents:
    """Tables SUMMARY, MEASURES and SEQUENTIAL, the reference sweep, and the noise floor.

    `reference` (tuple (protocol, transform, size)): the sweep that `per_image` is about; None where none has steps.
    """

    reference: SweepKey | None
    summary: pd.DataFrame
    measures: pd.DataFrame
    sequential: pd.DataFrame
    per_image: pd.DataFrame
    noise_floor: NoiseFloor | None
    seed: int

    def row(self, measure: str) -> Mapping[str, Any] | None:
        """The SUMMARY row of a measure under the reference sweep, None where it is absent or not defined."""
        if not len(self.summary) or self.reference is None:
            return None
        protocol, transform, size = self.reference
        rows = self.summary[
            self.summary["protocol"].eq(protocol)
            & self.summary["transform"].eq(transform)
            & self.summary["size"].sub(size).abs().lt(1e-6)
            & self.summary["measure"].eq(measure)
        ]
        return None if rows.empty or not known(rows.iloc[0]["value"]) else rows.iloc[0].to_dict()


def gather(source: Source) -> InvarianceContents:
    """A study's measures, and what they are on the whole."""
    noise = source.noise_floor
    return InvarianceContents(
        reference=sweep_key(source),
        summary=source.analysis.summary,
        measures=source.measures,
        sequential=source.sequential,
        per_image=per_image(source),
        noise_floor=None
        if noise is None
        else NoiseFloor(
            noise["value"], noise["n_views"], noise["n_changed"], *(noise["interval_over_images"] or noise["interval"])
        ),
        seed=source.settings.seed,
    )
