"""The page's section on invariance itself: all sweeps, and how the main measure is distributed."""

from collections.abc import Iterator, Sequence

from bias_toolkit.foundation.words import count
from bias_toolkit.invariance import HEADLINE, STEP_PROTOCOLS, measure_of
from bias_toolkit.report.columns import has_values
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
from bias_toolkit.report.topics.invariance import figures
from bias_toolkit.report.topics.invariance.findings import FIGURE, SIZES_FIGURE, InvarianceContents
from bias_toolkit.report.topics.invariance.sequential import HOW, stopping_sentences
from bias_toolkit.report.words.definitions import MEASURES, PROTOCOLS, value_form
from bias_toolkit.report.words.sentences import lowered, sweep_name

TITLE = "Invariance"


def invariance_section(contents: InvarianceContents) -> Section | Omitted:
    """All measures under all sweeps, and the distribution of the main measure."""
    summary = contents.summary
    if not len(summary) or not summary["value"].notna().any():
        return Omitted(TITLE, "no sweep that moves the image was run.")
    return Section("invariance", TITLE, list(_blocks(contents)))


def _blocks(contents: InvarianceContents) -> Iterator[Block]:
    summary = contents.summary
    yield Paragraph(
        "Each test image is shown to the model as a sweep of views, each moved by one pixel from the last: an exact "
        "slice of one resized image, so nothing is interpolated between two views."
    )
    stopped = stopping_sentences(contents.sequential)
    if len(stopped) > 1:
        yield ListBlock([Cell(sentence) for sentence in stopped])
        yield Paragraph(HOW)
    elif stopped:
        yield Paragraph(f"{stopped[0]} {HOW}")
    yield _sweeps(contents)
    drawn = summary[summary["measure"].eq(HEADLINE) & summary["protocol"].isin(STEP_PROTOCOLS)]
    if drawn["size"].nunique() > 1:
        yield FigureBlock(
            SIZES_FIGURE,
            lambda: figures.measure_by_size(summary),
            "P(top-1 change) over the size at which the image is shown.",
            "P(top-1 change) over the size at which the image is shown, from small on a canvas (left) to a tight crop "
            "(right). Mean over the test images with its 95% interval over images.",
            half=True,
        )
    if has_values(contents.per_image, HEADLINE):
        yield FigureBlock(
            FIGURE,
            lambda: figures.measure_histogram(contents.per_image),
            "Histogram of P(top-1 change) over the test images.",
            f"How P(top-1 change) is distributed over the test images ({sweep_name(*contents.reference)}). The sweep's "
            "number of steps sets the values it can take.",
            half=True,
        )


def _methods(names: Sequence[str]) -> str:
    """How the intervals of the measures are computed."""
    shares = [MEASURES[name].label for name in names if measure_of(name).yes_or_no]
    exact = f"exact (Clopper–Pearson) for {' and '.join(map(lowered, shares))}" if shares else ""
    bootstrap = "by a bootstrap, or an exact bound where too few images differ"
    return f"{exact}; for the others {bootstrap}" if shares else bootstrap


def _sweeps(contents: InvarianceContents) -> TableBlock:
    summary = contents.summary
    names = [name for name in MEASURES if name in set(summary.loc[summary["value"].notna(), "measure"])]
    rows = []
    for sweep, of_sweep in summary.groupby(["protocol", "transform", "size"], sort=False, dropna=False):
        by_name = of_sweep.set_index("measure").reindex(names)
        reference = contents.reference is not None and sweep_name(*sweep) == sweep_name(*contents.reference)
        name, _, details = sweep_name(*sweep).partition(", ")
        cells = [
            estimate_cell(row["value"], row["low"], row["high"], value_form(of), marked=reference)
            for of, row in zip(names, by_name.to_dict("records"), strict=True)
        ]
        rows.append([Cell(name, details, marked=reference), *cells])
    return TableBlock(
        "Every measure under every sweep",
        ["Sweep", *(MEASURES[name].label for name in names)],
        rows,
        definitions=[definition for name, definition in PROTOCOLS.items() if name in set(summary["protocol"])]
        + [MEASURES[name] for name in names],
        note=f"Mean over the test images ({count(summary['n'].max())} of them at most); under it the 95% interval over "
        f"images, {_methods(names)}. " + ("All other sections are about the sweep in bold." if len(rows) > 1 else ""),
        csv="tables/summary.csv",
    )
