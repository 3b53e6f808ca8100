"""Blocks of a page on the relation between a variable of each image and its measures."""

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes

from bias_toolkit.foundation.words import count, interval, number
from bias_toolkit.report.page.blocks import Cell, FigureBlock, TableBlock, estimate_cell
from bias_toolkit.report.relations.tables import Relations, correlation, curve_rows, plain_and_partial
from bias_toolkit.report.words.definitions import COLUMNS, CORRELATION_KINDS, distance_label, label_of
from bias_toolkit.report.words.finding import sign

_NONE = dict.fromkeys(("rho", "low", "high"))


def relation_figure(
    relations: Relations,
    name: str,
    variable: str,
    measure: str,
    what: str,
    draw: Callable[..., Axes],
    *,
    rhos_in_alt: bool = False,
    boxes: frozenset[str] = frozenset(),
) -> FigureBlock:
    """A measure against a variable; `what` describes it, and `draw` takes the options of `distance_vs_invariance`."""
    n = int(relations.per_image[[variable, measure]].notna().all(axis=1).sum())
    curved = relations.has_curve(variable, measure)
    curve = (
        "The curve is the mean in bins of equally many images, its band the 95% interval over images."
        if curved
        else "Too few images for a curve: the one mark is the mean of all."
    )
    plain, partial = plain_and_partial(relations.correlations, variable, measure)
    rhos = "Spearman's ρ could not be computed."
    if plain is not None and partial is not None:
        values = [f"{number(row['rho'])} ({interval(row['low'], row['high'])})" for row in (plain, partial)]
        rhos = f"Spearman's ρ {values[0]}, given the margin {values[1]}."
    return FigureBlock(
        name,
        lambda: draw(
            relations.per_image,
            measure=measure,
            bins=relations.bins,
            curve=curve_rows(relations.curves, variable, measure),
            correlations=relations.correlations,
        ),
        f"{what}: points{' and a curve of bin means' if curved else ''}.{f' {rhos}' if rhos_in_alt else ''}",
        f"{what}; one point a test image ({count(n, 'image')}). {curve} {rhos}",
        half=True,
        boxes=boxes,
    )


def correlations_table(
    relations: Relations, names: Sequence[str], caption: str, family: str, boxes: frozenset[str] = frozenset()
) -> TableBlock | None:
    """The correlations of variables, which `names` gives by their columns, by kind; None if there are none.

    `family` is a sentence on the correlations over which intervals are adjusted.
    """
    table = relations.correlations
    if not len(table):
        return None
    kinds = [kind for kind in CORRELATION_KINDS if kind in set(table["kind"])]
    rows = []
    for distance, measure in dict.fromkeys(zip(table["distance"], table["measure"], strict=True)):
        # A plain correlation without the one that controls for the margin would mislead.
        if distance not in names or None in plain_and_partial(table, distance, measure):
            continue
        cells = [Cell(distance_label(distance, {"metric": relations.metric}), f"and {label_of(measure)}")]
        for kind in kinds:
            row = correlation(table, distance, measure, kind) or _NONE
            ends = row["low"], row["high"]
            cells.append(estimate_cell(row["rho"], *ends, marked=bool(sign(*ends))))
        rows.append([*cells, Cell(count(correlation(table, distance, measure, "plain")["n"]))])
    if not rows:
        return None
    shown = set(table["distance"])
    return TableBlock(
        f"{caption}: Spearman's ρ",
        ["", *(CORRELATION_KINDS[kind].label for kind in kinds), "Images"],
        rows,
        definitions=[CORRELATION_KINDS[kind] for kind in kinds] + [COLUMNS[name] for name in names if name in shown],
        note="Under each ρ its 95% bootstrap interval over images, adjusted for the number of correlations (Benjamini "
        f"and Yekutieli, 2005); in bold where it leaves out 0. {family} The interval decides what is found. The file "
        "also has the permutation p of each ρ alone, by another method: near the limit it may be below 0.05 where the "
        "interval includes 0, and above 0.05 where the interval leaves out 0.",
        csv="tables/correlations.csv",
        boxes=boxes,
    )
