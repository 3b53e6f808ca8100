"""The page's sections on invariance itself: sweeps, the noise floor, single images and classes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from bias_toolkit.foundation.words import MISSING, count, interval, known, number, percent, significant
from bias_toolkit.invariance import STEP_PROTOCOLS
from bias_toolkit.report import figures_classes, figures_invariance
from bias_toolkit.report.blocks import (
    Block,
    Cell,
    ExamplesBlock,
    FigureBlock,
    ListBlock,
    Omitted,
    Paragraph,
    Section,
    TableBlock,
)
from bias_toolkit.report.contents import ReportContents, has_values
from bias_toolkit.report.definitions import COLUMNS, MEASURES, PROTOCOLS
from bias_toolkit.report.findings_invariance import summary_row
from bias_toolkit.report.sequential import HOW, stopping_sentences
from bias_toolkit.report.sweeps import sweep_name
from bias_toolkit.report.thumbnails import stability_examples

INVARIANCE = "Invariance"
IMAGES = "Most and least stable images"
CLASSES = "Classes"
MOST_CLASSES = 60


def value_form(name: str):
    """How a column's values are written."""
    if name in COLUMNS and COLUMNS[name].share:
        return percent
    return number if name in ("confidence", "margin", "scale", "centre_distance") else significant


def invariance_section(contents: ReportContents) -> Section | Omitted:
    """All measures under all sweeps, the noise floor, and how the main measure is distributed."""
    summary = contents.table("summary")
    if not len(summary) or not summary["value"].notna().any():
        return Omitted(INVARIANCE, "no sweep was run.")
    blocks: list[Block] = [
        Paragraph(
            "Each test image is shown to the model as a sweep of views, each moved by one pixel from the last: an "
            "exact slice of one resized image, so nothing is interpolated between two views."
        ),
        *_stopped(contents),
        _sweeps(contents, summary),
        _noise(contents),
    ]
    drawn = summary[summary["measure"].eq("p_top1_change") & summary["protocol"].isin(STEP_PROTOCOLS)]
    if drawn["size"].nunique() > 1:
        blocks.append(
            FigureBlock(
                "sizes",
                lambda: figures_invariance.measure_by_size(summary),
                "P(top-1 change) over the size at which the image is shown.",
                "P(top-1 change) over the size at which the image is shown, from small on a canvas (left) to a tight "
                "crop (right). Mean over the test images with 95% bootstrap interval over images.",
                half=True,
            )
        )
    if has_values(contents.per_image, "p_top1_change"):
        blocks.append(
            FigureBlock(
                "p-top1-change",
                lambda: figures_invariance.measure_histogram(contents.per_image),
                "Histogram of P(top-1 change) over the test images.",
                "How P(top-1 change) is distributed over the test images "
                f"({sweep_name(*contents.reference_sweep)}). The sweep's number of steps sets the values it can take.",
                half=True,
            )
        )
    return Section("invariance", INVARIANCE, blocks)


def _stopped(contents: ReportContents) -> list[Block]:
    sentences = stopping_sentences(contents.sequential)
    if len(sentences) > 1:
        return [ListBlock([Cell(sentence) for sentence in sentences]), Paragraph(HOW)]
    return [Paragraph(f"{sentence} {HOW}") for sentence in sentences]


def _sweeps(contents: ReportContents, summary: pd.DataFrame) -> TableBlock:
    names = [name for name in MEASURES if name in set(summary.loc[summary["value"].notna(), "measure"])]
    rows = []
    for sweep, of_sweep in summary.groupby(["protocol", "transform", "size"], sort=False, dropna=False):
        by_name = of_sweep.set_index("measure")
        reference = contents.reference_sweep is not None and sweep_name(*sweep) == sweep_name(*contents.reference_sweep)
        name, _, details = sweep_name(*sweep).partition(", ")
        cells = [Cell(name, details, marked=reference)]
        for name in names:
            row = by_name.loc[name] if name in by_name.index else None
            if row is None or not known(row["value"]):
                cells.append(Cell(MISSING))
            else:
                form = value_form(name)
                cells.append(Cell(form(row["value"]), interval(row["low"], row["high"], form), marked=reference))
        rows.append(cells)
    return TableBlock(
        "Every measure under every sweep",
        ["Sweep", *(MEASURES[name].label for name in names)],
        rows,
        definitions=[definition for name, definition in PROTOCOLS.items() if name in set(summary["protocol"])]
        + [MEASURES[name] for name in names],
        note=f"Mean over the test images ({count(summary['n'].max())} of them at most); under it the 95% bootstrap "
        "interval over images. " + ("All other sections are about the sweep in bold." if len(rows) > 1 else ""),
        csv="tables/summary.csv",
    )


def _noise(contents: ReportContents) -> TableBlock | Paragraph:
    floor, measured = contents.noise_floor, summary_row(contents, "p_top1_change")
    if floor is None:
        return Paragraph("The numerical noise floor was not measured.")
    rows = [
        ["Noise floor", Cell(percent(floor.value), interval(floor.low, floor.high, percent))],
        ["Evaluated twice", Cell(count(floor.n_views, "view"))],
        ["Top-1 class differed", Cell(count(floor.n_changed, "view"))],
    ]
    if measured is not None:
        rows.insert(0, ["P(top-1 change), measured", Cell(percent(measured["value"]))])
    return TableBlock(
        "Numerical noise floor",
        ["", "Value"],
        rows,
        note="The same views evaluated again in another order and in batches of another size: what differs is "
        "rounding. Under the value is its 95% interval.",
    )


def images_section(contents: ReportContents, folder: Path) -> Section | Omitted:
    """Thumbnails of the least and most stable images with their nearest training images; writes them to `folder`."""
    least, most = stability_examples(contents, folder)
    if not least:
        if not has_values(contents.per_image, "p_top1_change"):
            return Omitted(IMAGES, "no sweep was run.")
        return Omitted(IMAGES, "the images themselves could not be read any more.")
    text = "Each test image (left) with the training images whose features are nearest to its own."
    if contents.test_framing is not None or contents.train_framing is not None:
        text += " Boxes are the datasets' own."
    blocks: list[Block] = [Paragraph(text), ExamplesBlock("Least stable", least)]
    if most:
        blocks.append(ExamplesBlock("Most stable", most))
    return Section("images", IMAGES, blocks)


def classes_section(contents: ReportContents) -> Section | Omitted:
    """Classes ranked by stability."""
    classes = contents.table("classes")
    if not len(classes):
        return Omitted(CLASSES, "the test images have no labels.")
    blocks: list[Block] = []
    ranked = classes.dropna(subset=["p_top1_change"]).sort_values(
        ["p_top1_change", "label"], ascending=[False, True], kind="stable"
    )
    if len(ranked) > 1:
        blocks.append(
            FigureBlock(
                "classes",
                lambda: figures_classes.class_ranking(ranked, class_name=contents.class_name),
                "Dot plot of P(top-1 change) by class with intervals, the least stable class at the top.",
                f"Mean P(top-1 change) of the images of each of {count(len(ranked), 'class', 'classes')}, with 95% "
                "bootstrap interval over images; dashed, the mean over all images. The ends of a ranking owe part of "
                "their place to chance.",
            )
        )
    names = [
        name
        for name in ("accuracy", "p_top1_change", "mac", "nn_distance", "centre_distance", "scale")
        if has_values(classes, name)
    ]
    rows = []
    for row in ranked.head(MOST_CLASSES).to_dict("records"):
        label = row["label"]
        cells = [Cell(contents.class_name(label), contents.given_name(label)), count(row["n"])]
        for name in names:
            low, high, form = row.get(f"{name}_low"), row.get(f"{name}_high"), value_form(name)
            cells.append(Cell(form(row[name]), interval(low, high, form) if known(low) and known(high) else ""))
        rows.append(cells)
    note = f"The {len(rows)} least stable of {len(ranked):,}." if len(rows) < len(ranked) else ""
    blocks.append(
        TableBlock(
            "Classes, the least stable first",
            ["Class", "Images", *(COLUMNS[name].label for name in names)],
            rows,
            definitions=[COLUMNS[name] for name in names],
            note=f"Means over the class's test images, of scale the median; under each its 95% bootstrap "
            f"interval over images. {note}".strip(),
            csv="tables/classes.csv",
            folded=len(rows) > 12,
        )
    )
    return Section("classes", CLASSES, blocks)
