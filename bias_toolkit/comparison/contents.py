"""The content of a comparison: its studies, its pairs, its tables and its findings."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from bias_toolkit.comparison.differences import (
    class_differences,
    distance_curves,
    framing_differences,
    measure_differences,
    measure_means,
)
from bias_toolkit.comparison.findings import answer, further_findings
from bias_toolkit.comparison.studies import Compared, Pair
from bias_toolkit.invariance import HEADLINE
from bias_toolkit.report.words.finding import Finding

MOST_ANSWERS = 4
TRAINING_COLUMNS = ("centre_bias", "untruncated_centre_bias", "median_scale", "truncated_share")


@dataclass(frozen=True)
class Comparison:
    """Two or more studies, the first compared with each of the others."""

    studies: Sequence[Compared]
    pairs: Sequence[Pair]
    resamples: int = 2000
    seed: int = 0
    page: Path | None = None  # None if no page was requested

    @cached_property
    def means(self) -> pd.DataFrame:
        """Each study's measures over all its images: table MEANS."""
        return measure_means(self.studies, self.resamples, self.seed)

    @cached_property
    def differences(self) -> pd.DataFrame:
        """Each measure of each study minus that of the first: table DIFFERENCES."""
        return measure_differences(self.pairs, self.resamples, self.seed)

    @cached_property
    def by_framing(self) -> pd.DataFrame:
        """The difference in P(top-1 change) by the object's position and scale: table BY_FRAMING."""
        return framing_differences(self.pairs, self.resamples, self.seed)

    @cached_property
    def by_class(self) -> pd.DataFrame:
        """The difference in P(top-1 change) by class: table BY_CLASS."""
        return class_differences(self.pairs, self.resamples, self.seed)

    @cached_property
    def by_distance(self) -> pd.DataFrame:
        """P(top-1 change) in tenths of each study's images by their distance: as `quantile_curve`, with `study`."""
        return distance_curves(self.studies, self.resamples, self.seed)

    @cached_property
    def training(self) -> pd.DataFrame:
        """The framing of each study's training set, if they differ: columns of FRAMING_SUMMARY; else empty."""
        states = [study.sets["train"] for study in self.studies]
        rows = [{"study": study.name, **study.framing} for study in self.studies if study.framing["n_objects"]]
        return pd.DataFrame(rows if any(state != states[0] for state in states) else [])

    @cached_property
    def answers(self) -> list[Finding]:
        """Of each pair, which is more stable, and at what accuracy; of many pairs, of the two at the ends."""
        return [answer(pair, self.differences) for pair in self.shown]

    @cached_property
    def further(self) -> list[Finding]:
        """The answer on each pair that `answers` leaves out, and the other findings on the pairs that it has."""
        findings = [answer(pair, self.differences) for pair in self.pairs if pair not in self.shown]
        tables = self.differences, self.by_class, self.resamples, self.seed
        findings += [finding for pair in self.shown for finding in further_findings(pair, *tables)]
        return findings

    @property
    def findings(self) -> list[Finding]:
        """The answers and the further findings."""
        return [*self.answers, *self.further]

    @cached_property
    def shown(self) -> list[Pair]:
        """All pairs; of more than `MOST_ANSWERS`, the most and the least stable one, whose intervals allow for that."""
        if len(self.pairs) <= MOST_ANSWERS:
            return list(self.pairs)
        by_name = {pair.second.name: pair for pair in self.pairs}
        rows = self.differences[self.differences["measure"].eq(HEADLINE)].set_index("study")["difference"]
        return [by_name[rows.idxmin()], by_name[rows.idxmax()]]

    @property
    def front(self) -> list[str]:
        """The studies than which no other has both a higher or equal accuracy and a lower or equal P(top-1 change)."""
        means = self.means.pivot(index="study", columns="measure", values="value")
        if "accuracy" not in means:
            return []
        cost, gain = means[HEADLINE], means["accuracy"]
        beaten = [
            any((cost <= cost[name]) & (gain >= gain[name]) & ((cost < cost[name]) | (gain > gain[name])))
            for name in means.index
        ]
        ahead = set(means.index[[not each for each in beaten]])
        return [study.name for study in self.studies if study.name in ahead]
