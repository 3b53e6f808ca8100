"""The relation of an image's annotated factors (ImageNet-X), such as an unusual pose, to the model's stability."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bias_toolkit.analysis import COMPARED_MEASURES
from bias_toolkit.foundation.words import count, interval, known, number, p_value, percent
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
from bias_toolkit.report.words.finding import SIGNIFICANT, Finding, Heading, Kind

TITLE = "Annotated factors"
ROW_INCHES = 0.36
APART = 0.17


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


def factor_findings(contents: Factors) -> list[Finding]:
    """Factors related to instability after correction for their number, and whether the margin explains them."""
    table = contents.table
    if not len(table):
        return [Finding(Heading.FACTORS, Kind.UNKNOWN, contents.notes[0])] if contents.notes else []
    rows = table[table["measure"].eq(HEADLINE)].to_dict("records")
    if not rows:
        return []
    related = [row for row in rows if known(row["p_adjusted"]) and row["p_adjusted"] < SIGNIFICANT]
    tested = count(len(rows), "factor")
    if not related:
        claim = "No annotated factor was found to go with instability."
        evidence = f"None of {tested} leaves its mark on P(top-1 change) after correction for their number."
        return [Finding(Heading.FACTORS, Kind.NONE, claim, evidence)]
    related.sort(key=lambda row: (-abs(row["difference"]), row["factor"]))
    names = ", ".join(factor_name(row["factor"]).lower() for row in related)
    claim = f"Of {tested}, {len(related)} {'goes' if len(related) == 1 else 'go'} with another stability: {names}."
    text = " ".join(_sentence(row) for row in related[:3])
    return [Finding(Heading.FACTORS, Kind.EFFECT, claim, text)]


def _sentence(row: Mapping[str, Any]) -> str:
    def brackets(name: str, p: str) -> str:
        limits = interval(row[f"{name}_low"], row[f"{name}_high"], points)
        return f"(95% interval {limits}; adjusted {p_value(row[p])})"

    given = "not defined"
    if known(row["given_margin"]):
        given = f"{points(row['given_margin'])} {brackets('given_margin', 'given_margin_p_adjusted')}"
    return (
        f"{factor_name(row['factor'])}: P(top-1 change) {percent(row['value'])} on {count(row['n_with'], 'image')} "
        f"with it, {percent(row['without'])} on {count(row['n_without'], 'image')} without, a difference of "
        f"{points(row['difference'])} percentage points {brackets('difference', 'p_adjusted')}; among images of like "
        f"margin {given}."
    )


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
        "model unsure, and unsure models are unstable: so each difference is also taken among images of like margin."
    )
    measures = [measure for measure in COMPARED_MEASURES if table["measure"].eq(measure).any()]
    if HEADLINE in measures:
        yield FigureBlock(
            "factors",
            lambda: factor_differences(table),
            "Difference in P(top-1 change) that each annotated factor makes, with its interval.",
            "P(top-1 change) of the images with a factor minus that of the images without it, among all and among "
            "images of like margin.",
        )
    yield from (_table(table, measure, folded=measure != HEADLINE) for measure in measures)
    if contents.notes:
        yield ListBlock([Cell(note) for note in contents.notes])


def _table(table: pd.DataFrame, measure: str, folded: bool) -> TableBlock:
    shown = largest_first(table, measure)
    share = COLUMNS[measure].share
    form, difference = (percent, points) if share else (partial(number, digits=4),) * 2

    def mean(row: Mapping[str, Any], value: str, prefix: str, n: str) -> Cell:
        return estimate_cell(row[value], row[f"{prefix}low"], row[f"{prefix}high"], form, count(row[n], "image"))

    def change(row: Mapping[str, Any], name: str, p: str) -> Cell:
        ends = row[f"{name}_low"], row[f"{name}_high"]
        return estimate_cell(row[name], *ends, difference, p_value(row[p]), bool(row[p] < SIGNIFICANT))

    rows = [
        [
            factor_name(row["factor"]),
            mean(row, "value", "", "n_with"),
            mean(row, "without", "without_", "n_without"),
            change(row, "difference", "p_adjusted"),
            change(row, "given_margin", "given_margin_p_adjusted"),
        ]
        for row in shown.to_dict("records")
    ]
    return TableBlock(
        f"{label_of(measure)} with and without each factor",
        ["", "With it", "Without it", "Difference", "Given the margin"],
        rows,
        definitions=[FACTORS[factor] for factor in shown["factor"] if factor in FACTORS],
        note="Under each number its 95% bootstrap interval over images; under differences"
        f"{' (in percentage points)' if share else ''} also the permutation p, adjusted for the number of factors "
        "(Benjamini & Hochberg), in bold where that is below 0.05. Given the margin: inside strata of nearly equal "
        "margin.",
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
    rows = largest_first(factors, measure)
    places = np.arange(len(rows), dtype=float)
    ax = new_figure(width=6.2, height=1.35 + ROW_INCHES * len(rows)).add_subplot()
    ax.axvline(0, color=GREY, linewidth=1)
    for name, colour, marker, shift, label in (
        ("difference", VERMILLION, "o", -APART, "among all images"),
        ("given_margin", BLUE, "s", APART, "among images of like margin"),
    ):
        ax.hlines(places + shift, rows[f"{name}_low"], rows[f"{name}_high"], color=colour, linewidth=1.6, alpha=0.7)
        ax.plot(rows[name], places + shift, marker, color=colour, markersize=4.5, label=label)
    names = [FACTORS[factor].label if factor in FACTORS else factor for factor in rows["factor"]]
    name_rows(ax, places, [f"{name} ({n:,})" for name, n in zip(names, rows["n_with"], strict=True)])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    label = label_of(measure)
    ax.set(xlabel=f"{label}: with the factor minus without", title=f"{label} by annotated factor")
    in_its_unit(ax.xaxis, measure)
    subtitle(ax, "in brackets: images with the factor; lines: 95% intervals")
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
