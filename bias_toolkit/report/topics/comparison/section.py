"""The page's section on how two datasets' framing differs: its table and its figure."""

import dataclasses
from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bias_toolkit.foundation.words import Form, count, known, number
from bias_toolkit.objects import FramingComparison
from bias_toolkit.objects.comparison import MOST_IMAGES
from bias_toolkit.report.page.blocks import (
    Cell,
    FigureBlock,
    Omitted,
    Paragraph,
    Section,
    TableBlock,
    column_cell,
    estimate_cell,
)
from bias_toolkit.report.page.style import BLUE, ORANGE, SMALL, above, new_figure, styled
from bias_toolkit.report.topics.comparison.findings import (
    GUESSING,
    LOGARITHMS,
    area_of,
    compared_variables,
    difference_of,
)
from bias_toolkit.report.topics.framing.contents import FramedSet, FramingContents
from bias_toolkit.report.words.definitions import LABELLED, label_of
from bias_toolkit.report.words.finding import Unit, sign
from bias_toolkit.report.words.sentences import has, lowered

BINS = 32
TICKS = (0.03, 0.1, 0.3, 1, 3, 10)
AXES = {
    "cx": "left (0) to right (1)",
    "cy": "top (0) to bottom (1)",
    "log_scale": "√(share of the image)",
    "log_aspect": "width over height",
}

COLUMNS = {
    "cx": "mean_cx",
    "cy": "mean_cy",
    "log_scale": "median_scale",
    "log_aspect": "median_aspect",
    "truncated": "truncated_share",
}
"""The column of FRAMING_SUMMARY with a variable's value in a set, if it has another name."""


def comparison_section(contents: FramingContents) -> Section | Omitted:
    """A classifier's verdict, the variables beside each other, and their distributions."""
    first, second, comparison = contents.first, contents.second, contents.comparison
    title = "Are both sets framed alike?"
    if comparison is None or not first or not second:
        lacking = [each.the for each in (first, second) if each is not None and not each]
        reason = (
            f"{' and '.join(lacking)} {has(len(lacking))} no object boxes."
            if lacking
            else "too few images have object boxes."
        )
        return Omitted(title, reason)
    test = comparison.test
    names = (first.name.lower(), second.name.lower())
    paragraph = Paragraph(
        "If the sets are framed alike, nothing can tell by an object's place, size and shape which of the two it is "
        "from. So a classifier is asked that, about images it has not seen, and it is counted how often it puts an "
        f"object of {second.the} above one of {first.the}: {lowered(area_of(test).brief)}, where guessing gives "
        f"{GUESSING}. A difference is found if this interval leaves out {GUESSING}. "
        f"{count(test.n_objects_first, 'object')} in {count(test.n_images_first, 'image')} and "
        f"{count(test.n_objects_second, 'object')} in {count(test.n_images_second, 'image')}."
    )
    figure = FigureBlock(
        "framing-differences",
        lambda: framing_differences(first.framing, second.framing, comparison, names),
        f"Histograms of position, scale and aspect in {first.the} and {second.the}.",
        f"Where objects are and how they are shown in {first.the} (bars) and {second.the} (line). Above each the "
        f"difference, {second.the} minus {first.the}, or the ratio, with its 95% interval, adjusted as in the table.",
        boxes=contents.boxes,
    )
    return Section("framing-comparison", title, [paragraph, figure, _table(contents)])


def _table(contents: FramingContents) -> TableBlock:
    first, second = contents.first, contents.second
    rows, shown = [], []
    compared = compared_variables(contents.comparison).to_dict("records")
    # The row of the answer comes first.
    for row in sorted(compared, key=lambda row: row["variable"] != first.centring.column):
        # A variable that is the same for every image, as one object an image, cannot differ.
        if not (known(row["difference_low"]) or row["difference"]):
            continue
        name, high = row["variable"], row["wasserstein_by_chance_high"]
        form = partial(number, digits=3 if name in ("cx", "cy", "truncated") else 2)
        by_chance = Cell(form(row["wasserstein_by_chance"]), f"≤ {form(high)}" if known(high) else "")
        ends = row["difference_low"], row["difference_high"]
        distances = [
            estimate_cell(row["difference"], *ends, form, marked=bool(sign(*ends))),
            column_cell(row, "wasserstein", form),
        ]
        shown.append(LABELLED[name])
        rows.append([label_of(name), *(_of_set(each, name, form) for each in (first, second)), *distances, by_chance])
    return TableBlock(
        "The framing of both sets, variable by variable",
        ["", first.name, second.name, "Difference", "Wasserstein", "By chance"],
        rows,
        definitions=shown,
        note="Under each value its 95% interval over images; that of a difference is adjusted for the number of rows "
        "(Benjamini and Yekutieli, 2005): a difference is found if it leaves out 0; in bold. The file has the interval "
        f"of each difference alone. The differences are of at most {count(MOST_IMAGES, 'image')} a set. Under “by "
        "chance” what 95 of 100 random parts of all images stay below. A Wasserstein distance is never below 0 and too "
        "high by up to what chance gives. "
        f"{' and '.join(label_of(name) for name in LOGARITHMS)} are natural logarithms: a difference of 0.1 is about "
        "10%.",
        csv="tables/framing_comparison.csv",
        boxes=contents.boxes,
    )


def _of_set(of: FramedSet, variable: str, form: Form) -> Cell:
    """The value of a variable in a set, from its row of FRAMING_SUMMARY."""
    column = COLUMNS.get(variable, variable)
    values = np.array([of.whole.get(f"{column}{end}", np.nan) for end in ("", "_low", "_high")], dtype=float)
    return estimate_cell(*(np.log(values) if variable in LOGARITHMS else values).tolist(), form)


@styled
def framing_differences(
    first: pd.DataFrame,
    second: pd.DataFrame,
    comparison: FramingComparison,
    names: Sequence[str] = ("training set", "test set"),
) -> Figure:
    """The distributions of position, scale and aspect in two tables FRAMING, and the differences between them."""
    figure = new_figure(height=5.4)
    rows = compared_variables(comparison).set_index("variable", drop=False)
    for ax, variable in zip(figure.subplots(2, 2).flat, AXES, strict=True):
        logarithmic = variable in LOGARITHMS
        column = variable.removeprefix("log_")
        one, other = (table[column].to_numpy(float) for table in (first, second))
        edges = _edges(np.concatenate([one, other]), logarithmic)
        # Shares, because densities would depend on whether the axis is logarithmic.
        for values, options in ((one, {"color": BLUE, "alpha": 0.75, "fill": True}), (other, {"color": ORANGE})):
            shares = np.histogram(values, edges)[0] / len(values)
            ax.stairs(shares, edges, linewidth=0 if "fill" in options else 2.2, **options)
        if logarithmic:
            ax.set_xscale("log")
            ticks = [tick for tick in TICKS if edges[0] <= tick <= edges[-1]]
            ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            ax.minorticks_off()
        ax.set(xlabel=AXES[variable], xlim=(edges[0], edges[-1]))
        ax.set_title(label_of(variable), pad=17)
        ax.set_ylim(bottom=0)
        ax.grid(False, axis="x")
        difference = difference_of(rows.loc[variable].to_dict(), comparison.test)
        short = "ratio" if difference.unit == Unit.FACTOR else "difference"
        text = dataclasses.replace(difference, label=short).brief.replace("percentage points", "points")
        above(ax, text, 4, fontsize=SMALL, va="bottom")
    figure.supylabel("share of objects", fontsize=9.5)
    figure.legend(figure.axes[0].patches[:2], names, loc="outside lower left", ncols=2)
    return figure


def _edges(values: np.ndarray, logarithmic: bool) -> np.ndarray:
    """Edges of bins that hold all but the last thousandth at each end."""
    low, high = np.quantile(values, [0.001, 0.999])
    if not logarithmic:
        return np.linspace(0, 1, BINS + 1)
    if high <= low * 1.01:
        low, high = low / 1.1, high * 1.1
    return np.geomspace(low, high, BINS + 1)
