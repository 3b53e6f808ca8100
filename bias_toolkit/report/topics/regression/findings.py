"""The odds ratios of the regression, adjusted as a family, and whether distance helps to predict stability."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from bias_toolkit.analysis import FRAMING_TERMS
from bias_toolkit.foundation import words
from bias_toolkit.foundation.false_discovery import with_family_intervals
from bias_toolkit.foundation.words import known, number, percent, significant
from bias_toolkit.report.relations.odds import adjusted, odds_row
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
    nats,
)

TERM = "nn_distance"
RANK = 30
ROUNDING = 1e-9


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
    """The odds ratio of distance in the model that holds the most constant, and what that is: `margin and class`.

    `gain` is the rise of the log loss of unseen images if distance is left out; None if it was not computed.
    """

    held: str
    estimate: Estimate
    gain: Estimate | None = None


def beside_everything(contents: Regression) -> Beside | None:
    """The answer of the regression on distance; None if it has none, or nothing is held constant."""
    rows = (odds_row(contents.odds_ratios, TERM, kind) for kind in ("margin as a curve", "within class", "together"))
    row, held = next((row for row in rows if row is not None), None), known_beside(contents)
    if row is None or not held:
        return None
    label = f"Odds ratio of distance, with {held} held constant,"
    ends = row["odds_ratio"], row["low"], row["high"]
    odds_ratio = Estimate("odds_ratio", label, *ends, int(row["n"]), unit=Unit.FACTOR, nothing=1.0)
    losses = contents.losses
    rises = losses[losses["model"].eq(f"all but {TERM}")].to_dict("records") if len(losses) else []
    label = f"Rise of the log loss a step if distance is left out, beside {held},"
    gains = [estimate_of_row(rise, "difference", label, rise["n"], unit=Unit.NATS, nothing=0.0) for rise in rises]
    return Beside(held, odds_ratio, gains[0] if gains else None)


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
    beside = beside_everything(contents)
    if beside is None or beside.gain is None:
        return []
    kind, claim = {
        1: (Kind.ASSOCIATION, "Distance helps to predict which unseen images are unstable."),
        0: (Kind.NONE, "Distance was not found to help to predict which unseen images are unstable."),
        -1: (Kind.ASSOCIATION, "Which unseen images are unstable is predicted better without distance."),
        None: (Kind.CAUTION, "There are too few images to say whether distance helps to predict which are unstable."),
    }[beside.gain.direction]
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
    return [Finding(Heading.DISTANCE, kind, claim, evidence, estimate=beside.gain, rank=rank)]


def ceiling_sentence(contents: Regression) -> str:
    """The regression's share of what its terms can predict; empty if it was not computed."""
    table = contents.ceiling
    if not len(table):
        return ""
    row = table.iloc[0].to_dict()
    linear, boosted = (
        f"{nats(row[name])} ({limits_of_row(row, name, nats)})" for name in ("linear_gain", "boosted_gain")
    )
    gains = f"a log loss per step below that of no term by {linear} nats, and by {boosted}"
    if not known(row["share"]):
        return (
            "Neither the regression nor boosted trees on the same terms were found to predict unseen images better "
            f"than their mean does ({gains}), so there is no gain to compare."
        )
    # Rounded outwards, so that neither bound says more than the interval.
    low, high = math.floor(100 * row["share_low"] + ROUNDING), math.ceil(100 * row["share_high"] - ROUNDING)
    if row["share"] >= 1:
        return (
            "Boosted trees, which can take any curve and combination of the same terms, were not found to predict "
            f"unseen images better than the regression ({gains}). The regression reaches at least {low}% of the trees’ "
            "gain, by the 95% interval, in which a gain above theirs counts as 100%. Another model may find more."
        )
    reach = f"{percent(row['share'], 0)} (95% interval {low}% to {high}%)"
    rest = (
        " The rest is in curves and combinations, and an odds ratio is an average over them."
        if row["share_high"] < 1
        else " The interval includes all."
    )
    return (
        f"The regression tells {reach} of what boosted trees, which can take any curve and combination, tell from the "
        f"same terms about unseen images ({gains}).{rest}"
    )
