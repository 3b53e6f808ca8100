"""The page's section on the contribution of each of several variables given the others: tables and figure."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bias_toolkit.foundation.words import MISSING, count, number, significant
from bias_toolkit.report.page.blocks import (
    Block,
    Cell,
    FigureBlock,
    ListBlock,
    Omitted,
    Paragraph,
    Section,
    TableBlock,
    estimate_cell,
)
from bias_toolkit.report.page.style import BLUE, GREEN, GREY, VERMILLION, name_rows, new_figure, styled, subtitle
from bias_toolkit.report.relations.odds import odds_direction, odds_row
from bias_toolkit.report.topics.regression.findings import (
    Regression,
    ceiling_sentence,
    odds,
    regression_findings,
)
from bias_toolkit.report.words.definitions import COLUMNS, REGRESSION_KINDS, label_of
from bias_toolkit.report.words.finding import nats, sign
from bias_toolkit.report.words.sentences import BOTH_SETS, TEST_ONLY

TITLE = "What distance says beside everything else"
MODELS = {"none": "No term: the mean alone", "all": "All terms", "boosted": "Boosted trees on all terms"}
MARKS = {
    "alone": (GREY, "o", "white"),
    "together": (BLUE, "o", BLUE),
    "within class": (GREEN, "s", GREEN),
    "margin as a curve": (VERMILLION, "D", VERMILLION),
}
ROW_INCHES = 0.7
APART = 0.2
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
# The axis cuts a longer interval, so that the others can be seen.
LARGEST = 100.0


def regression_section(contents: Regression) -> Section | Omitted:
    """The answer, odds ratios, cross-validated losses, and the rows and terms left out."""
    if len(contents.odds_ratios):
        return Section("beside", TITLE, list(_blocks(contents)))
    reason = contents.notes[-1] if contents.notes else "no changed steps were measured."
    return Omitted(TITLE, reason[:1].lower() + reason[1:])


def _blocks(contents: Regression) -> Iterator[Block]:
    table = contents.odds_ratios
    for finding in regression_findings(contents):
        yield Paragraph(finding.text)
    alike = (
        "The intervals take each image for itself"
        if table.iloc[0]["clusters"] == table.iloc[0]["n"]
        else "Images of a class may be alike, so the intervals are those of the cluster jackknife over classes: they "
        "are also about other classes than these, while the intervals of ρ are about more images of these classes"
    )
    columns = " The last column of odds ratios answers the question; those before it show what each control changes."
    yield Paragraph(
        "A binomial regression of each image's changed steps out of all its steps on the standardised terms. "
        f"{alike}.{columns if table['kind'].eq('together').sum() > 1 else ''}"
    )
    lacking = [label_of(term) for term in _terms(table) if term not in _terms(with_interval(table))]
    left_out = f" Left out, as they have no interval: {', '.join(lacking)}." if lacking else ""
    if len(lacking) < len(_terms(table)):
        yield FigureBlock(
            "odds-ratios",
            lambda: odds_ratios(table),
            "Odds ratios of each term, alone, together and within classes, with their intervals on a logarithmic axis.",
            "Odds ratios for one standard deviation of each term. Right of 1 the class changes more often, left of it "
            "less often; where the line crosses 1, no relation was found. The 95% intervals are adjusted for the "
            f"number of terms.{left_out}",
            boxes=TEST_ONLY,
        )
    yield _odds_table(contents)
    if len(contents.losses):
        yield _loss_table(contents.losses)
    ceiling = ceiling_sentence(contents)
    if ceiling:
        yield Paragraph(ceiling)
    if contents.notes:
        yield ListBlock([Cell(note) for note in contents.notes])


def with_interval(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of ODDS_RATIOS whose interval has a width; one image or class alone may decide the others."""
    return table[table["high"] > table["low"]]


def _terms(table: pd.DataFrame) -> list[str]:
    """The terms of the regression, in their order."""
    return list(dict.fromkeys(table["term"]))


def _odds_table(contents: Regression) -> TableBlock:
    table = contents.odds_ratios
    terms = _terms(with_interval(table))
    kinds = [kind for kind in REGRESSION_KINDS if table["kind"].eq(kind).any()]
    rows = []
    for term in terms:
        together = table[table["term"].eq(term) & table["kind"].eq("together")].iloc[0]
        cells: list[Cell | str] = [Cell(label_of(term), f"standard deviation {significant(together['unit'])}")]
        for row in (odds_row(table, term, kind) for kind in kinds):
            cells.append(Cell(MISSING) if row is None else _odds_cell(row))
        rows.append([*cells, Cell(number(together["inflation"], 1))])
    return TableBlock(
        "Odds ratios of a step's changing the class, for one standard deviation",
        ["", *(REGRESSION_KINDS[kind].label for kind in kinds), "Variance inflation"],
        rows,
        definitions=[REGRESSION_KINDS[kind] for kind in kinds] + [COLUMNS[term] for term in terms],
        note="Under each odds ratio its 95% interval, adjusted for the number of terms (Benjamini and Yekutieli, "
        "2005); in bold where it leaves out 1. The interval decides what is found: the p in the file is of each odds "
        "ratio alone, and may be below 0.05 where the interval includes 1. Variance inflation: by how much the other "
        "terms blur a term; from 10 on they can hardly be told apart.",
        csv="tables/odds_ratios.csv",
        boxes=BOTH_SETS,
    )


def _odds_cell(row: Mapping[str, Any]) -> Cell:
    ends = row["low"], row["high"]
    return estimate_cell(row["odds_ratio"], *ends, odds, marked=bool(odds_direction(row)), nothing=1.0)


def _loss_table(losses: pd.DataFrame) -> TableBlock:
    rows = []
    for row in losses.to_dict("records"):
        model, ends = row["model"], (row["difference_low"], row["difference_high"])
        name = MODELS.get(model) or f"Without: {label_of(model.removeprefix('all but '))}"
        worse = Cell(MISSING)
        if model != "all":
            worse = estimate_cell(row["difference"], *ends, nats, marked=bool(sign(*ends)))
        rows.append([name, estimate_cell(row["loss"], row["low"], row["high"], nats), worse])
    return TableBlock(
        "How well unseen images are predicted",
        ["", "Log loss per step", "Above that of all terms"],
        rows,
        note="Cross-validated: each image is predicted by a model fitted without it and, where there are ten classes, "
        "without its class. In nats; lower is better. Under each number its 95% bootstrap interval over images, those "
        "of a class together; it takes the fitted models as they are. Those of the differences without a term are "
        "adjusted for the number of terms. In bold where a difference leaves out 0.",
        csv="tables/losses.csv",
        boxes=BOTH_SETS,
    )


@styled
def odds_ratios(table: pd.DataFrame) -> Axes:
    """Odds ratios (ODDS_RATIOS) for one standard deviation of each term, alone and beside the others, on a log axis.

    Those without an interval are not drawn.
    """
    table = with_interval(table)
    terms = _terms(table)
    kinds = [kind for kind in MARKS if kind in set(table["kind"])]
    ax = new_figure(width=6.2, height=1.3 + ROW_INCHES * len(terms)).add_subplot()
    ax.axvline(1, color=GREY, linewidth=1)
    for at, kind in enumerate(kinds):
        rows = table[table["kind"].eq(kind)].set_index("term").reindex(terms)
        places = np.arange(len(terms)) + APART * (at - (len(kinds) - 1) / 2)
        colour, marker, inside = MARKS[kind]
        ax.hlines(places, rows["low"], rows["high"], color=colour, linewidth=1.6)
        label = REGRESSION_KINDS[kind].label.lower()
        ax.plot(rows["odds_ratio"], places, marker, color=colour, markerfacecolor=inside, markersize=4.5, label=label)
    ends = table[["odds_ratio", "low", "high"]].to_numpy(float)
    ends = np.clip(ends[np.isfinite(ends) & (ends > 0)], 1 / LARGEST, LARGEST)
    ax.set_xscale("log")
    low, high = (min(ends.min(initial=1), 0.8) / 1.15, max(ends.max(initial=1), 1.25) * 1.15)
    shown = [tick for tick in TICKS if low <= tick <= high]
    ax.set_xticks(shown, [f"{tick:g}" for tick in shown])
    ax.minorticks_off()
    ax.set_xlim(low, high)
    name_rows(ax, range(len(terms)), [label_of(term) for term in terms])
    ax.set_ylim(len(terms) - 0.45, -0.55)
    ax.set(xlabel="odds ratio for one standard deviation", title="Odds that a step changes the class")
    ax.legend(loc="best")
    together = table[table["kind"].eq("together")]
    if len(together):
        n, clusters = int(together["n"].iloc[0]), int(together["clusters"].iloc[0])
        classes = "" if clusters == n else f" of {count(clusters, 'class', 'classes')}"
        subtitle(ax, f"{count(n, 'image')}{classes}; lines: 95% intervals, adjusted")
    return ax
