"""What is said of the regression is made from this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from bias_toolkit.report.source import Source, notes


@dataclass(frozen=True)
class Regression:
    """Tables ODDS_RATIOS, LOSSES and CEILING, and sentences on what was left out of them.

    Where no regression could be made, the tables are empty and the last sentence says why.
    """

    odds_ratios: pd.DataFrame
    losses: pd.DataFrame
    ceiling: pd.DataFrame
    notes: Sequence[str]


def gather(source: Source) -> Regression:
    """The regression of a study."""
    analysis = source.analysis
    return Regression(analysis.odds_ratios, analysis.losses, analysis.ceiling, notes(source, "regression"))
