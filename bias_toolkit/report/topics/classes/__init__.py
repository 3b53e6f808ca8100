"""Whether classes differ in stability."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bias_toolkit.analysis import CLASS_ESTIMATES
from bias_toolkit.foundation.words import count, p_value, percent
from bias_toolkit.invariance import HEADLINE
from bias_toolkit.report.columns import has_values, require_numbers
from bias_toolkit.report.page.blocks import Block, Cell, FigureBlock, Omitted, Section, TableBlock, column_cell
from bias_toolkit.report.page.files import Table
from bias_toolkit.report.page.style import GREY, in_its_unit, ranking, styled, value_range
from bias_toolkit.report.source import Source, class_names, per_image
from bias_toolkit.report.topic import Choice, Option, Plot, Topic
from bias_toolkit.report.words.definitions import COLUMNS, label_of, limits_of, value_form
from bias_toolkit.report.words.finding import SIGNIFICANT, Finding, Heading, Kind, value_of
from bias_toolkit.report.words.sentences import ClassNames

TITLE = "Classes"
ENOUGH_IMAGES_OF_A_CLASS = 5
MOST_CLASSES = 60


@dataclass(frozen=True)
class Classes:
    """Table CLASSES, its images, and the names of classes."""

    table: pd.DataFrame
    per_image: pd.DataFrame
    names: ClassNames


def gather(source: Source) -> Classes:
    """The classes of a study's test images."""
    return Classes(source.analysis.classes, per_image(source), class_names(source))


def class_findings(contents: Classes) -> list[Finding]:
    """Whether classes differ in stability, by a Kruskal–Wallis test over images, and the most and least stable ones."""
    from scipy.stats import kruskal

    classes, per_image = contents.table, contents.per_image
    if not len(classes) or "label" not in per_image:
        return []
    groups = [
        values.to_numpy(float)
        for _, values in per_image.dropna(subset=["label", HEADLINE]).groupby("label")[HEADLINE]
        if len(values) >= ENOUGH_IMAGES_OF_A_CLASS
    ]
    if len(groups) < 2 or all((group == groups[0][0]).all() for group in groups):
        return []
    p = float(kruskal(*groups).pvalue)
    test = f"Kruskal–Wallis test over images, {p_value(p)}, {count(len(groups), 'class', 'classes')}"
    if p >= SIGNIFICANT:
        claim = "No difference in stability between classes was found."
        return [Finding(Heading.CLASSES, Kind.NONE, claim, f"{test}.")]
    ranked = _ranked(classes[classes["n"].ge(ENOUGH_IMAGES_OF_A_CLASS)])

    def describe(row: pd.Series) -> str:
        return f"“{contents.names.shown(row['label'])}”, {value_of(row, 'p_top1_change', percent, True, row['n'])}"

    ends = f"P(top-1 change) is highest for {describe(ranked.iloc[0])}, and lowest for {describe(ranked.iloc[-1])}."
    return [Finding(Heading.CLASSES, Kind.EFFECT, "Classes differ in stability.", f"{test}. {ends}")]


def _ranked(classes: pd.DataFrame) -> pd.DataFrame:
    """CLASSES rows, the least stable first."""
    return classes.sort_values([HEADLINE, "label"], ascending=[False, True], kind="stable")


def classes_section(contents: Classes) -> Section | Omitted:
    """Classes ranked by stability."""
    if not len(contents.table):
        return Omitted(TITLE, "the test images have no labels.")
    return Section("classes", TITLE, list(_blocks(contents)))


def _blocks(contents: Classes) -> Iterator[Block]:
    names, ranked = contents.names, _ranked(contents.table.dropna(subset=[HEADLINE]))
    if len(ranked) > 1:
        yield FigureBlock(
            "classes",
            lambda: class_ranking(ranked, class_name=names.shown),
            "Dot plot of P(top-1 change) by class with intervals, the least stable class at the top.",
            f"Mean P(top-1 change) of the images of each of {count(len(ranked), 'class', 'classes')}, with 95% "
            "bootstrap interval over images; dashed, the mean over all images. The ends of a ranking owe part of their "
            "place to chance.",
        )
    columns = [name for name in CLASS_ESTIMATES if has_values(contents.table, name)]
    rows = [
        [
            Cell(names.shown(row["label"]), names.given(row["label"])),
            count(row["n"]),
            *(column_cell(row, name, value_form(name)) for name in columns),
        ]
        for row in ranked.head(MOST_CLASSES).to_dict("records")
    ]
    note = f"The {len(rows)} least stable of {len(ranked):,}." if len(rows) < len(ranked) else ""
    yield TableBlock(
        "Classes, the least stable first",
        ["Class", "Images", *(COLUMNS[name].label for name in columns)],
        rows,
        definitions=[COLUMNS[name] for name in columns],
        note="Means over the class's test images, of scale the median; under each its 95% bootstrap interval over "
        f"images. {note}".strip(),
        csv="tables/classes.csv",
        folded=len(rows) > 12,
    )


@styled
def class_ranking(
    classes: pd.DataFrame, measure: str = HEADLINE, *, class_name: Callable[[str], str] = str, most: int = 15
) -> Axes:
    """The mean of a measure in each class (CLASSES) with its interval, the highest first; a line at the mean of all."""
    rows = classes.dropna(subset=[measure]).sort_values([measure, "label"], ascending=[False, True], kind="stable")
    mean = float(np.average(rows[measure], weights=rows["n"])) if len(rows) else np.nan
    columns = {"value": measure, "low": f"{measure}_low", "high": f"{measure}_high"}
    values = {name: rows.get(column, rows[measure]).to_numpy(float) for name, column in columns.items()}
    rows = pd.DataFrame({"name": [class_name(label) for label in rows["label"]], **values})
    ax = ranking(rows, xlabel=f"{label_of(measure)}, mean and 95% interval", most=most)
    ax.axvline(mean, color=GREY, linewidth=1, linestyle="--")
    in_its_unit(ax.xaxis, measure)
    shown = rows[["value", "low", "high"]].to_numpy(float).ravel()
    ax.set_xlim(value_range(shown, limits_of(measure)))
    ax.set_title(f"{label_of(measure)} by class")
    return ax


def _ranking(contents: Classes, choice: Choice[Classes]) -> Axes:
    estimates = [column for column in contents.table if f"{column}_low" in contents.table]
    require_numbers(contents.table[estimates], measure=choice.measure)
    return class_ranking(contents.table, choice.measure, class_name=contents.names.shown)


TOPIC = Topic(
    "classes",
    gather,
    findings=class_findings,
    section=lambda contents, draft: classes_section(contents),
    tables=lambda contents: [Table("classes", contents.table, "means by class", order=5)],
    results=lambda contents: {"classes": contents.table},
    plots={"classes": Plot(_ranking, lambda of: of.table, "labelled test image", order=9, takes=[Option.MEASURE])},
)
