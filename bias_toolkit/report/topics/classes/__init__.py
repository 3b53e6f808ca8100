"""Whether classes differ in stability."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bias_toolkit.analysis import CLASS_ESTIMATES
from bias_toolkit.foundation.false_discovery import compared_with_all
from bias_toolkit.foundation.intervals import Interval, mean_interval
from bias_toolkit.foundation.words import count, percent
from bias_toolkit.invariance import HEADLINE
from bias_toolkit.report.columns import has_values, require_numbers
from bias_toolkit.report.page.blocks import Block, Cell, FigureBlock, Omitted, Section, TableBlock, column_cell
from bias_toolkit.report.page.files import Table
from bias_toolkit.report.page.style import GREY, in_its_unit, ranking, styled, value_range
from bias_toolkit.report.source import Source, class_names, per_image
from bias_toolkit.report.topic import Choice, Option, Plot, Topic
from bias_toolkit.report.words.definitions import COLUMNS, label_of, limits_of, value_form
from bias_toolkit.report.words.finding import (
    NOT_FOUND_RANK,
    Estimate,
    Finding,
    Heading,
    Kind,
    Unit,
    clearest_of_family,
    estimate_over,
)
from bias_toolkit.report.words.sentences import ClassNames

TITLE = "Classes"
MOST_CLASSES = 60
CLASSES_RANK = 60
MEANS = tuple(name for name in CLASS_ESTIMATES if name != "scale")

_finding = partial(Finding, Heading.CLASSES)


@dataclass(frozen=True)
class Classes:
    """Table CLASSES, its images, and the names of classes."""

    table: pd.DataFrame
    per_image: pd.DataFrame
    names: ClassNames

    def compared(self, measure: str = HEADLINE) -> tuple[pd.DataFrame, Interval | None]:
        """The classes with their intervals for a comparison with the mean of all images, and that mean.

        The intervals of the measure become those of `compared_with_all`. A median cannot be compared with a mean: then
        the intervals are each class's own, and the mean is None.
        """
        rows = self.table.dropna(subset=[measure])
        if measure not in MEANS or measure not in self.per_image or len(rows) < 2:
            return rows, None
        whole = mean_interval(self.per_image.dropna(subset=["label"])[measure], limits=limits_of(measure))
        columns = [rows[name].to_numpy(float) for name in (measure, f"{measure}_low", f"{measure}_high", "n")]
        low, high = compared_with_all(*columns, whole, limits_of(measure))
        return rows.assign(**{f"{measure}_low": low, f"{measure}_high": high}), whole


def gather(source: Source) -> Classes:
    """The classes of a study's test images."""
    return Classes(source.analysis.classes, per_image(source), class_names(source))


def class_findings(contents: Classes) -> list[Finding]:
    """Whether a class is more or less stable than the mean of all images, and how many are."""
    if len(contents.table) < 2 or HEADLINE not in contents.per_image:
        return []
    rows, whole = contents.compared()
    rows = rows.dropna(subset=[f"{HEADLINE}_low"])
    if len(rows) < 2 or whole is None:
        return [_finding(Kind.CAUTION, "Too few images of each class to say whether classes differ in stability.")]
    value, low, high = (rows[f"{HEADLINE}{end}"] for end in ("", "_low", "_high"))
    best, directions = clearest_of_family(value, low, high, whole.value)
    row = rows.iloc[best]
    name = contents.names.shown(row["label"])
    label = f"{label_of(HEADLINE)} of “{name}”"
    ends = (float(each.iloc[best]) for each in (value, low, high))
    estimate = Estimate(HEADLINE, label, *ends, int(row["n"]), unit=Unit.SHARE, nothing=whole.value)
    mean = estimate_over(whole.n, *whole[:3], percent)
    of_all = f"The mean of all images, those of this class included, is {mean}."
    if not estimate.direction:
        claim = "No class was found to be more or less stable than the mean of all images."
        evidence = f"{of_all} Of {count(len(rows), 'class', 'classes')}, this is the one nearest to a difference."
        rank = CLASSES_RANK + NOT_FOUND_RANK
        return [_finding(Kind.NONE, claim, evidence, estimate=estimate, figure="classes", rank=rank)]
    side = "less" if estimate.direction > 0 else "more"
    claim = f"Classes differ in stability: “{name}” is {side} stable than the mean of all images."
    less, more = (int((directions == side).sum()) for side in (1, -1))
    differ = (
        f"Of {count(len(rows), 'class', 'classes')}, {less} {'is' if less == 1 else 'are'} less stable than that mean."
    )
    evidence = f"{of_all} {differ} {more} {'is' if more == 1 else 'are'} more stable."
    return [_finding(Kind.ASSOCIATION, claim, evidence, estimate=estimate, figure="classes", rank=CLASSES_RANK)]


def _ranked(classes: pd.DataFrame) -> pd.DataFrame:
    """CLASSES rows, the least stable first."""
    return classes.sort_values([HEADLINE, "label"], ascending=[False, True], kind="stable")


def classes_section(contents: Classes) -> Section | Omitted:
    """Classes ranked by stability."""
    if not len(contents.table):
        return Omitted(TITLE, "the test images have no labels.")
    return Section("classes", TITLE, list(_blocks(contents)))


def _blocks(contents: Classes) -> Iterator[Block]:
    names = contents.names
    compared, whole = contents.compared()
    mean = whole and whole.value
    ranked = _ranked(contents.table.dropna(subset=[HEADLINE]))
    if len(compared) > 1:
        yield FigureBlock(
            "classes",
            lambda: class_ranking(compared, class_name=names.shown, mean=mean),
            "Dot plot of P(top-1 change) by class with intervals, the least stable class at the top.",
            f"Mean P(top-1 change) of the images of each of {count(len(ranked), 'class', 'classes')}; dashed, the mean "
            "over all images, those of the class included. The lines are 95% intervals over images for a comparison "
            "with that mean, adjusted for the number of classes (Benjamini and Yekutieli, 2005): a class differs if "
            "its line leaves out the dashed one. The ends of a ranking owe part of their place to chance.",
        )
    columns = [name for name in CLASS_ESTIMATES if has_values(contents.table, name)]
    rows = [
        [
            Cell(names.shown(row["label"]), names.given(row["label"])),
            count(row["n"]),
            *(column_cell(row, name, value_form(name), mean if name == HEADLINE else None) for name in columns),
        ]
        for row in _ranked(compared).head(MOST_CLASSES).to_dict("records")
    ]
    note = f"The {len(rows)} least stable of {len(ranked):,}." if len(rows) < len(ranked) else ""
    yield TableBlock(
        "Classes, the least stable first",
        ["Class", "Images", *(COLUMNS[name].label for name in columns)],
        rows,
        definitions=[COLUMNS[name] for name in columns],
        note="Means over the class's test images, of scale the median; under each its 95% interval over images. Those "
        f"of {label_of(HEADLINE)} are those of the figure. The others, and all in the file, are of each class alone, "
        f"and not adjusted for the number of classes. {note}".strip(),
        csv="tables/classes.csv",
        folded=len(rows) > 12,
    )


@styled
def class_ranking(
    classes: pd.DataFrame,
    measure: str = HEADLINE,
    *,
    class_name: Callable[[str], str] = str,
    mean: float | None = None,
    most: int = 15,
) -> Axes:
    """A measure in each class (CLASSES) with its interval, the highest first; a dashed line at the `mean` of all."""
    rows = classes.dropna(subset=[measure]).sort_values([measure, "label"], ascending=[False, True], kind="stable")
    columns = {"value": measure, "low": f"{measure}_low", "high": f"{measure}_high"}
    values = {name: rows.get(column, rows[measure]).to_numpy(float) for name, column in columns.items()}
    rows = pd.DataFrame({"name": [class_name(label) for label in rows["label"]], **values})
    statistic = "median" if measure == "scale" else "mean"
    ax = ranking(rows, xlabel=f"{label_of(measure)}, {statistic} and 95% interval", most=most)
    if mean is not None:
        ax.axvline(mean, color=GREY, linewidth=1, linestyle="--")
    in_its_unit(ax.xaxis, measure)
    shown = np.append(rows[["value", "low", "high"]].to_numpy(float).ravel(), np.nan if mean is None else mean)
    ax.set_xlim(value_range(shown, limits_of(measure)))
    ax.set_title(f"{label_of(measure)} by class")
    return ax


def _ranking(contents: Classes, choice: Choice[Classes]) -> Axes:
    estimates = [column for column in contents.table if f"{column}_low" in contents.table]
    require_numbers(contents.table[estimates], measure=choice.measure)
    compared, whole = contents.compared(choice.measure)
    mean = whole and whole.value
    return class_ranking(compared, choice.measure, class_name=contents.names.shown, mean=mean)


TOPIC = Topic(
    "classes",
    gather,
    findings=class_findings,
    section=lambda contents, draft: classes_section(contents),
    tables=lambda contents: [Table("classes", contents.table, "means by class", order=5)],
    results=lambda contents: {"classes": contents.table},
    plots={"classes": Plot(_ranking, lambda of: of.table, "labelled test image", order=9, takes=[Option.MEASURE])},
)
