"""Whether distance adds information on an image's stability, given its margin, its framing and its class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bias_toolkit.analysis import FRAMING_TERMS
from bias_toolkit.foundation.words import interval, known, number, percent, significant
from bias_toolkit.report.source import Source, notes
from bias_toolkit.report.words.finding import NOT_FOUND_RANK, Estimate, Finding, Heading, Kind, Unit, limits_of_row

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
    """The regression of a study."""
    analysis = source.analysis
    return Regression(analysis.odds_ratios, analysis.losses, analysis.ceiling, notes(source, "regression"))


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


def odds_with_interval(row: Mapping[str, Any]) -> str:
    """`1.21 (95% interval 1.06 to 1.38)`."""
    return f"{odds(row['odds_ratio'])} (95% interval {interval(row['low'], row['high'], odds)})"


def odds(value: float) -> str:
    """An odds ratio, with a third digit after the point below 0.2; three significant digits if it is tiny or huge."""
    return number(value, 3 if value < 0.2 else 2) if 0.001 <= value < 100 else significant(value)


def known_beside(contents: Regression) -> str:
    """The other terms of the regression: `margin, framing and class`."""
    table = contents.odds_ratios
    terms = set(table.loc[table["kind"].eq("together"), "term"])
    names = ["margin"] * ("margin" in terms) + ["framing"] * bool(terms & set(FRAMING_TERMS))
    names += ["class"] * (odds_row(table, TERM, "within class") is not None)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def regression_findings(contents: Regression) -> list[Finding]:
    """The answer in one finding, or the finding that no regression was possible."""
    table = contents.odds_ratios
    if not len(table):
        if not contents.notes:
            return []
        claim = "Whether images farther from the training set are less stable, if else alike, is not known."
        return [Finding(Heading.DISTANCE, Kind.UNKNOWN, claim, contents.notes[-1], rank=RANK + NOT_FOUND_RANK)]
    alone, together, within, curved = (
        odds_row(table, TERM, kind) for kind in ("alone", "together", "within class", "margin as a curve")
    )
    beside = known_beside(contents)
    if together is None or not beside:
        return []
    answer = next(row for row in (curved, within, together) if row is not None)
    label = f"Odds ratio of distance, beside {beside},"
    ends = answer["odds_ratio"], answer["low"], answer["high"]
    estimate = Estimate("odds_ratio", label, *ends, int(answer["n"]), unit=Unit.FACTOR, nothing=1.0)
    claim, kind = _claim(direction(alone), direction(answer), beside)
    rank = RANK if kind == Kind.ASSOCIATION else RANK + NOT_FOUND_RANK
    meaning = (
        "The odds that a step changes the class are multiplied by it for a distance greater by one standard deviation "
        f"({significant(together['unit'])})."
    )
    by_itself = f" With nothing else known, the odds ratio is {odds_with_interval(alone)}." if alone is not None else ""
    evidence = f"{meaning}{by_itself}{_prediction(contents)}"
    return [Finding(Heading.DISTANCE, kind, claim, evidence, estimate=estimate, figure="odds-ratios", rank=rank)]


def _claim(alone: int | None, answer: int, beside: str) -> tuple[str, Kind]:
    alike = f"Among images alike in {beside}"
    if answer == 0:
        if alone == 0:
            return (
                f"No relation of distance to stability was found, alone or among images alike in {beside}.",
                Kind.NONE,
            )
        return f"{alike}, no relation of distance to stability was found.", Kind.NONE
    claim = f"{alike}, those farther from the training set are {'less' if answer > 0 else 'more'} stable"
    if alone not in (0, None, answer):
        return f"{claim}: the opposite of what distance says alone.", Kind.ASSOCIATION
    return f"{claim}.", Kind.ASSOCIATION


def _prediction(contents: Regression) -> str:
    """The loss in predicting unseen images if distance is left out."""
    row = loss_row(contents.losses, f"all but {TERM}")
    if row is None:
        return ""
    value = f"{loss(row['difference'])} per step (95% interval {limits_of_row(row, 'difference', loss)})"
    if row["difference_low"] > 0:
        return f" Without distance, unseen images are predicted worse: their log loss is higher by {value}."
    if row["difference_high"] < 0:
        return f" Even so, unseen images are predicted better without it: the log loss differs by {value}."
    return f" For the prediction of unseen images, leaving distance out makes no clear difference: log loss {value}."


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
