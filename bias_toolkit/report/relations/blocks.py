"""Blocks of a page on a variable of each image against its measures."""

from __future__ import annotations

from collections.abc import Sequence

from bias_toolkit.foundation.words import MISSING, count, interval, number, p_value
from bias_toolkit.report.page.blocks import Cell, TableBlock
from bias_toolkit.report.relations.tables import Relations, correlation
from bias_toolkit.report.words.definitions import COLUMNS, CORRELATION_KINDS, distance_label, label_of
from bias_toolkit.report.words.finding import sign


def and_curve(curved: bool) -> str:
    """What else than points is in a figure."""
    return " and a curve of bin means" if curved else ""


def about_curve(curved: bool) -> str:
    """What the curve of a figure is, or why there is none."""
    if not curved:
        return "Too few images for a curve: the one mark is the mean of all."
    return "The curve is the mean in bins of equally many images, its band the 95% bootstrap interval over images."


def both_rhos(relations: Relations, distance: str, measure: str) -> str:
    """Both correlations in one sentence."""
    plain, partial = (correlation(relations.correlations, distance, measure, kind) for kind in ("plain", "partial"))
    if plain is None or partial is None:
        return "Spearman's ρ could not be computed."
    return (
        f"Spearman's ρ {number(plain['rho'])} ({interval(plain['low'], plain['high'])}), given the margin "
        f"{number(partial['rho'])} ({interval(partial['low'], partial['high'])})."
    )


def correlations_table(
    relations: Relations, names: Sequence[str], caption: str, boxes: frozenset[str] = frozenset()
) -> TableBlock | None:
    """The correlations of some variables, by kind; None where there are none.

    `names`: columns of the variables. `boxes` (set of {"train", "test"}): the sets whose object boxes the variables are
    computed from.
    """
    table = relations.correlations
    if not len(table):
        return None
    kinds = [kind for kind in CORRELATION_KINDS if kind in set(table["kind"])]
    rows = []
    for distance, measure in dict.fromkeys(zip(table["distance"], table["measure"], strict=True)):
        found = {kind: correlation(table, distance, measure, kind) for kind in kinds}
        # A plain correlation without the one that controls for the margin would mislead.
        if distance not in names or found.get("plain") is None or found.get("partial") is None:
            continue
        cells = [Cell(distance_label(distance, {"metric": relations.metric}), f"and {label_of(measure)}")]
        for kind in kinds:
            row = found[kind]
            cells.append(
                Cell(MISSING)
                if row is None
                else Cell(
                    number(row["rho"]),
                    f"{interval(row['low'], row['high'])}; {p_value(row['p_value'])}",
                    marked=bool(sign(row["low"], row["high"])),
                )
            )
        rows.append([*cells, Cell(count(found["plain"]["n"]))])
    if not rows:
        return None
    shown = {name for name in names if name in set(table["distance"])}
    return TableBlock(
        f"{caption}: Spearman's ρ",
        ["", *(CORRELATION_KINDS[kind].label for kind in kinds), "Images"],
        rows,
        definitions=[CORRELATION_KINDS[kind] for kind in kinds] + [COLUMNS[name] for name in names if name in shown],
        note="Under each ρ its 95% bootstrap interval over images and its permutation p. "
        "In bold where the interval leaves out 0.",
        csv="tables/correlations.csv",
        boxes=boxes,
    )
