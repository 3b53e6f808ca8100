"""The page's section on annotated factors (ImageNet-X) against invariance."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pandas as pd

from bias_toolkit.foundation.words import count, number, p_value, percent
from bias_toolkit.report.page.blocks import Block, Cell, FigureBlock, ListBlock, Omitted, Paragraph, Section, TableBlock
from bias_toolkit.report.page.cells import estimate_cell
from bias_toolkit.report.topics.factors.figures import factor_differences, largest_first
from bias_toolkit.report.topics.factors.findings import Factors, factor_name, points
from bias_toolkit.report.words.definitions import COLUMNS, FACTORS, label_of
from bias_toolkit.report.words.finding import SIGNIFICANT

TITLE = "Annotated factors"


def factors_section(contents: Factors) -> Section | Omitted | None:
    """The factors where there are any, a reason where they were asked for in vain, otherwise None."""
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
    measures = [measure for measure in ("p_top1_change", "mac", "accuracy") if table["measure"].eq(measure).any()]
    if "p_top1_change" in measures:
        yield FigureBlock(
            "factors",
            lambda: factor_differences(table),
            "Difference in P(top-1 change) that each annotated factor makes, with its interval.",
            "P(top-1 change) of the images with a factor minus that of the images without it, among all and among "
            "images of like margin.",
        )
    yield from (_table(table, measure, folded=measure != "p_top1_change") for measure in measures)
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
