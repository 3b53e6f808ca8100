"""The relation of an image's annotated factors (ImageNet-X), such as an unusual pose, to the model's stability."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bias_toolkit.analysis import COMPARED_MEASURES
from bias_toolkit.foundation.false_discovery import with_family_intervals
from bias_toolkit.foundation.intervals import DIFFERENCE
from bias_toolkit.foundation.words import count, known, number, percent
from bias_toolkit.invariance import HEADLINE
from bias_toolkit.report.columns import require_one_of
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
from bias_toolkit.report.page.files import Table
from bias_toolkit.report.page.style import BLUE, GREY, VERMILLION, in_its_unit, name_rows, new_figure, styled, subtitle
from bias_toolkit.report.source import Source, notes
from bias_toolkit.report.topic import Choice, Option, Plot, Topic
from bias_toolkit.report.words.definitions import COLUMNS, FACTORS, label_of
from bias_toolkit.report.words.finding import (
    NOT_FOUND_RANK,
    Estimate,
    Finding,
    Heading,
    Kind,
    Unit,
    clearest_of_family,
    sign,
)
from bias_toolkit.report.words.sentences import lowered

TITLE = "Annotated factors"
FACTORS_RANK = 70
ENDS = ("", "_low", "_high")
ROW_INCHES = 0.36
APART = 0.17

_finding = partial(Finding, Heading.FACTORS)


def factor_name(factor: str) -> str:
    """The name that is shown for a factor."""
    return FACTORS[factor].label if factor in FACTORS else factor.replace("_", " ")


@dataclass(frozen=True)
class Factors:
    """Table FACTORS, the factors left out of it, and table NOTES."""

    table: pd.DataFrame
    notes: Sequence[str]
    every_note: pd.DataFrame


def gather(source: Source) -> Factors:
    """The annotated factors of a study's test images."""
    analysis = source.analysis
    return Factors(analysis.factors, notes(source, "factors"), analysis.notes)


def adjusted(table: pd.DataFrame, measure: str) -> pd.DataFrame:
    """The FACTORS rows of a measure, their differences with intervals adjusted for the number of factors."""
    rows = table[table["measure"].eq(measure)]
    rows = rows.assign(images=rows[["n_with", "n_without"]].min(axis=1))
    for name in ("difference", "given_margin"):
        rows = with_family_intervals(rows, name, images="images", limits=DIFFERENCE)
    return rows.drop(columns="images")


def factor_findings(contents: Factors) -> list[Finding]:
    """The factor that goes most clearly with another stability, and whether it does among images of similar margin."""
    if not len(contents.table):
        rank = FACTORS_RANK + NOT_FOUND_RANK
        return [_finding(Kind.UNKNOWN, contents.notes[0], rank=rank)] if contents.notes else []
    rows = adjusted(contents.table, HEADLINE)
    rows = rows[rows["difference_low"].notna()].reset_index(drop=True)
    if rows.empty:
        return []
    best, plain = clearest_of_family(*(rows[f"difference{end}"] for end in ENDS), 0.0)
    given = (rows["given_margin_low"].gt(0).astype(int) - rows["given_margin_high"].lt(0)).to_numpy()
    remain = rows[(plain != 0) & (given == plain)]
    if len(remain):
        best = int(remain.index[clearest_of_family(*(remain[f"given_margin{end}"] for end in ENDS), 0.0)[0]])
    row = rows.loc[best].to_dict()
    name, number_of = factor_name(row["factor"]).lower(), count(len(rows), "annotated factor")
    alone, controlled = (_estimate(row, column, len(rows)) for column in ("difference", "given_margin"))
    if not alone.direction:
        claim = "No annotated factor was found to go with another stability."
        evidence = f"Of {number_of}, “{name}” is the one nearest to a difference."
        rank = FACTORS_RANK + NOT_FOUND_RANK
        return [_finding(Kind.NONE, claim, evidence, estimate=alone, figure="factors", rank=rank)]
    side = {1: "less", -1: "more"}
    claim = f"Images with the annotated factor “{name}” are {side[alone.direction]} stable than those without it"
    some = f"Of {number_of}, {int(np.count_nonzero(plain))} {'goes' if np.count_nonzero(plain) == 1 else 'go'} with "
    evidence = f"{some}another stability among all images."
    estimate, kind = controlled, Kind.ASSOCIATION
    if controlled.direction is None:
        estimate, claim = alone, f"{claim}; among images of similar confidence that is not known."
    elif controlled.direction == alone.direction:
        claim = f"{claim}, also among images of similar confidence."
        evidence += f" {len(remain)} {'does' if len(remain) == 1 else 'do'} also among images of similar confidence."
    elif controlled.direction == 0:
        kind, estimate, claim = Kind.EXPLAINED, alone, f"{claim}."
        evidence = f"Among images of similar confidence, this was not found: {lowered(controlled.text)}. {evidence}"
    else:
        claim = f"{claim}, but {side[controlled.direction]} stable among images of similar confidence."
    if estimate is controlled:
        evidence += f" Among all images: {lowered(alone.text)}."
    return [_finding(kind, claim, evidence, estimate=estimate, figure="factors", rank=FACTORS_RANK)]


def _estimate(row: Mapping[str, Any], column: str, factors: int) -> Estimate:
    """The difference that a factor makes, among all images or among those of similar margin; one of several factors."""
    among = ", among images of similar confidence" if column == "given_margin" else ""
    chosen = f", the clearest of {count(factors, 'factor')}" if factors > 1 else ""
    label = f"Difference in {label_of(HEADLINE)}{among}{chosen}{',' if among or chosen else ''}"
    low, high = (row[f"{column}{end}"] if known(row[f"{column}{end}"]) else None for end in ENDS[1:])
    n = int(row["n_with"] + row["n_without"])
    return Estimate(column, label, row[column], low, high, n, unit=Unit.POINTS, nothing=0.0)


def points(value: float) -> str:
    """A difference of shares in percentage points, with its sign: `+3.2`."""
    text = number(100 * value, 1)
    return f"+{text}" if value > 0 and text.strip("0.") else text


def factors_section(contents: Factors) -> Section | Omitted | None:
    """The factors, if there are any; a reason, if they were requested but not found; otherwise None."""
    if len(contents.table):
        return Section("factors", TITLE, list(_blocks(contents)))
    notes = contents.notes
    return Omitted(TITLE, notes[0][:1].lower() + notes[0][1:]) if notes else None


def _blocks(contents: Factors) -> Iterator[Block]:
    table = contents.table
    yield Paragraph(
        "ImageNet-X (Idrissi et al., ICLR 2023) says of an image in what it differs from the typical images of its "
        "class. An image may have several factors, and what is said of one is not free of the others. Factors make a "
        "model unsure, and unsure models are unstable: so each difference is also taken among images of similar margin."
    )
    measures = [measure for measure in COMPARED_MEASURES if table["measure"].eq(measure).any()]
    if HEADLINE in measures:
        yield FigureBlock(
            "factors",
            lambda: factor_differences(table),
            "Difference in P(top-1 change) between images with and without each annotated factor, with its interval.",
            "P(top-1 change) of the images with a factor minus that of the images without it, among all and among "
            "images of similar margin. The lines are 95% intervals, adjusted for the number of factors: a difference "
            "is found if its line leaves out 0.",
        )
    yield from (_table(table, measure, folded=measure != HEADLINE) for measure in measures)
    if contents.notes:
        yield ListBlock([Cell(note) for note in contents.notes])


def _table(table: pd.DataFrame, measure: str, folded: bool) -> TableBlock:
    shown = largest_first(adjusted(table, measure), measure)
    share = COLUMNS[measure].share
    form, difference = (percent, points) if share else (partial(number, digits=4),) * 2

    def mean(row: Mapping[str, Any], value: str, prefix: str, n: str) -> Cell:
        return estimate_cell(row[value], row[f"{prefix}low"], row[f"{prefix}high"], form, count(row[n], "image"))

    def change(row: Mapping[str, Any], name: str) -> Cell:
        ends = row[f"{name}_low"], row[f"{name}_high"]
        return estimate_cell(row[name], *ends, difference, marked=bool(sign(*ends)))

    rows = [
        [
            factor_name(row["factor"]),
            mean(row, "value", "", "n_with"),
            mean(row, "without", "without_", "n_without"),
            change(row, "difference"),
            change(row, "given_margin"),
        ]
        for row in shown.to_dict("records")
    ]
    return TableBlock(
        f"{label_of(measure)} with and without each factor",
        ["", "With it", "Without it", "Difference", "Given the margin"],
        rows,
        definitions=[FACTORS[factor] for factor in shown["factor"] if factor in FACTORS],
        note="Under each number its 95% interval over images. Those of the differences"
        f"{' (in percentage points)' if share else ''} are adjusted for the number of factors (Benjamini and "
        "Yekutieli, 2005), in bold where they leave out 0; the file has those of each factor alone. Given the margin: "
        "inside strata of nearly equal margin.",
        csv="tables/factors.csv",
        folded=folded,
    )


def largest_first(factors: pd.DataFrame, measure: str) -> pd.DataFrame:
    """The FACTORS rows of a measure, the largest difference first."""
    rows = factors[factors["measure"].eq(measure)]
    return rows.sort_values(["difference", "factor"], ascending=[False, True], kind="stable")


@styled
def factor_differences(factors: pd.DataFrame, measure: str = HEADLINE) -> Axes:
    """The difference that each factor (FACTORS) makes to a measure, among all images and images of similar margin."""
    rows = largest_first(adjusted(factors, measure), measure)
    places = np.arange(len(rows), dtype=float)
    ax = new_figure(width=6.2, height=1.35 + ROW_INCHES * len(rows)).add_subplot()
    ax.axvline(0, color=GREY, linewidth=1)
    for name, colour, marker, shift, label in (
        ("difference", VERMILLION, "o", -APART, "among all images"),
        ("given_margin", BLUE, "s", APART, "among images of similar margin"),
    ):
        ax.hlines(places + shift, rows[f"{name}_low"], rows[f"{name}_high"], color=colour, linewidth=1.6, alpha=0.7)
        ax.plot(rows[name], places + shift, marker, color=colour, markersize=4.5, label=label)
    names = [FACTORS[factor].label if factor in FACTORS else factor for factor in rows["factor"]]
    name_rows(ax, places, [f"{name} ({n:,})" for name, n in zip(names, rows["n_with"], strict=True)])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    label = label_of(measure)
    ax.set(xlabel=f"{label}: with the factor minus without", title=f"{label} by annotated factor")
    in_its_unit(ax.xaxis, measure)
    subtitle(ax, "in brackets: images with the factor; lines: 95% intervals, adjusted")
    ax.legend(loc="best")
    return ax


def _differences(contents: Factors, choice: Choice[Factors]) -> Axes:
    require_one_of(contents.table["measure"].unique(), choice.measure, choice.name)
    return factor_differences(contents.table, choice.measure)


TOPIC = Topic(
    "factors",
    gather,
    findings=factor_findings,
    section=lambda contents, draft: factors_section(contents),
    tables=lambda contents: [
        Table("factors", contents.table, "annotated factors against invariance", order=9),
        Table("notes", contents.every_note, "what the regression and the factors left out", order=10),
    ],
    results=lambda contents: {"factors": contents.table, "notes": contents.every_note},
    plots={
        "factors": Plot(
            _differences, lambda of: of.table, "test image with annotated factors", order=11, takes=[Option.MEASURE]
        )
    },
)
