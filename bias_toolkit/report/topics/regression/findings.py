"""The odds ratios of the regression, adjusted as a family, and whether distance helps to predict stability."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bias_toolkit.analysis import FRAMING_TERMS
from bias_toolkit.foundation import words
from bias_toolkit.foundation.false_discovery import family_intervals, with_family_intervals
from bias_toolkit.foundation.words import known, number, percent, significant
from bias_toolkit.report.source import Source, notes
from bias_toolkit.report.words.finding import (
    NOT_FOUND_RANK,
    Estimate,
    Finding,
    Heading,
    Kind,
    Unit,
    estimate_of_row,
    limits_of_row,
)

TERM = "nn_distance"
RANK = 30


@dataclass(frozen=True)
class Regression:
    """Tables ODDS_RATIOS, LOSSES and CEILING, and sentences on the rows and terms left out of them.

    If no regression was possible, the tables are empty and the last sentence says why.
    """

    odds_ratios: pd.DataFrame
    losses: pd.DataFrame
    ceiling: pd.DataFrame
    notes: Sequence[str]


def gather(source: Source) -> Regression:
    """The regression of a study, with intervals adjusted for the number of terms."""
    analysis, losses = source.analysis, source.analysis.losses
    if len(losses):
        terms = losses["model"].str.startswith("all but ")
        families = with_family_intervals(losses[terms], "difference", images="n"), losses[~terms]
        losses = pd.concat(families).sort_index()
    return Regression(adjusted(analysis.odds_ratios), losses, analysis.ceiling, notes(source, "regression"))


def adjusted(table: pd.DataFrame) -> pd.DataFrame:
    """Table ODDS_RATIOS with adjusted intervals (`family_intervals`); the terms of one kind are a family.

    They are adjusted as logarithms, in which an interval is symmetric, with the degrees of freedom of its own: those of
    the clusters. Terms without a finite interval are not counted.
    """
    if table.empty:
        return table
    families = []
    for _, rows in table.groupby("kind", sort=False):
        logarithms = (np.log(rows[name].to_numpy(float)) for name in ("odds_ratio", "low", "high"))
        low, high = family_intervals(*logarithms, images=rows["clusters"].to_numpy(float))
        families.append(rows.assign(low=np.exp(low), high=np.exp(high)))
    return pd.concat(families).sort_index()


def odds_row(table: pd.DataFrame, term: str, kind: str) -> Mapping[str, Any] | None:
    """One row of ODDS_RATIOS; None if it is absent or has no interval."""
    if not len(table):
        return None
    rows = table[table["term"].eq(term) & table["kind"].eq(kind)]
    if rows.empty or not (known(rows.iloc[0]["low"]) and known(rows.iloc[0]["high"])):
        return None
    return rows.iloc[0].to_dict()


def direction(row: Mapping[str, Any] | None) -> int | None:
    """1 or −1 if the interval lies above or below an odds ratio of 1, 0 if it includes 1, None without a row."""
    return None if row is None else int(row["low"] > 1) - int(row["high"] < 1)


def odds(value: float) -> str:
    """An odds ratio, with a third digit after the point below 0.2; three significant digits if it is tiny or huge."""
    return number(value, 3 if value < 0.2 else 2) if 0.001 <= value < 100 else significant(value)


def known_beside(contents: Regression) -> str:
    """The other terms of the regression: `margin, framing and class`."""
    table = contents.odds_ratios
    terms = set() if table.empty else set(table.loc[table["kind"].eq("together"), "term"])
    names = ["margin"] * ("margin" in terms) + ["framing"] * bool(terms & set(FRAMING_TERMS))
    names += ["class"] * (odds_row(table, TERM, "within class") is not None)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


@dataclass(frozen=True)
class Beside:
    """The odds ratio of distance in the model that holds the most constant, and what that is: `margin and class`."""

    held: str
    estimate: Estimate


def beside_everything(contents: Regression) -> Beside | None:
    """The answer of the regression on distance; None if it has none, or nothing is held constant."""
    rows = (odds_row(contents.odds_ratios, TERM, kind) for kind in ("margin as a curve", "within class", "together"))
    row, held = next((row for row in rows if row is not None), None), known_beside(contents)
    if row is None or not held:
        return None
    label = f"Odds ratio of distance, with {held} held constant,"
    ends = row["odds_ratio"], row["low"], row["high"]
    return Beside(held, Estimate("odds_ratio", label, *ends, int(row["n"]), unit=Unit.FACTOR, nothing=1.0))


def regression_findings(contents: Regression) -> list[Finding]:
    """Whether distance helps to predict the stability of unseen images, or that no regression was possible.

    Whether distance and stability go together is said at the top of the page (`distance_answer`).
    """
    table = contents.odds_ratios
    if not len(table):
        if not contents.notes:
            return []
        claim = "Whether distance helps to predict which images are unstable is not known."
        return [Finding(Heading.DISTANCE, Kind.UNKNOWN, claim, contents.notes[-1], rank=RANK + NOT_FOUND_RANK)]
    beside, row = beside_everything(contents), loss_row(contents.losses, f"all but {TERM}")
    if beside is None or row is None:
        return []
    label = f"Rise of the log loss a step if distance is left out, beside {beside.held},"
    estimate = estimate_of_row(row, "difference", label, row["n"], unit=Unit.SIGNIFICANT, nothing=0.0)
    kind, claim = {
        1: (Kind.ASSOCIATION, "Distance helps to predict which unseen images are unstable."),
        0: (Kind.NONE, "Distance was not found to help to predict which unseen images are unstable."),
        -1: (Kind.ASSOCIATION, "Which unseen images are unstable is predicted better without distance."),
        None: (Kind.CAUTION, "There are too few images to say whether distance helps to predict which are unstable."),
    }[estimate.direction]
    unit = significant(table.loc[table["term"].eq(TERM), "unit"].iloc[0])
    factor = words.estimate(beside.estimate.value, beside.estimate.low, beside.estimate.high, odds)
    evidence = (
        f"For a distance greater by one standard deviation ({unit}), the odds that a step changes the class are "
        f"multiplied by {factor}, with {beside.held} held constant."
    )
    alone = odds_row(table, TERM, "alone")
    if alone is not None:
        factor = words.estimate(alone["odds_ratio"], alone["low"], alone["high"], odds)
        evidence += f" With nothing held constant, they are multiplied by {factor}."
    rank = RANK if kind == Kind.ASSOCIATION else RANK + NOT_FOUND_RANK
    return [Finding(Heading.DISTANCE, kind, claim, evidence, estimate=estimate, rank=rank)]


def loss_row(losses: pd.DataFrame, model: str) -> Mapping[str, Any] | None:
    """One row of LOSSES; None if it is absent."""
    rows = losses[losses["model"].eq(model)] if len(losses) else losses
    return None if rows.empty else rows.iloc[0].to_dict()


def loss(value: float) -> str:
    """A log loss, or a difference of two."""
    return number(value, 4)


def ceiling_sentence(contents: Regression) -> str:
    """The regression's share of what its terms can predict; empty if it was not computed."""
    table = contents.ceiling
    if not len(table):
        return ""
    row = table.iloc[0].to_dict()

    linear, boosted = (
        f"{loss(row[name])} ({limits_of_row(row, name, loss)})" for name in ("linear_gain", "boosted_gain")
    )
    gains = f"a log loss per step below that of no term by {linear}, and by {boosted}"
    if not known(row["share"]):
        return (
            "Neither the regression nor boosted trees on the same terms predict unseen images better than their mean "
            f"does ({gains}): from these terms and images there is nothing to explain."
        )
    if row["share"] >= 1:
        return (
            "Boosted trees, which can take any curve and combination of the same terms, predict unseen images no "
            f"better than the regression ({gains}): its straight lines tell all that was found (at least "
            f"{percent(row['share_low'], 0)}, by the 95% interval)."
        )
    limits = limits_of_row(row, "share", lambda value: percent(value, 0))
    reach = f"{percent(row['share'], 0)} (95% interval {limits})"
    rest = (
        " The rest is in curves and combinations, and an odds ratio is an average over them."
        if row["share_high"] < 1
        else " The interval includes all."
    )
    return (
        f"The regression tells {reach} of what boosted trees, which can take any curve and combination, tell from the "
        f"same terms about unseen images ({gains}).{rest}"
    )
